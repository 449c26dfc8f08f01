"""A CSV of `brainmusic render --controls` in; the session that it tells of out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from brainmusic_daemon.api import ConfigError, State
from brainmusic_daemon.learning.group import Group

_SAMPLE = 4096  # bytes that are looked at to tell a table from anything else


def read(path: Path, person: str = "") -> Group:
    """Read a table with columns `time`, `feature.<name>` …, `control.<name>` … and, where it has one, `state`.

    The controls are the targets.  Rows whose state is not good are left out, and so are rows that are cut off.
    Raises ConfigError.
    """
    try:
        with path.open("rb") as file:
            if b"\0" in file.read(_SAMPLE):
                raise ConfigError(f"{path} is no table: give a CSV of `brainmusic render --controls`")
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read the table {path}: {error}") from error
    columns = {name: number for number, name in enumerate(header)}
    features = [name for name in header if name.startswith("feature.")]
    controls = [name for name in header if name.startswith("control.")]
    for what, found in (("time", "time" in columns), ("feature.<name>", features), ("control.<name>", controls)):
        if not found:
            there = ", ".join(header[:6]) + (" …" if len(header) > 6 else "")
            raise ConfigError(
                f"the table {path} has no column '{what}' (there is {there}): "
                "make one with `brainmusic render RECORDING --controls`"
            )
    if len(columns) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ConfigError(f"the table {path} has the column '{twice}' twice")
    wanted = [columns[name] for name in ("time", *features, *controls)]
    try:
        numbers, states = _numbers(path, wanted, columns.get("state"), len(header))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the table {path}: {str(error).splitlines()[0]}") from error
    times = numbers[:, 0]
    good = np.isfinite(times)
    if states is not None:
        good &= states == State.GOOD.value
    order = np.flatnonzero(good)
    order = order[np.argsort(times[order], kind="stable")]
    n = len(features)
    return Group(
        name=path.name,
        times=times[order],
        features=tuple(name.removeprefix("feature.") for name in features),
        values=numbers[order, 1 : 1 + n].astype(np.float32),
        targets={
            name.removeprefix("control."): numbers[order, 1 + n + number].astype(np.float32)
            for number, name in enumerate(controls)
        },
        weights=np.ones(len(order), np.float32),
        parts=np.zeros(len(order), np.intp),
        person=person,
        about={"rows": len(numbers), "rows without good signal": len(numbers) - len(order)},
    )


def _numbers(
    path: Path, wanted: list[int], state: int | None, width: int
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.str_]] | None]:
    """Return the wanted columns (n, k) and the states (n,)."""
    with path.open(encoding="utf-8-sig") as file:
        lines = file.readlines()[1:]
    if lines and lines[-1].count(",") < width - 1:  # a file that was cut off in the middle of a row
        del lines[-1]
    if not lines:
        return np.zeros((0, len(wanted))), None
    numbers = np.loadtxt(lines, delimiter=",", usecols=wanted, ndmin=2, quotechar='"', comments=None)
    if state is None:
        return numbers, None
    states = np.loadtxt(lines, delimiter=",", usecols=[state], dtype="U16", ndmin=1, quotechar='"', comments=None)
    return numbers, states

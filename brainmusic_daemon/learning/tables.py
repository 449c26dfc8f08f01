"""A CSV of `brainmusic render --controls` in; the session that it tells of out."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError, State
from brainmusic_daemon.learning.group import Group

Progress = Callable[[float, float], None]

_TELL = 5000  # rows between two words on the progress
_SAMPLE = 4096  # bytes that are looked at to tell a table from anything else


def read(path: Path, person: str = "", progress: Progress = lambda done, total: None) -> Group:
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
    wanted = [columns[name] for name in (*features, *controls)]
    try:
        times = _column(path, columns["time"], len(header), np.float64)
        numbers = _numbers(path, wanted, len(header), progress)
        states = _column(path, columns["state"], len(header), "U16") if "state" in columns else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the table {path}: {str(error).splitlines()[0]}") from error
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
        values=numbers[order, :n],
        targets={name.removeprefix("control."): numbers[order, n + number] for number, name in enumerate(controls)},
        weights=np.ones(len(order), np.float32),
        parts=np.zeros(len(order), np.intp),
        person=person,
        about={"rows": len(numbers), "rows without good signal": len(numbers) - len(order)},
    )


def _lines(path: Path, width: int, progress: Progress = lambda done, total: None) -> Iterator[str]:
    """Yield the rows that are whole: the last one may be cut off."""
    size, done = path.stat().st_size, 0
    with path.open(encoding="utf-8-sig") as file:
        next(file, "")
        for number, line in enumerate(file):
            if line.count(",") >= width - 1:
                yield line
            done += len(line)
            if number % _TELL == 0:
                progress(done, size)


def _numbers(path: Path, wanted: list[int], width: int, progress: Progress) -> npt.NDArray[np.float32]:
    """Return the wanted columns (n, k), not finite where there is no number to have."""
    lines = _lines(path, width, progress)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        return np.loadtxt(lines, np.float32, delimiter=",", usecols=wanted, ndmin=2, quotechar='"', comments=None)


def _column(path: Path, column: int, width: int, dtype: Any) -> npt.NDArray[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        lines = _lines(path, width)
        return np.loadtxt(lines, dtype, delimiter=",", usecols=[column], ndmin=1, quotechar='"', comments=None)

"""An XDF of `brainmusic record` in; its sessions, with what the artist wanted at each moment, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.acquisition.formats.xdf_file import Stream, describe, streams
from brainmusic_daemon.api import ConfigError, FloatArray, State
from brainmusic_daemon.learning.group import Group, held, latest, rated

_TARGETS = "brainmusic.targets"


def read(path: Path, person: str = "") -> list[Group]:
    """Read one group per headset of the session.

    Targets are the knobs that were turned (see `group.held`).  Where none was turned, but there are ratings, what
    played while it was liked is the target, weighted by how much.  Otherwise what played is the target, as in a table.
    With targets, ratings weigh the rows: -1 counts nothing, 0 as usual, 1 twice.  Raises ConfigError.
    """
    every, remarks = streams(path)
    named: dict[str, list[Stream]] = {}
    for stream in (each for each in every if each.channels):  # one that states none has nothing to say
        named.setdefault(stream.name, []).append(stream)
    features = [s for s in named.get("brainmusic.features", []) if len(s.times)]
    if not features:
        there = "; ".join(describe(s) for s in every) or "no stream at all"
        raise ConfigError(
            f"{path} is no recording of `brainmusic record` with features in it; there is {there}. For another "
            f"recording, say what it stands for: {path.name}@tempo=60,brightness=0.2"
        )
    settings = _settings(named.get(_TARGETS, []))
    ratings = _numbers(named.get("brainmusic.ratings", []))
    states = _states(named.get("brainmusic.markers", []))
    groups = []
    for number, stream in enumerate(features, 1):
        times, values, names = _table(stream)
        good = np.isfinite(times)
        if states is not None:
            good &= latest(times, states[0], states[1]) == State.GOOD.value
        times, values = times[good], values[good]
        liked = rated(times, ratings[0], ratings[1])
        weights = np.ones(len(times), np.float32)
        if settings:
            targets = {name: held(times, at, wanted) for name, (at, wanted) in settings.items()}
            weights += np.nan_to_num(liked)
        else:
            targets = _played(named.get("brainmusic.controls", []), times)
            if len(ratings[0]):
                weights = np.nan_to_num(np.clip(liked, 0.0, 1.0))
        groups.append(
            Group(
                name=path.name if len(features) == 1 else f"{path.name} (headset {number})",
                times=times,
                features=names,
                values=values,
                targets=targets,
                weights=weights.astype(np.float32),
                parts=np.zeros(len(times), np.intp),
                person=person or _profile(stream),
                about={
                    "rows": len(good),
                    "rows without good signal": int(np.count_nonzero(~good)),
                    "settings of knobs": sum(len(at) for at, _ in settings.values()),
                    "ratings": len(ratings[0]),
                    **({"damage": "; ".join(remarks)} if remarks else {}),
                },
            )
        )
    return groups


def _table(stream: Stream) -> tuple[FloatArray, npt.NDArray[np.float32], tuple[str, ...]]:
    """Return times (n,), values (n, k) and labels, in the order of time."""
    order = np.argsort(stream.times, kind="stable")
    values = np.asarray(stream.samples, np.float32).reshape(len(stream.times), -1)[order]
    return stream.times[order], values, tuple(label for label, _, _ in stream.channels)


def _profile(stream: Stream) -> str:
    """Return whose profile was in use; empty where none was."""
    found = stream.desc.get("profile") if isinstance(stream.desc, dict) else None
    found = found[0] if isinstance(found, list) and found else found
    return found.strip() if isinstance(found, str) else ""


def _settings(found: Sequence[Stream]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return control → (times, values) of what was turned; texts that are no setting are passed over."""
    turned: dict[str, list[tuple[float, float]]] = {}
    for stream in found:
        for at, text in zip(stream.times, stream.samples, strict=False):
            name, _, value = str(text[0] if isinstance(text, list | tuple) else text).strip().rpartition(" ")
            try:
                number = float(value)
            except ValueError:
                continue
            if name and np.isfinite(number) and np.isfinite(at):
                turned.setdefault(name.strip(), []).append((float(at), number))
    return {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in turned.items()}


def _numbers(found: Sequence[Stream]) -> tuple[FloatArray, FloatArray]:
    """Return times and values of streams with one channel of numbers."""
    some = [s for s in found if len(s.times) and not s.text]
    if not some:
        return np.zeros(0), np.zeros(0)
    times = np.concatenate([s.times for s in some])
    return times, np.concatenate([np.asarray(s.samples, float).reshape(len(s.times), -1)[:, 0] for s in some])


def _states(found: Sequence[Stream]) -> tuple[FloatArray, list[str]] | None:
    """Return when the state of the signal changed, and to what; None where nobody wrote it down."""
    pairs = []
    for stream in found:
        for at, text in zip(stream.times, stream.samples, strict=False):
            word, _, state = str(text[0] if isinstance(text, list | tuple) else text).strip().partition(" ")
            if word == "state":
                pairs.append((float(at), state.strip()))
    if not pairs:
        return None
    pairs.sort(key=lambda pair: pair[0])
    pairs.insert(0, (-np.inf, State.CALIBRATING.value))  # before the first change nothing is known yet
    return np.array([at for at, _ in pairs]), [state for _, state in pairs]


def _played(found: Sequence[Stream], times: FloatArray) -> dict[str, npt.NDArray[np.float32]]:
    """Return the controls that played at `times`; NaN where they were not recorded."""
    out: dict[str, npt.NDArray[np.float32]] = {}
    for stream in found:
        if not len(stream.times):
            continue
        at, values, names = _table(stream)
        now = latest(times, at, values)
        inside = (times >= at[0] - 0.1) & (times <= at[-1] + 0.1)
        for column, name in enumerate(names):
            before = out.get(name, np.full(len(times), np.nan, np.float32))
            out[name] = np.where(inside, now[:, column], before).astype(np.float32)
    return out

"""Frames in; what the brain did and what was heard, over a stretch of the last minutes, as arrays out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Control, Features, FloatArray, Frame, State

KEPT_S = 180.0
EVERY_S = 0.1
MOST_FEATURES = 200  # beyond, single electrodes are left out: a few ratings cannot tell them apart


class Lately:
    """Remembers some frames a second; for one thread."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()  # features of the headset that is on
        self.columns: npt.NDArray[np.intp] = np.zeros(0, np.intp)  # those among them that are learned from
        self._kept: deque[tuple[float, Features, Mapping[str, float]]] = deque(maxlen=round(KEPT_S / EVERY_S))

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, frame: Frame) -> bool:
        """Remember a frame with good signal; return whether it is of another headset: all before is forgotten then."""
        features = frame.features
        if features.state is not State.GOOD or (self._kept and frame.time - self._kept[-1][0] < 0.9 * EVERY_S):
            return False
        other = features.names != self.names
        if other:
            self._kept.clear()
            self.names, self.columns = features.names, chosen(features.names, features.channels)
        self._kept.append((frame.time, features, frame.controls.values))
        return other

    @property
    def learned(self) -> tuple[str, ...]:
        """Return the names of the features that are learned from."""
        return tuple(self.names[column] for column in self.columns)

    def features(self, every: int = 1) -> list[Features]:
        """Return every so manieth of the features that are remembered."""
        return [features for _, features, _ in self._kept][::every]

    def x(self) -> FloatArray:
        """Return all features that are learned from (n, n_features)."""
        return np.array([features.values[self.columns] for _, features, _ in self._kept])

    def seconds(self, begin: float, end: float, controls: Sequence[Control] = ()) -> tuple[FloatArray, FloatArray]:
        """Return means over the seconds from `begin` to `end`: features (k, n_features), and positions (k, n_controls).

        Less than half a second of good signal: k is 0.
        """
        some = [(f.values[self.columns], values) for at, f, values in self._kept if begin <= at <= end]
        parts = round(len(some) * EVERY_S)
        x = np.array([row for row, _ in some]).reshape(len(some), len(self.columns))
        u = np.array([[(v.get(c.name, c.rest) - c.low) / (c.high - c.low) for c in controls] for _, v in some])
        u = u.reshape(len(some), len(controls))
        if not parts:
            return x[:0], u[:0]
        return tuple(np.array([part.mean(axis=0) for part in np.array_split(whole, parts)]) for whole in (x, u))  # type: ignore[return-value]


def chosen(names: Sequence[str], channels: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the places of the features of 0..1, without single electrodes where those would be too many."""
    found = [place for place, name in enumerate(names) if not name.startswith("raw.")]
    if len(found) > MOST_FEATURES:
        ends = {f".{channel}" for channel in channels}
        fewer = [place for place in found if not any(names[place].endswith(end) for end in ends)]
        found = fewer or found
    return np.array(found, np.intp)

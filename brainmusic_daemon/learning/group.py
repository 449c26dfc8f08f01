"""What one session left behind, as arrays: features, the controls that were wanted, and how much each moment counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray

REACTION_S = 0.7  # a hand that turns a knob answers what was the case so long before
HOLD_S = 10.0  # a knob that is left alone says for so long that all is well, then nothing any more
RATED_S = 6.0  # a rating is about the last seconds, less the reaction


@dataclass(frozen=True, slots=True)
class Group:
    """One session of one person, in the order of time; one row per tick with good signal.

    `targets` are in the controls' units, NaN where nothing was wanted.  Rows of different `parts` (recordings that were
    played one after the other) are never in one block.
    """

    name: str  # of the file or files, for people
    times: FloatArray  # (n,) session seconds, increasing
    features: tuple[str, ...]
    values: npt.NDArray[np.float32]  # (n, n_features)
    targets: Mapping[str, npt.NDArray[np.float32]]  # control → (n,)
    weights: npt.NDArray[np.float32]  # (n,) ≥ 0
    parts: npt.NDArray[np.intp]  # (n,)
    person: str = ""
    direct: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)  # what the direct mapper makes of it
    about: Mapping[str, Any] = field(default_factory=dict)  # for people: rows left out, ratings, settings of knobs …

    def __len__(self) -> int:
        return len(self.times)


def held(times: FloatArray, set_at: FloatArray, values: FloatArray) -> npt.NDArray[np.float32]:
    """Return the target at `times` (n,) of one knob that was set to `values` (k,) at `set_at` (k,), NaN where none.

    A setting is about what was the case REACTION_S before the hand moved, and holds until the next one, HOLD_S at most.
    """
    order = np.argsort(set_at, kind="stable")
    begins, chosen = np.asarray(set_at, float)[order] - REACTION_S, np.asarray(values, float)[order]
    at = np.searchsorted(begins, times, side="right") - 1
    out = np.full(len(times), np.nan, np.float32)
    some = at >= 0
    some[some] &= times[some] - begins[at[some]] <= HOLD_S
    out[some] = chosen[at[some]]
    return out


def rated(times: FloatArray, rated_at: FloatArray, ratings: FloatArray) -> npt.NDArray[np.float32]:
    """Return the rating (-1 … 1) of every moment of `times` (n,), NaN where none; the later one wins."""
    out = np.full(len(times), np.nan, np.float32)
    for at, value in sorted(zip(np.asarray(rated_at, float), np.asarray(ratings, float), strict=True)):
        if np.isfinite(value):
            out[(times >= at - REACTION_S - RATED_S) & (times <= at - REACTION_S)] = min(max(value, -1.0), 1.0)
    return out


def latest(times: FloatArray, of_times: FloatArray, values: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return for each of `times` the value that was the newest then; before the first one, the first."""
    at = np.searchsorted(of_times, times + 1e-6, side="right") - 1
    return np.asarray(values)[np.maximum(at, 0)]

"""Features of a calibration in, this person's range of each of them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features.compiled import NORMAL, SMALL, STEEP
from brainmusic_daemon.features.profile import Ranges

WINDOWS_S = (2.0, 5.0)  # what a person hears as one moment: states are told apart by means over this long
_CANDIDATES = 25  # places for the middle that are tried between the two states
_BLUR = 0.06  # of 0..1: a window this near to 0.5 counts half; the best middle is then no matter of single windows
_TOLD_APART = 0.6  # share of windows on the right side; below, the states do not differ and the middle is the median


def measure(
    names: tuple[str, ...], logarithmic: npt.NDArray[np.bool_], conditions: Sequence[FloatArray], tick: float
) -> Ranges:
    """Return the ranges of features (n_ticks, n) of one or two conditions, physical values of good signal only.

    The middle lies where means over `WINDOWS_S` of the normalised feature fall on the right side of 0.5 most often,
    both states counting the same however long they were; with one state, or two that do not differ, it is the median.
    """
    scaled = [np.where(logarithmic, np.log(np.maximum(raw, SMALL)), raw) for raw in conditions]
    lengths = [max(1, round(seconds / tick)) for seconds in WINDOWS_S]
    n = len(names)
    middle, spread, reach = np.zeros(n), np.zeros((n, 2)), np.zeros((n, 2))
    for i in range(n):
        states = [rows[:, i] for rows in scaled]
        middle[i] = _middle(states, lengths)
        spread[i] = _spread(states, middle[i])
        ends = np.array([np.percentile(_windows(state, lengths[0]), [10, 90]) for state in states])
        reach[i] = ends.min(), ends.max()
    usual = np.stack([np.percentile(rows, [10, 50, 90], axis=0).T for rows in scaled], axis=1)
    return Ranges(names, np.asarray(logarithmic, bool), middle, spread, reach, usual)


def _windows(state: FloatArray, n: int) -> FloatArray:
    """Return the means of windows of n ticks, each an eighth later than the last; of all, where there is less."""
    total = np.concatenate([[0.0], np.cumsum(state)])
    starts = np.arange(0, len(state) - n + 1, max(1, n // 8))
    return np.asarray((total[starts + n] - total[starts]) / n if len(starts) else state.mean(keepdims=True))


def _spread(states: Sequence[FloatArray], middle: float) -> FloatArray:
    """Return the spreads below and above the middle, from mean distances, both states counting the same."""
    found = np.zeros(2)
    for side, sign in enumerate((-1, 1)):
        total = weight = 0.0
        for state in states:
            away = sign * (state - middle)
            total += float(away[away > 0].sum()) / len(state)
            weight += float((away > 0).mean())
        found[side] = NORMAL * total / weight if weight > 0 else 0.0
    return np.where(found > 0, found, max(found.max(), 1e-6))


def _middle(states: Sequence[FloatArray], lengths: Sequence[int]) -> float:
    everything = float(np.mean([np.median(state) for state in states]))
    if len(states) < 2:
        return everything
    low, high = sorted(states[:2], key=lambda state: float(np.median(state)))
    ends = float(np.median(low)), float(np.median(high))
    candidates = np.linspace(*ends, _CANDIDATES)
    right = np.array([_told_apart(low, high, middle, lengths) for middle in candidates])
    if right.max() < _TOLD_APART:
        return everything
    best = right >= right.max() - 0.005  # the middle of a plateau is the safest place
    return float(candidates[best].mean())


def _told_apart(low: FloatArray, high: FloatArray, middle: float, lengths: Sequence[int]) -> float:
    """Return the share of windows on their own side of 0.5, blurred."""
    spread = _spread((low, high), middle)
    shares = []
    for sign, state in ((-1, low), (1, high)):
        away = state - middle
        value = np.arctan(STEEP * away / np.where(away < 0, spread[0], spread[1])) / np.pi
        shares += [np.mean(1 / (1 + np.exp(-sign * _windows(value, length) / _BLUR * 2))) for length in lengths]
    return float(np.mean(shares))

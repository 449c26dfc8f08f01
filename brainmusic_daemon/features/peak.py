"""A person's spectrum in; the individual alpha frequency, the bands that follow from it, and the mains out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import FloatArray

RANGE_HZ = (7.0, 14.0)  # where alpha peaks in adults
_FIT_HZ = (2.0, 40.0)
_CLEAR, _PLAIN = math.log(1.25), math.log(3.0)  # a peak this high above 1/f is the first that counts, and beyond doubt
_AGREE_HZ = 1.0
_HALF_WIDTH_HZ = 2.0
_MAINS_HZ = (50.0, 60.0)
_MAINS_RATIO = 2.0  # a line this far above its neighbours


@dataclass(frozen=True, slots=True)
class Peak:
    """An alpha peak."""

    hz: float
    height: float  # power over the aperiodic background
    confidence: float  # 0 a guess … 1 beyond doubt


def background(f: FloatArray, density: FloatArray) -> FloatArray:
    """Return the aperiodic part (n_f, n_channels) of densities (n_f, n_channels), as fitted over 2 to 40 Hz.

    A straight line in log power over log frequency, alpha left out; fitted again without what stands above it
    (Donoghue et al. 2020, "Parameterizing neural power spectra", do so with more parameters than a peak needs).
    """
    use = (f >= _FIT_HZ[0]) & (f <= _FIT_HZ[1]) & ((f < RANGE_HZ[0]) | (f > RANGE_HZ[1]))
    X, y = np.column_stack([np.ones(len(f)), np.log(np.maximum(f, 0.1))]), np.log(density)
    line = np.zeros_like(y)
    for channel in range(y.shape[1]):
        keep = use
        for _ in range(2):
            coefficients = np.linalg.lstsq(X[keep], y[keep, channel], rcond=None)[0]
            line[:, channel] = X @ coefficients
            over = y[:, channel] - line[:, channel]
            keep = use & (over <= np.percentile(over[use], 75))
        line[:, channel] += np.median(over[use])
    return np.asarray(np.exp(line))


def alpha_peak(f: FloatArray, density: FloatArray) -> Peak | None:
    """Return the individual alpha frequency of densities (n_f, n_channels) on an even grid `f`; None: no peak.

    The highest point between 7 and 14 Hz of the mean log density over its aperiodic background, by a parabola through
    it and its neighbours (Klimesch 1999; automated after Corcoran et al. 2018).  The confidence is the height of the
    peak times the share of channels whose own peak lies within 1 Hz.
    """
    over = np.log(density / background(f, density))
    n_smooth = max(1, round(0.75 / (f[1] - f[0])))
    window = np.hanning(n_smooth + 2)[1:-1]
    smooth = np.apply_along_axis(np.convolve, 0, over, window / window.sum(), "same")
    mean = smooth.mean(axis=1)
    at = _highest(f, mean)
    if at is None or mean[at] < _CLEAR:
        return None
    left, top, right = mean[at - 1 : at + 2]
    bend = left - 2 * top + right
    hz = float(f[at] + (0.5 * (left - right) / bend if bend < 0 else 0.0) * (f[1] - f[0]))
    own = [_highest(f, smooth[:, channel]) for channel in range(smooth.shape[1])]
    agreeing = np.mean([peak is not None and abs(f[peak] - hz) <= _AGREE_HZ for peak in own])
    height = min(max((float(top) - _CLEAR) / (_PLAIN - _CLEAR), 0.0), 1.0)
    return Peak(hz, math.exp(top), float(height * agreeing))


def _highest(f: FloatArray, over: FloatArray) -> int | None:
    """Return the highest local maximum inside the alpha range: a slope that rises out of it is no peak."""
    inside = np.flatnonzero((f >= RANGE_HZ[0]) & (f <= RANGE_HZ[1]))
    inside = inside[(inside > 0) & (inside < len(f) - 1)]
    tops = inside[(over[inside] > over[inside - 1]) & (over[inside] >= over[inside + 1])]
    return int(tops[np.argmax(over[tops])]) if len(tops) else None


def personal(bands: Mapping[str, tuple[float, float]], alpha_hz: float | None) -> dict[str, tuple[float, float]]:
    """Return bands in which alpha is the person's own, peak ± 2 Hz, and its neighbours meet it there.

    After Klimesch (1999), who anchors all bands at the peak, with both halves of alpha equally wide, so that the peak
    may wander.  Neighbours that did not touch alpha, and bands without alpha, stay as they are.
    """
    made = dict(bands)
    if alpha_hz is None or "alpha" not in bands:
        return made
    old = bands["alpha"]
    own = (round(alpha_hz - _HALF_WIDTH_HZ, 2), round(alpha_hz + _HALF_WIDTH_HZ, 2))
    for name, (low, high) in bands.items():
        if name == "alpha":
            made[name] = own
        elif high == old[0] and low < own[0] - 0.5:
            made[name] = (low, own[0])
        elif low == old[1] and high > own[1] + 0.5:
            made[name] = (own[1], high)
    return made


def mains(f: FloatArray, density: FloatArray) -> float | None:
    """Return 50 or 60 Hz, whichever stands out of a density (n_f,), or None."""
    heights = {}
    for line in _MAINS_HZ:
        near, around = np.abs(f - line) <= 0.5, (np.abs(f - line) > 1.5) & (np.abs(f - line) <= 5)
        if near.any() and around.any() and line < f[-1] - 1:
            heights[line] = density[near].max() / np.median(density[around])
    best = max(heights, key=lambda line: heights[line], default=None)
    return best if best is not None and heights[best] >= _MAINS_RATIO else None

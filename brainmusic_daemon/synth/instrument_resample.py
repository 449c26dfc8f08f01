"""Consecutive blocks at one sample rate in, the same sound at another rate out, without a seam between blocks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

HALF = 24  # taps on each side of a frame


class Resampler:
    """A windowed sinc per phase of the ratio up / down; delays by HALF frames of the input."""

    def __init__(self, rate_in: float, rate_out: float) -> None:
        common = math.gcd(round(rate_in), round(rate_out))
        self.up, self.down = round(rate_out) // common, round(rate_in) // common
        if self.up == self.down:
            return
        cutoff = 0.95 * min(1.0, self.up / self.down)
        away = np.arange(-HALF + 1, HALF + 1)[None, :] - (np.arange(self.up) / self.up)[:, None]
        window = 0.42 + 0.5 * np.cos(np.pi * away / HALF) + 0.08 * np.cos(2 * np.pi * away / HALF)  # Blackman
        taps = cutoff * np.sinc(cutoff * away) * window
        self._taps = taps / taps.sum(axis=1, keepdims=True)
        self._past = np.zeros((2 * HALF - 1, 2))
        self._place = 0  # of the next output frame, in 1/up of an input frame after the first of `_past` it can use

    def __call__(self, sound: Array) -> Array:
        """Return what can be made so far of (n, 2) more frames."""
        if self.up == self.down:
            return sound
        line = np.concatenate([self._past, sound])
        last = len(line) - 2 * HALF  # the last first tap
        count = max(0, (last * self.up + self.up - 1 - self._place) // self.down + 1)
        places = self._place + self.down * np.arange(count)
        first, phase = places // self.up, places % self.up
        made = np.einsum("ntc,nt->nc", line[first[:, None] + np.arange(2 * HALF)], self._taps[phase])
        self._place = int(self._place + self.down * count - (last + 1) * self.up)
        self._past = line[last + 1 :]
        return np.asarray(made)

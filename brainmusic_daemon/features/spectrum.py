"""Windows of good signal in, the person's own spectrum out: what the kernels are designed by from then on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, Window
from brainmusic_daemon.features.kernels import Density, Prior, Tabulated
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.spectral import SpectralBank

PERIOD_S = 0.5  # a window is looked at this often
_LENGTH_S = 1.0
_SHORTEST_S = 0.5  # what resolves alpha from theta
_CHANNELS = 16  # more tell nothing new about the spectrum, and the tick pays for them
_HIGHEST_HZ = 100.0
_AROUND_LINE_HZ = 2.5


class Learner:
    """Averages periodograms of the newest second (Welch 1967) until enough has been seen.

    Logarithms are averaged, over time and over channels: a burst of muscle counts once, not a thousand times, and a
    channel with a large signal no more than its neighbour.  `add` belongs to the tick; the rest may run beside it once
    `full` is true, as nothing is added any more.
    """

    def __init__(self, n_channels: int, samplerate: float, tick: float, n_taps: int, seconds: float) -> None:
        """Learn from `seconds` of good signal, of windows of `n_taps` samples."""
        self._every = max(1, round(PERIOD_S / tick))
        self._ticks = 0
        self._n = min(n_taps, round(_LENGTH_S * samplerate))
        self._wanted = max(1, round(seconds / PERIOD_S))
        self._picked = np.unique(np.linspace(0, n_channels - 1, min(n_channels, _CHANNELS)).round().astype(np.intp))
        self._taper = np.hanning(self._n + 1)[:-1, None].astype(np.float32)
        self._f = np.fft.rfftfreq(self._n, 1 / samplerate)
        self._kept = (self._f >= 1.0) & (self._f <= min(_HIGHEST_HZ, 0.45 * samplerate))
        self._sum = np.zeros((int(self._kept.sum()), len(self._picked)))
        self._seen = np.zeros(len(self._picked))
        self._windows = 0

    @property
    def full(self) -> bool:
        """Tell whether enough was seen."""
        return self._windows >= self._wanted

    def tick(self, window: Window, weights: FloatArray) -> None:
        """Take note of a good tick; every half second its window counts, of the channels that are trusted."""
        self._ticks += 1
        if self._ticks % self._every == 0 and not self.full:
            self.add(window, weights >= 0.5)

    def add(self, window: Window, good: npt.NDArray[np.bool_]) -> None:
        """Take the newest second of a window, of the channels that are `good` (n_channels,)."""
        x = window.samples[-self._n :, self._picked]
        power = np.abs(np.fft.rfft((x - x.mean(axis=0)) * self._taper, axis=0)[self._kept]) ** 2
        usable = good[self._picked]
        self._sum[:, usable] += np.log(power[:, usable] + 1e-12)
        self._seen += usable
        self._windows += 1

    def spectrum(self, prior: Density) -> Density | None:
        """Return the spectrum that was seen, guarded by the prior; None where no channel was good for long enough."""
        enough = self._seen >= self._wanted / 2
        if not enough.any():
            return None
        f = self._f[self._kept]
        values: FloatArray = np.exp((self._sum[:, enough] / self._seen[enough]).mean(axis=1))
        clear = np.ones(len(f), bool)
        for line in prior.mains_hz:
            clear &= np.abs(f - np.maximum(np.round(f / line), 1) * line) > _AROUND_LINE_HZ
        return Tabulated(f[clear], values[clear], prior if isinstance(prior, Prior) else Prior(mains_hz=prior.mains_hz))


def learner(setup: Setup, spectral: SpectralBank, seconds: float) -> Learner | None:
    """Return what learns for `seconds`; None where that is not wanted, not needed or not possible.

    Not needed: the kernels know the person already, from a profile.  Not possible: the window is too short.
    """
    known = not isinstance(spectral.prior, Prior)
    if seconds <= 0 or known or spectral.n_taps < _SHORTEST_S * setup.samplerate:
        return None
    return Learner(len(setup.channels), setup.samplerate, setup.tick, spectral.n_taps, seconds)

"""A window in, every channel's analytic signal and power per band out, by one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainmusic_daemon.api import FloatArray, Window
from brainmusic_daemon.features import kernels
from brainmusic_daemon.features.kernels import ComplexArray, Prior
from brainmusic_daemon.features.montage import Setup


class Analysis:
    """What the features of one tick are computed from.  The arrays are reused: read them during the tick only."""

    __slots__ = ("analytic", "overall", "pooled", "pooled_analytic", "power", "setup", "weights")

    def __init__(self, setup: Setup) -> None:
        n_channels, n_bands = len(setup.channels), len(setup.bands)
        self.setup = setup
        self.analytic: ComplexArray = np.zeros((n_channels, n_bands), np.complex128)  # µV, amplitude and phase
        self.power: FloatArray = np.zeros((n_channels, n_bands))  # µV²
        self.pooled: FloatArray = np.zeros((len(setup.pools), n_bands))  # µV²: each pool's mean power
        self.pooled_analytic: ComplexArray = np.zeros((len(setup.pools), n_bands), np.complex128)  # µV: its mean signal
        self.overall: list[float] = [0.0] * n_bands  # µV²: the first row of `pooled`, as plain numbers
        self.weights: FloatArray = np.ones(n_channels)  # 0 left out … 1 trusted


class SpectralBank:
    """Kernels for the bands, and for mains, stacked into one matrix W: a tick is `window.T @ W`.

    Nothing is carried from tick to tick, so nothing needs repair after a gap, and a tick costs the same always.
    """

    def __init__(
        self,
        setup: Setup,
        delays: Sequence[float],
        kernel_s: float,
        *,
        average_reference: bool = False,
        prior: Prior | None = None,
    ) -> None:
        """Design the kernels; `delays` in seconds, one per band.

        `average_reference`: subtract the good channels' average from each; on the products, as both are linear.
        """
        prior = prior or Prior()
        self.setup = setup
        self.n_taps = round(kernel_s * setup.samplerate)
        nyquist = setup.samplerate / 2
        lines = [line for line in prior.mains_hz if line < nyquist - 2]
        edges = [*setup.bands.values(), *((line - 1, line + 1) for line in lines)]
        delays = [*delays, *[kernel_s / 2] * len(lines)]  # contact may be judged slowly: mid-window is the sharpest
        every = kernels.design(edges, setup.samplerate, self.n_taps, delays, prior)
        self.kernels = every[:, : len(setup.bands)]
        self.gain = kernels.band_gain(self.kernels, setup.bands, setup.samplerate, prior)
        self._W = kernels.stack(every)
        self._n_bands, self._n_kernels = len(setup.bands), every.shape[1]
        self._scale = 0.5 / self.gain  # amplitude² of a sine → its mean square; what the kernel lets through → all
        self._Z = np.zeros((len(setup.channels), self._W.shape[1]), np.float32)
        self._square = np.zeros_like(self._Z)
        self._part = np.zeros((len(setup.pools), self._n_bands))
        self._all_power = np.zeros((len(setup.channels), self._n_kernels), np.float32)
        self._membership = np.zeros((len(setup.pools), len(setup.channels)))
        for row, members in enumerate(setup.pools.values()):
            self._membership[row, members] = 1
        self._pool = self._membership
        self._empty: np.ndarray[Any, np.dtype[np.bool_]] | None = None
        self._average_reference = average_reference
        self.analysis = Analysis(setup)
        self.set_weights(np.ones(len(setup.channels)))

    def set_weights(self, weights: FloatArray) -> None:
        """Say how far each channel is trusted, 0..1; averages follow with the next tick."""
        self.analysis.weights = weights
        pool = self._membership * weights
        total = pool.sum(axis=1, keepdims=True)
        empty = total[:, 0] < 1e-3
        self._empty = empty if empty.any() else None
        self._pool = pool / np.maximum(total, 1e-3)

    def analyse(self, window: Window) -> Analysis:
        """Return every channel's part of the analysis of (n_taps, n_channels) samples; `pool` completes it.

        It is the same object each time, valid until the next call.
        """
        analysis, Z, n, n_bands = self.analysis, self._Z, self._n_kernels, self._n_bands
        np.dot(window.samples.T, self._W, out=Z)
        if self._average_reference:
            Z -= self._pool[0].astype(np.float32) @ Z
        np.multiply(Z, Z, out=self._square)
        np.add(self._square[:, :n], self._square[:, n:], out=self._all_power)
        analysis.analytic.real = Z[:, :n_bands]
        analysis.analytic.imag = Z[:, n : n + n_bands]
        np.multiply(self._all_power[:, :n_bands], self._scale, out=analysis.power)
        return analysis

    def pool(self) -> None:
        """Average powers and signals over each pool, good channels only."""
        analysis = self.analysis
        if self._empty is None:
            np.dot(self._pool, analysis.power, out=analysis.pooled)
        else:  # a pool without a good channel keeps its last powers
            held = analysis.pooled[self._empty]
            np.dot(self._pool, analysis.power, out=analysis.pooled)
            analysis.pooled[self._empty] = held
        np.dot(self._pool, self._Z[:, : self._n_bands], out=self._part)
        analysis.pooled_analytic.real = self._part
        np.dot(self._pool, self._Z[:, self._n_kernels : self._n_kernels + self._n_bands], out=self._part)
        analysis.pooled_analytic.imag = self._part
        analysis.overall = analysis.pooled[0].tolist()

    @property
    def mains_power(self) -> FloatArray:
        """Return the power of mains (50 or 60 Hz, the larger) per channel at the last tick, µV²; 0 where unknown."""
        lines = self._all_power[:, self._n_bands :]
        return np.asarray(lines.max(axis=1) / 2 if lines.size else np.zeros(len(lines)))

"""A window in, every channel's analytic signal and power per band out, by one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import Event, FloatArray, Window
from brainmusic_daemon.features import compiled, kernels
from brainmusic_daemon.features.kernels import ComplexArray, Density, Prior
from brainmusic_daemon.features.montage import Indices, Setup


class Analysis:
    """What the features of one tick are computed from.  The arrays are reused: read them during the tick only."""

    __slots__ = (
        "clean", "events", "overall", "pooled", "pooled_imag", "pooled_real", "power", "products", "reference",
        "setup", "weights", "window",
    )  # fmt: skip

    def __init__(self, setup: Setup, n_kernels: int) -> None:
        n_channels, n_bands, n_pools = len(setup.channels), len(setup.bands), len(setup.pools)
        self.setup = setup
        self.products = np.zeros((n_channels, 2 * n_kernels), np.float32)  # µV: window.T @ W
        self.power: FloatArray = np.zeros((n_channels, n_bands))  # µV²
        self.pooled: FloatArray = np.zeros((n_pools, n_bands))  # µV²: each pool's mean power
        self.pooled_real: FloatArray = np.zeros((n_pools, n_bands))  # µV: each pool's mean analytic signal
        self.pooled_imag: FloatArray = np.zeros((n_pools, n_bands))
        self.overall: list[float] = [0.0] * n_bands  # µV²: the first row of `pooled`, as plain numbers
        self.weights: FloatArray = np.ones(n_channels)  # 0 left out … 1 trusted
        self.events: list[Event] = []  # whoever finds one in this tick appends it
        self.reference: FloatArray | None = None  # (n_channels,) shares of the mean that was subtracted; None: nothing
        self.clean = True  # nothing that is no brain is in the window
        self.window: Window  # what all of it was computed from; set by every tick

    @property
    def analytic(self) -> ComplexArray:
        """Return every channel's analytic signal (n_channels, n_bands), µV: amplitude and phase."""
        n_bands, n_kernels = len(self.setup.bands), self.products.shape[1] // 2
        return np.asarray(self.products[:, :n_bands] + 1j * self.products[:, n_kernels : n_kernels + n_bands])


@dataclass(frozen=True, slots=True)
class Kernels:
    """Kernels of one design, ready for the tick."""

    prior: Density  # what they were designed by
    bands: ComplexArray  # (n_taps, n_bands)
    gain: FloatArray  # (n_bands,) share of the expected power that they let through
    W: FloatArray  # (n_taps, 2·n_kernels) float32: bands, then mains
    scale: FloatArray  # (n_bands,) amplitude² of a sine → its mean square; what a kernel lets through → all


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
        reference: Indices | None = None,
        prior: Density | None = None,
    ) -> None:
        """Design the kernels; `delays` in seconds, one per band.

        `reference`: channels whose good ones' mean is subtracted from all; on the products, as both are linear.
        """
        self.setup = setup
        self.n_taps = round(kernel_s * setup.samplerate)
        self.delays = dict(zip(setup.bands, delays, strict=True))
        self._made = self.redesigned(prior or Prior())
        self._incoming: tuple[Kernels, int] | None = None  # and in how many ticks
        self._W, self._scale = self._made.W.copy(), self._made.scale.copy()
        self._n_bands = len(setup.bands)
        self.reference = reference
        self.reference_shares = np.zeros(len(setup.channels), np.float32)
        self._members = np.concatenate([*setup.pools.values()])
        self._starts = np.cumsum([0, *(len(members) for members in setup.pools.values())])
        self._shares = np.zeros(len(self._members))
        self.analysis = Analysis(setup, self._W.shape[1] // 2)
        self.analysis.reference = self.reference_shares if reference is not None else None
        self.set_weights(np.ones(len(setup.channels)))

    @property
    def made(self) -> Kernels:
        """Return the kernels in use; while they fade, those that they come from."""
        return self._made

    @property
    def prior(self) -> Density:
        """Return the spectrum that the kernels in use were designed by."""
        return self._made.prior

    @property
    def kernels(self) -> ComplexArray:
        """Return the kernels in use (n_taps, n_bands)."""
        return self._made.bands

    @property
    def gain(self) -> FloatArray:
        """Return the share of the expected power that the kernels in use let through, per band."""
        return self._made.gain

    @property
    def scale(self) -> FloatArray:
        """Return what the squared products of this tick are multiplied by, per band; the array stays the same one."""
        return self._scale

    def redesigned(self, prior: Density) -> Kernels:
        """Return kernels for the same bands and delays, designed by another spectrum.  Some ms; from any thread."""
        setup = self.setup
        lines = [line for line in prior.mains_hz if line < setup.samplerate / 2 - 2]
        edges = [*setup.bands.values(), *((line - 1, line + 1) for line in lines)]
        # contact may be judged slowly: mid-window is the sharpest
        delays = [*self.delays.values(), *[self.n_taps / setup.samplerate / 2] * len(lines)]
        every = kernels.design(edges, setup.samplerate, self.n_taps, delays, prior)
        bands = every[:, : len(setup.bands)]
        gain = kernels.band_gain(bands, setup.bands, setup.samplerate, prior)
        return Kernels(prior, bands, gain, kernels.stack(every), 0.5 / gain)

    def install(self, made: Kernels, ticks: int) -> None:
        """Move over to other kernels within so many ticks, from the next one on; from any thread.

        The kernels themselves are cross-faded: those of one band have the same delay, hence the same phase, and as the
        weighted error is convex, no mixture is worse than the worse of the two.
        """
        self._incoming = made, max(ticks, 1)

    def _fade(self, incoming: tuple[Kernels, int]) -> None:
        made, left = incoming
        self._W += (made.W - self._W) / np.float32(left)
        self._scale += (made.scale - self._scale) / left
        self._incoming = (made, left - 1) if left > 1 else None
        if left == 1:
            self._W[:], self._scale[:] = made.W, made.scale
            self._made = made

    def set_weights(self, weights: FloatArray) -> None:
        """Say how far each channel is trusted, 0..1; averages follow with the next tick."""
        self.analysis.weights = weights
        shares = weights[self._members]
        totals = np.add.reduceat(shares, self._starts[:-1])
        totals[totals < 1e-3] = np.inf  # a pool without a good channel: no shares, its powers stay what they were
        self._shares = shares / np.repeat(totals, np.diff(self._starts))
        if self.reference is not None:
            trusted = weights[self.reference]
            total = trusted.sum()
            self.reference_shares[self.reference] = trusted / total if total > 1e-3 else 0.0

    def analyse(self, window: Window) -> Analysis:
        """Return the channels' part of the analysis of (n_taps, n_channels) samples; `pool` completes it.

        It is the same object each time.
        """
        analysis = self.analysis
        analysis.window = window
        products = analysis.products
        if self._incoming is not None:
            self._fade(self._incoming)
        np.dot(window.samples.T, self._W, out=products)
        if self.reference is not None:
            products -= self.reference_shares @ products
        compiled.powers(products, self._n_bands, self._scale, analysis.power)
        return analysis

    def pool(self) -> None:
        """Average the channels over the pools, good ones only."""
        a = self.analysis
        compiled.pool(
            a.products, a.power, self._starts, self._members, self._shares, a.pooled, a.pooled_real, a.pooled_imag
        )
        a.overall = a.pooled[0].tolist()

    @property
    def mains_power(self) -> FloatArray:
        """Return the power of mains (50 or 60 Hz, the larger) per channel at the last tick, µV²; 0 where unknown."""
        products, n_kernels = self.analysis.products, self.analysis.products.shape[1] // 2
        if n_kernels == self._n_bands:
            return np.zeros(len(products))
        real, imag = products[:, self._n_bands : n_kernels], products[:, n_kernels + self._n_bands :]
        return np.asarray((real**2 + imag**2).max(axis=1) / 2)

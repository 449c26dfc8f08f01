"""Band edges and a delay in, complex FIR kernels out, whose product with the newest window is the analytic signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray

ComplexArray = npt.NDArray[np.complexfloating]

GRID_HZ = 0.125  # spacing of the design grid; finer than any kernel of up to 8 s resolves
LINE_HZ = 0.15  # what a grid's frequency wanders to either side


class Density(Protocol):
    """An expected power spectrum, in arbitrary units: what the kernels weigh their errors by."""

    @property
    def mains_hz(self) -> tuple[float, ...]:
        """Return the mains frequencies: contact is judged by them, and they are kept out of every band."""

    def density(self, f: FloatArray) -> FloatArray:
        """Return the expected power density at frequencies `f` (Hz, either sign, any shape)."""


@dataclass(frozen=True, slots=True)
class Prior:
    """The spectrum that is expected of anybody: 1/f with alpha and beta, mains and drift, over a white floor.

    It stands in until the person's own spectrum is known.  Density in arbitrary units, 1/f alone is 1 at 10 Hz.  Alpha
    stands 8 times above 1/f: the geometric mean of four people at rest with open and closed eyes (1.0 to 24).
    """

    exponent: float = 1.0
    floor: float = 0.05  # amplifier and muscle noise; bounds the kernels' noise gain
    alpha: float = 8.0
    alpha_hz: float = 10.0  # the person's own, where it is known
    alpha_width_hz: float = 1.5  # standard deviation of the peak
    beta: float = 0.8  # around 20 Hz, likewise
    mains_hz: tuple[float, ...] = (50.0, 60.0)  # both, until calibration tells which
    mains: float = 10_000.0  # power of a line, and of each harmonic, over the density at 10 Hz, in Hz
    drift_hz: float = 0.5  # below this the density rises with the fourth power: electrode drift

    def density(self, f: FloatArray) -> FloatArray:
        """Return the expected power density at frequencies `f` (Hz, any shape)."""
        f = np.abs(f)
        eeg = (10.0 / np.maximum(f, GRID_HZ)) ** self.exponent
        eeg += self.alpha * np.exp(-0.5 * ((f - self.alpha_hz) / self.alpha_width_hz) ** 2)
        eeg += self.beta * np.exp(-0.5 * ((f - 20.0) / 4.0) ** 2)
        return self.guarded(f, eeg)

    def guarded(self, f: FloatArray, eeg: FloatArray) -> FloatArray:
        """Return the density of EEG with all that a kernel must be deaf to, whatever was measured: drift, mains, noise.

        These terms are the regularisation: they bound the response to offsets, to mains and harmonics and to noise.
        """
        density = np.asarray(eeg * (1 + (self.drift_hz / np.maximum(np.abs(f), GRID_HZ)) ** 4) + self.floor)
        for line in self.mains_hz:
            harmonic = np.maximum(np.round(f / line), 1) * line
            density += self.mains / (2 * LINE_HZ) * (np.abs(f - harmonic) <= LINE_HZ)
        return density


@dataclass(frozen=True, slots=True)
class Tabulated:
    """A person's own spectrum, measured: from the profile, or learned during the first minute."""

    f: FloatArray  # (n,) Hz, ascending, > 0
    values: FloatArray  # (n,) power density, > 0, any unit
    prior: Prior = field(default_factory=Prior)  # what surrounds it: drift, mains, floor

    @property
    def mains_hz(self) -> tuple[float, ...]:
        """Return the mains frequencies that are kept out."""
        return self.prior.mains_hz

    def density(self, f: FloatArray) -> FloatArray:
        """Return the density, interpolated on logarithms and brought to the level of the prior.

        Outside the table it goes on as the prior does: what lies beyond was not measured, or was filtered away.
        """
        f, prior = np.maximum(np.abs(f), GRID_HZ), self.prior
        surrounding = (10.0 / f) ** prior.exponent
        over = np.log(self.values) + prior.exponent * np.log(self.f / 10.0)  # how far above 1/f
        core = (self.f >= 2) & (self.f <= 40)
        over -= np.median(over[core if core.any() else slice(None)])
        return prior.guarded(f, surrounding * np.exp(np.interp(f, self.f, over)))


def design(
    bands: Sequence[tuple[float, float]],
    samplerate: float,
    n_taps: int,
    delays: Sequence[float],
    prior: Density,
) -> ComplexArray:
    """Return kernels (n_taps, n_bands), complex128, oldest sample first: `window.T @ kernels` is the analytic signal.

    Each column minimises Σ_f P(f)·|B(f) − H(f)|² over both signs of f, where H(f) = 2·exp(−2πi·f·D) inside the
    band and 0 elsewhere, P is the expected density and D the band's delay in seconds: the weighted least-squares
    filter of Smetanin, Lebedev & Ossadtchi, "Towards Zero-Latency Neurofeedback" (bioRxiv 424846).  A sine of
    amplitude A in mid-band gives |z| ≈ A.  The response at 0 Hz is exactly 0, so that no electrode offset leaks in.
    """
    from scipy.linalg import solve_toeplitz

    # Σ_f over a regular grid: the normal equations are Toeplitz in the autocorrelation of P (Levinson: n², no matrix).
    n_grid = max(int(np.ceil(samplerate / GRID_HZ)), 4 * n_taps)
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    density = prior.density(f)
    autocorrelation = np.fft.ifft(density).real[:n_taps] * n_grid
    sides = np.empty((n_taps, 2 * len(bands) + 1))
    for column, ((low, high), delay) in enumerate(zip(bands, delays, strict=True)):
        # b[k] belongs to x[t−k], whose response is exp(−2πi·f·k/fs): the right side is the inverse transform of P·H
        side = np.fft.ifft(density * ideal(f, low, min(high, samplerate / 2 - GRID_HZ), delay))[:n_taps] * n_grid
        sides[:, 2 * column], sides[:, 2 * column + 1] = side.real, side.imag
    sides[:, -1] = 1.0  # Lagrange: minimise subject to Σ b = 0
    solved = solve_toeplitz(autocorrelation, sides, check_finite=False)
    free, push = solved[:, :-1:2] + 1j * solved[:, 1:-1:2], solved[:, -1]
    b = free - np.outer(push, free.sum(axis=0) / push.sum())
    return np.asarray(b[::-1])


def ideal(f: FloatArray, low: float, high: float, delay: float) -> ComplexArray:
    """Return what is wanted of a kernel at frequencies `f`: positive frequencies of the band, `delay` seconds late."""
    return np.where((f >= low) & (f <= high), 2 * np.exp(-2j * np.pi * f * delay), 0)


def stack(kernels: ComplexArray) -> FloatArray:
    """Return W (n_taps, 2·n_bands) float32: real parts, then imaginary parts, for one real matrix product."""
    return np.ascontiguousarray(np.hstack([kernels.real, kernels.imag]), dtype=np.float32)


def response(kernels: ComplexArray, samplerate: float, f: FloatArray) -> ComplexArray:
    """Return the frequency response (n_frequencies, n_bands) of kernels made by `design`."""
    lag = np.arange(len(kernels))[::-1]
    return np.asarray(np.exp(-2j * np.pi * np.outer(f, lag) / samplerate) @ kernels)


def band_gain(
    kernels: ComplexArray, bands: Mapping[str, tuple[float, float]], samplerate: float, prior: Density
) -> FloatArray:
    """Return per band the power that its kernel gives, on average, over the power that is in the band (below 1).

    The best estimate varies less than what it estimates; divided by this, its mean is right.
    """
    n_grid = max(int(np.ceil(samplerate / GRID_HZ)), 2 * len(kernels))
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    density = prior.density(f)
    given = density @ (np.abs(np.fft.fft(kernels[::-1], n_grid, axis=0)) ** 2 / 4)
    there = np.array([density[(f >= low) & (f <= high)].sum() for low, high in bands.values()])
    return np.asarray(given / there)

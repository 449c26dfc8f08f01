"""Band edges and a delay in, complex FIR kernels out, whose product with the newest window is the analytic signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray

ComplexArray = npt.NDArray[np.complexfloating]

GRID_HZ = 0.125  # spacing of the design grid; finer than any kernel of up to 8 s resolves


@dataclass(frozen=True, slots=True)
class Prior:
    """The spectrum that the kernels expect: 1/f with mains lines, over a floor of white noise.

    It stands in until the person's own spectrum is known.  Density in arbitrary units, 1 at 10 Hz.
    """

    exponent: float = 1.0
    floor: float = 0.05  # amplifier and muscle noise; bounds the kernels' noise gain
    mains_hz: tuple[float, ...] = (50.0, 60.0)  # both, until calibration tells which
    mains: float = 1000.0  # power of a line over the density at 10 Hz, in Hz
    drift_hz: float = 0.5  # below this the density rises with the fourth power: electrode drift

    def density(self, f: FloatArray) -> FloatArray:
        """Return the expected power density at frequencies `f` (Hz, any shape)."""
        f = np.abs(f)
        slow = np.maximum(f, GRID_HZ)
        density = (10.0 / slow) ** self.exponent * (1 + (self.drift_hz / slow) ** 4) + self.floor
        for line in self.mains_hz:
            density += self.mains / (2 * GRID_HZ) * (np.abs(f - line) <= GRID_HZ)
        return np.asarray(density)


def design(
    bands: Sequence[tuple[float, float]],
    samplerate: float,
    n_taps: int,
    delays: Sequence[float],
    prior: Prior,
) -> ComplexArray:
    """Return kernels (n_taps, n_bands), complex128, oldest sample first: `window.T @ kernels` is the analytic signal.

    Each column minimises Σ_f P(f)·|B(f) − H(f)|² over both signs of f, where H(f) = 2·exp(−2πi·f·D) inside the
    band and 0 elsewhere, P is the expected density and D the band's delay in seconds: the weighted least-squares
    filter of Smetanin, Lebedev & Ossadtchi, "Towards Zero-Latency Neurofeedback" (bioRxiv 424846).  A sine of
    amplitude A in mid-band gives |z| ≈ A.  The response at 0 Hz is exactly 0, so that no electrode offset leaks in.
    """
    # Σ_f over a regular grid: the normal equations are Toeplitz in the autocorrelation of P.
    n_grid = max(int(np.ceil(samplerate / GRID_HZ)), 2 * n_taps)
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    density = prior.density(f)
    autocorrelation = np.fft.ifft(density).real * n_grid
    lag = np.arange(n_taps)
    R = autocorrelation[np.abs(lag[:, None] - lag[None, :])]
    wanted = np.empty((n_taps, len(bands)), complex)
    for column, ((low, high), delay) in enumerate(zip(bands, delays, strict=True)):
        inside = (f >= low) & (f <= min(high, samplerate / 2 - GRID_HZ))
        H = np.where(inside, 2 * np.exp(-2j * np.pi * f * delay), 0)
        # b[k] belongs to x[t−k], whose response is exp(−2πi·f·k/fs): the right side is the inverse transform of P·H
        wanted[:, column] = np.fft.ifft(density * H)[:n_taps] * n_grid
    # Lagrange: minimise subject to Σ b = 0
    solved = np.linalg.solve(R, np.column_stack([wanted, np.ones(n_taps)]))
    free, push = solved[:, :-1], solved[:, -1].real
    b = free - np.outer(push, free.sum(axis=0) / push.sum())
    return np.asarray(b[::-1])


def stack(kernels: ComplexArray) -> FloatArray:
    """Return W (n_taps, 2·n_bands) float32: real parts, then imaginary parts, for one real matrix product."""
    return np.ascontiguousarray(np.hstack([kernels.real, kernels.imag]), dtype=np.float32)


def response(kernels: ComplexArray, samplerate: float, f: FloatArray) -> ComplexArray:
    """Return the frequency response (n_frequencies, n_bands) of kernels made by `design`."""
    lag = np.arange(len(kernels))[::-1]
    return np.asarray(np.exp(-2j * np.pi * np.outer(f, lag) / samplerate) @ kernels)


def band_gain(
    kernels: ComplexArray, bands: Mapping[str, tuple[float, float]], samplerate: float, prior: Prior
) -> FloatArray:
    """Return per band the share of the expected in-band power that its kernel lets through (1: all of it)."""
    f = np.arange(GRID_HZ, samplerate / 2, GRID_HZ)
    power = np.abs(response(kernels, samplerate, f)) ** 2 / 4
    density = prior.density(f)
    gains = []
    for column, (low, high) in enumerate(bands.values()):
        inside = (f >= low) & (f <= high)
        gains.append((density[inside] @ power[inside, column]) / density[inside].sum())
    return np.array(gains)

"""A sampling rate in, a short kernel that hears muscles and hardly brain out, and how far muscles leak into bands."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features import kernels
from brainmusic_daemon.features.kernels import ComplexArray, Prior

_LENGTH_S, _DELAY_S = 0.12, 0.02
_LOWEST_HZ, _HIGHEST_HZ = 45.0, 95.0  # above the brain's bands; below where sampling rates and amplifiers differ
_FROM_HZ = 20.0  # muscles begin here (Goncharova et al. 2003)


def muscle_kernel(samplerate: float) -> FloatArray:
    """Return (n_taps, 2) float64, real and imaginary part: the band of muscles without mains.

    A kernel for each stretch between the lines; the least-squares design is linear in what is wanted, so their sum is
    the best for all of them.
    """
    high = min(_HIGHEST_HZ, 0.45 * samplerate)
    low = min(_LOWEST_HZ, 0.65 * high)
    prior = Prior()
    lines = [line for line in prior.mains_hz if low < line < high]
    edges = [low, *(edge for line in lines for edge in (line - 2, line + 2)), high]
    stretches = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    n_taps = max(4, round(_LENGTH_S * samplerate))
    kernel = kernels.design(stretches, samplerate, n_taps, [_DELAY_S] * len(stretches), prior).sum(axis=1)
    return np.column_stack([kernel.real, kernel.imag])


def muscle_leak(muscle: FloatArray, bands: ComplexArray, scale: FloatArray, samplerate: float) -> FloatArray:
    """Return (n_bands,) µV² in a band's power per µV² that `muscle` hears, of a spectrum that is flat from 20 Hz on.

    `bands` are the bands' kernels, `scale` (n_bands,) what turns their |z|² into power.
    """
    n_grid = round(samplerate / kernels.GRID_HZ)
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    loud = f >= min(_FROM_HZ, 0.25 * samplerate)
    kernel = (muscle[:, 0] + 1j * muscle[:, 1])[:, None]
    # kernels have their oldest sample first: the transform of the conjugate has the response's magnitude
    heard, leaked = (
        (np.abs(np.fft.fft(every.conj(), n_grid, axis=0)[loud]) ** 2).sum(axis=0) for every in (kernel, bands)
    )
    return np.asarray(leaked * scale / (heard / 2))

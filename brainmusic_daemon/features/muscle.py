"""A headset's set-up in, a short kernel that hears muscles and hardly brain out, and how far muscles leak into bands."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features import kernels
from brainmusic_daemon.features.kernels import ComplexArray, Prior
from brainmusic_daemon.features.montage import Setup

LENGTH_S = 0.12
_DELAY_S = 0.02
_LOWEST_HZ, _HIGHEST_HZ = 45.0, 95.0  # above the brain's bands; below where sampling rates and amplifiers differ
_FROM_HZ = 20.0  # muscles begin here (Goncharova et al. 2003)


def muscle_kernels(setup: Setup, bands: ComplexArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return V (n_taps, 2) float32, real and imaginary, and the leak (n_bands,) from its power into band powers.

    The band is that of muscles without mains: a kernel for each stretch between the lines; the least-squares design is
    linear in what is wanted, so their sum is the best for all of them.  `bands` are the bands' kernels, `scale` what
    turns |z|² into power.
    """
    nyquist = setup.samplerate / 2
    high = min(_HIGHEST_HZ, 0.9 * nyquist)
    low = min(_LOWEST_HZ, 0.65 * high)
    prior = Prior()
    lines = [line for line in prior.mains_hz if low < line < high]
    edges = [low, *(edge for line in lines for edge in (line - 2, line + 2)), high]
    stretches = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    n_taps = max(4, round(LENGTH_S * setup.samplerate))
    kernel = kernels.design(stretches, setup.samplerate, n_taps, [_DELAY_S] * len(stretches), prior).sum(axis=1)
    f = np.arange(min(_FROM_HZ, low), nyquist, kernels.GRID_HZ)
    heard = (np.abs(kernels.response(kernel[:, None], setup.samplerate, f)) ** 2).sum() / 2
    leaking = (np.abs(kernels.response(bands, setup.samplerate, f)) ** 2).sum(axis=0) * scale
    return kernels.stack(kernel[:, None]), leaking / heard

"""Compiled: a magnitude per band in, stereo filtered noise out.

The white noise is a hash of the frame number, so it needs no state and does not depend on how blocks are cut; the
bands are two-pole resonators, half an octave apart.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth.layout import NOISE_BANDS

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@compiled
def white(frame):
    """Return two independent numbers in ±1 for one frame (the splitmix64 finaliser of the frame number)."""
    z = np.uint64(frame + 1) * _STEP
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    z = z ^ (z >> _S31)
    return float(z >> _S32) * 2.0**-31 - 1.0, float(z & _LOW) * 2.0**-31 - 1.0


@compiled
def add_noise(n, frame, at, begin, end, frames, b, a1, a2, y1, y2, x, work, left, right):
    """Add n frames of noise to left and right; `begin` and `end` are the band amplitudes of the quantum.

    y1, y2, work: (2 · NOISE_BANDS,), left bands first; x: the two newest inputs of both sides.
    """
    for i in range(n):
        p = float(at + i) / frames
        wl, wr = white(frame + i)
        dl, dr = wl - x[1], wr - x[3]
        x[1], x[0], x[3], x[2] = x[0], wl, x[2], wr
        for j in range(NOISE_BANDS):
            g = b[j] * (begin[j] + (end[j] - begin[j]) * p)
            yl = g * dl + a1[j] * y1[j] + a2[j] * y2[j]
            yr = g * dr + a1[j] * y1[j + NOISE_BANDS] + a2[j] * y2[j + NOISE_BANDS]
            y2[j] = y1[j]
            y2[j + NOISE_BANDS] = y1[j + NOISE_BANDS]
            y1[j] = yl
            y1[j + NOISE_BANDS] = yr
        for j in range(8):  # a sum in pairs: it vectorises without leave to reorder
            work[j] = y1[j] + y1[j + 8]
            work[j + 8] = y1[j + 16] + y1[j + 24]
        left[i] += ((work[0] + work[1]) + (work[2] + work[3])) + ((work[4] + work[5]) + (work[6] + work[7]))
        right[i] += ((work[8] + work[9]) + (work[10] + work[11])) + ((work[12] + work[13]) + (work[14] + work[15]))

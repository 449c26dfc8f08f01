"""Compiled: one voice's phase and partial amplitudes in, its sum of harmonics out.

All partials of a voice need one sine and one cosine per frame: sin(kθ) = 2 cos θ · sin((k−1)θ) − sin((k−2)θ), the
Chebyshev recurrence, in float64 (error about −227 dBFS).
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth.layout import MAX_PARTIALS


@compiled
def sine_cosine(turns):
    """Return sin and cos of 2π·turns, exact to 1e-13, without a library call: vectorised, the same on every machine.

    Taylor series of the half angle, which lies in ±π/2; then the double angle.
    """
    x = math.pi * (turns - math.floor(turns + 0.5))
    y = x * x
    s = 1.0 - y / 342.0
    s = 1.0 - y / 272.0 * s
    s = 1.0 - y / 210.0 * s
    s = 1.0 - y / 156.0 * s
    s = 1.0 - y / 110.0 * s
    s = 1.0 - y / 72.0 * s
    s = 1.0 - y / 42.0 * s
    s = 1.0 - y / 20.0 * s
    s = x * (1.0 - y / 6.0 * s)
    c = 1.0 - y / 380.0
    c = 1.0 - y / 306.0 * c
    c = 1.0 - y / 240.0 * c
    c = 1.0 - y / 182.0 * c
    c = 1.0 - y / 132.0 * c
    c = 1.0 - y / 90.0 * c
    c = 1.0 - y / 56.0 * c
    c = 1.0 - y / 30.0 * c
    c = 1.0 - y / 12.0 * c
    c = 1.0 - y / 2.0 * c
    return 2.0 * s * c, 1.0 - 2.0 * s * s


@compiled
def nyquist_gain(k, increment):
    """Return the share of partial k that may sound: 1 below 0.46 of the sample rate, 0 from 0.49 on."""
    return min(1.0, max(0.0, (0.49 - k * increment) / 0.03))


@compiled
def prepare_partials(begin, end, inc_begin, inc_end, frames, amplitude, slope):
    """Write the amplitude ramps of one voice for one quantum; return how many partials sound (a multiple of 4)."""
    top = 0
    for k in range(MAX_PARTIALS):
        a = begin[k] * nyquist_gain(k + 1, inc_begin)
        b = end[k] * nyquist_gain(k + 1, inc_end)
        amplitude[k] = a
        slope[k] = (b - a) / frames
        if a > 1e-7 or b > 1e-7:
            top = k + 1
    return (top + 3) // 4 * 4


@compiled
def bank(n, at, phase, inc, inc_slope, partials, amplitude, slope, sine, before, cosine, out):
    """Write n frames, from frame `at` of the quantum on; everything is a function of the frame's place in it."""
    for i in range(n):
        p = float(at + i)
        s, c = sine_cosine(phase + p * inc + 0.5 * p * (p - 1.0) * inc_slope)
        sine[i] = s
        before[i] = 0.0
        cosine[i] = 2.0 * c
        out[i] = 0.0
    for k in range(0, partials, 4):
        a0, a1, a2, a3 = amplitude[k], amplitude[k + 1], amplitude[k + 2], amplitude[k + 3]
        d0, d1, d2, d3 = slope[k], slope[k + 1], slope[k + 2], slope[k + 3]
        for i in range(n):
            p = float(at + i)
            c = cosine[i]
            s0 = sine[i]
            s1 = c * s0 - before[i]
            s2 = c * s1 - s0
            s3 = c * s2 - s1
            out[i] += ((a0 + d0 * p) * s0 + (a1 + d1 * p) * s1) + ((a2 + d2 * p) * s2 + (a3 + d3 * p) * s3)
            sine[i] = c * s3 - s2
            before[i] = s3

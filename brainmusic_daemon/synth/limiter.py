"""Compiled: any stereo signal in, the same 70 frames later with no true peak above the ceiling out.

Four-fold oversampled peaks give the gain each frame needs; its minimum over 68 frames, released slowly and averaged
over 64, has come down fully when the peak leaves the 70-frame delay.  The average is exact integer arithmetic: it
cannot drift.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth.layout import HISTORY, LIMITED, LIMITER_IDLE, LIMITER_SUM, REPAIRED

LATENCY = 70
_ONE = 1 << 30


@compiled
def true_peak(x, at, taps):
    """Return the largest magnitude between frames at-6 and at-5, three points in between included."""
    top = abs(x[at - 6])
    for phase in range(3):
        total = 0.0
        for k in range(12):
            total += taps[phase * 12 + k] * x[at - k]
        top = max(top, abs(total))
    return top


@compiled
def needed_gain(n, left, right, taps, ceiling, gain):
    """Write the gain that each new frame needs; return whether any is below 1."""
    loudest = 0.0
    for i in range(HISTORY - 12, HISTORY + n):
        loudest = max(loudest, max(abs(left[i]), abs(right[i])))
    if loudest * 2.6 < ceiling:  # no sum of the taps' magnitudes reaches 2.6: the exact answer would be 1 as well
        for i in range(HISTORY, HISTORY + n):
            gain[i] = 1.0
        return False
    any_below = False
    for i in range(HISTORY, HISTORY + n):
        peak = max(true_peak(left, i, taps), true_peak(right, i, taps))
        gain[i] = 1.0
        if peak > ceiling:
            gain[i] = ceiling / peak
            any_below = True
    return any_below


@compiled
def limit(n, integers, scalars, left, right, gain, held, work, taps, ceiling, release, out, offset):
    """Limit n frames that stand in left and right from HISTORY on, and write them to out[offset:] as float32.

    left, right, gain, held keep HISTORY frames of the past in front; scalars[0] is the released gain.
    """
    for i in range(HISTORY, HISTORY + n):
        if not (abs(left[i]) < 1e6 and abs(right[i]) < 1e6):  # also true for NaN: silence rather than a dead limiter
            left[i], right[i] = 0.0, 0.0
            integers[REPAIRED] += 1
    idle = integers[LIMITER_IDLE]
    busy = needed_gain(n, left, right, taps, ceiling, gain)
    idle = 0 if busy else min(idle + n, 1 << 40)
    if idle > 2 * HISTORY and scalars[0] == 1.0 and integers[LIMITER_SUM] == 64 * _ONE:
        for i in range(n):
            held[HISTORY + i] = _ONE
            out[offset + i, 0] = left[HISTORY + i - LATENCY]
            out[offset + i, 1] = right[HISTORY + i - LATENCY]
    else:
        first = HISTORY - 67
        for i in range(first, HISTORY + n):
            work[i] = gain[i]
        span = 1
        while span < 64:  # after this, work[i] is the minimum over the 64 frames up to i
            for i in range(HISTORY + n - 1, first + span - 1, -1):
                work[i] = min(work[i], work[i - span])
            span *= 2
        now = scalars[0]
        total = integers[LIMITER_SUM]
        for i in range(HISTORY, HISTORY + n):
            now = min(now + (1.0 - now) * release, min(work[i], work[i - 4]))
            if now > 0.999999:
                now = 1.0
            held[i] = int(now * _ONE)
            total += held[i] - held[i - 64]
            g = total * (1.0 / (64.0 * _ONE))
            integers[LIMITED] += g < 1.0
            out[offset + i - HISTORY, 0] = left[i - LATENCY] * g
            out[offset + i - HISTORY, 1] = right[i - LATENCY] * g
        scalars[0] = now
        integers[LIMITER_SUM] = total
    integers[LIMITER_IDLE] = idle
    for i in range(HISTORY):
        left[i], right[i], gain[i], held[i] = left[i + n], right[i + n], gain[i + n], held[i + n]

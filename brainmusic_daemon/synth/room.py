"""Compiled: the dry stereo signal in, an ensemble and a room out.

The room is a feedback delay network: eight lines whose lengths drift slowly, a Hadamard matrix between them, a low-pass
in each (Jot & Chaigne, "Digital delay networks for designing artificial reverberators", AES 90, 1991), two all-passes
per side in front.  The ensemble is one moving tap per side.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth.layout import (
    ALLPASS_LENGTH,
    CHORUS_LENGTH,
    LINE_LENGTH,
    LINES,
    QUANTUM,
)


@compiled
def read(line, mask, position):
    """Return the line's value at a fractional position, interpolated linearly."""
    whole = math.floor(position)
    part = position - whole
    at = int(whole)
    return line[at & mask] * (1.0 - part) + line[(at + 1) & mask] * part


@compiled
def read_smoothly(line, mask, position):
    """Return the line's value at a fractional position, by the cubic through four frames (Lagrange)."""
    whole = math.floor(position)
    t = position - whole
    at = int(whole)
    a, b, c, d = line[(at - 1) & mask], line[at & mask], line[(at + 1) & mask], line[(at + 2) & mask]
    ahead, behind = t - 1.0, t + 1.0
    outer = d * behind * t * ahead / 6.0 - a * t * ahead * (t - 2.0) / 6.0
    return outer + (b * behind * ahead * (t - 2.0) - c * behind * t * (t - 2.0)) / 2.0


@compiled
def ensemble(n, frame, at, share, share_slope, move, slope, lines, left, right):
    """Add a delayed, slowly moving copy of each side to it, and take the level back by as much.

    lines: (2 · CHORUS_LENGTH,); move, slope: delay in frames at the begin of the quantum, and its change per frame.
    """
    mask = CHORUS_LENGTH - 1
    line_l, line_r = lines[:CHORUS_LENGTH], lines[CHORUS_LENGTH:]
    for i in range(n):
        p = float(at + i)
        now = frame + i
        line_l[now & mask] = left[i]
        line_r[now & mask] = right[i]
        c = share + share_slope * p
        dry = 1.0 - 0.4 * c
        left[i] = dry * left[i] + c * read_smoothly(line_l, mask, now - (move[0] + slope[0] * p))
        right[i] = dry * right[i] + c * read_smoothly(line_r, mask, now - (move[1] + slope[1] * p))


@compiled
def low_cut(n, pole, state, left, right):
    """Take the lowest octaves out of what goes into the room (first order), and keep denormal numbers away."""
    low_l, low_r = state[0], state[1]
    for i in range(n):
        low_l += pole * (left[i] - low_l)
        low_r += pole * (right[i] - low_r)
        left[i] = left[i] - low_l + 1e-18
        right[i] = right[i] - low_r + 1e-18
    state[0], state[1] = low_l, low_r


@compiled
def diffuse(n, frame, delay, line, signal):
    """Pass a signal through an all-pass, in place; the delay is longer than n, so frames don't depend on each other."""
    mask = ALLPASS_LENGTH - 1
    for i in range(n):
        old = line[(frame + i - delay) & mask]
        new = signal[i] - 0.6 * old
        line[(frame + i) & mask] = new
        signal[i] = old + 0.6 * new


@compiled
def room(n, frame, at, damping, damping_slope, gain, gain_slope, move, move_slope, damped, lines, taps, left, right):
    """Replace left and right by the room's answer to them.

    gain, move (LINES,): feedback gain and delay of each line at the begin of the quantum, with their slopes per frame;
    lines: (LINES · LINE_LENGTH,); taps: (LINES · QUANTUM,) work.
    """
    mask = LINE_LENGTH - 1
    for j in range(LINES):
        line = lines[j * LINE_LENGTH : (j + 1) * LINE_LENGTH]
        tap = taps[j * QUANTUM : (j + 1) * QUANTUM]
        for i in range(n):
            p = float(at + i)
            tap[i] = read(line, mask, frame + i - (move[j] + move_slope[j] * p))
    for i in range(n):
        c = damping + damping_slope * float(at + i)
        for j in range(LINES):
            z = damped[j] + c * (taps[j * QUANTUM + i] - damped[j])
            damped[j] = z
            taps[j * QUANTUM + i] = z
    t0, t1, t2, t3 = taps[:QUANTUM], taps[QUANTUM : 2 * QUANTUM], taps[2 * QUANTUM : 3 * QUANTUM], taps[3 * QUANTUM :]
    t4, t5, t6, t7 = t3[QUANTUM:], t3[2 * QUANTUM :], t3[3 * QUANTUM :], t3[4 * QUANTUM :]
    scale = 8.0**-0.5
    for i in range(n):
        p = float(at + i)
        in_l, in_r = left[i], right[i]
        x0, x1, x2, x3, x4, x5, x6, x7 = t0[i], t1[i], t2[i], t3[i], t4[i], t5[i], t6[i], t7[i]
        left[i] = 0.5 * ((x0 - x2) + (x4 - x6))
        right[i] = 0.5 * ((x1 - x3) + (x5 - x7))
        x0 *= gain[0] + gain_slope[0] * p
        x1 *= gain[1] + gain_slope[1] * p
        x2 *= gain[2] + gain_slope[2] * p
        x3 *= gain[3] + gain_slope[3] * p
        x4 *= gain[4] + gain_slope[4] * p
        x5 *= gain[5] + gain_slope[5] * p
        x6 *= gain[6] + gain_slope[6] * p
        x7 *= gain[7] + gain_slope[7] * p
        x0, x1, x2, x3, x4, x5, x6, x7 = x0 + x1, x0 - x1, x2 + x3, x2 - x3, x4 + x5, x4 - x5, x6 + x7, x6 - x7
        x0, x2, x1, x3, x4, x6, x5, x7 = x0 + x2, x0 - x2, x1 + x3, x1 - x3, x4 + x6, x4 - x6, x5 + x7, x5 - x7
        t0[i] = scale * (x0 + x4) + 0.35 * in_l
        t1[i] = scale * (x1 + x5) + 0.35 * in_r
        t2[i] = scale * (x2 + x6) - 0.35 * in_l
        t3[i] = scale * (x3 + x7) - 0.35 * in_r
        t4[i] = scale * (x0 - x4) + 0.35 * in_l
        t5[i] = scale * (x1 - x5) + 0.35 * in_r
        t6[i] = scale * (x2 - x6) - 0.35 * in_l
        t7[i] = scale * (x3 - x7) - 0.35 * in_r
    for j in range(LINES):
        for i in range(n):
            lines[j * LINE_LENGTH + ((frame + i) & mask)] = taps[j * QUANTUM + i]

"""Compiled: the shared block and a frame count in, that many stereo frames out; the same bits however blocks are cut.

Frames are worked on in pieces that end at the block's end, at a multiple of QUANTUM, or where an event applies.  All
ramps are set at multiples of QUANTUM and are functions of a frame's place in its quantum.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.controls import begin_quantum, end_quantum
from brainmusic_daemon.synth.instrument_ring import play_ring
from brainmusic_daemon.synth.layout import HISTORY, MAX_PARTIALS, MAX_VOICES, NOISE_BANDS, QUANTUM
from brainmusic_daemon.synth.limiter import limit
from brainmusic_daemon.synth.noise import add_noise
from brainmusic_daemon.synth.oscillators import bank
from brainmusic_daemon.synth.queues import apply_events, apply_states
from brainmusic_daemon.synth.room import diffuse, ensemble, low_cut, room


@compiled
def render(F, N, out, frames):
    """Write out[:frames] (float32, two columns).  F and N are the same memory as float64 and as int64."""
    done = 0
    while done < frames:
        frame = N[at.FRAME]
        place = frame % QUANTUM
        if place == 0:
            apply_states(F, N, frame)
            begin_quantum(F, N, frame)
        ahead = apply_events(F, N, frame, place)
        n = min(min(frames - done, QUANTUM - place), ahead)
        piece(F, N, frame, place, n, out, done)
        N[at.FRAME] = frame + n
        done += n
        if place + n == QUANTUM:
            end_quantum(F, N)


@compiled
def piece(F, N, frame, place, n, out, offset):
    """Render n frames that lie in one quantum, with no event between them."""
    left, right = F[at.LEFT : at.LEFT + QUANTUM], F[at.RIGHT : at.RIGHT + QUANTUM]
    wet_l, wet_r = F[at.WET_LEFT : at.WET_LEFT + QUANTUM], F[at.WET_RIGHT : at.WET_RIGHT + QUANTUM]
    if N[at.INSTRUMENT] == 1:
        play_ring(F, N, n, left, right)
    else:
        for i in range(n):
            left[i] = 0.0
            right[i] = 0.0
        for v in range(MAX_VOICES):
            voice(F, v, place, n, left, right)
        noise(F, frame, place, n, left, right)
    space(F, frame, place, n, left, right, wet_l, wet_r)
    lim_l = F[at.LIMIT_LEFT : at.LIMIT_LEFT + HISTORY + QUANTUM]
    lim_r = F[at.LIMIT_RIGHT : at.LIMIT_RIGHT + HISTORY + QUANTUM]
    master(F, place, n, left, right, wet_l, wet_r, lim_l, lim_r)
    limit(
        n,
        N,
        F[at.LIMITER_GAIN : at.LIMITER_GAIN + 1],
        lim_l,
        lim_r,
        F[at.LIMIT_GAIN : at.LIMIT_GAIN + HISTORY + QUANTUM],
        N[at.LIMIT_HELD : at.LIMIT_HELD + HISTORY + QUANTUM],
        F[at.LIMIT_WORK : at.LIMIT_WORK + HISTORY + QUANTUM],
        F[at.PEAK_TAPS : at.PEAK_TAPS + 36],
        F[at.CEILING],
        F[at.RELEASE],
        out,
        offset,
    )


@compiled
def voice(F, v, place, n, left, right):
    """Add one voice, panned, to left and right."""
    gain_l, slope_l = F[at.V_LEFT + v], F[at.V_LEFT_SLOPE + v]
    gain_r, slope_r = F[at.V_RIGHT + v], F[at.V_RIGHT_SLOPE + v]
    env, env_from, env_slope = F[at.V_ENV + v], F[at.V_ENV_FROM + v], F[at.V_ENV_SLOPE + v]
    partials = int(F[at.V_PARTIALS + v])
    silent = gain_l == 0.0 and slope_l == 0.0 and gain_r == 0.0 and slope_r == 0.0
    if partials == 0 or silent or (env == 0.0 and env_slope == 0.0):
        return
    total = F[at.SUM : at.SUM + QUANTUM]
    amplitude = F[at.AMPLITUDE + v * MAX_PARTIALS : at.AMPLITUDE + (v + 1) * MAX_PARTIALS]
    slope = F[at.AMPLITUDE_SLOPE + v * MAX_PARTIALS : at.AMPLITUDE_SLOPE + (v + 1) * MAX_PARTIALS]
    sine, before = F[at.SINE : at.SINE + QUANTUM], F[at.SINE_BEFORE : at.SINE_BEFORE + QUANTUM]
    cosine = F[at.COSINE : at.COSINE + QUANTUM]
    phase, inc, inc_slope = F[at.V_PHASE + v], F[at.V_INC + v], F[at.V_INC_SLOPE + v]
    bank(n, place, phase, inc, inc_slope, partials, amplitude, slope, sine, before, cosine, total)
    for i in range(n):
        p = float(place + i)
        x = total[i] * (env + env_slope * (p - env_from))
        left[i] += x * (gain_l + slope_l * p)
        right[i] += x * (gain_r + slope_r * p)


@compiled
def noise(F, frame, place, n, left, right):
    """Add the breath to left and right, unless it is silent."""
    begin = F[at.BEGIN + at.NOISE : at.BEGIN + at.NOISE + NOISE_BANDS]
    end = F[at.END + at.NOISE : at.END + at.NOISE + NOISE_BANDS]
    loudest = 0.0
    for j in range(NOISE_BANDS):
        loudest = max(loudest, max(begin[j], end[j]))
    if loudest < 1e-9:
        return
    b = F[at.NOISE_B : at.NOISE_B + NOISE_BANDS]
    a1 = F[at.NOISE_A1 : at.NOISE_A1 + NOISE_BANDS]
    a2 = F[at.NOISE_A2 : at.NOISE_A2 + NOISE_BANDS]
    y1 = F[at.NOISE_Y1 : at.NOISE_Y1 + 2 * NOISE_BANDS]
    y2 = F[at.NOISE_Y2 : at.NOISE_Y2 + 2 * NOISE_BANDS]
    x = F[at.NOISE_X : at.NOISE_X + 4]
    work = F[at.NOISE_OUT : at.NOISE_OUT + 2 * NOISE_BANDS]
    add_noise(n, frame, place, begin, end, QUANTUM, b, a1, a2, y1, y2, x, work, left, right)


@compiled
def space(F, frame, place, n, left, right, wet_l, wet_r):
    """Widen left and right in place, and write the room's answer to wet_l and wet_r."""
    share = F[at.BEGIN + at.CHORUS]
    share_slope = (F[at.END + at.CHORUS] - share) / QUANTUM
    lines = F[at.CHORUS_LINE : at.CHORUS_LINE + 2 * at.CHORUS_LENGTH]
    move, slope = F[at.CHORUS_MOVE : at.CHORUS_MOVE + 2], F[at.CHORUS_SLOPE : at.CHORUS_SLOPE + 2]
    ensemble(n, frame, place, share, share_slope, move, slope, lines, left, right)
    for i in range(n):
        wet_l[i] = left[i]
        wet_r[i] = right[i]
    low_cut(n, F[at.LOW_CUT], F[at.CUT : at.CUT + 2], wet_l, wet_r)
    for j in range(at.ALLPASSES):
        line = F[at.ALLPASS + j * at.ALLPASS_LENGTH : at.ALLPASS + (j + 1) * at.ALLPASS_LENGTH]
        diffuse(n, frame, int(F[at.ALLPASS_DELAY + j]), line, wet_l if j % 2 == 0 else wet_r)
    rate = 2.0 * math.pi / F[at.SAMPLERATE]
    damping = 1.0 - math.exp(-rate * F[at.BEGIN + at.DAMPING])
    damping_slope = (1.0 - math.exp(-rate * F[at.END + at.DAMPING]) - damping) / QUANTUM
    room(
        n,
        frame,
        place,
        damping,
        damping_slope,
        F[at.LINE_GAIN : at.LINE_GAIN + at.LINES],
        F[at.LINE_SLOPE : at.LINE_SLOPE + at.LINES],
        F[at.LINE_MOVE : at.LINE_MOVE + at.LINES],
        F[at.LINE_MOVE_SLOPE : at.LINE_MOVE_SLOPE + at.LINES],
        F[at.DAMPED : at.DAMPED + at.LINES],
        F[at.LINE : at.LINE + at.LINES * at.LINE_LENGTH],
        F[at.TAPS : at.TAPS + at.LINES * QUANTUM],
        wet_l,
        wet_r,
    )


@compiled
def master(F, place, n, left, right, wet_l, wet_r, lim_l, lim_r):
    """Mix dry and wet (equal power), block DC, fade, and append to what the limiter looks at."""
    wet, wet_end = F[at.BEGIN + at.WET], F[at.END + at.WET]
    dry_begin, dry_end = math.sqrt(1.0 - wet * wet), math.sqrt(1.0 - wet_end * wet_end)
    level, level_end = F[at.BEGIN + at.LEVEL], F[at.END + at.LEVEL]
    fade, fade_end = F[at.FADE_BEGIN], F[at.FADE_END]
    pole = F[at.DC_POLE]
    xl, yl, xr, yr = F[at.DC], F[at.DC + 1], F[at.DC + 2], F[at.DC + 3]
    gain, gain_end = F[at.GAIN_BEGIN], F[at.GAIN_END]
    for i in range(n):
        p = float(place + i) / QUANTUM
        d = dry_begin + (dry_end - dry_begin) * p
        w = wet + (wet_end - wet) * p
        g = (level + (level_end - level) * p) * (gain + (gain_end - gain) * p)
        l = g * (d * left[i] + w * wet_l[i]) + 1e-20  # noqa: E741
        r = g * (d * right[i] + w * wet_r[i]) + 1e-20
        yl = l - xl + pole * yl
        yr = r - xr + pole * yr
        xl, xr = l, r
        f = fade + (fade_end - fade) * p  # behind the DC blocker, so that silence is silent
        lim_l[HISTORY + i] = yl * f
        lim_r[HISTORY + i] = yr * f
    F[at.DC], F[at.DC + 1], F[at.DC + 2], F[at.DC + 3] = xl, yl, xr, yr

"""Compiled: targets in, the ramps of one quantum out: nothing that is heard ever jumps."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.gates import own_colour, to_drone
from brainmusic_daemon.synth.layout import LINES, MAX_PARTIALS, MAX_VOICES, QUANTUM, SPECTRUM, TARGETS
from brainmusic_daemon.synth.oscillators import prepare_partials, sine_cosine

GAIN_S = 0.03  # time constant of the output gain


@compiled
def begin_quantum(F, N, frame):
    """Set all ramps of the quantum that starts at `frame`."""
    rate = F[at.SAMPLERATE]
    step = QUANTUM / rate
    begin, end = F[at.BEGIN : at.BEGIN + TARGETS], F[at.END : at.END + TARGETS]
    target, share = F[at.TARGET : at.TARGET + TARGETS], F[at.COEFFICIENT : at.COEFFICIENT + TARGETS]
    for j in range(TARGETS):
        begin[j] = end[j]
        end[j] = begin[j] + (target[j] - begin[j]) * share[j]
    attack = max(end[at.ATTACK], 0.002)
    rise = 1.0 - math.exp(-3.0 * step / attack)  # `attack` is the time to 95 %
    for v in range(MAX_VOICES):
        j = at.VOICE_LEVEL + v
        if target[j] > begin[j]:
            end[j] = begin[j] + (target[j] - begin[j]) * rise
        if end[j] < 1e-9:
            end[j] = 0.0
    pulse_end = F[at.PULSE_PHASE] + end[at.PULSE] * step
    fall = 1.0 - math.exp(-step * 3.0 * max(end[at.PULSE], 0.1))
    for v in range(MAX_VOICES):
        begin_voice(F, N, v, frame, pulse_end, rise, fall, begin, end)
    F[at.PULSE_PHASE] = pulse_end
    gain = F[at.GAIN_END]
    F[at.GAIN_BEGIN] = gain
    F[at.GAIN_END] = gain + (F[at.GAIN] - gain) * (1.0 - math.exp(-step / GAIN_S))
    fade = F[at.FADE_END]
    F[at.FADE_BEGIN] = fade
    if fade < F[at.FADE_TARGET]:
        F[at.FADE_END] = min(F[at.FADE_TARGET], fade + F[at.FADE_STEP])
    else:
        F[at.FADE_END] = max(F[at.FADE_TARGET], fade - F[at.FADE_STEP])
    if N[at.WIPE] == 1 and fade == 0.0:
        wipe(F, N)
    begin_space(F, frame, rate, begin, end)


@compiled
def begin_voice(F, N, v, frame, pulse, rise, fall, begin, end):
    """Set the ramps of one voice: pitch with its slow drift, level, pulse, pan, envelope, partials."""
    rate = F[at.SAMPLERATE]
    if N[at.VOICE_LEAVES + v] == 1 and F[at.V_ENV + v] == 0.0:
        to_drone(F, N, v, begin, end)
    goal = end[at.VOICE_FREQUENCY + v]
    level, pan = end[at.VOICE_LEVEL + v], end[at.VOICE_PAN + v]
    if N[at.VOICE_NOTE + v] == 1:
        glide = F[at.V_NOTE_GLIDE + v]
        glide += (F[at.V_NOTE_FREQUENCY + v] - glide) * (1.0 - math.exp(-QUANTUM / (0.002 * rate)))
        F[at.V_NOTE_GLIDE + v] = goal = glide
        level, pan = F[at.V_NOTE_LEVEL + v], F[at.V_NOTE_PAN + v]
    # two slow sines of unlike rates: a drift that does not repeat audibly
    seconds = frame / rate
    slow, _ = sine_cosine(seconds * (0.071 + 0.013 * v) + 0.37 * v)
    fast, _ = sine_cosine(seconds * (0.23 + 0.029 * v) + 0.61 * v)
    cents = end[at.DRIFT] * (0.7 * slow + 0.3 * fast)
    inc = F[at.V_INC + v] + F[at.V_INC_SLOPE + v] * QUANTUM
    inc_end = goal * (1.0 + cents * 0.000577789) / rate
    if inc == 0.0:
        inc = inc_end
    F[at.V_INC + v] = inc
    F[at.V_INC_SLOPE + v] = (inc_end - inc) / QUANTUM
    # the pulse: a gate that follows the beat, with the attack of the controls and a fall in proportion to the beat
    place = pulse * end[at.VOICE_RATIO + v]
    gate = 1.0 if place - math.floor(place) < 0.4 else 0.0
    beat = F[at.V_PULSE + v]
    after = beat + (gate - beat) * (rise if gate > beat else fall)
    F[at.V_PULSE + v] = after
    gain = level * (1.0 - end[at.VOICE_DEPTH + v] * (1.0 - after))
    right, left = sine_cosine((pan + 1.0) / 8.0)  # constant power
    before = abs(F[at.V_LEFT + v]) + abs(F[at.V_RIGHT + v])
    ramp_to(F, at.V_LEFT + v, at.V_LEFT_SLOPE + v, gain * left)
    ramp_to(F, at.V_RIGHT + v, at.V_RIGHT_SLOPE + v, gain * right)
    first, last = SPECTRUM + v * MAX_PARTIALS, SPECTRUM + (v + 1) * MAX_PARTIALS
    if N[at.VOICE_NOTE + v] == 1:
        own_colour(F, v, begin, end, first, last)
    amplitude = F[at.AMPLITUDE + v * MAX_PARTIALS : at.AMPLITUDE + (v + 1) * MAX_PARTIALS]
    slope = F[at.AMPLITUDE_SLOPE + v * MAX_PARTIALS : at.AMPLITUDE_SLOPE + (v + 1) * MAX_PARTIALS]
    if before > 0.0 or gain > 0.0:
        F[at.V_PARTIALS + v] = prepare_partials(
            begin[first:last], end[first:last], inc, inc_end, QUANTUM, amplitude, slope
        )
        shade(F, N, v, amplitude, slope)


@compiled
def shade(F, N, v, amplitude, slope):
    """Darken a struck sound as it fades, partial k by shade ** k: strings and bars lose their upper partials first."""
    before, after = F[at.V_SHADE + v], 1.0
    if N[at.VOICE_NOTE + v] == 1 and F[at.V_NOTE_DECAY + v] > 0.0 and N[at.VOICE_GATE + v] != 1:
        after = 1.0 - 0.25 * (1.0 - min(F[at.V_ENV + v], 1.0))
    after = before + 0.2 * (after - before)
    F[at.V_SHADE + v] = after
    if before > 0.9999 and after > 0.9999:
        return
    a, b = 1.0, 1.0
    for k in range(int(F[at.V_PARTIALS + v])):
        begin = amplitude[k] * a
        slope[k] = ((amplitude[k] + slope[k] * QUANTUM) * b - begin) / QUANTUM
        amplitude[k] = begin
        a *= before
        b *= after


@compiled
def ramp(F, value, slope, begin, end):
    F[value] = begin
    F[slope] = (end - begin) / QUANTUM


@compiled
def ramp_to(F, value, slope, goal):
    """Continue from where the last ramp ended; exact, as QUANTUM is a power of two."""
    ramp(F, value, slope, F[value] + F[slope] * QUANTUM, goal)


@compiled
def begin_space(F, frame, rate, begin, end):
    """Set the slow movement of the ensemble and of the room's lines, and the lines' gains for the T60."""
    now, then = frame / rate, (frame + QUANTUM) / rate
    for side in range(2):
        a, _ = sine_cosine(now * 0.23 + 0.25 * side)
        b, _ = sine_cosine(then * 0.23 + 0.25 * side)
        ramp(F, at.CHORUS_MOVE + side, at.CHORUS_SLOPE + side, rate * (0.011 + 0.002 * a), rate * (0.011 + 0.002 * b))
    for j in range(LINES):
        delay, speed = F[at.LINE_DELAY + j], F[at.LINE_RATE + j]
        a, _ = sine_cosine(now * speed + 0.125 * j)
        b, _ = sine_cosine(then * speed + 0.125 * j)
        depth = 0.00018 * rate
        ramp(F, at.LINE_MOVE + j, at.LINE_MOVE_SLOPE + j, delay + depth * a, delay + depth * b)
        decay = -6.907755 * delay / rate
        ramp(F, at.LINE_GAIN + j, at.LINE_SLOPE + j, math.exp(decay / begin[at.T60]), math.exp(decay / end[at.T60]))


@compiled
def end_quantum(F, N):
    """Carry phases and envelopes over into the next quantum."""
    rate = F[at.SAMPLERATE]
    for v in range(MAX_VOICES):
        phase = F[at.V_PHASE + v] + QUANTUM * F[at.V_INC + v]
        phase += 0.5 * QUANTUM * (QUANTUM - 1.0) * F[at.V_INC_SLOPE + v]
        F[at.V_PHASE + v] = phase - math.floor(phase)
        if N[at.VOICE_NOTE + v] == 0:
            F[at.V_ENV + v], F[at.V_ENV_FROM + v], F[at.V_ENV_SLOPE + v] = 1.0, 0.0, 0.0
            continue
        e = F[at.V_ENV + v] + F[at.V_ENV_SLOPE + v] * (QUANTUM - F[at.V_ENV_FROM + v])
        goal, seconds = 0.0, F[at.V_NOTE_RELEASE + v]
        if N[at.VOICE_GATE + v] == 1 and e > 0.9 and F[at.V_NOTE_DECAY + v] > 0.0:
            N[at.VOICE_GATE + v] = 2
        if N[at.VOICE_GATE + v] == 2:
            seconds = F[at.V_NOTE_DECAY + v]
        elif N[at.VOICE_GATE + v] == 1:
            goal, seconds = 1.0, max(F[at.V_NOTE_ATTACK + v] / 3.0, 1e-3)
        if goal == 0.0 and e < 1e-5:
            e = 0.0
        F[at.V_ENV + v] = e
        F[at.V_ENV_FROM + v] = 0.0
        F[at.V_ENV_SLOPE + v] = (goal - e) * (1.0 - math.exp(-QUANTUM / (seconds * rate))) / QUANTUM


@compiled
def wipe(F, N):
    """Empty every line and end every note, those that wait too, once the fade has reached silence."""
    N[at.WIPE] = 0
    N[at.EVENT_HEAD] = N[at.EVENT_TAIL]
    F[at.LINE : at.CHORUS_LINE + 2 * at.CHORUS_LENGTH] = 0.0
    F[at.DAMPED : at.DAMPED + LINES] = 0.0
    F[at.DC : at.CUT + 2] = 0.0
    F[at.V_LEFT : at.V_ENV] = 0.0  # nothing of them may reach the room any more
    F[at.V_ENV : at.V_ENV + MAX_VOICES] = 1.0
    F[at.V_ENV_SLOPE : at.V_ENV_SLOPE + MAX_VOICES] = 0.0
    for v in range(MAX_VOICES):
        N[at.VOICE_NOTE + v] = 0
        N[at.VOICE_GATE + v] = 0
        N[at.VOICE_LEAVES + v] = 0

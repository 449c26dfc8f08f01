"""Compiled: the begin and the end of a voice's notes, and its way between the notes and the drone; nothing clicks."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.layout import MAX_PARTIALS

LEAVE_S = 0.3  # longest time constant of a note whose voice the drone needs
SAME = 1e-6  # pitches that differ by less are those of one note
FAINT, FAINT_TONE = 1e-4, 3e-3  # what is left of a note, of a tone of the drone, below which a voice starts anew


@compiled
def bend_envelope(F, v, place, goal, seconds):
    """Turn the envelope towards a goal from this very frame on, continuing from where it is."""
    e = F[at.V_ENV + v] + F[at.V_ENV_SLOPE + v] * (place - F[at.V_ENV_FROM + v])
    share = 1.0 - math.exp(-1.0 / (max(seconds, 1e-3) * F[at.SAMPLERATE]))
    F[at.V_ENV + v] = e
    F[at.V_ENV_FROM + v] = float(place)
    F[at.V_ENV_SLOPE + v] = (goal - e) * share
    return e


@compiled
def open_gate(F, N, v, frame, place, note):
    """Start a note; `note` is what follows the voice in layout.EVENT.  A silent voice starts at phase 0."""
    increment = note[0] / F[at.SAMPLERATE]
    if not (0.0 < increment < 0.5):
        return
    was_free = N[at.VOICE_NOTE + v] == 0
    N[at.VOICE_NOTE + v] = 1
    N[at.VOICE_LEAVES + v] = 0
    F[at.V_NOTE_FREQUENCY + v] = note[0]
    F[at.V_NOTE_LEVEL + v] = note[1]
    F[at.V_NOTE_PAN + v] = note[2]
    F[at.V_NOTE_ATTACK + v] = note[3]
    F[at.V_NOTE_DECAY + v] = note[5]
    F[at.V_NOTE_RELEASE + v] = note[6]
    half_pi = 0.25 * (note[2] + 1.0) * math.pi
    left, right = note[1] * math.cos(half_pi), note[1] * math.sin(half_pi)
    faint = FAINT
    if was_free:  # a tone of the drone that fades: what is left of it becomes the begin of the note
        left_now = F[at.V_LEFT + v] + F[at.V_LEFT_SLOPE + v] * place
        right_now = F[at.V_RIGHT + v] + F[at.V_RIGHT_SLOPE + v] * place
        rest = (left_now + right_now) / (left + right) if left + right > 0.0 else 0.0
        F[at.V_ENV + v], F[at.V_ENV_FROM + v], F[at.V_ENV_SLOPE + v] = rest, float(place), 0.0
        if rest > 0.0:  # each side goes on as it is
            F[at.V_LEFT + v], F[at.V_LEFT_SLOPE + v] = left_now / rest, 0.0
            F[at.V_RIGHT + v], F[at.V_RIGHT_SLOPE + v] = right_now / rest, 0.0
        F[at.V_NOTE_GLIDE + v] = F[at.V_INC + v] * F[at.SAMPLERATE]
        faint = FAINT_TONE
    e = bend_envelope(F, v, place, 1.0, note[3] / 3.0)
    if e < faint:
        F[at.V_INC + v] = increment
        F[at.V_INC_SLOPE + v] = 0.0
        F[at.V_PHASE + v] = -increment * place
        F[at.V_NOTE_GLIDE + v] = note[0]
        F[at.V_SHADE + v] = 1.0
        F[at.V_LEFT + v], F[at.V_LEFT_SLOPE + v] = left, 0.0
        F[at.V_RIGHT + v], F[at.V_RIGHT_SLOPE + v] = right, 0.0
        top = 0
        for k in range(MAX_PARTIALS):
            j = at.SPECTRUM + v * MAX_PARTIALS + k
            F[at.END + j] = F[at.TARGET + j]
            a = F[at.TARGET + j] if (k + 1) * increment < 0.46 else 0.0
            F[at.AMPLITUDE + v * MAX_PARTIALS + k] = a
            F[at.AMPLITUDE_SLOPE + v * MAX_PARTIALS + k] = 0.0
            if a > 1e-7:
                top = k + 1
        F[at.V_PARTIALS + v] = (top + 3) // 4 * 4
    N[at.VOICE_GATE + v] = 1
    N[at.VOICE_END + v] = frame + max(1, int(note[4] * F[at.SAMPLERATE] + 0.5))


@compiled
def close_gate(F, N, v, place):
    """Let a note fade."""
    if N[at.VOICE_NOTE + v] == 1 and N[at.VOICE_GATE + v] != 0:
        N[at.VOICE_GATE + v] = 0
        bend_envelope(F, v, place, 0.0, F[at.V_NOTE_RELEASE + v])


@compiled
def hurry(F, N, v, place, seconds):
    """Let a note fade within this time constant at the longest, also one that was let go already."""
    if N[at.VOICE_NOTE + v] == 1:
        F[at.V_NOTE_RELEASE + v] = min(F[at.V_NOTE_RELEASE + v], seconds)
        N[at.VOICE_GATE + v] = 0
        bend_envelope(F, v, place, 0.0, F[at.V_NOTE_RELEASE + v])


@compiled
def leave(F, N, v, place):
    """Let the note of a voice fade soon; the drone has the voice from then on."""
    if N[at.VOICE_NOTE + v] == 1:
        hurry(F, N, v, place, LEAVE_S)
        N[at.VOICE_LEAVES + v] = 1


@compiled
def own_colour(F, v, begin, end, first, last):
    """Let a note keep its colour when the targets are for the next note already; a silent voice takes them at once."""
    if F[at.V_ENV + v] == 0.0 and F[at.V_ENV_SLOPE + v] == 0.0:
        for j in range(first, last):
            end[j] = F[at.TARGET + j]
    elif abs(F[at.TARGET + at.VOICE_FREQUENCY + v] / F[at.V_NOTE_FREQUENCY + v] - 1.0) > SAME:
        for j in range(first, last):
            end[j] = begin[j]


@compiled
def to_drone(F, N, v, begin, end):
    """Give a voice whose note has faded back to the drone, as silent as it is: the tone rises as the attack says."""
    N[at.VOICE_NOTE + v], N[at.VOICE_GATE + v], N[at.VOICE_LEAVES + v] = 0, 0, 0
    F[at.V_LEFT + v], F[at.V_LEFT_SLOPE + v], F[at.V_RIGHT + v], F[at.V_RIGHT_SLOPE + v] = 0.0, 0.0, 0.0, 0.0
    F[at.V_ENV + v], F[at.V_ENV_FROM + v], F[at.V_ENV_SLOPE + v] = 1.0, 0.0, 0.0
    F[at.V_PHASE + v], F[at.V_INC + v], F[at.V_INC_SLOPE + v], F[at.V_SHADE + v] = 0.0, 0.0, 0.0, 1.0
    begin[at.VOICE_LEVEL + v], end[at.VOICE_LEVEL + v] = 0.0, 0.0

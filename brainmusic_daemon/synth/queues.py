"""Compiled: rows in from Python, targets and events to the renderer, over two single-producer single-consumer rings.

The row is written before the tail moves, with a fence between, so the callback never reads half a row.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.extending import intrinsic

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.layout import (
    EVENT,
    EVENT_ROWS,
    MAX_PARTIALS,
    MAX_VOICES,
    QUANTUM,
    ROW,
    STATE_ROWS,
    TARGETS,
)


@intrinsic  # type: ignore[untyped-decorator]
def fence(typingctx: Any) -> Any:
    """Order all loads and stores before this with all after it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def push(F, N, queue, width, rows, head, tail, lost, row):
    """Append a row; return False, and count it, where the ring is full.  One producer thread only."""
    end = N[tail]
    if end - N[head] >= rows:
        N[lost] += 1
        return False
    start = queue + (end % rows) * width
    for j in range(row.size):
        F[start + j] = row[j]
    fence()
    N[tail] = end + 1
    return True


@compiled
def apply_states(F, N, frame):
    """Take every state row that is due at this multiple of QUANTUM."""
    while N[at.STATE_HEAD] < N[at.STATE_TAIL]:
        fence()
        start = at.STATE_QUEUE + (N[at.STATE_HEAD] % STATE_ROWS) * ROW
        if F[start] > frame:
            return
        kind = int(F[start + 1])
        values = F[start + 2 : start + ROW]
        if kind == at.SET_TARGETS:
            for j in range(TARGETS):
                if math.isfinite(values[j]):
                    F[at.TARGET + j] = values[j]
                else:
                    N[at.REPAIRED] += 1
            if N[at.STARTED] == 0:
                N[at.STARTED] = 1
                for j in range(TARGETS):
                    F[at.END + j] = F[at.TARGET + j]
        elif kind == at.FADE:
            F[at.FADE_TARGET] = values[0]
            F[at.FADE_STEP] = QUANTUM / max(float(QUANTUM), values[1] * F[at.SAMPLERATE])
        else:
            F[at.FADE_TARGET] = 0.0
            F[at.FADE_STEP] = QUANTUM / (0.02 * F[at.SAMPLERATE])
            N[at.WIPE] = 1
        fence()
        N[at.STATE_HEAD] += 1


@compiled
def apply_events(F, N, frame, place):
    """Apply the notes that are due at this frame; return the number of frames until the next one."""
    for v in range(MAX_VOICES):
        if N[at.VOICE_GATE + v] != 0 and N[at.VOICE_END + v] <= frame:
            close_gate(F, N, v, place)
    ahead = 1 << 40
    while N[at.EVENT_HEAD] < N[at.EVENT_TAIL]:
        fence()
        start = at.EVENT_QUEUE + (N[at.EVENT_HEAD] % EVENT_ROWS) * EVENT
        due = int(F[start])
        if due > frame:
            ahead = due - frame
            break
        kind, v = int(F[start + 1]), int(F[start + 2])
        if 0 <= v < MAX_VOICES:
            if kind == at.NOTE_ON:
                open_gate(F, N, v, frame, place, F[start + 3 : start + EVENT])
            elif kind == at.NOTE_OFF:
                close_gate(F, N, v, place)
            elif kind == at.NOTE_FREE:
                N[at.VOICE_NOTE + v] = 0
        fence()
        N[at.EVENT_HEAD] += 1
    for v in range(MAX_VOICES):
        if N[at.VOICE_GATE + v] != 0:
            ahead = min(ahead, N[at.VOICE_END + v] - frame)
    return ahead


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
    F[at.V_NOTE_FREQUENCY + v] = note[0]
    F[at.V_NOTE_LEVEL + v] = note[1]
    F[at.V_NOTE_PAN + v] = note[2]
    F[at.V_NOTE_ATTACK + v] = note[3]
    F[at.V_NOTE_DECAY + v] = note[5]
    F[at.V_NOTE_RELEASE + v] = note[6]
    silent = F[at.V_LEFT + v] == 0.0 and F[at.V_RIGHT + v] == 0.0
    if was_free and silent:
        F[at.V_ENV + v] = 0.0
        F[at.V_ENV_SLOPE + v] = 0.0
    e = bend_envelope(F, v, place, 1.0, note[3] / 3.0)
    if e < 1e-4:
        F[at.V_INC + v] = increment
        F[at.V_INC_SLOPE + v] = 0.0
        F[at.V_PHASE + v] = -increment * place
        F[at.V_NOTE_GLIDE + v] = note[0]
        F[at.V_SHADE + v] = 1.0
        half_pi = 0.25 * (note[2] + 1.0) * math.pi
        F[at.V_LEFT + v], F[at.V_LEFT_SLOPE + v] = note[1] * math.cos(half_pi), 0.0
        F[at.V_RIGHT + v], F[at.V_RIGHT_SLOPE + v] = note[1] * math.sin(half_pi), 0.0
        top = 0
        for k in range(MAX_PARTIALS):
            a = F[at.END + at.SPECTRUM + v * MAX_PARTIALS + k] if (k + 1) * increment < 0.46 else 0.0
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

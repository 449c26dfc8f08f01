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
from brainmusic_daemon.synth.gates import close_gate, hurry, leave, open_gate
from brainmusic_daemon.synth.layout import (
    EVENT,
    EVENT_ROWS,
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
                hurry(F, N, v, place, F[start + EVENT - 1])
            elif kind == at.NOTE_FREE:
                leave(F, N, v, place)
        fence()
        N[at.EVENT_HEAD] += 1
    for v in range(MAX_VOICES):
        if N[at.VOICE_GATE + v] != 0:
            ahead = min(ahead, N[at.VOICE_END + v] - frame)
    return ahead

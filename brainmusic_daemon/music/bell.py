"""A call in, the strokes of a bell beside whatever plays out: for somebody whose eyes are closed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from brainmusic_daemon.api import Drone, Note

# call → strokes: seconds from the first, semitones above the root
CALLS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "begin": ((0.0, 12.0),),
    "close": ((0.0, 12.0), (0.35, 0.0)),  # falls, as lids do
    "open": tuple((0.9 * time + 0.18 * step, pitch) for time in range(3) for step, pitch in enumerate((0, 7, 12, 19))),
    "failed": ((0.0, 0.0), (0.3, -5.0), (0.6, -12.0)),
}
LOOKAHEAD_S = 0.06  # a stroke is told so long before it sounds, as the notes of a score are
LASTS_S = 2.0  # what the last stroke needs to fade
LEVEL = 1.4  # of full level: it is to be heard over what plays
TONES = 3  # that go on sounding below it
_LOWEST = 72.0  # MIDI, of the root
_STROKE = Note(0.0, 0.0, velocity=0.9, duration=0.6, attack=0.004, decay=0.7, release=0.3)


class Bell:
    """Rings when it is told to.  `ring` is for any thread, `step` for the tick.

    A stroke is a note like any other, in tune with the piece: it goes to the synth, to MIDI, over OSC and into the
    recording.  Where the steady tones use all voices of the synth, they leave some while it rings.
    """

    def __init__(self) -> None:
        self._called: deque[str] = deque(maxlen=1)
        self._strokes: list[tuple[float, float]] = []  # session seconds, semitones above the root
        self._until = -math.inf

    def ring(self, call: str) -> None:
        """Begin a call, one of `CALLS`; it ends the one before."""
        self._called.append(call)

    @property
    def rings(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self._called) or self._until > -math.inf

    def step(
        self, time: float, notes: tuple[Note, ...], drone: Drone | None, controls: Mapping[str, float]
    ) -> tuple[tuple[Note, ...], Drone | None]:
        """Return the notes and the steady tones of this tick with the bell among them."""
        if self._called:
            begin = time + LOOKAHEAD_S
            self._strokes = [(begin + after, pitch) for after, pitch in CALLS[self._called.pop()]]
            self._until = self._strokes[-1][0] + LASTS_S
        if time >= self._until:
            self._until = -math.inf
            return notes, drone
        if drone is None:
            drone = Drone(controls["fundamental_frequency"], TONES, 1.0, 1.0, LEVEL)
        else:
            drone = replace(drone, tones=min(drone.tones, TONES), notes=max(drone.notes, LEVEL))
        due = [stroke for stroke in self._strokes if stroke[0] <= time + LOOKAHEAD_S + 1e-9]
        self._strokes = self._strokes[len(due) :]
        root = _LOWEST + (12.0 * math.log2(max(drone.root_hz, 1.0) / 440.0) + 69.0 - _LOWEST) % 12.0
        struck = [replace(_STROKE, time=at, pitch=root + pitch) for at, pitch in due]
        return (*sorted([*notes, *struck], key=lambda note: note.time),), drone

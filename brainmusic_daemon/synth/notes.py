"""Notes and the frames of their onsets in, voices of the engine out: who plays what, and who makes way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from brainmusic_daemon.api import Drone, Note
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.layout import MAX_VOICES, NOTE_OFF, NOTE_ON

Row = tuple[float, ...]  # of the event queue, see layout.EVENT

NOTE_LEVEL = 1.2  # amplitude of a note of velocity 1 beside that of all of the drone: few notes are so loud
AWAY_S, AWAY_TAU_S = 0.016, 0.0015  # so long before another note a voice is let go, and so fast
LEFT_S = 0.5  # after which a tone that the drone has left counts as silent
SHORTEST_S, LONGEST_S = 0.01, 86_400.0  # of a note
SILENT = 6.0  # time constants of the release after which a voice counts as free


def legal(note: Note) -> Note | None:
    """Return the note as it can be played, its values in range; None: one of them is not finite.

    The kernels trust it: a single NaN would stay in the room for good.
    """
    values = note.time, note.pitch, note.velocity, note.duration, note.pan, note.attack, note.decay, note.release
    if not all(map(math.isfinite, values)):
        return None
    return replace(
        note,
        pitch=min(max(note.pitch, -60.0), 160.0),
        velocity=min(max(note.velocity, 0.0), 1.0),
        duration=min(max(note.duration, SHORTEST_S), LONGEST_S),
        pan=min(max(note.pan, -1.0), 1.0),
        attack=min(max(note.attack, 0.0), 60.0),
        decay=min(max(note.decay, 0.0), 60.0),
        release=min(max(note.release, 0.005), 60.0),
    )


@dataclass(slots=True)
class Voice:
    """What a voice plays, in frames."""

    pitch: float = -1.0
    channel: int = -1
    begin: int = -(1 << 60)
    end: int = -(1 << 60)  # the gate closes
    silent: int = -(1 << 60)


class Notes:
    """Gives notes to the voices that the drone leaves.  Producer thread of the engine only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._voices = [Voice() for _ in range(MAX_VOICES)]
        self._steady = -1  # voices below this are the drone's; -1: nobody has said so yet
        self.played = 0
        self.stolen = 0  # voices that had to leave a note that was still held

    def play(self, notes: Sequence[Note], frame_of: Callable[[float], int], drone: Drone | None) -> None:
        """Push the notes, which are in order of onset; without a `drone` that says how voices are shared, none.

        Call it at every tick, notes or none: when the drone takes or leaves voices, they change hands here.
        """
        self._share(MAX_VOICES if drone is None else drone.tones)
        if drone is None:
            return
        rate = self._engine.samplerate
        rows: list[Row] = []
        for given in notes:
            note = legal(given)
            self._engine.voicing.repaired += note != given
            if note is None:
                continue
            frame = frame_of(note.time)
            hz = 440.0 * 2.0 ** ((note.pitch - 69.0) / 12.0)
            if hz >= rate / 2:
                continue
            number = self._choose(note, frame, range(drone.tones, MAX_VOICES))
            voice = self._voices[number]
            if voice.pitch not in (-1.0, note.pitch):  # what is left of it makes way just before
                rows.append((frame - round(AWAY_S * rate), NOTE_OFF, number, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, AWAY_TAU_S))
            self._engine.voicing.note_hz[number] = hz  # its colour, from the next controls on
            level = NOTE_LEVEL * drone.notes * note.velocity**1.5
            shape = note.attack, note.duration, note.decay, note.release
            rows.append((frame, NOTE_ON, number, hz, level, note.pan, *shape))
            self.played += 1
            end = frame + round(note.duration * rate)
            fading = note.decay if note.decay > 0 else math.inf
            silent = min(end + SILENT * note.release * rate, frame + SILENT * fading * rate)
            self._voices[number] = Voice(note.pitch, note.channel, frame, end, round(silent))
        for row in sorted(rows, key=itemgetter(0)):
            self._engine.note_row(row)

    def _share(self, steady: int) -> None:
        """Give voices to the drone, or take them: what sounds on them fades first, at its pitch."""
        before, self._steady = self._steady, steady
        if before in (-1, steady):
            return
        engine = self._engine
        for number in range(before, steady):
            engine.note_free(0, number)
        for number in range(steady, before):
            engine.voicing.note_hz[number] = engine.voicing.heard_hz[number]
            fading = engine.frame + round(LEFT_S * engine.samplerate)
            self._voices[number] = Voice(begin=engine.frame, end=engine.frame, silent=fading)

    def _choose(self, note: Note, frame: int, numbers: range) -> int:
        """Return the voice for a note: its own pitch again, else a silent one, else who was let go, else the oldest.

        Of those that still sound, a voice of the same channel comes first, so that a busy part takes from itself.
        """
        voices = self._voices

        def rank(number: int) -> tuple[float, ...]:
            voice = voices[number]
            if voice.silent > frame and voice.pitch == note.pitch and voice.channel == note.channel:
                return (0.0, 0.0, 0.0)
            if voice.silent <= frame:
                return (1.0, voice.silent, number)
            if voice.end <= frame:
                return (2.0, voice.end, number)
            return (3.0 if voice.channel == note.channel else 4.0, voice.begin, number)

        best = min(numbers, key=rank)
        self.stolen += rank(best)[0] >= 3.0
        return best

"""Session time and tempo in, beats out: the phase is the integral of the tempo, so it never jumps nor runs twice."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAN_S = 4.0  # time constant with which the tempo of the piece before is left


@dataclass(slots=True)
class Pulse:
    """A stretch of time at one tempo, then the next.

    `advance` moves the stretch's end; within the newest stretch beats and session times are told from each other.
    """

    time: float  # session seconds up to which the phase is known
    beat: float = 0.0  # phase there
    _time_before: float = 0.0
    _beat_before: float = 0.0
    bpm: float = 60.0
    _lean: float | None = 0.0  # log of how much faster it is than asked for; None: as much as keeps the tempo

    def follow(self) -> Pulse:
        """Return a pulse that goes on at this phase and tempo, beat 0 being the next one that comes."""
        return Pulse(self.time, self.beat - (math.floor(self.beat) + 1), bpm=self.bpm, _lean=None)

    def advance(self, until: float, bpm: float) -> None:
        """Go on to `until` at this tempo; a time that was reached already changes nothing but the tempo."""
        span = max(0.0, until - self.time)
        if self._lean is None:
            self._lean = math.log(self.bpm / bpm)
        self._lean *= math.exp(-span / LEAN_S)
        bpm *= math.exp(self._lean)
        self._time_before, self._beat_before, self.bpm = self.time, self.beat, bpm
        self.time += span
        self.beat += span * bpm / 60.0

    def time_of(self, beat: float) -> float:
        """Return the session time of a beat of the newest stretch."""
        return self._time_before + (beat - self._beat_before) * 60.0 / self.bpm

    def seconds(self, beats: float) -> float:
        """Return how long `beats` last at the present tempo."""
        return beats * 60.0 / self.bpm

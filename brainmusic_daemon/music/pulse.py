"""Session time and tempo in, beats out: the phase is the integral of the tempo, so it never jumps nor runs twice."""

from __future__ import annotations

from dataclasses import dataclass


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

    def advance(self, until: float, bpm: float) -> None:
        """Go on to `until` at this tempo; a time that was reached already changes nothing but the tempo."""
        self._time_before, self._beat_before, self.bpm = self.time, self.beat, bpm
        span = max(0.0, until - self.time)
        self.time += span
        self.beat += span * bpm / 60.0

    def time_of(self, beat: float) -> float:
        """Return the session time of a beat of the newest stretch."""
        return self._time_before + (beat - self._beat_before) * 60.0 / self.bpm

    def seconds(self, beats: float) -> float:
        """Return how long `beats` last at the present tempo."""
        return beats * 60.0 / self.bpm

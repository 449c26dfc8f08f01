"""Session times and frames rendered in, the frame of a session time out: steady, though blocks come in bursts."""

from __future__ import annotations

import math

SETTLE_S = 1.0  # the mean of this long, then a slow loop
LOOP_HZ = 0.02
DAMPING = 0.7
JUMP_S = 0.1  # beyond this the stream has stood still, or the clock has: begin anew


class StreamClock:
    """Follows a sound card's clock by a second-order loop, so that neither blocks nor drift move a note by itself.

    Notes are placed late by a constant, which grows only where a device asks for its blocks so early that a note would
    come too late.
    """

    def __init__(self, samplerate: float) -> None:
        self._rate = samplerate
        self._speed = samplerate  # frames per session second
        self._time = math.nan  # of the newest observation
        self._frame = 0.0  # where the stream was then, smoothed
        self._begun = math.nan
        self._rendered = 0
        self._margin = 0.0
        self.late = 0  # notes that could not be placed where they belong

    def observe(self, time: float, rendered: int) -> None:
        """Take in that at session time `time` so many frames had been rendered."""
        self._rendered = rendered
        if math.isnan(self._time) or time < self._time:
            self._time, self._begun, self._frame = time, time, float(rendered)
            return
        span = time - self._time
        expected = self._frame + span * self._speed
        error = rendered - expected
        self._time = time
        if abs(error) > JUMP_S * self._rate:
            self._begun, self._frame, self._speed = time, float(rendered), self._rate
            return
        age = time - self._begun
        omega = 2 * math.pi * LOOP_HZ
        share = max(min(1.0, 2 * DAMPING * omega * span), min(1.0, span / (age + span)) if age < SETTLE_S else 0.0)
        self._frame = expected + share * error
        if age >= SETTLE_S:
            speed = self._speed + omega * omega * span * error
            self._speed = min(max(speed, 0.998 * self._rate), 1.002 * self._rate)

    def frame_of(self, time: float) -> int:
        """Return the frame at which something of session time `time` begins, never one that was rendered already."""
        frame = self._frame + (time - self._time) * self._speed + self._margin
        if frame < self._rendered:
            self.late += 1
            self._margin += self._rendered - frame
            frame = self._rendered
        return round(frame)

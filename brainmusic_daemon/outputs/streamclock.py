"""Session times and frames rendered in, the frame of a session time out: steady, though blocks come in bursts."""

from __future__ import annotations

import math

SETTLE_S = 1.0  # the mean of this long, then a slow loop
LOOP_HZ = 0.02
DAMPING = 0.7
REVIEW_S = 20.0  # a margin that no note has needed for so long, or twice that,
SPARE_S = 0.002  # but for this much,
GIVE_BACK = 0.001  # is given back, so many seconds a second
JUMP_S = 0.1  # beyond this the stream has stood still, or the clock has: begin anew


class StreamClock:
    """Follows a sound card's clock by a second-order loop, so that neither blocks nor drift move a note by itself.

    Notes are placed late by a margin, which grows only where a device asks for its blocks so early that a note would
    come too late, and goes back slowly where that was a single hiccup.
    """

    def __init__(self, samplerate: float) -> None:
        self._rate = samplerate
        self._speed = samplerate  # frames per session second
        self._time = math.nan  # of the newest observation
        self._frame = 0.0  # where the stream was then, smoothed
        self._begun = math.nan
        self._rendered = 0
        self._margin = 0.0
        self._needed, self._needed_before = 0.0, 0.0  # the most that a note needed, in this period and the one before
        self._reviewed = math.nan
        self.late = 0  # notes that could not be placed where they belong

    def observe(self, time: float, rendered: int, starved: bool = False) -> None:
        """Take in that at session time `time` so many frames had been rendered.

        `starved`: the device has run dry since the last time, so that all to come is heard later, by nobody knows how
        much: to follow that slowly would place notes wrong for half a minute.
        """
        self._rendered = rendered
        if math.isnan(self._time) or time < self._time:
            self._time, self._begun, self._frame = time, time, float(rendered)
            self._reviewed = time
            return
        span = time - self._time
        self._review(time, span)
        expected = self._frame + span * self._speed
        error = rendered - expected
        self._time = time
        if starved or abs(error) > JUMP_S * self._rate:
            self._begun, self._frame = time, float(rendered)
            if not starved:  # else the card is the same as before
                self._speed = self._rate
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
        frame = self._frame + (time - self._time) * self._speed
        short = self._rendered - frame
        self._needed = max(self._needed, short)
        if short > self._margin:
            self.late += 1
            self._margin = short
        return round(frame + self._margin)

    def _review(self, time: float, span: float) -> None:
        """Give back what is left of the margin of a hiccup, too slowly to be heard."""
        if time - self._reviewed > REVIEW_S:
            self._reviewed = time
            self._needed_before, self._needed = self._needed, 0.0
        enough = max(self._needed, self._needed_before) + SPARE_S * self._rate
        if self._margin > enough:
            self._margin = max(enough, self._margin - GIVE_BACK * span * self._rate)

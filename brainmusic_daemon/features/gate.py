"""How good the signal is in, what the music does with it out: follow, hold, glide to rest, return."""

from __future__ import annotations

import math

from brainmusic_daemon.api import State


class Gate:
    """A small state machine with hysteresis, and the share (0..1) by which the music follows the brain."""

    def __init__(self, *, good_share: float, hold_s: float, glide_s: float, settle_s: float, tick: float) -> None:
        self._good_share, self._hold_s, self._settle_s, self._tick = good_share, hold_s, settle_s, tick
        self._step = 1 - math.exp(-tick / glide_s)
        self._bad_s = math.inf  # how long the signal has been bad: for ever, before there was any
        self._settled = False
        self.state = State.LOST
        self.follow = 0.0  # 0: rest, 1: what the mapper says
        self.paused = False  # the music is to rest, whatever the signal

    def go_on(self, before: Gate) -> None:
        """Stand where another one stands."""
        self._bad_s, self.state, self.follow, self.paused = before._bad_s, before.state, before.follow, before.paused

    def update(self, *, alive: bool, share: float, filled: bool, learned_s: float) -> State:
        """Advance by one tick.

        `alive`: samples arrive; `share`: share of good channels; `filled`: the window holds measured samples only;
        `learned_s`: seconds of good signal in the baseline.
        """
        # To leave `good` the share must fall below the threshold; to return it must exceed it by a fifth.
        steady = self.state in (State.GOOD, State.CALIBRATING)
        needed = self._good_share if steady else min(1.2 * self._good_share, 1.0)
        good = bool(alive and filled and share > 0 and share >= needed)
        self._bad_s = 0.0 if good else self._bad_s + self._tick
        self._settled = self._settled or learned_s >= self._settle_s
        if not alive:
            self.state = State.LOST
        elif good:
            self.state = State.GOOD if self._settled else State.CALIBRATING
        elif self._bad_s <= self._hold_s:
            self.state = State.HELD
        elif not filled and not self._settled:
            self.state = State.CALIBRATING
        else:
            self.state = State.RESTING
        if self.state is not State.HELD:
            self.follow += self._step * ((good and not self.paused) - self.follow)
            if self.follow > 0.999:
                self.follow = 1.0
        return self.state

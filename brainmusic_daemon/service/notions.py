"""What the artist says while the music plays in; ratings and targets, with the moments that they are about, out."""

from __future__ import annotations

import logging
import math
from collections import deque

from brainmusic_daemon.api import Control
from brainmusic_daemon.learning.group import RATED_S, REACTION_S
from brainmusic_daemon.learning.preference import Rating, Target
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.lately import Lately

_log = logging.getLogger(__name__)

SETTLE_S = 0.8  # a hand that has rested so long has said what it wanted
LEAST_S = 2.0  # a rating is about so much, even if another one came just before
SOUGHT_S = 4.0  # while a knob is being turned for long, the last so much of it counts


class Notions:
    """Waits until a hand has settled, and looks up what was the case a reaction before.

    `hear` from any thread; the rest for one.
    """

    def __init__(self) -> None:
        self.ratings: list[Rating] = []  # not learned from yet
        self.targets: list[Target] = []
        self.controls: tuple[Control, ...] = ()  # that these are about
        self.ignored = 0  # what was about no good signal, or about no control of the mapper
        self._said: deque[Entry] = deque(maxlen=1000)
        self._settling: dict[str, list[Entry]] = {}  # control, or "" for ratings → first and newest of a burst
        self._rated_at = -math.inf

    def __bool__(self) -> bool:
        return bool(self.ratings or self.targets)

    def hear(self, entry: Entry) -> None:
        """Take an entry of the journal."""
        if entry.kind in ("rating", "target") and math.isfinite(entry.value):
            self._said.append(entry)

    def drop(self) -> None:
        """Let go of what was said and not learned from."""
        self._said.clear()
        self._settling = {}
        self.taken()

    def taken(self) -> None:
        """Let go of what is learned from now."""
        self.ratings, self.targets = [], []

    def settle(self, now: float, lately: Lately, controls: tuple[Control, ...]) -> None:
        """Look what has been said for good; `controls` are those of the mapper that plays."""
        while self._said:
            entry = self._said.popleft()
            burst = self._settling.setdefault(entry.name if entry.kind == "target" else "", [entry])
            burst[1:] = [entry]
        for name in [name for name, burst in self._settling.items() if now - burst[-1].time >= SETTLE_S]:
            if controls != self.controls:
                self.taken()
                self.controls = controls
            burst = self._settling.pop(name)
            why = self._turned(name, burst, now, lately) if name else self._rated(burst[-1], lately)
            if why:
                self.ignored += 1
                _log.warning("nothing to learn from %s: %s", f"a knob of {name}" if name else "that rating", why)

    def _rated(self, entry: Entry, lately: Lately) -> str:
        """Return why not; empty where there is something to learn from."""
        end = entry.time - REACTION_S
        begin = min(max(end - RATED_S, self._rated_at - REACTION_S), end - LEAST_S)
        x, u = lately.seconds(begin, end, self.controls)
        if not len(x):
            return "there was no good signal"
        self._rated_at = entry.time
        self.ratings.append(Rating(entry.value, x, u))
        return ""

    def _turned(self, name: str, burst: list[Entry], now: float, lately: Lately) -> str:
        names = [control.name for control in self.controls]
        if name not in names:
            return f"this mapper does not drive {name}"
        control, newest = self.controls[names.index(name)], burst[-1]
        x, _ = lately.seconds(max(burst[0].time, newest.time - SOUGHT_S) - REACTION_S, now)
        if not len(x):
            return "there was no good signal"
        position = (control.clip(newest.value) - control.low) / (control.high - control.low)
        self.targets.append(Target(names.index(name), position, x))
        return ""

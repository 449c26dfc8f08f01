"""A clock and a period in, calls at absolute deadlines out; late and missed ticks are counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from brainmusic_daemon.api import Clock
from brainmusic_daemon.service.metrics import Histogram

LATE_S = 0.002

_log = logging.getLogger(__name__)


class Ticker:
    """Calls `work(deadline)` once per period.  Deadlines are multiples of the period, so that nothing drifts."""

    def __init__(self, clock: Clock, period: float, work: Callable[[float], object]) -> None:
        self._clock, self._period, self._work = clock, period, work
        self.ticks = 0
        self.done = 0  # ticks that came to their end: all there is to show that the music goes on
        self.late = 0  # begun more than LATE_S after the deadline
        self.missed = 0  # deadlines that had passed altogether before their tick could begin
        self.failed = 0  # ticks that raised; the next one goes on
        self.starting = {"late": 0, "missed": 0}  # the same while libraries were still being loaded
        self.lateness = Histogram()
        self.duration = Histogram()

    def started(self) -> None:
        """Say that the start is over: what comes from here on counts as the performance.  From any thread."""
        self.starting = {"late": self.late, "missed": self.missed}
        self.late = self.missed = 0
        self.lateness, self.duration = Histogram(), Histogram()

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set."""
        clock, period = self._clock, self._period
        number = int(clock.now() / period) + 1
        while not clock.wait_until(number * period, stop):
            begun = clock.now()
            late = begun - number * period
            if late >= period:  # skip what can no longer be kept, rather than run after it
                skipped = int(late / period)
                self.missed += skipped
                number += skipped
                late = begun - number * period
            self.tick(number * period)
            self.lateness.add(late)
            self.late += late > LATE_S
            self.duration.add(clock.now() - begun)
            number += 1

    def tick(self, deadline: float) -> None:
        """Do one tick; what it raises is counted, and logged the first time."""
        self.ticks += 1
        try:
            self._work(deadline)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a plug-in raises, the next tick comes
            self.failed += 1
            if self.failed == 1:
                _log.exception("a tick failed; the music goes on, further failures are only counted")
        else:
            self.done += 1

    def counters(self) -> dict[str, float]:
        """Return ticks, late, missed and failed ones; apart from them, those of the start."""
        return {
            "ticks": self.ticks,
            "late": self.late,
            "missed": self.missed,
            "failed": self.failed,
            **{f"{name}_at_start": count for name, count in self.starting.items()},
        }

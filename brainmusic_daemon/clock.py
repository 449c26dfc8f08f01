"""Session time in, waiting out: the wall clock for live runs, the virtual clock for offline runs and tests."""

from __future__ import annotations

import threading
import time


class WallClock:
    """Seconds since this object was made, on the monotonic clock."""

    def __init__(self) -> None:
        self._origin = time.perf_counter()

    def now(self) -> float:
        return time.perf_counter() - self._origin

    def wait_until(self, deadline: float, stop: threading.Event | None = None) -> bool:
        """Sleep until `deadline` (session seconds); return True at once when `stop` is set."""
        while (remaining := deadline - self.now()) > 0:
            if stop is None:
                time.sleep(remaining)
            elif remaining > 0.05:
                if stop.wait(remaining - 0.025):
                    return True
            else:  # Event.wait costs a lock hand-over; a plain sleep wakes up closer to the deadline
                time.sleep(remaining)
        return stop is not None and stop.is_set()


class VirtualClock:
    """A clock that stands still until it is told to move: waiting is instantaneous."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def wait_until(self, deadline: float, stop: threading.Event | None = None) -> bool:
        """Jump to `deadline`, never backwards."""
        self._now = max(self._now, deadline)
        return stop is not None and stop.is_set()

"""Session times and actions in, calls at those times out, from a thread of its own: what must not wait for a tick."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from brainmusic_daemon.api import Clock

_log = logging.getLogger(__name__)

WAKE_S = 0.0005  # sleep until so little before an action, then call it


class Schedule:
    """Calls actions when their time has come, in the order of their times; any thread may add."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self.failed = 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Call `action` at session time `time`; at once where that is past.  Never blocks."""
        with self._changed:
            heapq.heappush(self._heap, (time, next(self._count), action))
            if self._heap[0][0] == time:
                self._changed.notify()

    def clear(self) -> None:
        """Forget what has not been called yet."""
        with self._changed:
            self._heap.clear()

    def close(self) -> None:
        """Forget all and end the thread.  Idempotent, never raises."""
        with self._changed:
            self._closing = True
            self._heap.clear()
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closing:
                    wait = self._heap[0][0] - self._clock.now() if self._heap else None
                    if wait is not None and wait <= WAKE_S:
                        break
                    self._changed.wait(wait if wait is None else wait - WAKE_S / 2)
                if self._closing:
                    return
                _, _, action = heapq.heappop(self._heap)
            try:
                action()
            except Exception:  # noqa: BLE001  one action must not end the others; the first is told
                self.failed += 1
                if self.failed == 1:
                    _log.exception("a note could not be sent")

"""Log records and pictures in, written by a thread of its own: who reads them late, or never, holds up nobody.

A terminal that is stopped (Ctrl-S), a pipe whose reader hangs or has gone, a log on a full disk: whoever logs waits for
none of them, not even for their locks.
"""

from __future__ import annotations

import copy
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from brainmusic_daemon.service import logs

MOST = 2_000  # lines and pictures that wait; further ones are lost, and counted
FAREWELL_S = 0.5  # for what waits, at the end


class Scribe(logging.Handler):
    """Writes what it is given, in order; all methods from any thread."""

    def __init__(self, target: logging.Handler) -> None:
        """`target` writes the records."""
        super().__init__()
        self._target = target
        self._waiting: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()  # also for signal handlers
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        self.lost = 0
        self._told = 0

    def start(self) -> None:
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Let the record be written, as it is now."""
        written = copy.copy(record)
        written.msg, written.args = logs.text_of(record), None
        self.write(partial(self._target.handle, written))

    def write(self, act: Callable[[], object]) -> bool:
        """Let `act` write something; return whether there was room.  What it raises is of no interest."""
        if self._waiting.qsize() >= MOST:
            self.lost += 1
            return False
        self._waiting.put(act)
        return True

    def stop(self, timeout: float = FAREWELL_S) -> None:
        """Write what waits, or as much of it as can be written in time.  Never raises."""
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def flush(self) -> None:
        """Do nothing: whoever flushes must not wait either."""

    def _run(self) -> None:
        while (act := self._waiting.get()) is not None:
            self._do(act)
            if self.lost > self._told:
                lost, self._told = self.lost - self._told, self.lost
                text = f"{lost} lines of the log are lost: nobody took them"
                self._do(partial(self._target.handle, logging.makeLogRecord({"msg": text, "levelno": logging.WARNING})))

    def _do(self, act: Callable[[], object]) -> None:
        with suppress(BaseException):  # rich ends the program where a pipe's reader is gone: the music goes on
            act()


@contextmanager
def beside() -> Iterator[Scribe]:
    """Let the log be written by a thread of its own while the block runs."""
    limiter = logs.limiter()
    scribe = Scribe(limiter.target if limiter is not None else logging.NullHandler())
    scribe.start()
    if limiter is not None:
        limiter.target = scribe
    try:
        yield scribe
    finally:
        scribe.stop()
        if limiter is not None:
            limiter.target = scribe._target

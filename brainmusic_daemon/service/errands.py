"""Work that may be slow in, done in one thread in the order in which it was asked for; what became of it out."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.mapping.seat import Fault

_log = logging.getLogger(__name__)

_AGAIN_S = 5.0

Work = Callable[[], str]


class Ticket:
    """What became of a request; from any thread."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self.ok: bool | None = None  # None: not done yet
        self.message = "not done yet"

    def close(self, ok: bool, message: str) -> None:
        self.ok, self.message = ok, message
        self._done.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether it is done, waiting for it at most `timeout` seconds."""
        return self._done.wait(timeout)


class Errands:
    """Does one thing after the other, beside the tick."""

    def __init__(self, refused: Callable[[BrainmusicError | Fault], str], name: str = "mappers") -> None:
        """`refused` words, for the user, why something was not done; `name` of the thread."""
        self._refused = refused
        self._queue: queue.SimpleQueue[tuple[Work, Ticket] | None] = queue.SimpleQueue()
        self._later: list[tuple[float, Work]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.refusals = 0
        self._told = "", 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more; what is at work is left behind after a moment.  Never raises."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def ask(self, work: Work) -> Ticket:
        """Let `work` be done; it returns what to say, and raises ConfigError or Fault to refuse.  From any thread."""
        ticket = Ticket()
        self._queue.put((work, ticket))
        return ticket

    def later(self, seconds: float, work: Work) -> None:
        """Let `work` be done in so many seconds."""
        self.ask(lambda: self._plan(time.monotonic() + seconds, work))

    def forget_later(self) -> None:
        """Do not do what was put off; called from within work."""
        self._later.clear()

    def _plan(self, at: float, work: Work) -> str:
        self._later.append((at, work))
        return "put off"

    def _run(self) -> None:
        while True:
            try:
                wait = max(0.0, min(at for at, _ in self._later) - time.monotonic()) if self._later else None
                request = self._queue.get(timeout=wait)
            except queue.Empty:
                due = min(self._later)
                self._later.remove(due)
                request = due[1], Ticket()
            if request is None:
                return
            self._do(*request)

    def _do(self, work: Work, ticket: Ticket) -> None:
        try:
            ticket.close(True, work())
        except (BrainmusicError, Fault) as error:
            self.refusals += 1
            message = self._refused(error)
            if message != self._told[0] or time.monotonic() > self._told[1] + _AGAIN_S:  # once, not in a loop
                self._told = message, time.monotonic()
                _log.warning("%s", message)
            ticket.close(False, message)
        except Exception as error:  # noqa: BLE001 - our own mistake: the thread lives on, and the music
            self.refusals += 1
            _log.exception("a request failed")
            ticket.close(False, f"failed: {type(error).__name__}: {error}")

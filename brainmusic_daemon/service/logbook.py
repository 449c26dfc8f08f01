"""Log records in, the last lines for front ends out."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from itertools import count

KEPT = 200
MOST_TEXT = 500  # characters of a line
_LOGGER = "brainmusic_daemon"
_NOT_NEWS = "brainmusic_daemon.service.screen"  # the status, every five seconds: who reads this has a better one


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    number: int
    time: str  # of the day
    level: str  # info, warning, error
    text: str


class LogBook(logging.Handler):
    """Keeps the last lines of this package's log; read from any thread."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._count = count()

    def start(self) -> None:
        logging.getLogger(_LOGGER).addHandler(self)

    def stop(self) -> None:
        """Hear nothing any more.  Idempotent."""
        logging.getLogger(_LOGGER).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _NOT_NEWS:
            return
        try:
            text = record.getMessage()[:MOST_TEXT]
            if record.exc_info and record.exc_info[0] is not None:
                text = f"{text} ({record.exc_info[0].__name__}: {record.exc_info[1]})"[:MOST_TEXT]
        except Exception:  # noqa: BLE001 - a line that cannot be told must not disturb who logs it
            return
        level = "info" if record.levelno < logging.WARNING else record.levelname.lower()
        now = time.strftime("%H:%M:%S", time.localtime(record.created))
        self._lines.append(Line(next(self._count), now, level, text))

    def since(self, number: int) -> list[Line]:
        """Return the lines from `number` on, in order."""
        return [line for line in list(self._lines) if line.number >= number]

"""Log records in; lines for people or JSON lines for a journal out, and of none more than is bearable."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from brainmusic_daemon.harmless import harmless

PACKAGE = "brainmusic_daemon"
MINUTE_S = 60.0
KINDS = 500  # messages that are told apart
SPOKEN = 20  # times more than one message may come, one logger may say in all
MOST_TEXT = 4_000  # characters of a message
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(slots=True)
class _Count:
    """One message in its minute."""

    until: float
    record: logging.LogRecord
    passed: int = 0
    held: int = 0


class Limiter(logging.Handler):
    """Passes records on; of the same message so many a minute, the rest is counted, and told when the minute is over.

    Two messages are the same when they differ in numbers only, so that counting up is no way round it; one logger that
    finds ever new words is held at `SPOKEN` times as much.  What is logged while a record is being written (by a stream
    or a plug-in that logs about logging) is dropped: there can be no loop.
    """

    def __init__(
        self, target: logging.Handler, each: int, now: Callable[[], float] = time.monotonic, level: int = logging.NOTSET
    ) -> None:
        """`each`: how often a minute."""
        super().__init__(level)
        self.target, self._each, self._now = target, each, now
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()
        self._next = now() + MINUTE_S
        self._writing = threading.local()
        self.held = 0  # in all

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on, or count.  The handler's lock is held."""
        if getattr(self._writing, "now", False):
            return
        self._writing.now = True
        try:
            self._settle()
            message = text_of(record)
            kinds = ((record.name, record.levelname, _NUMBER.sub("#", message)), (record.name,))
            counts = [self._count(kind, record) for kind in kinds]
            limits = (self._each, self._each * SPOKEN)
            full = next((c for c, limit in zip(counts, limits, strict=True) if c.passed >= limit), None)
            if full is None:
                for count in counts:
                    count.passed += 1
                self.target.handle(record)
            else:
                full.held += 1
                self.held += 1
        except Exception:  # noqa: BLE001 - a line that cannot be written must not disturb who logs it
            pass
        finally:
            self._writing.now = False

    def close(self) -> None:
        """Tell what was held back, and end."""
        with self.lock or threading.RLock():
            self._writing.now = True
            self._settle(everything=True)
            self._writing.now = False
        self.target.close()
        super().close()

    def flush(self) -> None:
        self.target.flush()

    def _count(self, kind: tuple[str, ...], record: logging.LogRecord) -> _Count:
        found = self._counts.get(kind)
        if found is None:
            if len(self._counts) >= KINDS:
                self._tell(self._counts.popitem(last=False)[1])
            found = self._counts[kind] = _Count(self._now() + MINUTE_S, record)
        self._counts.move_to_end(kind)  # what has not been heard for longest is forgotten first
        return found

    def _settle(self, everything: bool = False) -> None:
        """Begin a new minute for those whose minute is over."""
        now = self._now()
        for kind in [kind for kind, count in self._counts.items() if everything or count.until <= now]:
            self._tell(self._counts.pop(kind))

    def _tell(self, count: _Count) -> None:
        if not count.held:
            return
        more = logging.makeLogRecord(
            {
                "name": count.record.name,
                "levelno": count.record.levelno,
                "levelname": count.record.levelname,
                "msg": f"{count.held} more of this within a minute: {text_of(count.record)}",
                "held": count.held,
            }
        )
        self.target.handle(more)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, fields, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.gmtime(record.created)
        said: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', seconds)}.{int(record.created % 1 * 1000):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": text_of(record),
            "fields": {key: value for key, value in vars(record).items() if key not in _USUAL},
        }
        if record.exc_info:
            said["exception"] = harmless(self.formatException(record.exc_info)[-MOST_TEXT:])
        return json.dumps(said, ensure_ascii=False, default=str)


def text_of(record: logging.LogRecord, more: str = "\n") -> str:
    """Return the text of a record, whatever is wrong with its arguments, and whatever a stranger put into them.

    `more`: what a line feed becomes; set in, what follows never looks like a line of its own.
    """
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments that do not fit: a plug-in's mistake, still worth a line
        text = f"{record.msg} ({error})"
    return harmless(text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…", more)


def wants_json(chosen: str, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the log is for a program: as chosen, or because standard error goes to systemd's journal.

    The variable alone says little: terminals hand it on to all that is started in them (systemd.exec(5)).
    """
    if chosen != "auto":
        return chosen == "json"
    journal = environ.get("JOURNAL_STREAM", "")
    try:
        device, _, inode = journal.partition(":")
        there = os.fstat((stream or sys.stderr).fileno())
        return (there.st_dev, there.st_ino) == (int(device), int(inode))
    except (OSError, ValueError, AttributeError):
        return False


def install(handler: logging.Handler, each: int, level: int = logging.INFO) -> None:
    """Let `handler` write this package's log, and from `WARNING` on that of every library and plug-in."""
    limiter = Limiter(handler, each)
    root, package = logging.getLogger(), logging.getLogger(PACKAGE)
    for old in [old for old in root.handlers if isinstance(old, Limiter)]:
        root.removeHandler(old)
    root.addHandler(limiter)
    package.handlers[:] = [limiter]
    package.setLevel(level)
    package.propagate = False


def limiter() -> Limiter | None:
    """Return what `install` has put in place; None where it has not been called."""
    return next((found for found in logging.getLogger(PACKAGE).handlers if isinstance(found, Limiter)), None)


def journal() -> logging.Handler:
    """Return a handler that writes JSON lines to standard error; warnings and dying threads are lines too."""
    made = logging.StreamHandler(sys.stderr)
    made.setFormatter(JsonFormatter())
    logging.captureWarnings(True)
    warnings.simplefilter("once")
    threading.excepthook = _dying
    return made


def _dying(args: threading.ExceptHookArgs) -> None:
    error: tuple[type[BaseException], BaseException, TracebackType | None] | None = None
    if args.exc_value is not None:
        error = args.exc_type, args.exc_value, args.exc_traceback
    name = args.thread.name if args.thread is not None else "?"
    logging.getLogger(PACKAGE).error("thread '%s' has ended: %s", name, args.exc_value, exc_info=error)

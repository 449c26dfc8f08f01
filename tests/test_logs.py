"""The log: JSON that holds whatever is said, and never more of it than is bearable."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from brainmusic_daemon.harmless import harmless
from brainmusic_daemon.service import logs
from brainmusic_daemon.service.logs import Limiter
from tests.faults import find


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Log:
    """A logger with a limit, on a clock that is set by hand."""

    def __init__(self, each: int = 3, name: str = "brainmusic_daemon.in_a_test") -> None:
        self.now = 0.0
        self.heard = Heard()
        self.limiter = Limiter(self.heard, each, lambda: self.now)
        self.logger = logging.getLogger(name)
        self.logger.handlers[:], self.logger.propagate = [self.limiter], False
        self.logger.setLevel(logging.INFO)


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.logger.handlers.clear()


def test_the_same_message_comes_a_few_times_and_is_then_counted(log: Log) -> None:
    for number in range(100):
        log.logger.warning("lost %d samples at %.1f s", number, number / 10)
    log.logger.warning("something else")
    assert log.heard.lines[:3] == [f"lost {n} samples at {n / 10} s" for n in range(3)]
    assert log.heard.lines[3:] == ["something else"] and log.limiter.held == 97
    log.now = 61.0
    log.logger.info("a minute later")
    assert log.heard.lines[4].startswith("97 more of this within a minute: lost 0 samples")
    assert find("log-flood").says([log.heard.lines[4]])
    log.logger.warning("lost 7 samples at 0.1 s")
    assert log.heard.lines[-1] == "lost 7 samples at 0.1 s"  # a new minute


def test_the_level_and_the_logger_belong_to_the_message(log: Log) -> None:
    for _ in range(5):
        log.logger.info("well")
        log.logger.error("well")
    assert log.heard.lines == ["well"] * 6


def test_ever_new_words_are_no_way_round(log: Log) -> None:
    for number in range(10_000):
        log.logger.info("".join(chr(97 + int(digit)) for digit in str(number)))
    assert len(log.heard.lines) == 3 * logs.SPOKEN
    assert len(log.limiter._counts) <= logs.KINDS


def test_what_was_held_is_told_at_the_end(log: Log) -> None:
    for _ in range(5):
        log.logger.info("well")
    log.limiter.close()
    assert log.heard.lines[-1] == "2 more of this within a minute: well"


def test_logging_about_logging_is_no_loop() -> None:
    class Chatty(Heard):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            logging.getLogger("brainmusic_daemon.chatty").warning("I wrote a line")

    heard = Chatty()
    logger = logging.getLogger("brainmusic_daemon.chatty")
    logger.handlers[:], logger.propagate = [Limiter(heard, 1000)], False
    try:
        logger.warning("once")
        assert heard.lines == ["once"]
    finally:
        logger.handlers.clear()


def test_arguments_that_do_not_fit_and_a_handler_that_fails_disturb_nobody(log: Log) -> None:
    wrong = logging.LogRecord("a", logging.INFO, "", 0, "%d of %d", (1,), None)
    log.limiter.handle(wrong)  # written as it is or not at all, and not raised
    assert json.loads(logs.JsonFormatter().format(wrong))["message"].startswith("%d of %d")

    class Disk(Heard):
        full = True

        def emit(self, record: logging.LogRecord) -> None:
            if self.full:
                raise OSError("the disk is full")
            super().emit(record)

    row, disk = find("log-disk-full"), Disk()
    limiter = Limiter(disk, 3, lambda: log.now)
    limiter.handle(logging.makeLogRecord({"msg": "into nothing"}))
    disk.full = False  # someone made room
    assert row.seconds is not None
    log.now += row.seconds
    limiter.handle(logging.makeLogRecord({"msg": "into the file"}))
    assert disk.lines == ["into the file"] and not row.message


@pytest.mark.parametrize("text", ["plain", "two\nlines", 'a "quoted" one', "µV → ♫", "\x00\x1b[31m", "x" * 100_000])
def test_json_is_one_line_whatever_is_said(text: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    record = logging.LogRecord("a.logger", logging.WARNING, "", 0, "%s", (text,), None)
    record.device, record.gain = Path("/dev/x"), 1.5
    handler.emit(record)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found["message"].rstrip("…") == harmless(text)[: logs.MOST_TEXT]
    assert (found["level"], found["logger"]) == ("warning", "a.logger")
    assert found["fields"] == {"device": "/dev/x", "gain": 1.5}
    assert found["time"].endswith("Z") and len(found["time"]) == len("2026-01-01T00:00:00.000Z")


def test_an_exception_is_part_of_the_line() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("a", logging.ERROR, "", 0, "it failed", (), info)
    assert "ValueError: why" in json.loads(logs.JsonFormatter().format(record))["exception"]


def test_a_journal_is_recognized_by_its_stream_and_not_by_the_variable(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "terminal").open("w") as terminal:
        there = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        assert logs.wants_json("auto", journal, environ)
        assert not logs.wants_json("auto", terminal, environ)  # handed on to whatever is started in a terminal
        assert not logs.wants_json("text", journal, environ)
        assert not logs.wants_json("auto", journal, {}) and not logs.wants_json(
            "auto", journal, {"JOURNAL_STREAM": "x"}
        )
        assert logs.wants_json("json", terminal, {})

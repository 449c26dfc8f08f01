"""Keys typed on the terminal in, ratings and commands out, while a daemon runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from brainmusic_daemon.service.journal import Journal

_log = logging.getLogger(__name__)

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Binding:
    """One row of the table: some keys, and what they do."""

    keys: str
    help: str  # for the screen
    act: Callable[[str], None]  # is told which of the keys it was, in the keyboard's thread


def rating_of(key: str) -> float:
    """Return what a key says about the music: -1 worst … 1 best."""
    return {"+": 1.0, "=": 1.0, "-": -1.0, "_": -1.0}[key] if key in "+=-_" else (int(key) - 5) / 4


def ratings(journal: Journal) -> tuple[Binding, ...]:
    """Return the keys that rate what is heard."""

    def rate(key: str) -> None:
        value = rating_of(key)
        journal.note("rating", value=value, text="key")
        _log.info("rated %+.2g", value)

    return (  # with and without shift on the usual keyboards
        Binding("+=-_", "+ - better, worse", rate),
        Binding("123456789", "1…9 rate finely", rate),
    )


def sound(command: Callable[[str, Sequence[object]], None], silent: Callable[[], bool]) -> tuple[Binding, ...]:
    """Return the keys that silence: `command` is told the control's commands, `silent` whether it is silent now."""
    return (
        Binding(" ", "space mute, unmute", lambda key: command("mute", (int(not silent()),))),
        Binding("pP", "p panic", lambda key: command("panic", ())),
    )


class _Terminal(Protocol):
    def poll(self, timeout: float) -> str:
        """Return what was typed within `timeout` seconds.  Raises EOFError when the terminal is gone."""

    def restore(self) -> None:
        """Leave the terminal as it was found.  Idempotent, never raises."""


class Keyboard:
    """Reads keys between `__enter__` and `__exit__` where standard input is a terminal; else does nothing."""

    def __init__(self, table: Sequence[Binding], terminal: _Terminal | None = None) -> None:
        """`terminal`: another one than standard input."""
        self._acts = {key: binding.act for binding in table for key in binding.keys}
        self._terminal = terminal or _standard_input()
        self.help = "   ".join(binding.help for binding in table) if self._terminal else ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)

    def __enter__(self) -> Self:
        if self._terminal is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * _POLL_S)
        self.restore()

    def restore(self) -> None:
        """Leave the terminal as it was found, at once; also from a signal handler."""
        self._stop.set()
        if self._terminal is not None:
            self._terminal.restore()

    def _run(self) -> None:
        assert self._terminal is not None
        while not self._stop.is_set():
            try:
                typed = self._terminal.poll(_POLL_S)
            except (EOFError, OSError):
                return
            if typed.startswith(("\x1b", "\x00", "\xe0")):  # arrows and the like: several characters that mean one key
                continue
            for key in typed:
                act = self._acts.get(key)
                if act is not None:
                    act(key)


class PosixTerminal:
    """A terminal on Linux and Mac: keys come one by one and are not echoed; Ctrl-C stays what it is."""

    def __init__(self, fd: int) -> None:
        import termios

        self._termios: Any = termios
        self._fd = fd
        self._found = termios.tcgetattr(fd)
        self._lock = threading.Lock()
        self._over = False

    def poll(self, timeout: float) -> str:
        """See `_Terminal`.  In the background it only waits: the system stops whoever reads or sets modes there."""
        import select
        import time

        if not self._in_front():
            time.sleep(timeout)
            return ""
        self._take()
        ready, _, _ = select.select([self._fd], [], [], timeout)
        if not ready or self._over or not self._in_front():
            return ""
        typed = os.read(self._fd, 64)
        if not typed:
            raise EOFError
        return typed.decode("utf-8", "replace")

    def _in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # not the terminal that controls this process: nobody stops it
            return True

    def _take(self) -> None:
        """Switch line editing and echo off, again after the shell had the terminal in between."""
        termios = self._termios
        with self._lock:
            modes = termios.tcgetattr(self._fd)
            if self._over or not modes[3] & (termios.ICANON | termios.ECHO):
                return
            modes[3] &= ~(termios.ICANON | termios.ECHO)
            modes[6] = [*modes[6]]
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    def restore(self) -> None:
        """See `_Terminal`.  Keys that nobody read do not reach the shell."""
        self._over = True
        mine = self._lock.acquire(timeout=_POLL_S)  # this may be a signal's handler, in the midst of anything
        try:
            if self._in_front():
                with suppress(self._termios.error, OSError):
                    self._termios.tcflush(self._fd, self._termios.TCIFLUSH)
                    self._termios.tcsetattr(self._fd, self._termios.TCSANOW, self._found)
        finally:
            if mine:
                self._lock.release()


class WindowsTerminal:
    """A console on Windows, which needs no modes."""

    def poll(self, timeout: float) -> str:
        """See `_Terminal`."""
        import time

        typed = ""
        if sys.platform == "win32":
            import msvcrt

            while msvcrt.kbhit():
                typed += msvcrt.getwch()
        if not typed:
            time.sleep(min(timeout, 0.05))
        return typed

    def restore(self) -> None:
        """There is nothing to restore."""


def _standard_input() -> _Terminal | None:
    try:
        if sys.stdin is None or not sys.stdin.isatty():
            return None
        return WindowsTerminal() if sys.platform == "win32" else PosixTerminal(sys.stdin.fileno())
    except (OSError, ValueError, ImportError):
        return None

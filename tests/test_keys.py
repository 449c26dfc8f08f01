"""Keys on a terminal rate the music; the terminal is left as it was found, and never touched from the background."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from brainmusic_daemon.acquisition.formats.xdf_file import streams
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.service import keys
from brainmusic_daemon.service.journal import Entry, Journal
from tests import parts
from tests.faults import find
from tests.receivers import wait_for

if sys.platform == "win32":
    pytest.skip("needs the pseudo terminals of Linux or Mac", allow_module_level=True)

import pty
import termios

COOKED = termios.ICANON | termios.ECHO
SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else


@dataclass
class Terminal:
    """A pseudo terminal: what is typed at `keyboard` is read at `screen`."""

    keyboard: int
    screen: int

    def cooked(self) -> bool:
        return termios.tcgetattr(self.screen)[3] & COOKED == COOKED

    def type(self, text: str) -> None:
        os.write(self.keyboard, text.encode())


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(*pty.openpty())
    yield made
    for fd in (made.keyboard, made.screen):
        os.close(fd)


@pytest.mark.parametrize(("key", "value"), [("+", 1), ("=", 1), ("-", -1), ("1", -1), ("5", 0), ("7", 0.5), ("9", 1)])
def test_what_a_key_says(key: str, value: float) -> None:
    assert keys.rating_of(key) == value


def test_keys_are_noted_and_the_terminal_is_restored(terminal: Terminal) -> None:
    journal, noted = Journal(VirtualClock(3.0)), list[Entry]()
    journal.listen(noted.append)
    keyboard = keys.Keyboard(keys.ratings(journal), keys.PosixTerminal(terminal.screen))
    assert "better" in keyboard.help
    with keyboard:
        wait_for(lambda: not terminal.cooked())
        terminal.type("+x9")
        wait_for(lambda: len(noted) == 2)
        terminal.type("\x1b[1A")  # an arrow with a 1 in it is no rating
        time.sleep(0.3)
        terminal.type("-")
        wait_for(lambda: len(noted) == 3)
    assert terminal.cooked()
    assert [(entry.kind, entry.value, entry.time) for entry in noted] == [
        ("rating", 1.0, 3.0),
        ("rating", 1.0, 3.0),
        ("rating", -1.0, 3.0),
    ]


def test_the_space_bar_mutes_and_unmutes_and_p_is_panic(terminal: Terminal) -> None:
    told = list[tuple[str, tuple[object, ...]]]()

    def command(name: str, values: Sequence[object]) -> None:
        told.append((name, tuple(values)))

    silences = iter([False, True])
    with keys.Keyboard(keys.sound(command, lambda: next(silences)), keys.PosixTerminal(terminal.screen)):
        wait_for(lambda: not terminal.cooked())
        terminal.type("  p")
        wait_for(lambda: len(told) == 3)
    assert told == [("mute", (1,)), ("mute", (0,)), ("panic", ())]


def test_an_exception_restores_the_terminal_too(terminal: Terminal) -> None:
    with (
        contextlib.suppress(RuntimeError),
        keys.Keyboard(keys.ratings(Journal(VirtualClock())), keys.PosixTerminal(terminal.screen)),
    ):
        wait_for(lambda: not terminal.cooked())
        raise RuntimeError
    assert terminal.cooked()


def test_after_the_shell_had_the_terminal_keys_work_again(terminal: Terminal) -> None:
    """Ctrl-Z gives the terminal back to the shell, which sets its own modes."""
    journal, noted = Journal(VirtualClock()), list[Entry]()
    journal.listen(noted.append)
    with keys.Keyboard(keys.ratings(journal), keys.PosixTerminal(terminal.screen)):
        wait_for(lambda: not terminal.cooked())
        modes = termios.tcgetattr(terminal.screen)
        modes[3] |= COOKED
        termios.tcsetattr(terminal.screen, termios.TCSANOW, modes)
        wait_for(lambda: not terminal.cooked())
        terminal.type("+")
        wait_for(lambda: len(noted) == 1)


def test_without_a_terminal_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (None, open(os.devnull)):  # noqa: PTH123, SIM115
        monkeypatch.setattr(sys, "stdin", stdin)
        with keys.Keyboard(keys.ratings(Journal(VirtualClock()))) as keyboard:
            assert keyboard.help == ""
        if stdin is not None:
            stdin.close()


@contextlib.contextmanager
def on_a_terminal(terminal: Terminal, path: Path, *more: str, front: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Run `brainmusic record` with the terminal as its own, as from a shell; not in `front`: as with `&`.

    SIGUSR1 brings it to the front then, as `fg` does.
    """
    target = f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]'
    options = ["--set", "output.audio.enabled=false", "--set", "session.status=false", "--set", target, *more]
    run = [sys.executable, "-m", "brainmusic_daemon", "record", str(path), *options]
    shell = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    if not front:  # a child in a group of its own, while this one keeps the terminal and tells how the child fares
        shell += "import signal\npid = os.fork()\n"
        shell += "if pid: signal.signal(signal.SIGUSR1, lambda *_: os.tcsetpgrp(0, pid))\n"
        shell += "if pid: sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, os.WUNTRACED)[1]))\nos.setpgid(0, 0)\n"
    shell += f"os.execv({sys.executable!r}, {run!r})"
    with subprocess.Popen(
        [sys.executable, "-c", shell], stdin=terminal.screen, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def ratings_in(path: Path) -> list[float]:
    (found,) = (stream for stream in streams(path)[0] if stream.name == "brainmusic.ratings")
    return [value for (value,) in found.samples.tolist()]


@pytest.mark.parametrize("times", [1, 2])
def test_a_real_run_rates_and_leaves_the_terminal_as_it_was(terminal: Terminal, tmp_path: Path, times: int) -> None:
    """Ctrl-C once, and twice: the second one ends the process at once."""
    path = tmp_path / "a.xdf"
    with on_a_terminal(terminal, path) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 10_000, 60)
        wait_for(lambda: not terminal.cooked())
        terminal.type("+")
        terminal.type("3 p")  # muted and silenced, too
        wait_for(lambda: ratings_in(path) == [1.0, -0.5])
        terminal.type("\x03" * times)  # by the terminal itself: Ctrl-C stays what it is
        _, said = process.communicate(timeout=40)
        assert process.returncode == 130, said
    row = find("terminal-left-as-found")
    assert terminal.cooked() and (row.state, row.message, row.seconds) == (
        "ends",
        "",
        0.0,
    )  # it had not to be waited for
    assert ratings_in(path) == [1.0, -0.5]
    assert b"rated +1" in said
    assert b"panic: silence" in said


def test_in_the_background_the_terminal_is_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    """Whoever reads there, or sets its modes, is stopped: that would be the end of the music."""
    row, path = find("terminal-in-the-background"), tmp_path / "a.xdf"
    with on_a_terminal(terminal, path, front=False) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 10_000, 60)
        terminal.type("+")
        time.sleep(3 * keys._POLL_S)
        assert terminal.cooked() and process.poll() is None and ratings_in(path) == []
        process.send_signal(signal.SIGUSR1)
        since = time.monotonic()
        wait_for(lambda: not terminal.cooked())
        assert row.seconds is not None and time.monotonic() - since <= row.seconds + SLOW_S
        terminal.type("-")
        wait_for(lambda: ratings_in(path)[-1:] == [-1.0])
        terminal.type("\x03")
        _, said = process.communicate(timeout=40)
        assert process.returncode == 130 and not row.message, said

"""The options that several commands share."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

ConfigFile = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="FILE", help="A TOML file, or the name of a bundled configuration."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="SECTION.KEY=VALUE", help="Change one setting; may be given several times."),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Which daemon, where several run: its session.name.")
]
Seconds = Annotated[float | None, typer.Option("--for", metavar="SECONDS", min=0.0, help="Stop after so many seconds.")]


_LAST_WORD_S = 0.3


class Interrupted:
    """What ended a run from outside: `exit_code` is 130 after Ctrl-C, 0 after SIGTERM or nothing."""

    def __init__(self, running: bool = True) -> None:
        self.running = running  # before, there is nothing to end in good order
        self.stop = threading.Event()
        self.exit_code = 0
        self.farewells: list[Callable[[], None]] = []  # done even when the process ends at once
        self.reload: Callable[[], None] | None = None  # what SIGHUP asks for; None: the end, as ever


@contextmanager
def interruptible(running: bool = True) -> Iterator[Interrupted]:
    """Turn Ctrl-C and SIGTERM into an orderly stop; a second one ends the process at once.

    With `running` False so does the first, until `Interrupted.running` is set: libraries are still being loaded then,
    which an exception out of nowhere in the midst of them would turn into their own errors.

    Where the system has SIGHUP, it reloads, unless it says that the terminal has been closed.
    """
    state = Interrupted(running)
    hang_up = getattr(signal, "SIGHUP", None)
    on_terminal = _is_terminal()

    def handle(number: int, _frame: object) -> None:
        if number == hang_up and state.reload is not None and _is_terminal() == on_terminal:
            state.reload()
            return
        if not state.running:
            os._exit(130 if number == signal.SIGINT else 0)
        if state.stop.is_set():
            for farewell in state.farewells:
                farewell()
            last = threading.Thread(target=_last_word, daemon=True)
            last.start()
            last.join(_LAST_WORD_S)
            os._exit(130)
        state.exit_code = 130 if number == signal.SIGINT else 0
        state.stop.set()

    numbers = [signal.SIGINT, signal.SIGTERM, *([hang_up] if hang_up is not None else [])]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last_word() -> None:
    """Say that it ends at once, in a thread: a terminal that is stopped takes nothing."""
    terminal = sys.__stderr__  # sys.stderr belongs to the live display, which hides the cursor
    if terminal is not None:
        with suppress(OSError, ValueError):
            terminal.write("\x1b[?25h" * terminal.isatty() + "\nbrainmusic: stopped at once\n")
            terminal.flush()


def _is_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def log_to_terminal(level: int = logging.INFO, each: int = 20) -> None:
    """Send the log to standard error, one plain line each, through rich where a live display owns the screen.

    `each`: the same message at most so often a minute.
    """
    from brainmusic_daemon.service import logs
    from brainmusic_daemon.service.screen import LogHandler

    logs.install(LogHandler(), each, level)


def log_as_chosen(chosen: str, each: int) -> bool:
    """Send the log to standard error as `session.log` says; return whether that is JSON."""
    from brainmusic_daemon.service import logs

    as_json = logs.wants_json(chosen)
    if as_json:
        logs.install(logs.journal(), each)
    else:
        log_to_terminal(each=each)
    return as_json


def play(daemon: Daemon, seconds: float | None, interrupted: Interrupted | None = None) -> int:
    """Run a daemon with its screen and its keys until it ends or is interrupted; return the exit code."""
    if interrupted is None:
        with interruptible() as interrupted:
            return play(daemon, seconds, interrupted)
    from brainmusic_daemon.service import keys, scribe
    from brainmusic_daemon.service.screen import Screen

    sounding = daemon.sounding
    table = (
        *keys.ratings(daemon.session.journal),
        *keys.sound(daemon.control.submit, lambda: sounding.muted or sounding.panicked),
    )
    interrupted.running = True
    with scribe.beside() as writing, keys.Keyboard(table) as keyboard:
        interrupted.farewells.append(keyboard.restore)
        interrupted.reload = daemon.control.reload_soon
        with Screen(daemon, writing, keyboard.help) as screen:
            daemon.run(interrupted.stop, seconds=seconds, watch=screen.watch)
    return interrupted.exit_code

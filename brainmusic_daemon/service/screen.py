"""A running daemon in, a live status on the terminal out; plain lines where there is no terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from brainmusic_daemon.service import status
from brainmusic_daemon.service.daemon import Daemon

_SCREEN_S = 0.2  # five times a second is lively, and costs the tick nothing
_LINE_S = 5.0
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STYLES = {"good": "green", "calibrating": "cyan", "held": "yellow", "resting": "yellow", "lost": "red"}

console = Console(stderr=True, highlight=False, soft_wrap=True)  # soft: a log line is never cut


class LogHandler(logging.Handler):
    """Prints a record as one line above the live display."""

    def emit(self, record: logging.LogRecord) -> None:
        style = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}.get(record.levelno, "")
        text = self.format(record) if record.exc_info else record.getMessage()
        console.print(Text(text, style=style))


class Screen:
    """Shows what the brain does, what drives what, the latency and the glitches, while a daemon runs."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else None
        self._next = 0.0
        self._last_state = ""

    def __enter__(self) -> Self:
        if self._live and self._daemon.config.session.status:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
        if self._daemon.session.frame is not None:
            console.print(status.farewell(status.snapshot(self._daemon)))

    def watch(self) -> None:
        """Refresh when it is time to; called often."""
        daemon = self._daemon
        now = daemon.clock.now()
        if now < self._next or daemon.session.frame is None or not daemon.config.session.status:
            return
        on_screen = self._live is not None
        self._next = now + (_SCREEN_S if on_screen else _LINE_S)
        shown = status.snapshot(daemon)
        if self._live is not None:
            self._live.update(_picture(shown), refresh=True)
        else:
            sys.stderr.write(status.line(shown) + "\n")
            sys.stderr.flush()


def _picture(shown: status.Status) -> RenderableType:
    head = Text.assemble((f" {shown.state} ", f"bold reverse {_STYLES.get(shown.state, '')}"), f"  {shown.source}")
    contact = Text("contact  ")
    for channel, quality in shown.quality:
        colour = "green" if quality > 0.8 else "yellow" if quality > 0.3 else "red"
        contact.append("●" if quality > 0.3 else "○", colour)
        if len(shown.quality) <= 16:
            contact.append(f"{channel} ", "dim")
    brain = Text("brain    ")
    for name, value in shown.features:
        brain.append(f"{name} ", "dim")
        brain.append(f"{_BLOCKS[min(8, int(value * 9))]} ", "bold cyan")
    music = Text("music    ")
    for driven in shown.drives:
        music.append(f"{driven.control} ", "dim")
        music.append(f"{driven.text} ", "bold")
        music.append(f"← {driven.cause}   " if driven.cause else "  ", "green")
    return Group(head, contact, brain, music, Text(status.timing(shown), style="dim"))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float, float], None]]:
    """Show the progress of long work: a bar on a terminal, a plain line every tenth of the way in a log.

    Yields a function to call with (done, total), in any unit.
    """
    if not console.is_terminal:
        told = 0

        def tell(done: float, total: float) -> None:
            nonlocal told
            tenth = int(10 * done / total) if total > 0 else 0
            if tenth > told:
                told = tenth
                console.print(f"{what}: {10 * tenth} %")

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)

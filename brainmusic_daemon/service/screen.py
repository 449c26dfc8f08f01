"""A running daemon in, a live status on the terminal out; plain lines where there is no terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from brainmusic_daemon.harmless import harmless
from brainmusic_daemon.service import status
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.logs import text_of
from brainmusic_daemon.service.scribe import Scribe

_SCREEN_S = 0.2  # five times a second is lively, and costs the tick nothing
_LINE_S = 5.0
_SOON_S = 1.0
_WORTH_S = 5.0  # less than this left is not worth a word
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STYLES = {
    "waiting": "cyan",
    "good": "green",
    "calibrating": "cyan",
    "held": "yellow",
    "resting": "yellow",
    "lost": "red",
}
_INDENT = 9
_COLUMN = 34  # of a control, its value and its cause
_NAMED = 16  # of more channels only the bad ones are named

console = Console(stderr=True, highlight=False)
_log = logging.getLogger(__name__)


SET_IN = "\n    "  # what follows a line feed in somebody's words must not look like a line of ours


class LogHandler(logging.Handler):
    """Prints a record as one line above the live display, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        style = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}.get(record.levelno, "")
        text = harmless(self.format(record), SET_IN) if record.exc_info else text_of(record, SET_IN)
        console.print(Text(text, style=style), soft_wrap=True)  # soft: a log line is never cut


class Screen:
    """Shows what the brain does, what drives what, the latency and the glitches, while a daemon runs."""

    def __init__(self, daemon: Daemon, scribe: Scribe, keys: str = "") -> None:
        """`scribe` draws; `keys`: what the keys do, for the last row."""
        self._daemon, self._scribe, self._keys = daemon, scribe, keys
        self._drawn = True  # the picture before
        self._live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else None
        self._next = 0.0
        self._last_state = ""

    def __enter__(self) -> Self:
        if self._live and self._daemon.config.session.status:
            self._scribe.write(self._live.start)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live:
            self._scribe.write(self._live.stop)
        if self._daemon.session.frame is not None and self._daemon.session.acquisition.seen:
            _log.info("%s", status.farewell(status.snapshot(self._daemon)))

    def watch(self) -> None:
        """Refresh when it is time to; called often."""
        daemon = self._daemon
        now = daemon.clock.now()
        if now < self._next or daemon.session.frame is None or not daemon.config.session.status:
            return
        if now < _SOON_S and not daemon.session.attached:  # nothing to show yet, and most devices are here by then
            return
        on_screen = self._live is not None
        self._next = now + (_SCREEN_S if on_screen else _LINE_S)
        shown = status.snapshot(daemon)
        if self._live is not None:
            if self._drawn:  # a terminal that is slow gets fewer pictures
                new = picture(shown, console.width, self._footer())
                self._drawn = False
                if not self._scribe.write(lambda: self._draw(new)):
                    self._drawn = True
        else:
            _log.info("%s", status.line(shown))

    def _draw(self, shown: Text) -> None:
        assert self._live is not None
        try:
            self._live.update(shown, refresh=True)
        finally:
            self._drawn = True

    def _footer(self) -> list[Text]:
        """Return how the recording goes, and what the keys do."""
        cells, going = [], self._daemon.recorder.status
        if going is not None:
            minutes, seconds = divmod(int(going.seconds), 60)
            cells.append(Text(f"● {going.path.name}", "bold red"))
            cells.append(Text(f"{minutes}:{seconds:02} {going.bytes / 1e6:.1f} MB", "dim"))
            cells += [Text(f"not written: {going.trouble}", "bold red")] if going.trouble else []
        return cells + [Text(key, "dim") for key in self._keys.split("   ") if key]


def picture(shown: status.Status, width: int, footer: Sequence[Text] = ()) -> Text:
    """Return the status for a terminal of `width` columns; nothing is cut, what does not fit goes to further rows."""
    rows = [Text.assemble((f" {shown.state} ", f"bold reverse {_STYLES.get(shown.state, '')}"), f"  {shown.source}")]
    if shown.people:
        cells = [
            Text.assemble((f"{person} ", "dim"), (state, _STYLES.get(state, "")))
            for person, state in shown.people.items()
        ]
        rows.append(_row("people", cells, width, gap=3))
    if shown.quality:
        rows.append(_row("contact", _contact(shown.quality), width))
    if shown.features:
        cells = [
            Text.assemble((f"{name} ", "dim"), (_BLOCKS[min(8, int(value * 9))], "bold cyan"))
            for name, value in shown.features
        ]
        rows.append(_row("brain", cells, width))
    cells = [
        Text.assemble((f"{d.control} ", "dim"), (d.text, "bold"), (f" ← {d.cause}" if d.cause else "", "green"))
        for d in shown.drives
    ]
    rows.append(_row("music", cells, width, column=_COLUMN))
    label, *rest = status.timing(shown).split(maxsplit=1)
    rows.append(_row(label, [Text(part, "dim") for part in "".join(rest).split("   ")], width, gap=3))
    if footer:
        rows.append(_row("", footer, width, gap=3))
    return Text("\n").join(rows)


def _contact(quality: Sequence[tuple[str, float]]) -> list[Text]:
    """Return a dot per electrode with its name; of many electrodes, all dots and the names of the bad ones."""
    cells, bad = [], []
    for channel, good in quality:
        colour = "green" if good > 0.8 else "yellow" if good > 0.3 else "red"
        dot = "●" if good > 0.3 else "○"
        cells.append(Text.assemble((dot, colour), (channel, "dim")))
        if good <= 0.3:
            bad.append(cells[-1])
    if len(cells) <= _NAMED:
        return cells
    count = Text(f"{len(cells) - len(bad)} of {len(cells)} usable", "dim")
    return [count, *bad] if bad else [count]


def _row(label: str, cells: Sequence[Text], width: int, *, gap: int = 1, column: int = 0) -> Text:
    """Return cells behind a label, as many side by side as fit; `column`: least width, so that they don't dance."""
    row, used = Text(f"{label:<{_INDENT}}"), _INDENT
    space = 0  # after the cell before
    for cell in cells:
        size = max(column, cell.cell_len)
        if used + space + size > width and used > _INDENT:
            row.append("\n" + " " * _INDENT)
            used = _INDENT
        else:
            row.append(" " * space)
            used += space
        row.append_text(cell)
        used, space = used + cell.cell_len, size - cell.cell_len + gap
    return row


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float, float], None]]:
    """Show the progress of long work: a bar on a terminal, in a log a plain line every tenth of the way.

    Yields a function to call with (done, total), in any unit.
    """
    if not console.is_terminal:
        told, begun = 0, time.monotonic()

        def tell(done: float, total: float) -> None:
            nonlocal told
            tenth = int(10 * done / total) if total > 0 else 0
            if tenth > told:
                told = tenth
                left = (time.monotonic() - begun) * (1 - done / total) / (done / total)
                console.print(f"{what}: {10 * tenth} %" + (f", about {left:.0f} s left" if left >= _WORTH_S else ""))

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)

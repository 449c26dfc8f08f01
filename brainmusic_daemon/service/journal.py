"""What happened and what the artist said in; those who keep or learn from it are told: one clock, one order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from brainmusic_daemon.api import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    time: float  # session seconds
    kind: str  # rating, target, mapper, scene, preset, cue, …
    name: str = ""  # of the control, the mapper, the scene …
    value: float = 0.0  # rating -1 … 1; target in the control's unit
    text: str = ""  # for people

    def __str__(self) -> str:
        value = f"{self.value:g}" if self.kind in ("rating", "target") else ""
        return " ".join(part for part in (self.kind, self.name, value, self.text) if part)


class Journal:
    """Passes entries on to listeners, in the thread that noted them; a listener that fails does not stop the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[Entry], None], ...] = ()
        self.failures = 0  # of listeners

    def listen(self, listener: Callable[[Entry], None]) -> Callable[[], None]:
        """Tell `listener` of every entry from now on; return what takes it off again.  It must not block."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def leave() -> None:
            with self._lock:
                self._listeners = tuple(known for known in self._listeners if known is not listener)

        return leave

    def note(self, kind: str, name: str = "", value: float = 0.0, text: str = "", time: float | None = None) -> Entry:
        """Write down what happens now (or happened at `time`).  From any thread but the tick's."""
        entry = Entry(self._clock.now() if time is None else time, kind, name, value, text)
        with self._lock:  # also keeps the order
            for listener in self._listeners:
                try:
                    listener(entry)
                except Exception:  # noqa: BLE001 - a listener that fails must not stop the others
                    self.failures += 1
                    if self.failures == 1:
                        _log.exception("somebody who listens to the journal failed; further failures are counted")
        return entry

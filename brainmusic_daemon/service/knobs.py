"""Turns of knobs in, of which those of one moment are made together; and other work, none of which they overtake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.mapping.seat import Fault
from brainmusic_daemon.service.errands import Errands, Ticket, Work

Turned = Mapping[tuple[str, str], Any]  # (control, setting) → value


class Knobs:
    """Hands everything to one thread in the order in which it was asked for.  Both methods from any thread."""

    def __init__(self, errands: Errands, make: Callable[[Turned], str]) -> None:
        """`make`, called in that thread, makes some turns at once, returns what to say, and may refuse them."""
        self._errands, self._make = errands, make
        self._lock = threading.Lock()
        self._turned: dict[tuple[str, str], Any] = {}  # turns that wait: the newest value of each counts
        self._ticket: Ticket | None = None  # theirs; None: they are under way, or something else comes after them
        self._other: Ticket | None = None  # of what was asked for last

    def turn(self, control: str, setting: str, value: Any) -> Ticket:
        """Turn one knob, together with those that wait and have nothing behind them."""
        with self._lock:
            if self._ticket is None:
                turned = self._turned = {}
                self._ticket = self._errands.ask(lambda: self._edit(turned))
            self._turned[control, setting] = value
            return self._ticket

    def ask(self, work: Work) -> Ticket:
        """Have other work done: what is turned from now on comes after it."""
        with self._lock:
            self._ticket = None
            self._other = ticket = self._errands.ask(work)
            return ticket

    @property
    def behind(self) -> bool:
        """Return whether what is turned now comes after something that is not done yet."""
        return self._other is not None and self._other.ok is None

    def _edit(self, turned: dict[tuple[str, str], Any]) -> str:
        with self._lock:
            if turned is self._turned:
                self._ticket = None
        try:
            return self._make(turned)
        except (BrainmusicError, Fault):
            if len(turned) == 1:
                raise
        failed = None
        for knob, value in turned.items():  # one that will not do is no reason to leave the others
            try:
                self._make({knob: value})
            except (BrainmusicError, Fault) as error:
                failed = error
        if failed is not None:
            raise failed
        return f"{len(turned)} knobs turned"

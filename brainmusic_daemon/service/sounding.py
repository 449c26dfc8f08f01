"""Mute, panic and gain in, every output told out: from the control's threads, past the tick."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brainmusic_daemon.api import Output

_log = logging.getLogger(__name__)


def by_loudness(outputs: Iterable[Output]) -> list[Output]:
    """Return those that sound here first: their silence waits for nobody else's."""
    return sorted(outputs, key=lambda output: not callable(getattr(output, "gain", None)))


class Sounding:
    """Whether anything sounds, and how loud.  An output that is not open now keeps what it was told."""

    def __init__(self, outputs: Mapping[str, Output]) -> None:
        self._outputs = outputs
        self.muted = False
        self.panicked = False
        self.set_db: float | None = None  # while it plays; None: as configured
        self._configured_db = next((level for each in outputs.values() if (level := _level(each)) is not None), None)

    @property
    def gain_db(self) -> float | None:
        """Return the level of what sounds; None where nothing has one, or nobody knows it."""
        return self._configured_db if self.set_db is None else self.set_db

    def panic(self) -> None:
        """Silence everything at once; it stays silent until `mute(False)`."""
        self.panicked = True
        self._each("panic", lambda output: output.panic())
        self.say("/brainmusic/panic", 1)
        _log.warning("panic: silence; `resume` lets the music fade in again")

    def mute(self, on: bool) -> None:
        """Let the music fade out, or in; what was a panic is over."""
        was_panic = self.panicked and not on
        self.muted, self.panicked = on, self.panicked and on
        self._each("mute", lambda output: output.mute(on))
        self.say("/brainmusic/mute", int(on))
        if was_panic:
            self.say("/brainmusic/panic", 0)

    def gain(self, decibels: float) -> int:
        """Set the level of what makes sound; return how many outputs have one."""
        reached = self._each("gain", lambda output: output.gain(decibels))
        if reached:
            self.set_db = decibels
        return reached

    def say(self, address: str, *arguments: int | float | str) -> int:
        """Let the outputs that speak OSC send one message that belongs to no tick; return how many there are."""
        return self._each("say", lambda output: output.say(address, arguments))

    def _each(self, name: str, call: Callable[[Any], None]) -> int:
        reached = 0
        for output in by_loudness(self._outputs.values()):
            if not callable(getattr(output, name, None)):
                continue
            try:
                call(output)
                reached += 1
            except Exception:  # noqa: BLE001 - one output must not keep the others sounding
                _log.exception("an output failed at '%s'", name)
        return reached


def _level(output: Output) -> float | None:
    """Return what is configured for an output whose level can be set."""
    found = getattr(output, "gain_db", None) if callable(getattr(output, "gain", None)) else None
    return float(found) if isinstance(found, (int, float)) else None

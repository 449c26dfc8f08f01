"""LSL streams that were tried in; which one to have back, and which turned out to be of no use, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brainmusic_daemon.api import Unfit

MOST = 256  # streams that are remembered: strangers may publish ever new ones


class Known:
    """Remembers, for one source, what it has met; the acquisition thread only.

    A useless one is remembered by the number that an outlet has from its making to its end, as what it says of itself
    stays so: a program that is set right publishes another outlet, which is tried at once.
    """

    def __init__(self) -> None:
        self._useless: dict[str, str] = {}  # outlet → why
        self._trying: Any = None
        self._last: tuple[object, ...] = ()  # how the stream looked that was open
        self._before: tuple[object, ...] = ()  # and the one before
        self.uid = self._uid_before = ""  # of the one that was open

    def begin(self, info: Any = None) -> Any:
        """Return `info`, which is tried now; None: nothing is."""
        self._trying = info
        return info

    def opened(self) -> str:
        """Have the one that is tried as the last that was open; return what tells it from another one."""
        info = self._trying
        if self._last != (look := _look_of(info)):
            self._before, self._uid_before = self._last, self.uid
        self._last, self.uid = look, _uid_of(info)
        return self.uid

    def pass_over(self, why: str) -> None:
        """The one that was tried is of no use: what was open before it is the last that was."""
        info, self._trying = self._trying, None
        if info is None:
            return
        while len(self._useless) >= MOST:
            del self._useless[next(iter(self._useless))]
        self._useless[info.uid()] = why
        if self._last == _look_of(info):
            self._last, self.uid = self._before, self._uid_before

    def is_useless(self, info: Any) -> bool:
        return info.uid() in self._useless

    def is_back(self, info: Any) -> bool:
        """Return whether it looks just as the last one did."""
        return self._last == _look_of(info) and not self.is_useless(info)

    def was_open(self, info: Any) -> bool:
        return _uid_of(info) == self.uid

    def useful(self, found: Iterable[Any]) -> list[Any]:
        """Return those of which nothing bad is known.  Raises Unfit, in the words of before, where there is no other.

        So nobody is connected to again and again, for days.
        """
        every = [*found]
        rest = [info for info in every if not self.is_useless(info)]
        if every and not rest:
            raise Unfit(self._useless[min(info.uid() for info in every)])
        return rest


def _uid_of(info: Any) -> str:
    return info.source_id() or f"{info.name()}@{info.hostname()}"


def _look_of(info: Any) -> tuple[object, ...]:
    """Return what tells a stream from its siblings: those of one headset may share name and source id."""
    return info.source_id(), info.name(), info.type(), info.channel_count(), info.nominal_srate(), info.hostname()

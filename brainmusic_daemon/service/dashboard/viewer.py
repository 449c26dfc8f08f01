"""One browser tab: updates in, sent as fast as it reads, what it cannot take left out; messages in, requests out."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

MOST_WAITING = 6  # updates; those of one moment are fewer
MOST_ANSWERS = 64
STUCK_S = 10.0  # a tab that has taken nothing for so long is left
PER_SECOND, BURST = 100.0, 200.0  # requests
MOST_ARGUMENTS = 8


class Hostile(Exception):
    """A message that is no request."""

    def __init__(self, text: str, reason: str, number: int = 0, grave: bool = True) -> None:
        super().__init__(text)
        self.reason, self.id, self.grave = reason, number, grave


@dataclass(frozen=True, slots=True)
class Request:
    """What a tab asks for."""

    id: int
    command: str
    arguments: tuple[str | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """A tab shows one of several persons."""

    person: str


class Viewer:
    """Lives in the web server's loop."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._updates: deque[str] = deque()
        self._answers: deque[str] = deque(maxlen=MOST_ANSWERS)
        self._sheet = ""  # it waits, whatever else is left out; the newest counts
        self._wake = asyncio.Event()
        self._allowance, self._looked = BURST, time.monotonic()
        self.skipped = 0
        self.watches = ""  # a person
        self.code, self.reason = 1000, ""

    def greet(self, *texts: str) -> None:
        """Send what comes before everything else."""
        self._answers.extend(texts)
        self._wake.set()

    def offer(self, text: str, must: bool = False) -> None:
        """Send an update when there is room; `must`: what the others make no sense without."""
        if must and not self._sheet and not self._updates:
            self._updates.append(text)
        elif must:
            self._updates.clear()
            self._sheet = text
        elif len(self._updates) < MOST_WAITING:
            self._updates.append(text)
        else:
            self.skipped += 1
        self._wake.set()

    def answer(self, text: str) -> None:
        """Send an answer; of very many the oldest are forgotten."""
        self._answers.append(text)
        self._wake.set()

    async def write(self) -> None:
        """Send until the tab leaves, or takes nothing any more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while text := self._next():
                try:
                    async with asyncio.timeout(STUCK_S):  # not wait_for: until Python 3.12 it may miss being cancelled
                        await self._socket.send_text(text)
                except TimeoutError:
                    self.code, self.reason = 1008, "too slow"
                    return

    def _next(self) -> str:
        if self._answers:
            return self._answers.popleft()
        if self._sheet:
            text, self._sheet = self._sheet, ""
            return text
        return self._updates.popleft() if self._updates else ""

    def pace(self) -> None:
        """Count a message.  Raises Hostile where there are too many."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._looked) * PER_SECOND)
        self._looked = now
        if self._allowance < 1.0:
            raise Hostile("too much at once", "rate", grave=False)
        self._allowance -= 1.0


def parsed(text: object) -> Request | Watch:
    """Return what a tab wants, checked for types; what a command makes of it is control's affair.  Raises Hostile."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Hostile("a request is a JSON object", "malformed")
    if isinstance(found.get("watch"), str):
        return Watch(found["watch"])
    number, command, arguments = found.get("id", 0), found.get("command"), found.get("arguments", [])
    number = number if isinstance(number, int) and abs(number) < 2**53 else 0
    fits = (
        isinstance(command, str)
        and command.isprintable()
        and isinstance(arguments, list)
        and len(arguments) <= MOST_ARGUMENTS
    )
    if not fits or not all(isinstance(argument, (str, int, float, bool)) for argument in arguments):
        raise Hostile("a request has a command and a list of plain arguments", "malformed", number)
    return Request(number, str(command), tuple(arguments))

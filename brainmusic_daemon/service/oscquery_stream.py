"""One OSCQuery client on a WebSocket: LISTEN and IGNORE in, values that have changed out as binary OSC packets.

Also in: OSC packets, which are commands as over UDP.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.api import Frame
from brainmusic_daemon.outputs.osc_encoding import Message, message
from brainmusic_daemon.service.oscquery_look import Look
from brainmusic_daemon.service.oscquery_tree import READ, Tree, Value

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from brainmusic_daemon.service.control_osc import ControlOsc
    from brainmusic_daemon.service.oscquery_space import Space

PERIOD_S = 0.04  # between two updates: 25 a second
STUCK_S = 10.0  # a client that has taken nothing for so long is left
PER_SECOND = 1_000  # messages from a client; a faster one waits
MOST_WRONG = 20  # then it is no client of ours
GONE, UNSUPPORTED = 1001, 1003  # why a WebSocket is closed


class Stream:
    """Lives in the web server's loop."""

    def __init__(self, space: Space, heard: ControlOsc, socket: WebSocket) -> None:
        self._space, self._heard, self._socket = space, heard, socket
        self._sent: dict[str, list[Value | None] | None] = {}  # address listened to → what was sent last
        self._number = -1  # of the newest frame that was looked at
        self._shape = space.number
        self.wrong = 0

    async def run(self) -> None:
        """Serve until it leaves, or has to."""
        self._space.look()
        self._shape = self._space.number  # what has changed before it came is no news
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    # --- in -----------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        began, count = time.monotonic(), 0
        while self.wrong < MOST_WRONG:
            received = await self._socket.receive()
            if received["type"] != "websocket.receive":
                return
            text, data = received.get("text"), received.get("bytes")
            if data is not None:
                self.wrong += not self._heard.take(data, self._who())
            elif text is not None:
                self.wrong += not self.obey(text)
            count += 1
            now = time.monotonic()
            if now - began >= 1.0:
                began, count = now, 0
            elif count >= PER_SECOND:  # nothing more is read, and soon the sender has to wait
                await asyncio.sleep(began + 1.0 - now)
        await self._socket.close(UNSUPPORTED, "this is no OSCQuery")

    def _who(self) -> str:
        client = self._socket.client
        return client.host if client is not None else "?"

    def obey(self, text: str) -> bool:
        """Do what a client asks for in JSON; return whether it is a request at all.

        Clients ask for everything that they see: what cannot be listened to, or is no command of ours, is let go.
        """
        try:
            asked = json.loads(text)
            command, path = asked["COMMAND"], asked["DATA"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        if not isinstance(command, str):
            return False
        if command == "IGNORE":
            self._sent.pop(str(path), None)
        elif command == "LISTEN":
            method = self._space.look()[0].methods.get(str(path))
            if method is not None and method.access & READ:
                self._sent.setdefault(method.path, None)
        return True

    # --- out ----------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            tree, look = self._space.look()
            if self._space.number != self._shape:
                self._shape = self._space.number
                changed: dict[str, Any] = {"COMMAND": "PATH_CHANGED", "DATA": "/brainmusic"}
                await asyncio.wait_for(self._socket.send_text(json.dumps(changed)), STUCK_S)
            for packet in self.news(tree, look):
                await asyncio.wait_for(self._socket.send_bytes(packet), STUCK_S)
            await asyncio.sleep(PERIOD_S)

    def news(self, tree: Tree[Look], look: Look) -> list[bytes]:
        """Return a packet for each address listened to whose value has changed, and for each event and note since."""
        found = [message(*each) for each in self._happened(look)]
        for path in [path for path in self._sent if path not in tree.methods]:
            del self._sent[path]  # a client that wants it back hears of the change, and listens again
        for path, before in self._sent.items():
            values = tree.methods[path].values(look)
            if values is not None and values != before:
                self._sent[path] = values
                if None not in values:
                    found.append(message(path, [value for value in values if value is not None]))
        return found

    def _happened(self, look: Look) -> Iterator[Message]:
        newer: list[Frame] = [frame for frame in [*look.daemon.session.frames] if frame.number > self._number]
        first, self._number = self._number < 0, newer[-1].number if newer else self._number
        for frame in () if first else newer:
            told = self._space.dialect.events(frame, due=True, changed=False, beat=False)
            for address, arguments in (*told, *(note for _, note in self._space.dialect.notes(frame))):
                if address in self._sent:
                    yield address, arguments

"""Messages of the page's WebSocket, read, carried into the control and answered; nonsense is told so, and ends it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from functools import cache
from typing import Any

from starlette.websockets import WebSocket

from brainmusic_daemon.service.dashboard.hub import Hub
from brainmusic_daemon.service.dashboard.viewer import Viewer
from tests.fuzz.targets import control_socket
from tests.fuzz.targets.osc import daemon

MOST = 2048
QUICK = 6000
WORDS = ('"id"', '{"id": 1, "command": "', "\n", *control_socket.WORDS)


@cache
def hub() -> tuple[Hub, asyncio.AbstractEventLoop]:
    """Return what serves the page, and the loop that it lives in."""
    return Hub(daemon()), asyncio.new_event_loop()


async def _served(made: Hub, messages: list[dict[str, Any]]) -> deque[str]:
    waiting = deque(messages)

    async def receive() -> dict[str, Any]:
        return waiting.popleft() if waiting else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent before the answers are")

    await made._greet(WebSocket({"type": "websocket"}, _first(messages), send))
    socket = WebSocket({"type": "websocket"}, receive, send)
    socket.client_state = socket.client_state.CONNECTED
    viewer = Viewer(socket)
    await made._read(socket, viewer)
    await asyncio.sleep(0)  # answers come by way of the loop
    return viewer._answers


def _first(messages: list[dict[str, Any]]) -> Any:
    async def receive() -> dict[str, Any]:
        return messages[0] if messages else {"type": "websocket.disconnect"}

    return receive


def fuzz(data: bytes) -> None:
    """Take every line as a message, the first as a greeting too; what is no UTF-8 comes as bytes."""
    messages: list[dict[str, Any]] = []
    for line in data.split(b"\n")[:16]:
        try:
            messages.append({"type": "websocket.receive", "text": line.decode()})
        except UnicodeDecodeError:
            messages.append({"type": "websocket.receive", "bytes": line})
    made, loop = hub()
    answers = loop.run_until_complete(_served(made, messages))
    daemon().control._events.clear()
    daemon().control._states.clear()
    for answer in answers:
        assert isinstance(json.loads(answer)["ok"], bool)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    lines = [line.replace(b'{"token": "t"', b'{"id": 7') for line in control_socket.seeds().values()]
    return {"all": b"\n".join([b'{"token": ""}', *lines]), **{f"one-{i}": line for i, line in enumerate(lines)}}

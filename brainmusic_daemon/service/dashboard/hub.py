"""Those who look at the page in; one feed for all of them out, and what they ask for into the control."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.service import overview
from brainmusic_daemon.service.control import Answer
from brainmusic_daemon.service.dashboard.feed import Feed
from brainmusic_daemon.service.dashboard.viewer import Hostile, Request, Viewer, Watch, parsed

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

UPDATE_S = 0.05
MOST_VIEWERS = 16
GREETING_S = 5.0  # for the first message
MOST_WRONG = 10  # messages that nobody understands, then the connection ends
WRONG_TOKEN = 4401  # the page asks its user for the token then
FULL = 4429
WRONG_TOKEN_S = 0.5


class Hub:
    """Lives in the web server's loop.  Nothing is computed while nobody looks."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._feed = Feed(daemon)
        self._viewers: set[Viewer] = set()
        self._waiting = 0  # those who have not shown a token yet
        self._running: asyncio.Task[None] | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Serve one browser tab until it leaves."""
        await socket.accept()
        if len(self._viewers) + self._waiting >= MOST_VIEWERS:
            self._daemon.web.guard.count("full")
            await socket.close(FULL, "too many pages are open")
            return
        self._waiting += 1
        try:
            welcome = await self._greet(socket)
        finally:
            self._waiting -= 1
        if not welcome:
            return
        viewer = Viewer(socket)
        self._viewers.add(viewer)
        self._feed.renew()
        viewer.greet(_encoded({**self._feed.fixed, "log": self._feed.log()}), _encoded(self._feed.sheet))
        viewer.greet(_encoded({"k": "overview", **self._feed.overview()}))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        writing = asyncio.create_task(viewer.write())
        reading = asyncio.create_task(self._read(socket, viewer))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._viewers.discard(viewer)
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)
            with suppress(Exception):
                async with asyncio.timeout(1.0):
                    await socket.close(viewer.code, viewer.reason)

    def counters(self) -> dict[str, float]:
        """Return how many look, and how many updates they missed because they were slow."""
        return {"viewers": len(self._viewers), "skipped": sum(viewer.skipped for viewer in self._viewers)}

    async def _greet(self, socket: WebSocket) -> bool:
        """Return whether the first message holds the token, which a page that needs none sends empty."""
        try:
            async with asyncio.timeout(GREETING_S):
                first = json.loads(await socket.receive_text())
            token = first.get("token", "") if isinstance(first, dict) else ""
        except Exception:  # noqa: BLE001 - it left, said nothing, or nothing that can be read
            token = None
        if self._daemon.web.guard.knows(token):
            return token is not None
        self._daemon.web.guard.count("token")
        await asyncio.sleep(WRONG_TOKEN_S)
        with suppress(Exception):
            await socket.close(WRONG_TOKEN, "wrong token")
        return False

    async def _run(self) -> None:
        """Make each update once and offer it to everybody, on absolute deadlines, while anybody looks."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._viewers:
            try:
                for update in self._feed.updates():
                    text, must = _encoded(update), update["k"] == "sheet"
                    for viewer in self._viewers:
                        if update["k"] == "fixed":
                            viewer.answer(text)  # rare, and nobody may miss it
                        else:
                            viewer.offer(text, must)
                for who in {viewer.watches for viewer in self._viewers} - {""}:
                    text = _encoded(self._feed.persons.newest(who))
                    for viewer in self._viewers:
                        if viewer.watches == who:
                            viewer.offer(text)
            except Exception:  # noqa: BLE001 - a mistake of ours: the page is there again when it is over
                _log.exception("the page could not be fed")
                await asyncio.sleep(1.0)
            due = max(due + UPDATE_S, loop.time() - UPDATE_S)
            await asyncio.sleep(max(0.001, due - loop.time()))

    async def _read(self, socket: WebSocket, viewer: Viewer) -> None:
        """Carry out what a tab asks, as long as it makes sense."""
        wrong = 0
        while wrong < MOST_WRONG:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            try:
                viewer.pace()
                request = parsed(message.get("text"))
            except Hostile as error:
                wrong += error.grave
                self._daemon.web.guard.count(error.reason)
                viewer.answer(_encoded({"k": "answer", "id": error.id, "ok": False, "text": str(error)}))
                continue
            if isinstance(request, Watch):
                viewer.watches = request.person if request.person in self._feed.persons.names else ""
            else:
                self._submit(request, viewer)
        viewer.code, viewer.reason = 1008, "nothing of this is understood"

    def _submit(self, request: Request, viewer: Viewer) -> None:
        loop = asyncio.get_running_loop()

        def reply(answer: Answer) -> None:
            said = {"k": "answer", "id": request.id, "ok": answer.ok, "text": answer.text, "command": request.command}
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(viewer.answer, _encoded(said))

        self._daemon.control.submit(request.command, request.arguments, reply, trusted=False)


def _encoded(value: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(overview.plain(value) if value["k"] == "overview" else value).decode()

"""A running daemon in; OSCQuery over HTTP and WebSocket out, so that Max, TouchDesigner and others find every address.

It shares the port with the page: at `/` a browser gets the page, everybody else the tree.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.service import overview
from brainmusic_daemon.service.oscquery_space import Space
from brainmusic_daemon.service.oscquery_stream import Stream
from brainmusic_daemon.service.oscquery_tree import HOST_INFO, BadQuery, asked
from brainmusic_daemon.service.web_guard import WRONG_TOKEN_S, Scope

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

    from brainmusic_daemon.service.daemon import Daemon

ROOT = "/brainmusic"
MOST_LISTENERS = 16
POLICY, TRY_AGAIN = 1008, 1013  # why a WebSocket is closed

EXTENSIONS = {
    **dict.fromkeys(("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT", "CLIPMODE", "OVERLOADS"), True),
    **dict.fromkeys(("LISTEN", "IGNORE", "PATH_CHANGED"), True),
    **dict.fromkeys(("TAGS", "EXTENDED_TYPE", "CRITICAL", "HTML", "ECHO", "OSC_STREAMING"), False),
    **dict.fromkeys(("PATH_ADDED", "PATH_REMOVED", "PATH_RENAMED"), False),
}


class OscQuery:
    """Lives in the web server's loop."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._space = Space(daemon)
        self._listeners = 0

    def answer(self, path: str, query: str) -> tuple[int, dict[str, Any] | None]:
        """Return status and JSON of a request; without JSON there is nothing to say."""
        try:
            attribute = asked(query)
        except BadQuery as error:
            return 400, {"ERROR": str(error)}
        if attribute == HOST_INFO:
            return 200, self.host_info()
        path = path.rstrip("/") or "/"
        tree, look = self._space.look()
        if path not in tree:
            return 404, {"ERROR": f"there is no {path[:80]}"}
        if not attribute:
            return 200, tree.describe(path, look)
        found = tree.attribute(path, attribute, look)
        return (204, None) if found is None else (200, found)

    def host_info(self) -> dict[str, Any]:
        """Return who this is, and where OSC is heard; addresses left out are those that the client has used."""
        daemon, found = self._daemon, dict[str, Any]()
        found["NAME"] = f"brainmusic {daemon.config.session.name}"
        if daemon.osc_in.port:
            host = daemon.config.control.host
            if host not in ("0.0.0.0", "::"):
                found["OSC_IP"] = "127.0.0.1" if host == "localhost" else host
            found |= {"OSC_PORT": daemon.osc_in.port, "OSC_TRANSPORT": "UDP"}
        return found | {"WS_PORT": daemon.web.port, "EXTENSIONS": EXTENSIONS}

    async def page(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, PlainTextResponse, Response

        guard = self._daemon.web.guard
        if not guard.permits(request.scope):  # `/` alone gets here without: for a browser it is the page
            guard.count("token")
            await asyncio.sleep(WRONG_TOKEN_S)
            return PlainTextResponse("a token is needed: Authorization: Bearer …, or ?token=…\n", 401)
        # As they came: what is no UTF-8 in them is nothing that starlette's own `url` can be made of.
        status, found = self.answer(request.scope["path"], request.scope["query_string"].decode("latin-1"))
        return Response(status_code=status) if found is None else JSONResponse(overview.plain(found), status)

    async def stream(self, socket: WebSocket) -> None:
        guard = self._daemon.web.guard
        if not guard.permits(socket.scope):
            guard.count("token")
            await asyncio.sleep(WRONG_TOKEN_S)
            await socket.close(POLICY, "a token is needed: ?token=…")
            return
        if self._listeners >= MOST_LISTENERS:
            guard.count("crowded")
            await socket.close(TRY_AGAIN, "too many listen already")
            return
        self._listeners += 1
        try:
            await socket.accept()
            await Stream(self._space, self._daemon.osc_in, socket).run()
        finally:
            self._listeners -= 1

    def exempt(self, scope: Scope) -> bool:
        """Return whether a request needs no token: it is about OSC, from who may send commands as it is.

        Programs that speak OSCQuery have no way to give a token.  Whoever is only let in by "any" was not named.
        """
        settings, client = self._daemon.config.control, scope.get("client")
        about_osc = scope["path"] == "/" or scope["path"] == ROOT or scope["path"].startswith(f"{ROOT}/")
        if not (about_osc and client and settings.enabled and settings.beyond_loopback):
            return False
        return self._daemon.osc_in.allowed.named(client[0])


def wants_tree(scope: Scope) -> bool:
    """Return whether a request for `/` is OSCQuery's: it asks for an attribute, or not for a page."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    try:
        return bool(asked(scope["query_string"].decode("latin-1"))) or "text/html" not in headers.get(b"accept", "")
    except BadQuery:
        return "text/html" not in headers.get(b"accept", "")


def routes(daemon: Daemon) -> list[BaseRoute]:
    """Return the tree and its WebSocket.  Called in the web server's thread."""
    from starlette.routing import Match, Route, WebSocketRoute

    class Root(Route):
        """`/`, for those who do not want the page."""

        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            match, found = super().matches(scope)
            return (match, found) if match is Match.NONE or wants_tree(scope) else (Match.NONE, {})

    served = OscQuery(daemon)
    daemon.web.guard.exempt = served.exempt
    return [
        Root("/", served.page),
        Route(ROOT, served.page),
        Route(f"{ROOT}/{{path:path}}", served.page),
        WebSocketRoute("/", served.stream),
    ]

"""Requests with any method, path, query and heads through the whole web application; each is answered, once."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from starlette.applications import Starlette

from brainmusic_daemon.service.web import routes
from tests.fuzz.targets.osc import daemon

MOST = 2048
QUICK = 2000
WORDS = (
    "GET ",
    "HEAD ",
    "POST ",
    "WS ",
    "/",
    "/ws",
    "/healthz",
    "/metrics",
    "/static/",
    "/static/app.js",
    "/static/../",
    "/favicon.ico",
    "/brainmusic/gain",
    "?VALUE",
    "?token=",
    "\nhost: 127.0.0.1",
    "\nhost: [::1]:8080",
    "\nhost: [",
    "\norigin: http://127.0.0.1",
    "\norigin: http://[",
    "\ncontent-length: 5",
    "\ncontent-length: " + "9" * 5000,
    "\ncontent-length: ²".encode("latin-1"),
    "\ntransfer-encoding: chunked",
    "\naccept: text/html",
    "\nauthorization: Bearer ",
    "\nrange: bytes=0-",
    "\nif-none-match: ",
    "\nif-modified-since: ",
    "\nupgrade: websocket",
    "%2e%2e/",
    "%00",
)


@cache
def served() -> tuple[Any, asyncio.AbstractEventLoop]:
    """Return the application behind its guard, as the web server runs it, and the loop that it lives in."""
    made = daemon()
    made.web.guard.app = Starlette(routes=routes(made))
    return made.web.guard, asyncio.new_event_loop()


async def _answered(scope: dict[str, Any]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": b"", "more_body": False}]
    if scope["type"] == "websocket":
        waiting = [{"type": "websocket.disconnect", "code": 1000}, {"type": "websocket.connect"}]

    async def receive() -> dict[str, Any]:
        while not waiting:  # nothing more comes
            await asyncio.sleep(3600)
        return waiting.pop()

    async def send(message: Any) -> None:
        said.append(message)

    await served()[0](scope, receive, send)
    return said


def fuzz(data: bytes) -> None:
    """Take the first line as method and target, the others as heads; the method WS asks for a WebSocket."""
    line, *heads = data.split(b"\n")
    method, _, target = line.decode("latin-1").partition(" ")
    path, _, query = target.partition("?")
    if method == "WS" and path == "/ws":
        return  # the page's own target feeds that
    scope = {
        "type": "websocket" if method == "WS" else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "root_path": "",
        "scheme": "ws" if method == "WS" else "http",
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.strip().lower(), value.strip()) for name, _, value in (head.partition(b":") for head in heads)
        ],
        "client": ("127.0.0.1", 4),
        "server": ("127.0.0.1", 5),
    }
    said = served()[1].run_until_complete(_answered(scope))
    daemon().control._events.clear()
    kinds = [message["type"] for message in said]
    if method == "WS":
        assert kinds[0] in ("websocket.accept", "websocket.close"), kinds
        return
    assert kinds[0] == "http.response.start" and kinds.count("http.response.start") == 1, kinds
    assert said[0]["status"] < 500 or said[0]["status"] == 503, said[0]


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    host = b"\nhost: 127.0.0.1:8080"
    asked = {
        "page": b"GET /",
        "html": b"GET /" + host + b"\naccept: text/html",
        "health": b"GET /healthz",
        "metrics": b"GET /metrics",
        "static": b"GET /static/app.js",
        "head": b"HEAD /",
        "post": b"POST /\ncontent-length: 3",
        "tree": b"GET /brainmusic/gain?VALUE",
        "socket": b"WS /\norigin: http://127.0.0.1:8080",
        "bearer": b"GET /metrics\nauthorization: Bearer x",
        "away": b"GET /static/../../etc/passwd",
    }
    return {name: request if host in request else request + host for name, request in asked.items()} | {
        "bare": b"GET /"
    }

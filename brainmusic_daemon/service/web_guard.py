"""A request in, let through or turned away: host, origin, method, size and token, before anything is done with it.

Loopback is no protection by itself: any page in a browser of this computer can send requests there, and a name that is
made to point to 127.0.0.1 makes it read the answers (DNS rebinding).  So the Host has to be an address of loopback or a
name that was allowed, and a WebSocket's Origin has to be the page itself.  This computer's own name is none where only
loopback is served: whoever answers for names in the network can let it point elsewhere first, then here.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY = 65_536  # bytes of a request
WRONG_TOKEN_S = 0.5  # who guesses, waits
PUBLIC = ("/", "/ws", "/healthz", "/favicon.ico")  # the page tells nothing without its WebSocket, which asks for itself

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-cache"),
)


class Guard:
    """Stands before an ASGI application.  In the server's loop; the counters may be read from any thread."""

    def __init__(self, token: str, hosts: Sequence[str] = (), beyond_loopback: bool = False) -> None:
        """`token` empty: none is asked for; `hosts`: further names under which this computer is reached.

        `beyond_loopback`: its own name and every address do as well.  The token stands in the way then.
        """
        own = socket.gethostname().lower()
        named = {own, f"{own}.local"} if beyond_loopback else set()
        self._names = ({"localhost", *(host.lower() for host in hosts)} | named) - {""}
        self._any_address = beyond_loopback
        self._token = token.encode()
        self.app: Any = None
        self.exempt: Callable[[Scope], bool] = lambda scope: False  # what needs no token, beside PUBLIC
        self.refused: dict[str, int] = {}  # reason → how often

    def ask_for(self, token: str) -> None:
        """Take another token from now on.  From any thread."""
        self._token = token.encode()

    def knows(self, token: object) -> bool:
        """Return whether this is the token, in a time that does not depend on it; anything is, where none is asked."""
        if not self._token:
            return True
        return isinstance(token, str) and hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def permits(self, scope: Scope) -> bool:
        """Return whether a request that got here may see what asks for the token: it has it, or needs none."""
        return self._has_token(scope, dict(scope["headers"])) or self.exempt(scope)

    def count(self, reason: str) -> None:
        """Count something that was turned away."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason, status, text = self._judge(scope)
        if not reason:
            with suppress(asyncio.CancelledError):  # the server ends, and there is nobody to tell
                await self.app(scope, receive, _with_headers(send))
            return
        self.count(reason)
        if reason == "token":
            await asyncio.sleep(WRONG_TOKEN_S)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": text})
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": f"{text}\n".encode()})

    def _judge(self, scope: Scope) -> tuple[str, int, str]:
        """Return (reason, status, words) of a refusal; an empty reason lets it through."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self._is_ours(host):
            return "host", 400, "this name is not known here; web.hosts allows further ones"
        if not scope["query_string"].isascii():  # h11 lets none through; starlette could not say where to go instead
            return "query", 400, "what is no ASCII has to be escaped"
        if scope["type"] == "websocket":
            origin = headers.get(b"origin")
            if origin is not None and _place(origin) != host.lower():
                return "origin", 403, "only the page itself may connect"
            return "", 0, ""
        if scope["method"] not in ("GET", "HEAD"):
            return "method", 405, "only GET and HEAD are understood"
        size = headers.get(b"content-length", "0")
        if b"transfer-encoding" in headers or not _few(size):
            return "size", 413, "a request has no body here"
        path = scope["path"]
        if path in PUBLIC or path.startswith("/static/") or self.permits(scope):
            return "", 0, ""
        return "token", 401, "a token is needed: Authorization: Bearer …, or ?token=…"

    def _has_token(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        kind, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() == "bearer":
            return self.knows(given.strip())
        return self.knows(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0])

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host is an address or a name of ours: a foreign name may have been made to point here."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback or self._any_address
        except ValueError:
            return False


def _place(origin: str) -> str:
    """Return the host and port of an Origin; empty where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _few(size: str) -> bool:
    """Return whether a Content-Length is a number of bytes that a request may have."""
    return size.isascii() and size.isdigit() and len(size) <= 9 and int(size) <= MOST_BODY


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in given)]
        await send(message)

    return wrapped

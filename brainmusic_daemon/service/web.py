"""One HTTP server for the page, its WebSocket, OSCQuery and metrics, in a thread of its own with its own event loop.

What it serves, the rooms say: each module of `ROOMS` has `routes(daemon)`.  A port that is taken is told once and tried
again; the music plays on without it.
"""

from __future__ import annotations

import importlib
import logging
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.service import web_address, web_token
from brainmusic_daemon.service.web_guard import Guard
from brainmusic_daemon.service.web_patience import impatient

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

ROOMS = ("prometheus", "oscquery", "dashboard")  # at `/` the page comes after who does not want it
RETRY_S = 5.0
MOST_AT_ONCE = 64  # connections; further ones are told to come back
MOST_HEAD = 16_384  # bytes of a request's head
MOST_MESSAGE = 16_384  # bytes of a WebSocket message
MOST_UNREAD = 65_536  # bytes that wait for a slow reader in the system: what it sees is not much older than now
STUCK_MS = 20_000
HEAD_S = 5.0  # for a request to be complete: a connection that says nothing takes the place of one that would
_FAREWELL_S = 0.3  # for those who are connected, when it ends


class Web:
    """Serves while the daemon runs.  `start` and `stop` from the daemon's thread."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self.settings = daemon, daemon.config.web
        self.token = self.settings.token  # empty: none is asked for
        if self._keeps_token:
            self.token = web_token.kept(daemon.config.session.name)
        hosts = [*self.settings.hosts, self.settings.host]
        self.guard = Guard(self.token, hosts, beyond_loopback=self.settings.beyond_loopback)
        self.port = 0  # that it listens at; 0: at none
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._stop = threading.Event()
        self._anew = threading.Event()  # with another token
        self._thread = threading.Thread(target=self._work, name="web", daemon=True)

    def start(self) -> None:
        """Begin to listen, where that is wanted; returns at once."""
        if not self.settings.enabled:
            return
        self._socket = self._bind(first=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody.  Idempotent, never raises."""
        self._stop.set()
        server = self._server
        if server is not None:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=_FAREWELL_S)
            if server is not None:
                server.force_exit = True
            self._thread.join(timeout=1.0)

    def renew(self) -> str:
        """Ask for another token from now on, of those who are connected too; return why not, or nothing.

        From any thread.
        """
        if not self._keeps_token:
            named = "web.token of the configuration says it" if self.settings.token else "none is asked for"
            return f"there is no token to renew: {named}"
        self.token = web_token.renewed(self._daemon.config.session.name)
        self.guard.ask_for(self.token)
        server = self._server
        if server is not None:
            self._anew.set()
            server.should_exit = True
        _log.info("the page has a new token, and all who look have to show it: `%s` shows it", self._command)
        return ""

    @property
    def here(self) -> str:
        """Where the page is for this computer, without its token; empty while nobody listens."""
        return web_address.here(self.settings.host, self.port) if self.port else ""

    @property
    def url(self) -> str:
        """Where the page is for whoever reaches it, without its token; empty while nobody listens."""
        return web_address.elsewhere(self.settings.host, self.port) if self.port else ""

    @property
    def _keeps_token(self) -> bool:
        return self.settings.enabled and self.settings.beyond_loopback and not self.settings.token

    @property
    def _command(self) -> str:
        return f"brainmusic page --name {self._daemon.config.session.name}"

    def counters(self) -> dict[str, float]:
        """Return the port, and how many requests were turned away, by reason."""
        return {"port": self.port, **self.guard.refused}

    def _bind(self, first: bool = False) -> socket.socket | None:
        host, port = self.settings.host, self.settings.port
        made = None
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            made = socket.socket(family, kind, protocol)  # only where it is named does asyncio turn off Nagle's delay
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would share the port otherwise
                made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_UNREAD)  # those who connect inherit it
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # a tab that never reads does not keep its place for ever
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)
            made.bind(address)
            made.listen(MOST_AT_ONCE)
            made.setblocking(False)
        except OSError as error:
            if made is not None:
                made.close()
            if first:
                _log.warning(
                    "the page: cannot listen at %s:%d (%s); trying on. Another port: --set web.port=…",
                    host, port, error.strerror or error,
                )  # fmt: skip
            return None
        self.port = made.getsockname()[1]
        self._tell()
        return made

    def _tell(self) -> None:
        if not self.settings.beyond_loopback:
            _log.info("the page: %s", self.url + ("#token=…" if self.token else ""))
            return
        _log.warning(
            "the page can be reached over the network by whoever has the token, and nothing on the way is encrypted: "
            '%s#token=… (`%s` shows it); web.host = "127.0.0.1" keeps it to this computer',
            self.url, self._command,
        )  # fmt: skip

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                if self._socket is None:
                    if not self._stop.wait(RETRY_S):
                        self._socket = self._bind()
                    continue
                try:
                    self._serve(self._socket)
                except Exception:  # noqa: BLE001 - a mistake of ours, or the network is gone: listen anew
                    _log.exception("the web server failed; listening anew")
                if self._anew.is_set() and not self._stop.is_set():
                    self._anew.clear()
                    continue
                self._close()
        finally:
            self._close()

    def _close(self) -> None:
        taken, self._socket, self.port, self._server = self._socket, None, 0, None
        if taken is not None:
            taken.close()

    def _serve(self, listening: socket.socket) -> None:
        """Serve until `stop`; the libraries are loaded here, so that the start does not wait for them."""
        import asyncio

        import uvicorn
        from starlette.applications import Starlette

        self.guard.app = Starlette(routes=routes(self._daemon))
        config = uvicorn.Config(
            self.guard, http=impatient(HEAD_S), ws="websockets-sansio", loop="asyncio", lifespan="off",
            interface="asgi3",
            log_config=None, log_level="error", access_log=False, proxy_headers=False, server_header=False,
            limit_concurrency=MOST_AT_ONCE, h11_max_incomplete_event_size=MOST_HEAD, ws_max_size=MOST_MESSAGE,
            ws_per_message_deflate=False, ws_ping_interval=10.0, ws_ping_timeout=10.0,
            timeout_keep_alive=5, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        if not self._stop.is_set():
            asyncio.run(self._server.serve(sockets=[listening.dup()]))  # which it closes when it ends


def routes(daemon: Daemon) -> list[BaseRoute]:
    """Return what all rooms serve."""
    found: list[BaseRoute] = []
    for room in ROOMS:
        contributed: Sequence[BaseRoute] = importlib.import_module(f"{__package__}.{room}").routes(daemon)
        found += contributed
    return found

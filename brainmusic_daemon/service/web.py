"""One HTTP server for the page, its WebSocket, OSCQuery and metrics, in a thread of its own with its own event loop.

What it serves, the rooms say: each module of `ROOMS` has `routes(daemon)`.  A port that is taken is told once and tried
again; the music plays on without it.
"""

from __future__ import annotations

import importlib
import logging
import secrets
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
        self._daemon, self._settings = daemon, daemon.config.web
        wide = self._settings.beyond_loopback and not self._settings.token
        self.token = secrets.token_urlsafe(12) if wide else self._settings.token  # empty: none is asked for
        self.guard = Guard(self.token, [*self._settings.hosts, self._settings.host])
        self.port = 0  # that it listens at; 0: at none
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="web", daemon=True)

    def start(self) -> None:
        """Begin to listen, where that is wanted; returns at once."""
        if not self._settings.enabled:
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

    @property
    def url(self) -> str:
        """Where the page is, without its token; empty while nobody listens."""
        if not self.port:
            return ""
        host = self._settings.host
        host = _own_address() if host in ("0.0.0.0", "::") else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def counters(self) -> dict[str, float]:
        """Return the port, and how many requests were turned away, by reason."""
        return {"port": self.port, **self.guard.refused}

    def _bind(self, first: bool = False) -> socket.socket | None:
        host, port = self._settings.host, self._settings.port
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
        if not self._settings.beyond_loopback:
            _log.info("the page: %s", self.url + ("#token=…" if self.token else ""))
            return
        shown = "…" if self._settings.token else self.token  # what was made for this run, nobody knows yet
        _log.warning(
            "the page can be reached over the network by whoever has the token, and nothing on the way is encrypted: "
            '%s#token=%s; web.host = "127.0.0.1" keeps it to this computer',
            self.url, shown,
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
            asyncio.run(self._server.serve(sockets=[listening]))


def routes(daemon: Daemon) -> list[BaseRoute]:
    """Return what all rooms serve."""
    found: list[BaseRoute] = []
    for room in ROOMS:
        contributed: Sequence[BaseRoute] = importlib.import_module(f"{__package__}.{room}").routes(daemon)
        found += contributed
    return found


def _own_address() -> str:
    """Return this computer's address on its network, as others see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no such host: the system only says which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()

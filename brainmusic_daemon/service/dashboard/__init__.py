"""A running daemon in, the page that shows and steers it out: static files, and a WebSocket that feeds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from brainmusic_daemon.service.daemon import Daemon

STATIC = Path(__file__).parent / "static"


def routes(daemon: Daemon) -> list[BaseRoute]:
    """Return what the page is made of.  Called in the web server's thread."""
    from starlette.responses import FileResponse
    from starlette.routing import Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles

    from brainmusic_daemon.service.dashboard.hub import Hub

    return [
        Route("/", lambda request: FileResponse(STATIC / "index.html")),
        Mount("/static", StaticFiles(directory=STATIC)),
        WebSocketRoute("/ws", Hub(daemon).serve),
    ]

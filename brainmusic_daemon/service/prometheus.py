"""A running daemon in; `/metrics` for Prometheus and `/healthz` for whoever restarts it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.service import exposition, measures

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from brainmusic_daemon.service.daemon import Daemon

STUCK_S = 1.0  # without a tick


def routes(daemon: Daemon) -> list[BaseRoute]:
    """Return both.  Called in the web server's thread."""
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def metrics(request: Request) -> Response:
        text = exposition.render(measures.collect(daemon))
        return Response(text, media_type=exposition.CONTENT_TYPE)

    async def healthz(request: Request) -> Response:
        wrong = reasons(daemon)
        said: dict[str, object] = {"status": "failing" if wrong else "ok"}
        if daemon.web.guard.permits(request.scope):  # else no more than a load balancer needs
            said |= {"reasons": wrong, **_about(daemon)}
        return JSONResponse(said, 503 if wrong else 200)

    return [Route("/metrics", metrics), Route("/healthz", healthz)]


def reasons(daemon: Daemon) -> list[str]:
    """Return why it is not healthy: no tick, or an output away.  A headset that is away is no fault of it."""
    frame = daemon.session.frame
    if frame is None or not daemon.host.all_tried:
        return ["starting"]
    silence = daemon.clock.now() - frame.time
    stuck = [f"no tick for {silence:.1f} s"] if silence > max(STUCK_S, 10 * daemon.config.tick) else []
    return [*stuck, *(f"output '{name}': {why}" for name, why in daemon.host.lost.items())]


def _about(daemon: Daemon) -> dict[str, object]:
    frame, acquisition = daemon.session.frame, daemon.session.acquisition
    return {
        "name": daemon.config.session.name,
        "state": str(frame.features.state) if frame is not None else "starting",
        "source": acquisition.last_message,
        "mapper": daemon.session.pipeline.host.playing.name,
        "seconds": round(daemon.clock.now(), 1),
    }

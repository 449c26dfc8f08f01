"""A number of seconds in; a protocol for the web server out that waits no longer for a request."""

from __future__ import annotations

from typing import Any


def impatient(seconds: float) -> type[Any]:
    """Return uvicorn's protocol with an end to its patience with connections that ask for nothing, or letter by letter.

    Its own time-outs begin behind the first answer, and end with the first byte of the next request.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._served: object = None
            self.loop.call_later(seconds, self._look)

        def _look(self) -> None:
            if self not in self.connections:  # gone, or a WebSocket by now
                return
            idle = self.cycle is None or self.cycle.response_complete
            if idle and self.cycle is self._served:
                self.transport.close()
                return
            self._served = self.cycle
            self.loop.call_later(seconds, self._look)

    return Impatient

"""Where the web server listens, in; the address of the page for this computer, and for others, out."""

from __future__ import annotations

import socket

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # every address of this computer → the one that it has for itself


def here(host: str, port: int) -> str:
    """Return the page's address for a browser of this computer."""
    return _url(_ANY.get(host, host), port)


def elsewhere(host: str, port: int) -> str:
    """Return the page's address for whoever reaches `host` over a network."""
    return _url(_own_address() if host in _ANY else host, port)


def with_token(url: str, token: str) -> str:
    """Return an address that brings its token; what follows `#` stays in the browser, and is never sent."""
    return f"{url}#token={token}" if token else url


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _own_address() -> str:
    """Return this computer's address on its network, as others see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no such host: the system only says which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()

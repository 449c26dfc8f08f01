"""OSCQuery: paths and queries over HTTP, LISTEN and IGNORE over a WebSocket; every answer is JSON or a refusal."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from brainmusic_daemon.service import overview
from brainmusic_daemon.service.oscquery import OscQuery
from brainmusic_daemon.service.oscquery_space import Space
from brainmusic_daemon.service.oscquery_stream import Stream
from brainmusic_daemon.service.oscquery_tree import ATTRIBUTES
from tests.fuzz.targets.osc import daemon

MOST = 1024
QUICK = 8000
WORDS = (
    "/brainmusic",
    "/brainmusic/route",
    "/brainmusic/route/tempo/gain",
    "/brainmusic/preset",
    "?",
    "&",
    "=",
    "%",
    "%00",
    "%2F",
    "HOST_INFO",
    "token=",
    *ATTRIBUTES,
    '{"COMMAND": "LISTEN", "DATA": "/brainmusic/gain"}',
    '"COMMAND"',
    '"DATA"',
    '"IGNORE"',
    "null",
    "[]",
    "{}",
    "1e999",
)


@cache
def asked() -> tuple[OscQuery, Stream]:
    """Return what answers."""
    unused: Any = None
    return OscQuery(daemon()), Stream(Space(daemon()), daemon().osc_in, unused)


def fuzz(data: bytes) -> None:
    """Take a JSON object as a client's message, anything else as path and query."""
    answering, stream = asked()
    if data.startswith(b"{"):
        known = stream.obey(data.decode("utf-8", "replace"))
        assert isinstance(known, bool)
        stream.news(*stream._space.look())
        stream._sent.clear()
        return
    path, _, query = data.decode("latin-1").partition("?")
    status, found = answering.answer(path, query)
    assert status in (200, 204, 400, 404)
    if found is not None and len(data) % 8 == 0:  # writing the whole tree takes long
        json.loads(json.dumps(overview.plain(found), allow_nan=False))


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    return {
        "node": b"/brainmusic/gain",
        "value": b"/brainmusic/mute?VALUE",
        "host": b"/?HOST_INFO",
        "range": b"/brainmusic/rate?RANGE",
        "route": b"/brainmusic/route/tempo/gain?TYPE",
        "nothing": b"/nothing?TAGS",
        "two": b"/brainmusic?VALUE&TYPE",
        "listen": b'{"COMMAND": "LISTEN", "DATA": "/brainmusic/gain"}',
        "ignore": b'{"COMMAND": "IGNORE", "DATA": "/brainmusic/gain"}',
    }

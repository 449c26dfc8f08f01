"""Datagrams as anybody may send them, up to the table of commands; only what is no OSC may be turned away."""

from __future__ import annotations

import math
from functools import cache

from brainmusic_daemon import config as configuration
from brainmusic_daemon.outputs.osc_encoding import message
from brainmusic_daemon.service import commands
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.osc_decoding import MOST_BYTES, Malformed, messages
from tests.daemons import QUIET

MOST = 1024
QUICK = 24000
WORDS = (
    b"#bundle\0",
    b"\0\0\0\0\0\0\0\1",
    b"\0\0\0\x10",
    b"\xff\xff\xff\xff",
    b"\x7f\xc0\0\0",
    b"\x7f\x80\0\0",
    b",\0\0\0",
    b",f\0\0",
    b",sf\0",
    b",ifsSTFNIhd\0",
    *(command.address for command in commands.COMMANDS),
    "/brainmusic/route/tempo/gain",
    *commands.ROUTE,
    "tempo",
    "/brainmusic/scene",
    "/",
    "//",
)


@cache
def daemon() -> Daemon:
    """Return a daemon that is made, but does not run: what waits for its control thread is thrown away."""
    return Daemon(configuration.load(None, [*QUIET]))


def fuzz(data: bytes) -> None:
    """Take a datagram as one that came, and write again what could be read."""
    made = daemon()
    accepted = made.osc_in.take(data, "somebody")
    made.control._events.clear()
    made.control._states.clear()
    try:
        found = [*messages(data)]
    except Malformed:
        assert not accepted
        return
    assert accepted and len(data) <= MOST_BYTES
    for address, arguments in found:
        plain = all(
            isinstance(each, str) or (isinstance(each, float) and (not math.isfinite(each) or abs(each) < 3e38))
            for each in arguments
        )
        if plain and address.isascii() and all(each.isascii() for each in arguments if isinstance(each, str)):
            again = [*messages(message(address, arguments))]  # type: ignore[arg-type]
            assert repr(again) == repr([*messages(message(*again[0]))])  # type: ignore[arg-type]
            assert again[0][0] == address and len(again[0][1]) == len(arguments)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    one = message("/brainmusic/route/tempo/gain", (1.5,))
    other = message("/brainmusic/mapper/load", ("linear", 2.0))
    bundle = b"#bundle\0\0\0\0\0\0\0\0\1" + b"".join(len(m).to_bytes(4, "big") + m for m in (one, other))
    nested = b"#bundle\0\0\0\0\0\0\0\0\1" + len(bundle).to_bytes(4, "big") + bundle
    every = b"/brainmusic/marker\0\0,ifsSTFNIhd\0" + b"\0\0\0\1?\x80\0\0one\0two\0" + b"\0" * 16
    return {
        "route": one,
        "load": other,
        "bundle": bundle,
        "nested": nested,
        "types": every,
        "bare": b"/brainmusic/panic\0\0\0",
        "scene": message("/brainmusic/scene", ("1",)),
        "rate": message("/brainmusic/rate", (-1.0,)),
        "mute": message("/brainmusic/mute", (1,)),
    }

"""A datagram in, OSC messages out, or a reason why it is none: strict, bounded, in one pass.

python-osc is not used on what strangers send: a bundle element of negative size keeps its parser in a loop for ever,
and every unknown type is a line in the log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MOST_BYTES = 8_192  # of a datagram: a command is short
MOST_DEPTH = 4  # of bundles in bundles
_BUNDLE = b"#bundle\0"
_FIXED = {"i": (">i", 4), "f": (">f", 4), "h": (">q", 8), "d": (">d", 8)}
_WORDS = {"T": True, "F": False, "N": None, "I": 1}  # I: Max's bang

Message = tuple[str, tuple[object, ...]]


class Malformed(Exception):
    """No OSC 1.0 packet; the text says why."""


def messages(datagram: bytes) -> Iterator[Message]:
    """Give (address, arguments) of a message or of all in a bundle; time tags are ignored: it is for now.

    Raises Malformed before the first message, so that nothing of a broken bundle is acted on.
    """
    if len(datagram) > MOST_BYTES:
        raise Malformed("oversized")
    return iter([*_packet(datagram, 0)])


def _packet(data: bytes, depth: int) -> Iterator[Message]:
    if not data.startswith(_BUNDLE):
        yield _message(data)
        return
    if len(data) < 16 or depth >= MOST_DEPTH:
        raise Malformed("bundle")
    at = 16  # behind the time tag
    while at < len(data):
        size = struct.unpack_from(">i", data, at)[0] if at + 4 <= len(data) else 0
        at += 4
        if size <= 0 or size % 4 or at + size > len(data):
            raise Malformed("bundle")
        yield from _packet(data[at : at + size], depth + 1)
        at += size


def _message(data: bytes) -> Message:
    if not data.startswith(b"/"):
        raise Malformed("no address")
    address, at = _text(data, 0)
    if at >= len(data):  # old senders leave the types out where there are no arguments
        return address, ()
    tags, at = _text(data, at)
    if not tags.startswith(","):
        raise Malformed("no types")
    found: list[object] = []
    for tag in tags[1:]:
        if tag in _FIXED:
            form, size = _FIXED[tag]
            if at + size > len(data):
                raise Malformed("cut short")
            found.append(struct.unpack_from(form, data, at)[0])
            at += size
        elif tag in "sS":
            text, at = _text(data, at)
            found.append(text)
        elif tag in _WORDS:
            found.append(_WORDS[tag])
        else:
            raise Malformed("type")
    if at != len(data):
        raise Malformed("too long")
    return address, tuple(found)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise Malformed("cut short")
    after = end + 4 - (end - at) % 4
    if after > len(data):
        raise Malformed("cut short")
    try:
        return data[at:end].decode("utf-8"), after
    except UnicodeDecodeError:
        raise Malformed("text") from None

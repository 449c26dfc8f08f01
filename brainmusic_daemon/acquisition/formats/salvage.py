"""The bytes of an XDF file in; those of its chunks that can be what they say out.

pyxdf makes room for as many samples as a chunk states before it reads the first: a few damaged bytes would take all
memory, or minutes.  A chunk that states more than it has room for is left out; where lengths are damaged, reading goes
on behind the next boundary.  Format: the XDF specification, github.com/sccn/xdf.
"""

from __future__ import annotations

import re
import struct

_BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
_HEADER, _SAMPLES, _LAST, _OF_STREAMS = 2, 3, 6, (2, 3, 4, 6)  # tags
MOST_CHANNELS = 65_536  # whatever a description says
_COUNT, _FORMAT = re.compile(rb"<channel_count>\s*(\d{1,9})\s*<"), re.compile(rb"<channel_format>\s*(\w+)\s*<")
_BYTES = {b"int8": 1, b"int16": 2, b"int32": 4, b"float32": 4, b"int64": 8, b"double64": 8}
_TEXT = 2  # bytes at least of a text: how long its length is, and its length


def salvaged(content: bytes) -> tuple[bytes, int]:
    """Return (a file of the chunks that can be read, how many bytes from the beginning are undamaged)."""
    at, intact = 4, len(content)
    parts: list[tuple[int, int]] = []  # from, to
    sizes: dict[bytes, int] = {}  # of a sample of each stream: bytes at least, its time's flag and its values
    while at < len(content):
        found = _chunk(content, at)
        if found is None:
            intact = min(intact, at)
            behind = content.find(_BOUNDARY, at)
            if behind < 0:
                break
            at = behind + len(_BOUNDARY)
            continue
        tag, body, end = found
        if _credible(content, tag, body, end, sizes):
            if parts and parts[-1][1] == at:
                parts[-1] = (parts[-1][0], end)
            else:
                parts.append((at, end))
        else:
            intact = min(intact, at)
        at = end
    if intact == len(content):
        return content, intact
    return content[:4] + b"".join(content[begin:end] for begin, end in parts), intact


def _chunk(content: bytes, at: int) -> tuple[int, int, int] | None:
    """Return (tag, where what it holds begins, its end) of the chunk there; None: there can be none."""
    width = content[at]
    body = at + 1 + width
    if width not in (1, 4, 8) or body > len(content):
        return None
    length = int.from_bytes(content[at + 1 : body], "little")
    if length < 2 or body + length > len(content):
        return None
    tag = int(struct.unpack_from("<H", content, body)[0])
    return (tag, body + 2, body + length) if 1 <= tag <= _LAST else None


def _credible(content: bytes, tag: int, body: int, end: int, sizes: dict[bytes, int]) -> bool:
    """Return whether a chunk is one of a stream that can be, with room for what it states; learn of a stream's."""
    if tag not in _OF_STREAMS:
        return True
    stream = content[body : body + 4]
    if tag == _HEADER:
        count, kind = _COUNT.search(content, body, end), _FORMAT.search(content, body, end)
        values = int(count.group(1)) if count else 1
        sizes.pop(stream, None)
        if values <= MOST_CHANNELS:
            sizes[stream] = 1 + values * (_BYTES.get(kind.group(1), _TEXT) if kind else 1)
    return stream in sizes and (tag != _SAMPLES or _has_room(content, body + 4, end, sizes[stream]))


def _has_room(content: bytes, at: int, end: int, size: int) -> bool:
    """Return whether there is room for as many samples as are stated there."""
    width = content[at] if at < end else 0
    samples = at + 1 + width
    if width not in (1, 4, 8) or samples > end:
        return False
    return int.from_bytes(content[at + 1 : samples], "little") * size <= end - samples

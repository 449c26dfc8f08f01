"""Streams and their samples in, the chunks of an XDF 1.0 file out, as bytes.

The format: https://github.com/sccn/xdf/wiki/Specifications.  What EEGLAB's load_xdf.m needs beyond it is kept too: a
name and a type that are not empty, element names that are names in Matlab, and nothing but ASCII.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

MAGIC = b"XDF:"
BOUNDARY_MARK = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")  # of the specification: readers resume behind it
FORMATS: Mapping[str, str] = {"float32": "<f4", "double64": "<f8"}  # and `string`

_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _BOUNDARY, _STREAM_FOOTER = range(1, 7)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream's header says."""

    name: str
    type: str
    source_id: str
    channels: tuple[str, ...]
    units: tuple[str, ...]  # one for each channel
    kinds: tuple[str, ...]  # one for each channel
    rate: float  # Hz, nominal; 0: irregular
    format: str  # float32, double64, string
    desc: Mapping[str, Any] = field(default_factory=dict)  # nested; element names must be names in Matlab


def chunk(tag: int, content: bytes) -> bytes:
    """Return one chunk: the length of what follows in four bytes, the tag, the content."""
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


def beginning(about: Mapping[str, Any]) -> bytes:
    """Return what a file begins with; `about` goes into its header."""
    return MAGIC + chunk(_FILE_HEADER, _xml({"version": "1.0", **about}))


def stream_header(number: int, stream: Stream, created_at: float) -> bytes:
    """Return the header chunk of a stream."""
    described = zip(stream.channels, stream.units, stream.kinds, strict=True)
    channels = [{"label": label, "unit": unit, "type": kind} for label, unit, kind in described]
    about = {
        "name": stream.name or "unnamed",
        "type": stream.type or "unknown",
        "channel_count": len(stream.channels),
        "nominal_srate": f"{stream.rate:.12g}",
        "channel_format": stream.format,
        "source_id": stream.source_id,
        "version": "1.1",
        "created_at": f"{created_at:.9f}",
        "uid": stream.source_id,
        "session_id": "default",
        "desc": {**stream.desc, "channels": {"channel": channels}},
    }
    return chunk(_STREAM_HEADER, struct.pack("<I", number) + _xml(about))


def clock_offset(number: int, time: float, offset: float = 0.0) -> bytes:
    """Return a clock offset chunk.  One of 0 s says that the stream is on the file's own clock."""
    return chunk(_CLOCK_OFFSET, struct.pack("<Idd", number, time, offset))


def boundary() -> bytes:
    """Return the chunk behind which a reader that met damage goes on."""
    return chunk(_BOUNDARY, BOUNDARY_MARK)


def rows(times: npt.NDArray[np.float64], samples: npt.NDArray[Any], fmt: str) -> bytes:
    """Return samples (n_samples, n_channels) with a time stamp each, `times` (n_samples,), as a chunk holds them."""
    table = np.empty(
        len(times), dtype=[("width", "u1"), ("time", "<f8"), ("values", FORMATS[fmt], (samples.shape[1],))]
    )
    table["width"], table["time"] = 8, times
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        table["values"] = samples
    return table.tobytes()


def text_row(time: float, text: str) -> bytes:
    """Return one sample of a stream of text."""
    data = text.encode("utf-8", "replace")
    return struct.pack("<BdBI", 8, time, 4, len(data)) + data


def samples(number: int, count: int, content: Sequence[bytes]) -> bytes:
    """Return the chunk of `count` samples whose `rows` are `content`."""
    return chunk(_SAMPLES, struct.pack("<IBI", number, 4, count) + b"".join(content))


def stream_footer(number: int, first: float, last: float, count: int, offset_at: float) -> bytes:
    """Return the footer chunk of a stream with `count` samples between the times `first` and `last`."""
    about = {
        "first_timestamp": f"{first:.9f}",
        "last_timestamp": f"{last:.9f}",
        "sample_count": count,
        "clock_offsets": {"offset": {"time": f"{offset_at:.9f}", "value": 0}},
    }
    return chunk(_STREAM_FOOTER, struct.pack("<I", number) + _xml(about))


def _xml(about: Mapping[str, Any]) -> bytes:
    """Return `<info>…</info>` in ASCII: Matlab decodes as the machine it runs on does."""
    text = f'<?xml version="1.0"?><info>{_inner(about)}</info>'
    return text.encode("ascii", "xmlcharrefreplace")


def _inner(about: Mapping[str, Any]) -> str:
    parts = []
    for name, value in about.items():
        for one in value if isinstance(value, list) else [value]:
            inner = _inner(one) if isinstance(one, Mapping) else escape(_NOT_XML.sub("", str(one)))
            parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)

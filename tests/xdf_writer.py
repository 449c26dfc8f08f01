"""Streams as numpy arrays in; the bytes of an XDF file out, for tests, damage included where it is asked for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

_CODES = {"float32": "<f4", "double64": "<f8", "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
_BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed546738 3cbe4".replace(" ", ""))


@dataclass
class Stream:
    """One stream to write; `samples` is (n_samples, n_channels), or a list of texts."""

    name: str
    samples: Any
    times: Any
    type: str | None = "EEG"
    rate: float = 250.0
    fmt: str = "float32"
    channels: Sequence[dict[str, str]] = ()
    source_id: str = ""
    offsets: Sequence[tuple[float, float]] = field(default_factory=tuple)  # (time of measurement, clock offset)

    def header(self) -> bytes:
        count = 1 if self.fmt == "string" else np.shape(self.samples)[1]
        inner = "".join(
            "<channel>" + "".join(f"<{key}>{escape(value)}</{key}>" for key, value in channel.items()) + "</channel>"
            for channel in self.channels
        )
        kind = "" if self.type is None else f"<type>{escape(self.type)}</type>"
        return (
            f"<?xml version='1.0'?><info><name>{escape(self.name)}</name>{kind}<channel_count>{count}</channel_count>"
            f"<nominal_srate>{self.rate}</nominal_srate><channel_format>{self.fmt}</channel_format>"
            f"<source_id>{escape(self.source_id)}</source_id>"
            + (f"<desc><channels>{inner}</channels></desc>" if inner else "<desc/>")
            + "</info>"
        ).encode()


def chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content


def write(path: Path, streams: Sequence[Stream], per_chunk: int = 50) -> Path:
    """Write an XDF 1.0 file with a boundary chunk after every round."""
    parts = [b"XDF:", chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")]
    for number, stream in enumerate(streams, 1):
        key = struct.pack("<I", number)
        parts.append(chunk(2, key + stream.header()))
        parts += [chunk(4, key + struct.pack("<dd", *offset)) for offset in stream.offsets]
        for start in range(0, len(stream.times), per_chunk):
            rows = stream.samples[start : start + per_chunk]
            stamps = stream.times[start : start + per_chunk]
            body = b"".join(
                b"\x08" + struct.pack("<d", at) + _row(stream, row) for at, row in zip(stamps, rows, strict=True)
            )
            parts.append(chunk(3, key + b"\x04" + struct.pack("<I", len(stamps)) + body))
            parts.append(chunk(5, _BOUNDARY))
    path.write_bytes(b"".join(parts))
    return path


def _row(stream: Stream, row: Any) -> bytes:
    if stream.fmt == "string":
        text = str(row).encode()
        return b"\x04" + struct.pack("<I", len(text)) + text
    return np.asarray(row, dtype=_CODES[stream.fmt]).tobytes()

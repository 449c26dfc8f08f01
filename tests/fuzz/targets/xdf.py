"""XDF files: raw bytes, or chunks whose lengths are made to fit; samples that fit together, or a ConfigError."""

from __future__ import annotations

import struct

import numpy as np

from brainmusic_daemon.acquisition.formats import markers, salvage, xdf
from brainmusic_daemon.api import ConfigError
from tests.fuzz import bed
from tests.fuzz.targets.text import whole

MOST = 4096
QUICK = 2000
BETWEEN = b"\n==\n"
WORDS = (
    BETWEEN,
    "XDF:",
    "\x01",
    "\x02",
    "\x03",
    "\x04",
    "\x06",
    b"\1\0\0\0",
    b"\2\0\0\0",
    "<channel_count>",
    "<nominal_srate>",
    "<channel_format>",
    "float32",
    "string",
    "int8",
    "int64",
    "double64",
    "<name>",
    "<type>EEG</type>",
    "<desc/>",
    "<desc><channels><channel><label>O1</label></channel></channels></desc>",
    "<unit>volts</unit>",
    "<info>",
    "</info>",
    "<first_timestamp>",
    "<last_timestamp>",
    "<stream_id>",
    "nan",
    "inf",
    "1e999",
    "-1",
    "0",
    "99999999",
    "&amp;",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    salvage._BOUNDARY,
    b"\x01\x05",
    b"\x04\xff\xff\xff\x7f",
    b"\x08",
    b"\0\0\0\0\0\0\xf8\x7f",
)


def built(data: bytes) -> bytes:
    """Return a file: as it is, or (C first) made of chunks, each its tag (a byte) and its content."""
    if not data.startswith(b"C"):
        return data
    parts = [part for part in bed.pieces(data[1:], BETWEEN) if part]
    return b"XDF:" + b"".join(b"\x04" + struct.pack("<IH", len(part) + 1, part[0]) + part[1:] for part in parts)


def fuzz(data: bytes) -> None:
    """Read the EEG, and the markers beside it."""
    path = bed.file("recording.xdf", built(data))
    try:
        take = xdf.read(path)
    except ConfigError as error:
        assert str(error)
        return
    whole(take)
    found = markers.read(path, take)
    assert all(isinstance(marker.text, str) for marker in found)
    times = np.array([marker.time for marker in found])
    assert not np.isfinite(times).all() or (np.diff(times) >= 0).all()


def header(name: str, kind: str, fmt: str, count: int, rate: float, labels: tuple[str, ...] = ()) -> bytes:
    """Return the description of a stream."""
    inner = "".join(
        f"<channel><label>{label}</label><unit>microvolts</unit><type>{kind}</type></channel>" for label in labels
    )
    return (
        f"<info><name>{name}</name><type>{kind}</type><channel_count>{count}</channel_count><nominal_srate>{rate}</nominal_srate>"
        f"<channel_format>{fmt}</channel_format><source_id>s</source_id><desc><channels>{inner}</channels></desc></info>"
    ).encode()


def stream(number: int, head: bytes, rows: list[tuple[float, bytes]]) -> list[bytes]:
    """Return the chunks of a stream, each with its tag in front."""
    key = struct.pack("<I", number)
    samples = b"".join(b"\x08" + struct.pack("<d", time) + row for time, row in rows)
    body = b"\x03" + key + b"\x01" + bytes([len(rows)]) + samples
    foot = b"<info><first_timestamp>1</first_timestamp><sample_count>8</sample_count></info>"
    return [b"\x02" + key + head, b"\x04" + key + struct.pack("<dd", 1.0, 0.01), body, b"\x06" + key + foot]


def text(word: str) -> bytes:
    """Return a sample of one text."""
    return b"\x01" + bytes([len(word)]) + word.encode()


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    eeg = stream(
        1,
        header("eeg", "EEG", "float32", 2, 250, ("O1", "Fz")),
        [(1 + i / 250, struct.pack("<ff", i, -i)) for i in range(12)],
    )
    whole_numbers = stream(
        1, header("eeg", "EEG", "int16", 1, 0, ("Cz",)), [(1 + i / 100, struct.pack("<h", i * 9)) for i in range(12)]
    )
    words = stream(
        2, header("marks", "Markers", "string", 1, 0), [(1.01, text("state good")), (1.03, text("eyes closed"))]
    )
    begin = b"\x01<info><version>1.0</version></info>"
    return {
        "eeg": b"C" + BETWEEN.join([begin, *eeg, *words]),
        "int": b"C" + BETWEEN.join([begin, *whole_numbers]),
        "raw": built(b"C" + BETWEEN.join([begin, *eeg])),
        "boundary": b"C" + BETWEEN.join([begin, *eeg[:3], b"\x05" + salvage._BOUNDARY, *eeg[3:]]),
        "none": b"XDF:",
        "other": b"C" + BETWEEN.join([begin, *words]),
    }

"""An XDF file in, damaged ones too; every stream as it was recorded out."""

from __future__ import annotations

import gzip
import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.acquisition.formats.salvage import MOST_CHANNELS, salvaged
from brainmusic_daemon.api import ConfigError, FloatArray


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of an XDF file as it was recorded, its clock corrected, its time stamps not yet smoothed."""

    number: int
    name: str
    type: str
    source_id: str
    channel_format: str  # int8 … int64, float32, double64, string
    nominal_rate: float
    channels: tuple[tuple[str, str, str], ...]  # (label, unit, kind) as described, "" where the description is silent
    desc: Any  # pyxdf's nested dict of lists; None where there is none
    samples: Any  # (n_samples, n_channels) array, or a list of lists of text
    times: FloatArray  # (n_samples,) seconds

    @property
    def text(self) -> bool:
        return self.channel_format == "string"


def describe(stream: Stream) -> str:
    """Return one stream in a few words for a message."""
    kind = f"type {stream.type}" if stream.type else "no type"
    return f"'{stream.name}' ({kind}, {len(stream.channels)} × {stream.channel_format}, {len(stream.times)} samples)"


def streams(path: Path) -> tuple[list[Stream], list[str]]:
    """Return every stream of the file and remarks about damage.  Raises ConfigError when nothing is readable."""
    try:
        loaded, remarks = _load(path)
        found = [_stream(entry) for entry in loaded]
    except Exception as error:  # whatever pyxdf makes of a damaged file is one message to the user
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"cannot read the recording {path}: {reason[0] if reason else type(error).__name__}"
        ) from error
    return found, remarks


def _load(path: Path) -> tuple[list[Any], list[str]]:
    """Try the whole file, then its undamaged beginning, each with and without the clock offsets."""
    import pyxdf

    with (gzip.open if path.suffix.lower() in (".xdfz", ".gz") else open)(path, "rb") as file:
        content = file.read()
    if content[:4] != b"XDF:":
        raise ConfigError("it is no XDF file")
    first: Exception | None = None
    data, end = salvaged(content)
    whole, begins = end == len(content), len(data) == end
    attempts = [(data, True, "" if whole or not begins else _upto(end, content))]
    if not begins:
        attempts.append((content[:end], True, _upto(end, content)))
    attempts.append((content[:end], False, "the clock offsets are unusable and were left out"))
    for data, synchronize, remark in attempts:
        with _overheard("pyxdf.pyxdf") as said:
            try:
                loaded, _ = pyxdf.load_xdf(
                    io.BytesIO(data), synchronize_clocks=synchronize, dejitter_timestamps=False, verbose=False
                )
            except Exception as error:  # noqa: BLE001  the next attempt asks less of the file
                first = first or error
                continue
        remarks = [remark] if remark else [] if whole else ["damaged in the middle: the rest was read"]
        return loaded, remarks + [line for line in said if "egments and clock-segments" not in line]
    assert first is not None
    raise first


def _upto(end: int, content: bytes) -> str:
    return f"damaged after {end} of {len(content)} bytes: read up to there"


@contextmanager
def _overheard(name: str) -> Iterator[list[str]]:
    """Collect what a library logs instead of letting it reach the user's terminal."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, ear = logging.getLogger(name), Ear(logging.WARNING)
    before = logger.propagate
    logger.propagate = False
    logger.addHandler(ear)
    try:
        with np.errstate(all="ignore"):
            yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = before


def _stream(entry: Mapping[str, Any]) -> Stream:
    info = entry["info"]
    samples, times = entry["time_series"], np.asarray(entry["time_stamps"], dtype=np.float64)
    count = int(_text(info, "channel_count") or 0)
    if count > MOST_CHANNELS:
        raise ValueError(f"a stream states {count} channels: it is damaged")
    rate = float(_text(info, "nominal_srate") or 0)
    desc = info["desc"][0] if info.get("desc") else None
    described = list(_channels(desc))[:count]
    described += [("", "", "")] * (count - len(described))
    return Stream(
        number=int(info["stream_id"]),
        name=_text(info, "name"),
        type=_text(info, "type"),
        source_id=_text(info, "source_id"),
        channel_format=_text(info, "channel_format"),
        nominal_rate=rate if 0 < rate < np.inf else 0.0,
        channels=tuple(described),
        desc=desc,
        samples=samples,
        times=times,
    )


def _channels(desc: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (label, unit, kind) from a description, however incomplete."""
    for block in (desc.get("channels") or []) if isinstance(desc, Mapping) else []:
        for channel in (block.get("channel") or []) if isinstance(block, Mapping) else []:
            if isinstance(channel, Mapping):
                yield _text(channel, "label") or _text(channel, "name"), _text(channel, "unit"), _text(channel, "type")
            else:
                yield str(channel or ""), "", ""


def _text(values: Mapping[str, Any], key: str) -> str:
    found = values.get(key)
    found = found[0] if isinstance(found, list) and found else found
    return found.strip() if isinstance(found, str) else ""

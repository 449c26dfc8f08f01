"""Frames in, a text file out: one JSON object for every OSC message that `osc` would send."""

from __future__ import annotations

import itertools
import logging
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import Field

from brainmusic_daemon.api import Clock, Frame, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.blockfile import BlockFile
from brainmusic_daemon.outputs.osc_dialects import SUMMARY
from brainmusic_daemon.outputs.osc_encoder import DialectName, Encoder, make_encoder
from brainmusic_daemon.outputs.osc_encoding import Layout, Message
from brainmusic_daemon.there import expanded

_log = logging.getLogger(__name__)


@plugin
class Jsonl:
    """Write to a file what the `osc` output would send: {"time": …, "address": …, "args": […]} per line.

    The settings are those of `osc`.  Floats are float32, as on the wire.
    """

    path: Annotated[Path, Field(description="the file, overwritten if it exists")]
    features: Annotated[list[str], Field(description="features to write: names, wildcards, or 'summary'")] = field(
        default_factory=lambda: [SUMMARY]
    )
    controls: Annotated[list[str], Field(description="controls to write: names or wildcards")] = field(
        default_factory=lambda: ["*"]
    )
    dialect: Annotated[DialectName, Field(description="namespace: brainmusic, muse or wekinator")] = "brainmusic"
    rate_hz: Annotated[float, Field(ge=0, le=1000, description="at most so often, Hz; 0: every tick")] = 0.0
    heartbeat_s: Annotated[float, Field(gt=0, le=3600, description="period of heartbeat and state, s")] = 1.0

    _encoder: Encoder = field(init=False)
    _file: BlockFile | None = field(default=None, init=False)
    _files: list[BlockFile] = field(default_factory=list, init=False)
    _said: set[str] = field(default_factory=set, init=False)  # a headset that comes and goes is no news
    _layout: Layout | None = field(default=None, init=False)
    _template: bytes = field(default=b"", init=False)
    _pick: Callable[[Sequence[bytes]], Any] = field(default=tuple, init=False)

    def __post_init__(self) -> None:
        self.path = expanded(self.path)
        self._encoder = make_encoder(self.dialect, self.features, self.controls, self.rate_hz, self.heartbeat_s)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Create the file; opened again, go on behind the lines that are there.  Live, a thread writes."""
        file = BlockFile(self.path, bool(self._files), live=not isinstance(clock, VirtualClock))
        file.open()
        self._file = file
        self._files.append(file)

    def send(self, frame: Frame) -> None:
        """Append this tick's messages."""
        if self._file is None:
            return
        batch = self._encoder.encode(frame)
        if batch.layout is not self._layout:
            self._prepare(batch.layout)
        time = orjson.dumps(round(frame.time, 6))
        if batch.due and batch.kept is None and self._template:
            numbers = orjson.dumps(batch.values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
            text = self._template % self._pick([time, *numbers])
            count = len(batch.layout.addresses)
        else:
            rest = batch.messages()
            rest = rest[: len(rest) - len(batch.events) - len(batch.notes)]
            text, count = b"".join(_line(time, message) for message in rest), len(rest)
        if batch.events:
            text += b"".join(_line(time, message) for message in batch.events)
        for onset, message in batch.notes:  # a note leaves when it begins
            text += _line(orjson.dumps(round(float(onset), 6)), message)
        self._file.write(text, count + len(batch.events) + len(batch.notes), frame.time)

    def close(self) -> None:
        """Write the last lines."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def counters(self) -> Mapping[str, float]:
        """Messages written, lost to a full disk, withheld because not finite; failed writes."""
        return {
            "messages": sum(file.lines for file in self._files),
            "lost": sum(file.lost for file in self._files),
            "errors": sum(file.errors for file in self._files),
            "withheld": self._encoder.withheld,
        }

    def _prepare(self, layout: Layout) -> None:
        """Lay out one tick's lines once: afterwards a tick is one conversion and one fill-in."""
        self._layout = layout
        for remark in layout.remarks:
            if remark not in self._said:
                _log.warning("jsonl: %s", remark)
                self._said.add(remark)
        lines, picks, at = [], [], itertools.count(1)
        for address, count in zip(layout.addresses, layout.counts, strict=True):
            values = b",".join([b"%b"] * count)
            lines.append(b'{"time":%%b,"address":%b,"args":[%b]}\n' % (orjson.dumps(address), values))
            picks += [0, *itertools.islice(at, count)]
        self._template = b"".join(lines)
        self._pick = operator.itemgetter(*picks) if picks else tuple


def _line(time: bytes, message: Message) -> bytes:
    address, arguments = message
    plain = [np.float32(argument) if isinstance(argument, float) else argument for argument in arguments]
    entry = {"time": orjson.Fragment(time), "address": address, "args": plain}
    return orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)

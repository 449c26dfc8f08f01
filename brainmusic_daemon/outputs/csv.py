"""Frames in, a table out: one row per tick, one column per feature and control."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import Field

from brainmusic_daemon.api import BrainmusicError, Clock, Frame, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.blockfile import BlockFile
from brainmusic_daemon.there import expanded

_log = logging.getLogger(__name__)


@plugin
class Csv:
    """Write features, controls, quality and state to a CSV file, one row per tick.

    Columns: `time` (session seconds at which the tick leaves), `feature.<name>` …, `control.<name>` …, `quality` (mean
    of the channels), `state`, `events` (names of what was found in this tick, joined by `;`).  Numbers are float32 with
    as few digits as bring back the same float32; `nan` where there is no finite value.  The rows begin when the first
    headset's features are known.  Another set of names in mid-run (another headset) starts another file: OUT.2.csv,
    OUT.3.csv …
    """

    path: Annotated[Path, Field(description="the file, overwritten if it exists")]

    _file: BlockFile | None = field(default=None, init=False)
    _files: list[BlockFile] = field(default_factory=list, init=False)  # all of this session
    _number: int = field(default=1, init=False)
    _live: bool = field(default=False, init=False)
    _failed: int = field(default=0, init=False)  # files that could not be begun
    _features: tuple[str, ...] = field(default=(), init=False)  # the columns of the newest file
    _controls: tuple[str, ...] = field(default=(), init=False)
    _row: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), init=False)

    def __post_init__(self) -> None:
        self.path = expanded(self.path)

    def open(self, clock: Clock | None = None, info: StreamInfo | None = None) -> None:
        """Create the file; opened again, go on behind the rows that are there.  Live, a thread writes."""
        path = self.path if self._number == 1 else self.path.with_suffix(f".{self._number}{self.path.suffix}")
        append = bool(self._files) and self._files[-1].path == path
        self._live = self._live if clock is None else not isinstance(clock, VirtualClock)
        file = BlockFile(path, append, self._live)
        file.open()
        self._file = file
        self._files.append(file)

    def send(self, frame: Frame) -> None:
        """Append one row: about 20 ns per column."""
        if self._file is None:
            return
        features, values = frame.features, frame.controls.values
        idle = not features.names  # no headset, or another one is being prepared
        same = (idle or features.names == self._features) and (*values,) == self._controls
        if (idle and not self._row.size) or (not same and not self._begin(frame)):
            return
        row, count = self._row, len(self._features)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and that is written as nan
            row[:count] = np.nan if idle else features.values
            row[count:-1] = [*values.values()]
            row[-1] = features.quality.sum() / features.quality.size if features.quality.size else np.nan
        text = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        if b"n" in text:
            text = text.replace(b"null", b"nan")
        time = orjson.dumps(round(frame.time, 6))
        events = _quoted(";".join(event.name for event in features.events)).encode() if features.events else b""
        self._file.write(b"%b,%b,%b,%b\n" % (time, text, features.state.encode(), events), 1, frame.time)

    def close(self) -> None:
        """Write the last rows."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def counters(self) -> Mapping[str, float]:
        """Rows written, rows lost to a full disk, failed writes, files."""
        files = self._files
        return {
            "rows": sum(file.lines for file in files),
            "lost": sum(file.lost for file in files),
            "errors": self._failed + sum(file.errors for file in files),
            "files": len({file.path for file in files}),
        }

    def _begin(self, frame: Frame) -> bool:
        """Head the file, or the next one when this one has other columns."""
        first = not self._controls and not self._features
        self._features, self._controls = frame.features.names or self._features, (*frame.controls.values,)
        names = [f"feature.{name}" for name in self._features] + [f"control.{name}" for name in self._controls]
        self._row = np.empty(len(names) + 1, dtype=np.float32)
        if not first:
            self._number += 1
            if self._file is not None:
                self._file.close(wait=False)
                self._file = None
            try:
                self.open()
            except BrainmusicError as error:
                _log.error("%s; the table ends at %.1f s", error, frame.time)
                self._failed += 1
                return False
            assert self._file is not None
            _log.warning("other features or controls from %.1f s on: they go to '%s'", frame.time, self._file.path)
        assert self._file is not None
        header = ",".join(_quoted(name) for name in ["time", *names, "quality", "state", "events"])
        self._file.head = f"{header}\n".encode()
        return True


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text

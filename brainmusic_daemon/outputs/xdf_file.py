"""Samples of many streams in, one XDF file out that can be read whatever happens: power cut, full disk, kill -9."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import ConfigError, OutputLost
from brainmusic_daemon.outputs import xdf_chunks as chunks
from brainmusic_daemon.outputs.lasting import put_back
from brainmusic_daemon.there import is_there

_log = logging.getLogger(__name__)

KEEP_BYTES = 32 << 20  # so much waits in memory for a disk that is full


@dataclass(slots=True, eq=False)
class _Track:
    """One stream on its way to the file."""

    stream: chunks.Stream
    announced: bool = False  # its header is in the file
    pending: list[tuple[bytes, int, float, float]] = field(default_factory=list)  # rows, how many, first, last time
    count: int = 0  # samples in the file
    first: float = 0.0
    last: float = 0.0
    lost: int = 0  # samples that found no room

    def rows(self) -> int:
        return sum(count for _, count, _, _ in self.pending)


class XdfFile:
    """One file, created anew.  One thread at a time; times are those that go into the file.

    `flush` writes all or nothing: what does not fit is taken back, kept up to KEEP_BYTES, and tried again by the next
    `flush`, so that the file ends with a whole chunk, and no sample comes before its stream's header.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], now: float) -> None:
        """Create the file.  Raises ConfigError where it exists or can never be written, OutputLost on a full disk."""
        self.path, self.bytes, self.errors = path, 0, 0
        self.trouble = ""  # why nothing can be written at present
        self._tracks: list[_Track] = []
        self._now = now
        try:
            self._raw = FileIO(path, "x+")
        except FileExistsError:
            raise ConfigError(
                f"there is a file {path} already, and nothing recorded is ever overwritten: name another, "
                f"e.g. {free_name(path)}"
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot record to {path}: {_reason(error)}; name a file in a folder you own") from error
        try:
            self._append(chunks.beginning(about))
            self._sync()
        except OSError as error:
            self._raw.close()
            path.unlink(missing_ok=True)
            raise OutputLost(f"cannot record to {path}: {_reason(error)}; make room, or name another disk") from error
        with suppress(OSError, AttributeError):  # so that the name, too, outlives a power cut; not on Windows
            folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def add(self, stream: chunks.Stream) -> int:
        """Take up a stream; return its number."""
        self._tracks.append(_Track(stream))
        return len(self._tracks)

    def write(self, number: int, rows: bytes, count: int, first: float, last: float) -> None:
        """Take `count` samples between the times `first` and `last`, as `xdf_chunks.rows` or `text_row` made them."""
        if count:
            self._tracks[number - 1].pending.append((rows, count, first, last))

    def flush(self, sync: bool) -> bool:
        """Write what is pending; with `sync` wait until the disk has it.  Never raises; False: it did not fit."""
        try:
            block = [part for number, track in enumerate(self._tracks, 1) for part in self._waiting(number, track)]
            if block:
                self._append(b"".join([*block, chunks.boundary()]))
                for track in self._tracks:
                    self._settle(track)
            if sync:
                self._sync()
                put_back(self._raw.fileno(), self.path)
        except (OSError, ValueError, MemoryError) as error:
            self._failed(error)
            return False
        if self.trouble:
            self.trouble = ""
            _log.warning("recording to %s goes on%s", self.path, f"; {self.lost} samples are lost" * (self.lost > 0))
        return True

    def close(self) -> None:
        """Write what is pending and the footers, and close the file.  Idempotent, never raises."""
        if self._raw.closed:
            return
        if not self.flush(sync=False):
            for track in self._tracks:
                track.lost += track.rows()
                track.pending.clear()
        footers = [
            chunks.stream_footer(number, track.first, track.last, track.count, self._now)
            for number, track in enumerate(self._tracks, 1)
            if track.announced
        ]
        try:
            self._append(b"".join(footers))
            self._sync()
            put_back(self._raw.fileno(), self.path)
        except OSError as error:
            self._failed(error)
        try:
            self._raw.close()
        except OSError as error:
            self._failed(error)

    def samples(self) -> dict[str, int]:
        """Return how many samples of each stream are in the file, by name.  From any thread."""
        found: dict[str, int] = {}
        for track in list(self._tracks):
            found[track.stream.name] = found.get(track.stream.name, 0) + track.count
        return found

    @property
    def lost(self) -> int:
        """Return how many samples found no room, of all streams."""
        return sum(track.lost for track in list(self._tracks))

    def _waiting(self, number: int, track: _Track) -> list[bytes]:
        if not track.pending and track.announced:
            return []
        parts = []
        if not track.announced:
            parts = [chunks.stream_header(number, track.stream, self._now), chunks.clock_offset(number, self._now)]
        if track.pending:
            parts.append(chunks.samples(number, track.rows(), [rows for rows, *_ in track.pending]))
        return parts

    def _settle(self, track: _Track) -> None:
        """Note that what was pending is in the file."""
        track.announced = True
        if track.pending:
            track.first = track.pending[0][2] if not track.count else track.first
            track.last = track.pending[-1][3]
            track.count += track.rows()
            track.pending.clear()

    def _append(self, block: bytes) -> None:
        """Write a block, or nothing of it.  Raises OSError."""
        view, done = memoryview(block), 0
        try:
            while done < len(block):
                done += self._raw.write(view[done:]) or 0
        except OSError:
            with suppress(OSError):
                self._raw.truncate(self.bytes)
            with suppress(OSError):
                self._raw.seek(self.bytes)
            raise
        self.bytes += len(block)

    def _sync(self) -> None:
        os.fsync(self._raw.fileno())

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        if not self.trouble:
            self.trouble = _reason(error)
            _log.error("cannot go on recording to %s: %s; what is there stays readable, and it is tried again until "
                       "there is room", self.path, self.trouble)  # fmt: skip
        waiting = sum(len(rows) for track in self._tracks for rows, *_ in track.pending)
        while waiting > KEEP_BYTES:  # the oldest of whoever waits with most
            track = max(self._tracks, key=lambda track: sum(len(rows) for rows, *_ in track.pending))
            rows, count, *_ = track.pending.pop(0)
            track.lost += count
            waiting -= len(rows)


def free_name(path: Path) -> Path:
    """Return `path`, or the first of path-2, path-3 … that does not exist."""
    number, free = 1, path
    while is_there(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

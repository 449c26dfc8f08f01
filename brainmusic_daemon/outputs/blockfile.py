"""Whole lines in, a file that is always readable out: what does not fit on the disk is dropped and counted."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from brainmusic_daemon.api import ConfigError, OutputLost
from brainmusic_daemon.outputs.lasting import put_back

_log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
FLUSH_S = 1.0  # someone may be watching the file grow
RETRY_S = 1.0
MOST_BLOCKS = 60  # that wait for a disk that does not answer: a minute, or 15 MB
CLOSE_S = 2.0  # of patience with it at the end


@dataclass(slots=True, eq=False)
class BlockFile:
    """A file written in blocks of whole lines.  One thread at a time; times are session seconds."""

    path: Path
    append: bool = False  # go on with the file instead of starting it anew
    live: bool = False  # a thread of its own writes: the tick does not wait for a disk, a network or a pipe
    head: bytes = b""  # whole lines that a new file begins with, whenever it can
    lines: int = field(default=0, init=False)  # written so far
    errors: int = field(default=0, init=False)  # writes that failed
    _unwritten: int = field(default=0, init=False)  # lines that the disk refused
    _untaken: int = field(default=0, init=False)  # lines that it was too slow for
    _raw: FileIO | None = field(default=None, init=False)
    _pending: list[bytes] = field(default_factory=list, init=False)
    _count: int = field(default=0, init=False)  # lines pending
    _size: int = field(default=0, init=False)  # bytes pending
    _good: int = field(default=0, init=False)  # length of the file up to its last whole line
    _next_flush: float = field(default=0.0, init=False)
    _retry: float | None = field(default=None, init=False)
    _queue: queue.SimpleQueue[tuple[bytes, int] | None] = field(default_factory=queue.SimpleQueue, init=False)
    _writer: threading.Thread | None = field(default=None, init=False)

    def open(self) -> None:
        """Create the file.  Raises ConfigError where that can never work, OutputLost where it may later."""
        try:
            self._raw = self._created()
            self._good = self._raw.seek(0, 2) if self._raw.seekable() else 0
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, ValueError) as error:
            raise ConfigError(
                f"cannot write '{self.path}': {_reason(error)}; name a file in a folder you own"
            ) from error
        except OSError as error:
            raise OutputLost(f"cannot write '{self.path}': {_reason(error)}") from error
        if self.live:
            self._writer = threading.Thread(target=self._work, name=f"write-{self.path.name}"[:15], daemon=True)
            self._writer.start()

    def _created(self) -> FileIO:
        exists = self.path.exists()
        if exists and not self.path.is_file():  # a pipe or a device: no reading back
            return FileIO(self.path, "w")
        return FileIO(self.path, "r+" if self.append and exists else "w+")

    @property
    def lost(self) -> int:
        """Lines dropped."""
        return self._unwritten + self._untaken

    def write(self, text: bytes, lines: int, time: float) -> None:
        """Take whole lines.  Never raises; with `live` it never waits."""
        if self._retry is not None:
            if time < self._retry:
                self._unwritten += lines
                return
            self._retry = None
        self._pending.append(text)
        self._count += lines
        self._size += len(text)
        if self._size >= BLOCK_BYTES or time >= self._next_flush:
            self._next_flush = time + FLUSH_S
            if not self._flush():
                self._retry = time + RETRY_S

    def close(self, wait: bool = True) -> None:
        """Write what is left.  Never raises; with `live`, a disk that does not answer is left behind.

        `wait` False: the thread does it, by and by.
        """
        if self._raw is None:
            return
        self._flush()
        if self._writer is None:
            self._end()
            return
        self._queue.put(None)
        if wait and self._writer is not threading.current_thread():
            self._writer.join(CLOSE_S)
            if self._writer.is_alive():
                _log.error("'%s' ends without its end: the disk does not answer", self.path)
        self._writer = None

    def _end(self) -> None:
        raw = self._raw
        if raw is None:
            return
        try:
            put_back(raw.fileno(), self.path)
            raw.close()
        except OSError as error:
            self._failed(error)
        self._raw = None

    def _flush(self) -> bool:
        """Write the pending lines, or hand them over; return False where the disk refused them."""
        block, count = b"".join(self._pending), self._count
        self._pending.clear()
        self._count = self._size = 0
        if self._writer is None:
            return self._put(block, count)
        if self._queue.qsize() < MOST_BLOCKS:
            self._queue.put((block, count))
        else:
            if not self._untaken:
                _log.error("cannot write '%s' as fast as it comes: lines are lost", self.path)
            self._untaken += count
        return True

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            self._put(*waiting)
        self._end()

    def _put(self, block: bytes, count: int) -> bool:
        """Write whole lines, all or none, so that the file always ends with one."""
        if not self._good and block:
            block = self.head + block
        if self._raw is None:
            self._unwritten += count
            return False
        done = 0
        try:
            while done < len(block):
                done += self._raw.write(block[done:] if done else block) or 0
            self._good += len(block)
            self.lines += count
            put_back(self._raw.fileno(), self.path)
        except OSError as error:
            if done < len(block):
                self._unwritten += count
            self._failed(error)
            return False
        return True

    def _failed(self, error: OSError) -> None:
        self.errors += 1
        if self.errors == 1:
            _log.error("cannot write '%s': %s; trying again, lines in between are lost", self.path, _reason(error))
        if self._raw is not None and not self._raw.closed:
            try:
                self._raw.truncate(self._good)
                self._raw.seek(self._good)
            except OSError:
                self.errors += 1


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

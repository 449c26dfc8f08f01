"""Whole lines in, a file that is always readable out: what does not fit on the disk is dropped and counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from brainmusic_daemon.api import ConfigError, OutputLost

_log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
FLUSH_S = 1.0  # someone may be watching the file grow
RETRY_S = 1.0


@dataclass(slots=True, eq=False)
class BlockFile:
    """A file written in blocks of whole lines.  One thread at a time; times are session seconds."""

    path: Path
    append: bool = False  # go on with the file instead of starting it anew
    head: bytes = b""  # whole lines that a new file begins with, whenever it can
    lines: int = field(default=0, init=False)  # written so far
    lost: int = field(default=0, init=False)  # lines dropped
    errors: int = field(default=0, init=False)  # writes that failed
    _raw: FileIO | None = field(default=None, init=False)
    _pending: list[bytes] = field(default_factory=list, init=False)
    _count: int = field(default=0, init=False)  # lines pending
    _size: int = field(default=0, init=False)  # bytes pending
    _good: int = field(default=0, init=False)  # length of the file up to its last whole line
    _next_flush: float = field(default=0.0, init=False)
    _retry: float | None = field(default=None, init=False)

    def open(self) -> None:
        """Create the file.  Raises ConfigError where that can never work, OutputLost where it may later."""
        try:
            self._raw = FileIO(self.path, "r+" if self.append and self.path.exists() else "w")
            self._good = self._raw.seek(0, 2) if self._raw.seekable() else 0
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, ValueError) as error:
            raise ConfigError(
                f"cannot write '{self.path}': {_reason(error)}; name a file in a folder you own"
            ) from error
        except OSError as error:
            raise OutputLost(f"cannot write '{self.path}': {_reason(error)}") from error

    def write(self, text: bytes, lines: int, time: float) -> None:
        """Take whole lines.  Never raises."""
        if self._retry is not None:
            if time < self._retry:
                self.lost += lines
                return
            self._retry = None
        self._pending.append(text)
        self._count += lines
        self._size += len(text)
        if self._size >= BLOCK_BYTES or time >= self._next_flush:
            self._next_flush = time + FLUSH_S
            if not self._flush():
                self._retry = time + RETRY_S

    def close(self) -> None:
        """Write what is left.  Never raises."""
        if self._raw is None:
            return
        self._flush()
        try:
            self._raw.close()
        except OSError as error:
            self._failed(error)
        self._raw = None

    def _flush(self) -> bool:
        """Write the pending lines, all or none, so that the file always ends with a whole line."""
        block, count = b"".join(self._pending), self._count
        if not self._good and block:
            block = self.head + block
        self._pending.clear()
        self._count = self._size = 0
        if self._raw is None:
            self.lost += count
            return False
        try:
            done = 0
            while done < len(block):
                done += self._raw.write(block[done:] if done else block) or 0
        except OSError as error:
            self.lost += count
            self._failed(error)
            return False
        self._good += len(block)
        self.lines += count
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

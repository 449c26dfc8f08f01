"""An open file whose name was deleted in; the same, with all that it holds, under its name again, out.

Whoever tidies up while something is recorded does not mean to throw that away: the system keeps what an open file holds
until it is closed, so there is still time.  On Windows nobody can delete an open file.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20


def put_back(fd: int, path: Path) -> bool:
    """Copy a file that was deleted, to where it was, and let `fd` go on there; return whether that was necessary.

    `fd` must be open for reading and writing, and stands where it stood.  Raises OSError where it cannot be done; then
    nothing has changed.
    """
    if os.fstat(fd).st_nlink or path.exists():  # moved is not deleted
        return False
    at = os.lseek(fd, 0, os.SEEK_CUR)
    path.parent.mkdir(parents=True, exist_ok=True)
    anew = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        while block := os.read(fd, _BLOCK_BYTES):
            while block:
                block = block[os.write(anew, block) :]
        os.dup2(anew, fd, inheritable=False)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(anew)
        os.lseek(fd, at, os.SEEK_SET)
    _log.warning("'%s' was deleted while it is being written: it is there again, with all that it held", path)
    return True

"""A daemon's name in, the token of its page out: made once and kept where only its user can read it.

It is the same at each start: so a phone that was let in stays in when the daemon ends by itself and is started anew.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
from pathlib import Path

_log = logging.getLogger(__name__)

BYTES = 12  # of chance
_VALID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_MOST = 200  # bytes of a file that is read


def path(name: str) -> Path:
    """Return the file of the daemon of this name."""
    import platformdirs

    return Path(platformdirs.user_state_dir("brainmusic", appauthor=False)) / f"{name}.token"


def kept(name: str) -> str:
    """Return the token that is kept under `name`; a new one, kept from now on, where there is none.

    One that others could read or put there is none.
    """
    return _read(path(name)) or renewed(name)


def renewed(name: str) -> str:
    """Return a new token, kept in place of the old; where it cannot be kept, which is told, it is for this run."""
    token, file = secrets.token_urlsafe(BYTES), path(name)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # for its user alone: 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as out:
                out.write(token)
                out.flush()
                os.fsync(out.fileno())
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.warning("the token of the page is for this run only: %s cannot be written (%s)", file, error)
    return token


def _read(file: Path) -> str:
    """Return what a file holds; empty where there is none, or none that can be trusted."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as opened:
            if hasattr(os, "getuid"):  # on Windows the folder lies in the user's own profile
                found = os.fstat(opened.fileno())
                if found.st_uid != os.getuid() or found.st_mode & 0o077:
                    _log.warning("the token of the page is made anew: others could read or write %s", file)
                    return ""
            text = opened.read(_MOST).decode("ascii")
    except (OSError, ValueError):
        return ""
    return text if _VALID.fullmatch(text) else ""

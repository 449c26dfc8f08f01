"""Where a running daemon can be reached, written to a file that only its user can read; and read from there.

Only light libraries are imported here: the shell's commands start with it.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

_STICKY = 0o1000  # only the owner removes what lies there
FRESH_S = 2.0  # a file that cannot be read is just being written when it is younger


@dataclass(frozen=True, slots=True)
class Run:
    """One daemon that runs, or ran."""

    name: str
    pid: int
    port: int  # of its control socket on 127.0.0.1
    token: str  # whoever can read it may command
    started: float  # Unix time
    version: str

    @property
    def since(self) -> str:
        return time.strftime("%H:%M:%S", time.localtime(self.started))


class Unsafe(Exception):
    """The folder for run files belongs to somebody else."""


def folder() -> Path:
    """Return the folder of the run files of this user."""
    import platformdirs

    with warnings.catch_warnings():  # without a session there is no runtime folder: one below /tmp will do
        warnings.simplefilter("ignore")
        return Path(platformdirs.user_runtime_dir("brainmusic", appauthor=False))


def path(name: str) -> Path:
    return folder() / f"{name}.json"


def write(run: Run) -> None:
    """Write the file of a daemon.  Raises FileExistsError where there is one, Unsafe, or OSError."""
    _own(folder())
    file = os.open(path(run.name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump(asdict(run), out)


def _own(place: Path) -> None:
    """Make the folder, for its user alone.  Raises Unsafe."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):  # on Windows the folder lies in the user's own profile
        stat, above = place.lstat(), place.parent.lstat()
        if stat.st_uid != os.getuid() or stat.st_mode & 0o022:
            raise Unsafe(f"{place} belongs to somebody else, or others may write there")
        # Whoever owns the folder above can put another one in its place.
        sticky = above.st_mode & _STICKY
        if above.st_uid not in (0, os.getuid()) or (above.st_mode & 0o022 and not sticky):
            raise Unsafe(f"{place.parent} belongs to somebody else, or others may write there")


def read(name: str) -> Run | None:
    """Return what the file of `name` says; None where there is none, or none that can be understood."""
    file = path(name)
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        run = Run(**known)
        valid = run.name == name and 0 < int(run.port) < 65536 and isinstance(run.token, str)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    return run if valid else None


def names() -> list[str]:
    """Return the names of all daemons that left a file."""
    try:
        return sorted(file.stem for file in folder().glob("*.json"))
    except OSError:
        return []


def being_written(name: str) -> bool:
    """Return whether there is a file that nobody can read yet."""
    try:
        return read(name) is None and time.time() - path(name).stat().st_mtime < FRESH_S
    except OSError:
        return False


def remove(name: str, token: str | None = None) -> None:
    """Remove the file that holds this token; without one, a file that nobody can read.  Never raises."""
    try:
        found = read(name)
        if (found.token if found is not None else None) == token:
            path(name).unlink(missing_ok=True)
    except OSError:
        pass

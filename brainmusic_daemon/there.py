"""A path that somebody wrote in; where it leads, and whether there is such a file, out.

No name is too long for that, or too odd: then there is none.  (`Path.exists` and its like raise OSError for a name of
more than 255 bytes.)
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """Return it with `~` as the home folder; a `~` of nobody stays (`Path.expanduser` raises RuntimeError)."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_file(path: Path) -> bool:
    """Say whether it names a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Say whether it names a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: Path) -> bool:
    """Say whether it names anything at all."""
    return os.path.exists(path)  # noqa: PTH110

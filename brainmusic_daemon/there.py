"""A path that somebody wrote in; whether there is such a file, out."""

from __future__ import annotations

import os
from pathlib import Path


def is_file(path: Path) -> bool:
    """Say whether it names a file; no name is too long for that, or too odd: then there is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises OSError for a name of more than 255 bytes

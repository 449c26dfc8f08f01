"""A decorator that compiles a kernel and keeps the result on disk, in a folder named after the kernels' source.

numba looks only at the file that a cached function stands in, not at the kernels that it calls; and a package's own
folder may be read-only.  A folder per state of the source, in the user's cache, solves both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
import platformdirs


@cache
def cache_folder() -> Path:
    """Return the folder of the compiled kernels: another one for every change of their source or of numba."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("brainmusic") / "kernels" / digest.hexdigest()[:16]


@contextmanager
def in_cache_folder() -> Iterator[None]:
    """Let numba decorators that run inside keep their results in our folder."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call, or take it from the cache.  No fast-math: the same bits however a block is split."""
    with in_cache_folder():
        return numba.njit(cache=True, error_model="numpy", boundscheck=False)(function)

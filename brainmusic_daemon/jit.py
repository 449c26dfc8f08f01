"""A decorator that compiles a kernel and keeps the result on disk, in a folder named after the kernels' source.

numba looks only at the file that a cached function stands in, not at the kernels that it calls; and a package's own
folder may be read-only.  A folder per state of the source, in the user's cache, solves both.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
import platformdirs


@cache
def cache_folder(package: Path) -> Path:
    """Return where the kernels of a package's folder are kept: elsewhere for every change of its source or of numba."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(package.glob("*.py")):
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("brainmusic") / "kernels" / f"{package.name}-{digest.hexdigest()[:16]}"


@cache
def can_cache(package: Path) -> bool:
    """Return whether the folder can be written; a container without a home has none, and compiles each time."""
    try:
        cache_folder(package).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_folder(package)):
            return True
    except OSError:
        return False


def is_cached(package: Path, name: str) -> bool:
    """Return whether a kernel (`module.function`) has been compiled before on this machine."""
    return any(cache_folder(package).rglob(f"{name}-*.nbi"))


def forget_old(package: Path, days: float = 60.0) -> None:
    """Remove what earlier versions left in the cache and nobody has compiled for so long.  Never raises."""
    with contextlib.suppress(OSError):
        for folder in cache_folder(package).parent.glob(f"{package.name}-*"):
            if folder != cache_folder(package) and folder.stat().st_mtime < time.time() - days * 86_400:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def in_cache_folder(package: Path) -> Iterator[None]:
    """Let numba decorators that run inside keep their results in the package's cache folder."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder(package))
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call, or take it from the cache.  No fast-math: the same bits on every run."""
    package = Path(inspect.getfile(function)).parent
    with in_cache_folder(package):
        return numba.njit(cache=can_cache(package), error_model="numpy", boundscheck=False)(function)

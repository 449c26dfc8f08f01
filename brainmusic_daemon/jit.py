"""A decorator that compiles a kernel and keeps the result on disk, in a folder named after the kernels' source.

numba looks only at the file that a cached function stands in, not at the kernels that it calls; and a package's own
folder may be read-only.  A folder per state of the source, in the user's cache, solves both.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import inspect
import shutil
import subprocess
import sys
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


def forget_old(package: Path, days: float = 60.0) -> None:
    """Remove what earlier versions left in the cache and nobody has compiled for so long.  Never raises."""
    with contextlib.suppress(OSError):
        for folder in cache_folder(package).parent.glob(f"{package.name}-*"):
            if folder != cache_folder(package) and folder.stat().st_mtime < time.time() - days * 86_400:
                shutil.rmtree(folder, ignore_errors=True)


def fill_cache(package: Path, load: str, what: str, progress: Callable[[str], None]) -> None:
    """Compile a package's kernels in a process of its own unless they are in the cache; tell the begin and the end.

    Here it would hold the interpreter's lock for seconds, and no tick could come.  `load` (`module:function`) needs
    every kernel.  Where nothing can be cached, or that process fails, the kernels are compiled here on first use.
    """
    complete = cache_folder(package) / "complete"
    if not can_cache(package) or complete.exists():  # in this order: what may not be read cannot be looked for
        return
    forget_old(package)
    progress(f"compiling {what}, once (some seconds) …")
    begun = time.perf_counter()
    module, function = load.split(":")
    with contextlib.suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {module} import {function}; {function}()"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,  # so that it is found where it is not installed, too
        )
        atexit.register(process.kill)  # who leaves meanwhile leaves nothing behind
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(timeout=180) == 0:
                complete.touch()
        process.kill()
        process.wait()
        atexit.unregister(process.kill)
    progress(f"compiled {what} in {time.perf_counter() - begun:.0f} s")


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

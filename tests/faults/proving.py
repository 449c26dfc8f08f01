"""A row in; its test run in a copy of the program without the handling, and whether it failed, out."""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tests.faults import Fault
from tests.faults.page import CHECKOUT

_COPIED = ("brainmusic_daemon", "configs", "tests", "docs", "examples", "scripts")
_ALSO = ("pyproject.toml", "README.md", "CHANGELOG.md", "constraints.txt")
LONGEST_S = 900.0


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the checkout; nothing of the original is touched."""
    with tempfile.TemporaryDirectory(prefix="brainmusic-fault-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")
        for part in _COPIED:
            shutil.copytree(CHECKOUT / part, folder / part, ignore=ignored)
        for part in _ALSO:
            shutil.copy2(CHECKOUT / part, folder / part)
        yield folder


def _run(folder: Path, *tests: str) -> tuple[int, str]:
    """Run tests on a copy; programs that they start find the copy too."""
    data = os.environ.get("BRAINMUSIC_TEST_DATA", str(CHECKOUT.parent / "shared" / "data"))
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "BRAINMUSIC_TEST_DATA": data}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"FAILED \nE   hangs for {LONGEST_S:.0f} s"
    return done.returncode, done.stdout + done.stderr


def take_out(row: Fault, folder: Path) -> None:
    """Take a row's handling out of a copy; what is left has to be a program still."""
    assert row.without is not None
    name, old, new = row.without
    path = folder / name
    source = path.read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{row.name}: the text to take out stands {source.count(old)} times in {name}")
    source = source.replace(old, new)
    if name.endswith(".py"):
        compile(source, name, "exec")
    path.write_text(source, encoding="utf-8")


def healthy(row: Fault, folder: Path) -> str:
    """Run a row's test, alone, on a copy as it is; return what went wrong, "" if it passes and is not left out."""
    code, said = _run(folder, "-rs", row.test)
    if code == 0 and not re.search(r"\d+ skipped", said):
        return ""
    return said[-3000:] or f"pytest ended with {code}"


@contextmanager
def without(row: Fault, folder: Path) -> Iterator[None]:
    """Take a row's handling out of a copy for a while.  The copy stays where it is: what was compiled is used again."""
    assert row.without is not None
    path = folder / row.without[0]
    before, when = path.read_bytes(), path.stat()
    take_out(row, folder)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))


def fails(row: Fault, folder: Path) -> tuple[bool, float, str]:
    """Return whether a row's test fails without its handling, the seconds it took, and how.

    A fixture that breaks, or a warning on the way, is no failure of the test.
    """
    with without(row, folder):
        begin = time.monotonic()
        code, said = _run(folder, "-W", "default", row.test)
        took = time.monotonic() - begin
    how = _how(said).replace(str(folder), "").strip()[:160]
    return code == 1 and bool(re.search(r"^FAILED ", said, re.MULTILINE)), took, how


def _how(said: str) -> str:
    """Return the line of what pytest said that tells most."""
    errors = re.findall(r"^E +(.+)$", said, re.MULTILINE) or [line for line in said.splitlines() if "Timeout" in line]
    return next((line for line in errors if line.strip()), said.strip().splitlines()[-1] if said.strip() else "")


def stands(row: Fault, folder: Path) -> tuple[bool, float, str]:
    """Return whether a row's test passes as things are and fails without its handling, the seconds of that, and how."""
    wrong = healthy(row, folder)
    if wrong:
        return False, 0.0, f"its test fails, or is left out, with the handling in place: {_how(wrong)}"
    return fails(row, folder)


def try_all(some: tuple[Fault, ...], folders: list[Path]) -> Iterator[tuple[Fault, bool, float, str]]:
    """Try rows side by side, as many as there are copies."""
    free: queue.Queue[Path] = queue.Queue()
    for folder in folders:
        free.put(folder)

    def one(row: Fault) -> tuple[bool, float, str]:
        folder = free.get()
        try:
            return stands(row, folder)
        finally:
            free.put(folder)

    with ThreadPoolExecutor(len(folders)) as pool:
        tried = {pool.submit(one, row): row for row in some}
        for done in as_completed(tried):
            yield tried[done], *done.result()

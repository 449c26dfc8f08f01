"""Modules of this package in, processes on an LSL network of this machine alone out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self


@contextmanager
def lsl_of_its_own() -> Iterator[dict[str, str]]:
    """Give an environment in which LSL neither leaves this machine nor meets any other session on it."""
    folder = Path(tempfile.mkdtemp(prefix="brainmusic-bench-"))
    file = folder / "lsl_api.cfg"
    file.write_text(
        f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {folder.name}\n[log]\nlevel = -3\n", encoding="utf-8"
    )
    try:
        yield {**os.environ, "LSLAPICFG": str(file)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Beside:
    """A module of this package in a process of its own, until the block is left."""

    def __init__(self, module: str, *arguments: str, env: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  a pipe nobody reads would fill up
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", *arguments],
            env=env,
            cwd=Path(__file__).parents[3],  # a module of the user's folder is none of ours, whatever its name
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=5.0)
        self._said.close()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def order(self, text: str) -> None:
        """Give an order; a process that has ended does not mind."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()

    def result(self, timeout: float) -> str | None:
        """Wait for the end; return what was printed, None where it failed or does not end."""
        try:
            out, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        return out if self._process.returncode == 0 else None

    def last_words(self) -> str:
        """Return the last line of its error stream."""
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"it said nothing, exit code {self._process.poll()}"

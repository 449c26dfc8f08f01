"""What every benchmark needs: rows of the table, settings, paths, programs beside the one that is measured."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    asked: str
    measured: str
    met: bool | None = None  # None: nothing is asked, it is only told
    values: Mapping[str, Any] = field(default_factory=dict)  # for machines

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how often to measure."""

    seconds: float = 60.0  # of live measurements
    runs: int = 5  # of what is short enough to be repeated


class Absent(Exception):
    """A part or a recording that a benchmark needs is not on this machine; the text names it."""


def recordings() -> Path:
    """Return the folder of real recordings.  Raises Absent."""
    folder = Path(os.environ.get("BRAINMUSIC_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise Absent("needs the folder of real recordings that BRAINMUSIC_TEST_DATA names")
    return folder


def brainmusic(*arguments: object) -> list[str]:
    """Return the command line of the program, run as it is installed beside this Python."""
    program = Path(sys.executable).with_name("brainmusic")
    head = [str(program)] if program.exists() else [sys.executable, "-m", "brainmusic_daemon"]
    return [*head, *map(str, arguments)]


def settings(values: Mapping[str, Any]) -> list[str]:
    """Return `--set` options; values are written as TOML, which JSON is for texts, numbers, truths and lists."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def child(module: str, *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 600.0) -> Any:
    """Run a module of this package in a process of its own; return the JSON of its last line of output."""
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "scripts")])
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        env={**(env or os.environ), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def lsl_environment() -> Iterator[dict[str, str]]:
    """Give the environment of an LSL session of its own, on this machine only."""
    folder = Path(tempfile.mkdtemp(prefix="brainmusic-bench-"))
    file = folder / "lsl_api.cfg"
    file.write_text(
        f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {folder.name}\n[log]\nlevel = -3\n", encoding="utf-8"
    )
    try:
        yield {**os.environ, "LSLAPICFG": str(file)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(command: Sequence[str], env: Mapping[str, str] | None = None, **options: Any) -> Iterator[Any]:
    """Run a program beside; it is ended, orderly where it listens, on leaving."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(command, env=env, **options)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def busy_core() -> Iterator[str]:
    """Keep one core busy with another process; tells which, or that the system chooses."""
    code = "while True: pass"
    pin = None
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        pin = max(os.sched_getaffinity(0))
        code = f"import os; os.sched_setaffinity(0, {{{pin}}})\n{code}"
    with started([sys.executable, "-c", code]):
        yield f"core {pin}" if pin is not None else "one core"


@contextmanager
def null_sink() -> Iterator[Any]:
    """Run a private PulseAudio with a null sink.  Raises Absent where PulseAudio is not installed."""
    for program, package in (("pulseaudio", "pulseaudio"), ("parec", "pulseaudio-utils")):
        if not shutil.which(program):
            raise Absent(f"needs the Debian package {package} (program {program})")
    from tests.pulse import Pulse

    server = Pulse()
    try:
        server.start()
        yield server
    finally:
        server.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def median_of(runs: int, measure: Callable[[], float]) -> tuple[float, list[float]]:
    """Return the median of several runs, and all of them."""
    found = [measure() for _ in range(runs)]
    return statistics.median(found), found


def percentiles(values: Any) -> dict[str, float]:
    """Return 50th, 95th, 99th percentile and maximum, of seconds, in ms."""
    import numpy as np

    array = 1e3 * np.asarray(values, dtype=float)
    found = {f"p{q}_ms": float(np.percentile(array, q)) for q in (50, 95, 99)}
    return {**found, "max_ms": float(array.max()), "count": int(array.size)}


def told(found: Mapping[str, float]) -> str:
    """Return percentiles as text."""
    return (
        f"median {found['p50_ms']:.2f}, 95 % {found['p95_ms']:.2f}, 99 % {found['p99_ms']:.2f}, "
        f"max {found['max_ms']:.2f} ms"
    )

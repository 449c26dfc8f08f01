"""What a peer is, and the stage on which it runs: its processes, its files, its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.common import CHECKOUT, Absent

SCRIPTS = CHECKOUT / "scripts"
PROGRAMS = Path(__file__).parent / "programs"


# address, arguments, the watched channels → value by channel
Reading = Callable[[str, Sequence[object], tuple[str, ...]], Mapping[str, float]]


@dataclass(slots=True)
class Stage:
    """What one peer in one run is given: a stream to read, a port to send to, a folder for its files."""

    stream: str  # name and source id of the LSL stream, whose type is EEG
    port: int  # where OSC is received, on 127.0.0.1
    channels: tuple[str, ...]
    watched: tuple[str, ...]  # the channels whose alpha is wanted
    samplerate: float
    folder: Path
    env: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def run(self, *command: str | Path, cwd: Path | None = None, **env: str) -> None:
        """Start a program beside; what it says goes into the folder."""
        log = (self.folder / f"log{len(self.processes)}.txt").open("wb")
        self._logs.append(log)
        self.processes.append(
            subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd or self.folder,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",  # so that its children end with it
            )
        )

    def wait_for_port(self, port: int, seconds: float = 20.0) -> None:
        """Wait until a TCP server of ours listens.  Raises Absent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            time.sleep(0.1)
        raise Absent(f"nothing listened at port {port} within {seconds:.0f} s: {self.said()}")

    def indices(self) -> list[int]:
        """Return the positions of the watched channels in the stream."""
        return [self.channels.index(name) for name in self.watched]

    def said(self) -> str:
        """Return the last complaint of any of the programs, or else the last thing said."""
        every: list[str] = []
        for path in sorted(self.folder.glob("log*.txt")):
            text = re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(encoding="utf-8", errors="replace"))
            every += [line.strip()[:200] for line in text.splitlines() if line.strip()]
        complaints = [line for line in every if re.search(r"\w*(Error|ERROR|Exception|rror:)\b", line)]
        return (complaints or every or ["it said nothing"])[-1]

    def close(self) -> None:
        """End all programs, the last one first, with their children."""
        for process in reversed(self.processes):
            for urgent in (False, True):
                _end(process, urgent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5.0)
                    break
            _end(process, True)
        for log in self._logs:
            log.close()


def _end(process: subprocess.Popen[bytes], urgent: bool) -> None:
    with contextlib.suppress(OSError):
        if os.name != "nt":
            os.killpg(process.pid, signal.SIGKILL if urgent else signal.SIGTERM)
        elif process.poll() is None:
            process.kill()


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool in one setting."""

    key: str  # for --only
    tool: str
    setting: str  # a few words, for the table
    about: str  # where the setting comes from, a sentence
    kind: str  # ours, named (a tool that people install), script (what an expert writes)
    start: Callable[[Stage], None]  # raises Absent
    read: Reading
    power: bool = True  # what it delivers is power: its square root is compared
    environment: str = ""  # its own, made by environments.python; empty: the project's
    version: str = ""
    cores: float = 0.2  # about what it takes, so that peers that run together leave room

    @property
    def role(self) -> str:
        """Return documented, tuned, variant (another way to tune it), or between (not in the picture)."""
        ends = {"-tuned": "tuned", "-quick": "tuned", "-filters": "variant", "-1s": "between", "-2s": "between"}
        return next((role for end, role in ends.items() if self.key.endswith(end)), "documented")


def by_position(address: str, channels: Sequence[str] = ()) -> Reading:
    """Return a reading of messages with a value per channel: the watched ones, or those named, in their order."""

    def read(found: str, arguments: Sequence[object], watched: tuple[str, ...]) -> Mapping[str, float]:
        names = channels or watched
        if found != address or len(arguments) != len(names):
            return {}
        return {name: float(value) for name, value in zip(names, arguments, strict=True)}  # type: ignore[arg-type]

    return read


def by_address(prefix: str, suffix: str = "") -> Reading:
    """Return a reading of messages with one channel's value each, the channel's name in the address."""

    def read(found: str, arguments: Sequence[object], watched: tuple[str, ...]) -> Mapping[str, float]:
        return {
            name: float(arguments[0])  # type: ignore[arg-type]
            for name in watched
            if len(arguments) == 1 and found.lower() == f"{prefix}{name}{suffix}".lower()
        }

    return read

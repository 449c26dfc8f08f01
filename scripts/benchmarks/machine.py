"""Nothing in; what this machine is, and how busy, out."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.common import CHECKOUT
from brainmusic_daemon.service.bench.machine import processor, system

PACKAGES = ("brainmusic-daemon", "numpy", "scipy", "numba", "pylsl", "sounddevice", "mne")


def describe() -> dict[str, Any]:
    """Return processor, cores, system, versions, commit and date."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": system(),
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        "commit": commit or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "load": load(),
    }


def load() -> str:
    """Return how many processes wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


class Others:
    """How much of the machine other programs took since this was made: figures are only as good as it was quiet."""

    def __init__(self) -> None:
        self._begin = self._now()

    def share(self) -> float | None:
        """Return 0..1, None where the system does not tell; programs that we started count once they have ended."""
        if self._begin is None or (now := self._now()) is None:
            return None
        total, busy, own = (end - begin for begin, end in zip(self._begin, now, strict=True))
        return max(0.0, (busy - own) / total) if total > 0 else None

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        try:
            with Path("/proc/stat").open() as file:
                ticks = [int(field) for field in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return None
        seconds = [count / os.sysconf("SC_CLK_TCK") for count in ticks]
        return sum(seconds), sum(seconds) - seconds[3] - seconds[4], sum(os.times()[:4])

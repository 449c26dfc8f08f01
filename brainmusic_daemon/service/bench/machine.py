"""Nothing in; what this machine is, out: a figure without it means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from brainmusic_daemon import __version__

PACKAGES = ("numpy", "scipy", "numba", "pylsl", "sounddevice")
IDENTITY = ("processor", "cores", "system", "node")  # the same values, the same machine


def describe() -> dict[str, str | int]:
    """Return processor, cores, system and versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": system(),
        "node": platform.node(),
        "Python": platform.python_version(),
        "brainmusic": __version__,
        **{name: _version(name) for name in PACKAGES},
    }


def load() -> float | None:
    """Return how many processes wanted a core in the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def system() -> str:
    """Return name and version of the operating system."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        if sys.platform == "darwin":
            return f"macOS {platform.mac_ver()[0]}"
        return f"{platform.system()} {platform.release()}"


def processor() -> str:
    """Return the processor's model, as far as the system tells."""
    file = Path("/proc/cpuinfo")
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    if sys.platform == "darwin":
        done = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if done.stdout.strip():
            return done.stdout.strip()
    return platform.processor() or platform.machine()

"""A peer's name in, the Python of an environment with its pinned packages out; made once, within bounds."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.common import CHECKOUT, Absent

HOME: Path = CHECKOUT / ".venv-peers"
REQUIREMENTS = Path(__file__).parent / "requirements"
LONGEST_S = 900.0  # of one installation
OLDEST_THAT_FAILS = {"goofi": (3, 13)}  # its package says so
_refused: dict[str, str] = {}  # environment → why; asked for once a run


def python(name: str) -> Path:
    """Return the interpreter of an environment, made or refreshed if need be.  Raises Absent with the reason."""
    if name in _refused:
        raise Absent(_refused[name])
    home = HOME / name
    found = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = (REQUIREMENTS / f"{name}.txt").read_bytes() + sys.version.encode()
    stamp = home / "installed.txt"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return found
    try:
        _make(name, home, found)
    except Absent as why:
        _refused[name] = str(why)
        raise
    stamp.write_bytes(wanted)
    return found


def _make(name: str, home: Path, found: Path) -> None:
    limit = OLDEST_THAT_FAILS.get(name)
    if limit and sys.version_info >= limit:
        raise Absent(f"{name} needs a Python below {limit[0]}.{limit[1]}; this is {sys.version.split()[0]}")
    print(f"installing {name} into {home} …", file=sys.stderr, flush=True)
    try:
        venv.create(home, clear=True, with_pip=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        raise Absent(f"could not make {home}: {error}") from None
    # all of them are listed, so that nothing is to be resolved, and what a peer asks for but never uses stays out
    command: list[str | Path] = [found, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "-r", REQUIREMENTS / f"{name}.txt"], capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"the installation of {name} took more than {LONGEST_S:.0f} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
        raise Absent(f"pip could not install {name}: {errors[0][:200] if errors else 'no reason given'}")


def version(name: str, package: str) -> str:
    """Return the version of a package that an environment is pinned to."""
    for line in (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        package_name, _, number = line.partition("==")
        if package_name.strip().lower().replace("_", "-") == package.lower():
            return number.strip()
    return "?"

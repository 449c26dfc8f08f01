"""Make or refresh a virtual environment of this checkout: `environment.py FOLDER [EXTRA ...]`.

In: a folder and the extras it needs. Out: that folder, with the project and its pinned dependencies in it. Silent, and
done within milliseconds, where the last run installed the same. All is said on stderr, as stdout is the caller's.
Every start of the daemon passes through here: standard library only, most of it imported where it is needed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def main(folder: str, *extras: str) -> int:
    """Bring the environment up to date; return the exit code."""
    if sys.version_info < OLDEST:
        return fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; {sys.executable} is {sys.version.split()[0]}")
    home = Path(folder)
    stamp = home / "brainmusic-installed"
    wanted = state(extras)
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return 0
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = 0 if works(python) else create(home)
    code = code or install(python, extras)
    if code == 0:
        stamp.write_bytes(wanted)
    return code


def state(extras: tuple[str, ...]) -> bytes:
    """Return all that decides what is installed; the checkout's place too, as an environment does not move with it."""
    files = [(CHECKOUT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return b"\n".join([os.fsencode(CHECKOUT), ",".join(extras).encode(), *files])


def works(python: Path) -> bool:
    """Say whether an environment's Python starts, is new enough and has pip."""
    import subprocess

    probe = f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def create(home: Path) -> int:
    """Make the environment, in place of a broken one if there is one; return the exit code."""
    import subprocess

    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        import ensurepip  # noqa: F401 - Debian and Ubuntu leave it out of python3
        import venv
    except ImportError:
        return fail(
            f"Python {version} is here, but not its module venv, which makes private environments.\n"
            f"  Debian, Ubuntu: sudo apt install python{version}-venv"
        )
    say(f"making {home} with Python {sys.version.split()[0]}")
    try:
        venv.create(home, clear=True, with_pip=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        return fail(f"could not make {home}: {error}")
    return 0


def install(python: Path, extras: tuple[str, ...]) -> int:
    """Install the project, editable, with the pinned versions; return the exit code."""
    import subprocess

    say("installing the pinned versions; the first time takes some minutes and 1 to 2 GB of disk")
    project = f"{CHECKOUT}[{','.join(extras)}]" if extras else str(CHECKOUT)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, "-c", str(CHECKOUT / "constraints.txt"), "-e", project]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        return fail("the installation failed; pip says why above. Once that is repaired, start this again")
    return 0


def say(text: str) -> None:
    """Tell the user what happens."""
    print(f"brainmusic: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> int:
    """Tell the user what is wrong, and return the exit code for it."""
    say(text)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(fail(str(error)))
    except KeyboardInterrupt:
        sys.exit(130)

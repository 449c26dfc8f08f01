"""A script in, the same script in a Python that has all that tests and benchmarks need, out."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
NEEDED = ("brainmusic_daemon", "pytest", "numba", "pylsl")
_AGAIN = "BRAINMUSIC_SCRIPT_AGAIN"


def suitable(script: str) -> None:
    """Return where this Python will do; else become the script in .venv or .venv-test, made where needed."""
    sys.path[:0] = [str(CHECKOUT)]  # for brainmusic_daemon and for the receivers and devices of the tests
    if all(importlib.util.find_spec(name) for name in NEEDED) or _AGAIN in os.environ:
        return
    become([_other(), script, *sys.argv[1:]], {**os.environ, _AGAIN: "1"})


def become(command: list[str], env: dict[str, str]) -> None:
    """Go on as another program: never returns.

    The same process where the system knows that, so that whoever ends this one ends what it runs, and nothing else
    stays.  Windows does not: there its exit code is handed on.
    """
    if os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], command, env)
    sys.exit(subprocess.run(command, env=env).returncode)


def _other() -> str:
    for folder in (".venv", ".venv-test"):
        for python in (CHECKOUT / folder / "bin" / "python", CHECKOUT / folder / "Scripts" / "python.exe"):
            check = f"import importlib.util as u; raise SystemExit(not all(map(u.find_spec, {NEEDED!r})))"
            if python.exists() and subprocess.run([python, "-c", check], cwd=CHECKOUT).returncode == 0:
                return str(python)
    subprocess.run([CHECKOUT / "scripts" / "environment", ".venv-test", "all", "dev"], cwd=CHECKOUT, check=True)
    return str(CHECKOUT / ".venv-test" / "bin" / "python")

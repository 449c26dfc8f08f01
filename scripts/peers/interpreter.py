"""Names of modules in; the Python of this checkout that has them out.  Standard library only."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def other(*needed: str) -> str | None:
    """Return another Python to go on with, made if need be; None when this one has all that is needed."""
    if all(importlib.util.find_spec(name) for name in needed):
        return None
    check = f"import importlib.util as u; raise SystemExit(not all(map(u.find_spec, {needed!r})))"
    for folder in (".venv", ".venv-test"):
        for python in (CHECKOUT / folder / "bin" / "python", CHECKOUT / folder / "Scripts" / "python.exe"):
            if python.exists() and subprocess.run([python, "-c", check], cwd=CHECKOUT).returncode == 0:
                return str(python)
    subprocess.run([CHECKOUT / "scripts" / "environment", ".venv-test", "all", "dev"], cwd=CHECKOUT, check=True)
    return str(CHECKOUT / ".venv-test" / "bin" / "python")

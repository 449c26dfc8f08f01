"""Nothing in; the LSL library out, its own log kept off the terminal."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import ConfigError

_FATAL_ONLY = "[log]\nlevel = -3\n"


def load() -> Any:
    """Return the `pylsl` module.  Raises ConfigError when liblsl cannot be loaded.

    liblsl writes its log to the standard error stream, across the status line.  It is switched off only where the user
    has no liblsl settings: a file that names peers or a scope must stay in force, and liblsl reads one source only.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()
        raise ConfigError(f"LSL cannot be loaded ({reason[0] if reason else error}): pip install pylsl") from error
    if not _configured() and hasattr(pylsl, "set_config_content"):
        with suppress(NotImplementedError):  # an older liblsl of the system keeps its log
            pylsl.set_config_content(_FATAL_ONLY)  # of no effect, and harmless, once liblsl is at work
    return pylsl


def _configured() -> bool:
    """Tell whether the user has liblsl settings, in the places where it looks for them."""
    if os.environ.get("LSLAPICFG"):
        return True
    places = [Path("lsl_api.cfg"), Path("/etc/lsl_api/lsl_api.cfg")]
    with suppress(RuntimeError):  # a user without a home
        places.append(Path.home() / "lsl_api" / "lsl_api.cfg")
    return any(place.is_file() for place in places)

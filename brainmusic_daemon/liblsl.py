"""Nothing in; the LSL library out, its own log kept off the terminal, settings of it that are of no effect told."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import ConfigError

_log = logging.getLogger(__name__)

_FATAL_ONLY = "[log]\nlevel = -3\n"
_CHOICES = {  # what liblsl knows, in small letters; for anything else it drops the whole file
    "IPv6": ("disable", "disabled", "allow", "allowed", "force", "forced"),
    "ResolveScope": ("machine", "link", "site", "organization", "global"),
}


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
    in_force = _in_force()
    if not in_force and hasattr(pylsl, "set_config_content"):
        with suppress(NotImplementedError):  # an older liblsl of the system keeps its log
            pylsl.set_config_content(_FATAL_ONLY)  # of no effect, and harmless, once liblsl is at work
    return pylsl


@cache  # told once
def _in_force() -> bool:
    """Return whether the user has liblsl settings that liblsl will take; say so of those that it will not."""
    named = os.environ.get("LSLAPICFG")
    if not named:
        return _configured()
    if why := _fault(Path(named)):
        _log.warning(
            "LSL goes on as if it had no settings, over the whole local network: LSLAPICFG names %s, which %s",
            named,
            why,
        )
    return not why


def _configured() -> bool:
    """Tell whether the user has liblsl settings, in the places where it looks for them."""
    places = [Path("lsl_api.cfg"), Path("/etc/lsl_api/lsl_api.cfg")]
    with suppress(RuntimeError):  # a user without a home
        places.append(Path.home() / "lsl_api" / "lsl_api.cfg")
    return any(_is_file(place) for place in places)


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # somebody else's folder
        return False


def _fault(file: Path) -> str:
    """Return what is wrong with a file of liblsl settings; empty: nothing that we know of."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    for number, line in enumerate(text.splitlines(), 1):
        key, _, value = (part.strip() for part in line.partition(";")[0].partition("="))
        known = _CHOICES.get(key)
        if known is not None and value not in known:
            return f"has {key} = {value[:40]!r}: liblsl knows {', '.join(known)}, and drops the whole file"
        if key and "=" not in line and not (key[0] == "[" and "]" in key):
            return f"has neither a [section] nor a setting in line {number}: liblsl drops the whole file"
    return ""

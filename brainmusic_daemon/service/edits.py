"""A mapper's table and what the artist turned in, the changed table out; and changes back into the file they belong to.

Nothing here plays: tables are plain values, never changed in place.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainmusic_daemon.api import ConfigError, Control, Mapper
from brainmusic_daemon.registry import did_you_mean

if TYPE_CHECKING:
    from brainmusic_daemon.mapping.seat import Seat

_FLOAT32_DIGITS = 12  # no more are needed to write one down

SETTINGS = (
    "gain", "offset", "low", "high", "invert", "freeze", "smooth_s", "smoothing", "agility", "slew", "acceleration",
    "dead_zone", "enabled", "from", "curve", "amount",
)  # fmt: skip
"""What can be turned while the music plays; the last four exist for the routes of a direct mapper only."""


def changed(table: Mapping[str, Any], mapper: Mapper, control: str, setting: str, value: Any) -> dict[str, Any]:
    """Return `table` with one setting of one control changed.

    `mapper` is the one that was made of `table`.  Raises ConfigError for a control that it does not drive or a setting
    that there is not; whether the value will do is found out when the mapper is made.
    """
    known = [known.name for known in mapper.controls]
    routes = routes_of(mapper)
    if control not in known and not (routes is not None and control in _named(table.get("routes", {}))):
        raise ConfigError(f"this mapper does not drive '{control}'{did_you_mean(control, known)}")
    allowed = SETTINGS if routes is not None else SETTINGS[:-4]
    if setting not in allowed:
        raise ConfigError(f"'{control}' has no setting '{setting}'{did_you_mean(setting, allowed)}")
    value = _short(value)
    found = copy.deepcopy(_plain(table))
    section = found.setdefault("routes" if routes is not None else "adjust", {})
    entry = _entry(section, control)
    if setting in ("low", "high"):
        low, high = _output(mapper, control, entry)
        entry["output"] = [value, high] if setting == "low" else [low, value]
    elif isinstance(value, float) and setting in ("invert", "freeze", "enabled"):
        entry[setting] = value >= 0.5
    else:
        entry[setting] = value
    return found


def standing(control: Control, seat: Seat) -> dict[str, float]:
    """Return how every setting of `commands.ROUTE` stands for one control that `seat` drives."""
    name = control.name
    shaping = (routes_of(seat.mapper) or {}).get(name) or seat.adjustments.shapings.get(name)
    smoothing = seat.smoothing.get(name)
    output = getattr(shaping, "output", None) or (control.low, control.high)
    return {
        "gain": getattr(shaping, "gain", 1.0),
        "offset": getattr(shaping, "offset", 0.0),
        "invert": getattr(shaping, "invert", False),
        "low": output[0],
        "high": output[1],
        "freeze": smoothing.freeze if smoothing is not None else False,
        "smooth_s": smoothing.time_s if smoothing is not None else 0.05,
        "slew": (smoothing.slew if smoothing is not None else None) or control.slew,
        "dead_zone": smoothing.dead_zone if smoothing is not None else 0.0,
    }


def routes_of(mapper: Mapper) -> Mapping[str, Any] | None:
    """Return the routes of a direct mapper; None for every other one."""
    found = getattr(mapper, "routes", None)
    return found if isinstance(found, Mapping) else None


def _named(routes: Any) -> set[str]:
    if not isinstance(routes, Mapping):
        return set()
    nested = routes.get("z")
    return {*routes} | ({f"z.{number}" for number in nested} if isinstance(nested, Mapping) else set())


def _entry(section: dict[str, Any], control: str) -> dict[str, Any]:
    """Return the table of a control, where it stands: `z.0` may be a table within a table."""
    family, dot, number = control.partition(".")
    if dot and control not in section and isinstance(section.get(family), dict):
        section, control = section[family], number
    entry: dict[str, Any] = section.setdefault(control, {})
    return entry


def _output(mapper: Mapper, control: str, entry: Mapping[str, Any]) -> tuple[float, float]:
    """Return the range of a control that is in use."""
    if isinstance(entry.get("output"), list):
        low, high = entry["output"]
        return low, high
    route = (routes_of(mapper) or {}).get(control)
    if route is not None:
        return route.output[0], route.output[1]
    found = next(known for known in mapper.controls if known.name == control)
    return found.low, found.high


def _short(value: Any) -> Any:
    """Return the decimal that a float32 stands for: 0.4 is what was turned over OSC, not 0.4000000059604645."""
    if not isinstance(value, float) or len(repr(value)) <= _FLOAT32_DIGITS or np.float32(value) != value:
        return value
    return float(str(np.float32(value)))


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def save(origin: Path, target: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `origin` to `target` with the tables of `sections` in place of its own; comments and order stay.

    The old file is there until the new one is complete.  Raises ConfigError.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(origin.read_text(encoding="utf-8-sig"))
        for name, wanted in sections.items():
            if name not in document:
                document[name] = tomlkit.table()
            _merge(document[name], wanted)
        text = tomlkit.dumps(document)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError(f"cannot write {target}: {error}") from error


def _merge(there: Any, wanted: Mapping[str, Any]) -> None:
    """Make a tomlkit table say what `wanted` says, touching only what differs."""
    for key in [key for key in there if key not in wanted]:
        del there[key]
    for key, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(there.get(key), Mapping):
            _merge(there[key], value)
        elif key not in there or there[key] != value:
            there[key] = value

"""Tables of settings in, routes out whose `from` may name attributes (energy, valence …) as well as features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from brainmusic_daemon.mapping.route import Route, Routes, check

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "fundamental_frequency": {"from": "energy", "output": (110.0, 330.0), "curve": "exp", "smooth_s": 0.3},
    "loudness": {"from": "energy", "output": (0.25, 0.85), "smooth_s": 0.05},
    "brightness": {"from": "0.6 * energy + 0.4 * valence", "output": (0.05, 0.9), "smooth_s": 0.1},
    "noise_amount": {"from": "0.5 + 0.5 * (energy - valence)", "output": (0.0, 0.3), "curve": "power", "smooth_s": 0.2},
    "reverb": {"from": "energy", "invert": True, "output": (0.2, 0.85), "smooth_s": 0.5},
    "attack_time": {"from": "energy", "invert": True, "curve": "exp", "smooth_s": 0.2},
    "tempo": {"from": "tempo", "output": (50.0, 140.0), "smooth_s": 1.0},
    "mode": {"from": "valence", "smooth_s": 1.0},
    "complexity": {"from": "complexity", "output": (0.05, 0.95), "smooth_s": 0.5},
    "density": {"from": "0.5 * energy + 0.5 * tempo", "output": (0.1, 0.85), "smooth_s": 0.5},
}
"""What the attributes do to the own synth, where a configuration says nothing, in the order of CONTROLS."""


def wired(tables: Any) -> Any:
    """Put the default wiring underneath: all of it where no table has a `from`, else that of the controls named."""
    if not isinstance(tables, Mapping):
        return tables
    flat = {name: table for name, table in tables.items() if name != "z" or not isinstance(table, Mapping)}
    if isinstance(latents := tables.get("z"), Mapping):  # [mapper.routes.z.0] is a table within a table to TOML
        flat |= {f"z.{number}": table for number, table in latents.items()}
    own = any(isinstance(table, Mapping) and "from" in table for table in flat.values())

    def complete(name: str) -> Any:
        table = flat.get(name, {})
        if not isinstance(table, Mapping) or "from" in table:
            return table
        return {**DEFAULTS.get(name, {}), **table}

    return {name: complete(name) for name in (flat if own else {**DEFAULTS, **flat})}


def default() -> dict[str, Route]:
    """Return the default wiring."""
    return check(wired({}))


AttributeRoutes = Annotated[Routes, BeforeValidator(wired)]
"""Control → route.  Checked by pydantic; also makes the default wiring from an empty table."""

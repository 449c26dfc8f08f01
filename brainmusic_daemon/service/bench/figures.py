"""What was measured in; named figures, each with its unit and its plain meaning, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `noise` is what it changes by from run to run on a quiet machine, in its unit, at least."""

    name: str
    value: float
    unit: str
    meaning: str
    better: str = "lower"  # or "higher", or "" where neither is
    noise: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_PERCENT = (("p50", "50 %"), ("p95", "95 %"), ("p99", "99 %"), ("max", "max"))
STAGES = {
    "source": "sent → read by the daemon: LSL and its thread",
    "ring": "read → its tick begins: waiting for the tick, half a period on average",
    "features": "the tick's analysis",
    "mapper": "features → controls and notes",
    "output": "handed to all outputs, sent and received over UDP",
}
HEARD = "handed to the synth → heard"
_SINGLE: tuple[tuple[str, str, str, str, float], ...] = (
    ("analysis.designed", "ms", "how old the brain state is that alpha's kernel was designed to show", "", 0.1),
    ("analysis.measured", "ms", "a step of alpha is half-way up so long after it, the system's part left out", "", 4.0),
    ("analysis.likeness", "", "correlation of the alpha that was sent with the truth, so much earlier", "higher", 0.01),
    ("total.datagram", "ms", "step of alpha → half-way up in the received OSC: all of it together", "lower", 5.0),
    (
        "total.sound",
        "ms",
        "step of alpha → the sound that it switches, by a threshold of its own, is heard",
        "lower",
        6.0,
    ),
    ("ticks.missed", "", "ticks that never began: the machine was elsewhere for a whole period", "lower", 1.5),
    ("ticks.late", "", "ticks that began more than 2 ms late", "lower", 5.0),
    ("underflows", "", "gaps in the sound: the device was not served in time", "lower", 1.5),
    ("cpu", "% of a core", "processor time of the whole daemon", "lower", 1.0),
    ("memory", "MB", "resident, libraries included", "lower", 5.0),
    ("startup.datagram", "s", "from starting the program to its first OSC datagram", "lower", 0.2),
    ("startup.sound", "s", "from starting the program to its first sound", "lower", 0.3),
    ("render.silent", "× real time", "a recording to controls, offline", "higher", 20.0),
    ("render.sounding", "× real time", "a recording to sound, offline", "higher", 5.0),
)


def figures(found: Mapping[str, Any]) -> list[Figure]:
    """Return all figures that were measured, in the order of telling; what could not be is not there."""
    rows = _spread("datagram", found["datagram"], "a sample's age when the first OSC with it is received")
    rows += _spread("sound", found["sound"], "a sample's age when the sound that it changed is heard")
    rows += _spread("jitter", found["jitter"], "a tick begins so long after its deadline", noise=0.3)
    for stage, meaning in {**STAGES, "sound": HEARD}.items():
        rows += _spread(f"stage.{stage}", found["stages"].get(stage, {}), meaning, noise=0.3)
    if "delay_ms" in found:
        for end, meaning in (("datagram", "the first OSC with it is received"), ("sound", "its sound is heard")):
            later = {name: ms + found["delay_ms"] for name, ms in found[end].items() if name != "count"}
            rows += _spread(
                f"brain.{end}", later, f"how old the brain state is when {meaning}: analysis delay included"
            )
    for stage, percent in found.get("shares", {}).items():
        rows.append(Figure(f"share.{stage}", round(percent, 2), "%", f"part of the whole way that is {stage}", ""))
    single = found["single"]
    return rows + [
        Figure(name, round(float(single[name]), 4), unit, meaning, better, noise)
        for name, unit, meaning, better, noise in _SINGLE
        if single.get(name) is not None
    ]


def _spread(name: str, found: Mapping[str, float], meaning: str, noise: float = 1.0) -> list[Figure]:
    return [  # a maximum is a single event: told, but no better or worse than another run's
        Figure(f"{name}.{key}", found[f"{key}_ms"], "ms", f"{meaning} ({text})", "" if key == "max" else "lower", noise)
        for key, text in _PERCENT
        if f"{key}_ms" in found
    ]

"""What plays in; a linear mapping that sounds like it, and how its controls are followed, out."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from brainmusic_daemon import choice
from brainmusic_daemon.learning.distil import Start, distil
from brainmusic_daemon.mapping.seat import Seat
from brainmusic_daemon.service.history import Step
from brainmusic_daemon.service.lately import Lately
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.tryout import bounded

_log = logging.getLogger(__name__)

_MAPPED = 600  # moments at which the mapper is asked what it would do
_EXPLAINED = 40


def copied(session: Session, step: Step, lately: Lately) -> tuple[Start, dict[str, Any]]:
    """Return the linear start for the mapper of `step`, and a table that follows its controls as they are followed.

    Slow; not for the tick.  Raises ConfigError or Fault as the mapper does.
    """
    made = choice.make(step.name, step.table, step.folder)  # another one: the one that plays has a state
    seat = session.pipeline.seat(made)
    try:
        start = bounded(lambda: _asked(seat, lately, session.config.tick), f"learning from '{step.name}'")
    finally:
        seat.leave()
    _log.info("learning goes on from '%s': %.0f %% of it kept", step.name, 100 * float(start.fidelity.mean()))
    return start, {"kind": "linear", "adjust": _followed(seat)}


def _asked(seat: Seat, lately: Lately, tick: float) -> Start:
    columns = lately.columns
    names, controls = lately.learned, seat.controls
    seat.prepare(lately.names, tick)
    low, high = (np.array([getattr(c, end) for c in controls]) for end in ("low", "high"))
    heard = lately.features(max(1, len(lately) // _MAPPED))
    u = np.zeros((len(heard), len(controls)))
    used = np.zeros((len(names), len(controls)))
    row_of = {name: number for number, name in enumerate(names)}
    column_of = {control.name: number for number, control in enumerate(controls)}
    for number, features in enumerate(heard):
        seat.trial(features)
        u[number] = [seat.values[control.name] for control in controls]
        if number % max(1, len(heard) // _EXPLAINED) == 0:
            for (feature, control), share in seat.explain(features).items():
                if feature in row_of and control in column_of:
                    used[row_of[feature], column_of[control]] += abs(share)
    x = np.array([features.values[columns] for features in heard])
    return distil(names, controls, x, ((u - low) / (high - low)).clip(0.0, 1.0), used)


def _followed(seat: Seat) -> dict[str, dict[str, Any]]:
    """Return adjustments with which every control follows as it does now."""
    found: dict[str, dict[str, Any]] = {}
    for name, s in seat.smoothing.items():
        said: dict[str, Any] = {
            "smooth_s": s.time_s,
            "slew": s.slew,
            "dead_zone": s.dead_zone,
            "freeze": s.freeze or None,
        }
        said |= {"smoothing": s.kind, "agility": s.agility, "acceleration": s.acceleration}
        found[name] = {key: value for key, value in said.items() if value is not None}
    return found

"""A mapper's targets in, the values that may be heard out: finite, in range, smoothed, their rate of change bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brainmusic_daemon.api import Control


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How one control follows its target."""

    time_s: float = 0.05  # time constant: after this long 63 % of a step are done; 0: at once
    slew: float | None = None  # greatest change per second, in the control's unit; None: the control's own
    dead_zone: float = 0.0  # changes of the target smaller than this are ignored, in the control's unit
    freeze: bool = False  # keep the value it has


class Smoother:
    """Dead zone, one-pole low-pass, slew limit: in this order, exact for the length of the tick.

    Its state is one value per control and nothing else, so the same targets give the same values.  The loop is plain
    Python on purpose: for the twenty controls there are, it is faster than array operations.
    """

    def __init__(self, controls: Sequence[Control], settings: Mapping[str, Smoothing], tick: float) -> None:
        """Start at rest.  `settings` may leave controls out; `tick` is in seconds."""
        self.controls = tuple(controls)
        self.nonfinite = 0  # targets that were NaN or infinite, since this object was made
        self._rows = [_row(control, settings.get(control.name, Smoothing()), tick) for control in self.controls]
        self._values: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self.reset()

    def reset(self, values: Mapping[str, float] | None = None) -> None:
        """Jump to `values` (clipped), to rest where there are none."""
        given = values or {}
        self._values = {control.name: control.clip(given.get(control.name, control.rest)) for control in self.controls}
        self._held = dict(self._values)

    def step(self, targets: Mapping[str, float]) -> dict[str, float]:
        """Return the controls' values one tick later; the caller owns the result.

        A missing target is the control's rest value; one that is not finite leaves the last one in force.
        """
        values, held = self._values, self._held
        for name, low, high, rest, share, most, dead in self._rows:
            target = targets.get(name, rest)
            if not low <= target <= high:  # also true of NaN
                if target - target != 0.0:
                    self.nonfinite += 1
                    target = held[name]
                else:
                    target = low if target < low else high
            if dead:
                last = held[name]
                target = last if -dead <= target - last <= dead else target - math.copysign(dead, target - last)
            held[name] = target
            value = values[name]
            change = (target - value) * share
            if change > most:
                change = most
            elif change < -most:
                change = -most
            values[name] = target if change == target - value else value + change
        return values.copy()


def _row(control: Control, setting: Smoothing, tick: float) -> tuple[str, float, float, float, float, float, float]:
    share = 1.0 - math.exp(-tick / setting.time_s) if setting.time_s > 0 else 1.0
    slew = control.slew if setting.slew is None else setting.slew
    return (
        control.name,
        control.low,
        control.high,
        control.rest,
        0.0 if setting.freeze else share,
        slew * tick,
        setting.dead_zone,
    )

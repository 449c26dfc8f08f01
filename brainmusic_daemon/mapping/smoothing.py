"""A mapper's targets in, the values that may be heard out: finite, in range, smoothed, their rate of change bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from brainmusic_daemon.api import Control

Kind = Literal["low-pass", "critical", "one-euro"]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How one control follows its target."""

    time_s: float = 0.05  # a target that moves steadily is followed this much later; 0: at once
    slew: float | None = None  # greatest change per second, in the control's unit; None: the control's own
    dead_zone: float = 0.0  # changes of the target smaller than this are ignored, in the control's unit
    freeze: bool = False  # keep the value it has
    kind: Kind = "low-pass"
    agility: float = 0.5  # one-euro only: Hz of cutoff more for each range of the control per second
    acceleration: float | None = None  # greatest change of the rate of change, in the control's unit per s²


class Smoother:
    """Dead zone, smoothing, bounded rate of change, in this order, exact for the length of the tick.

    `low-pass` is one pole with the time constant `time_s`: after that long 63 % of a step are done.  `critical` is of
    second order and critically damped: it starts gently, never overshoots a target at rest, and follows a steady one
    `time_s` late too.  `one-euro` is a low-pass that gets faster the faster the target moves.

    Its state is a value, a target and a velocity per control and nothing else, so the same targets give the same
    values.  The loop is plain Python on purpose: for the twenty controls there are, it is faster than array operations.
    """

    def __init__(
        self,
        controls: Sequence[Control],
        settings: Mapping[str, Smoothing],
        tick: float,
        state_of: Smoother | None = None,
    ) -> None:
        """Start at rest.  `settings` may leave controls out; `tick` is in seconds.

        With `state_of`, the controls that it has too go on from where they are there, as fast as they move: nothing
        jumps when another smoother takes over.
        """
        self.controls = tuple(controls)
        self.nonfinite = 0  # targets that were NaN or infinite, since this object was made
        self._tick = tick
        self._rows = [_row(control, settings.get(control.name, Smoothing()), tick) for control in self.controls]
        self._row_of = {row[0]: row for row in self._rows}
        self._values: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self.reset()
        if state_of is not None:
            self._take_over(state_of)

    def reset(self, values: Mapping[str, float] | None = None) -> None:
        """Jump to `values` (clipped), to rest where there are none."""
        given = values or {}
        self._values = {control.name: control.clip(given.get(control.name, control.rest)) for control in self.controls}
        self._held = dict(self._values)
        for *_, follower in self._rows:
            if follower is not None:
                follower.velocity = follower.rate = 0.0

    def velocity(self, name: str) -> float:
        """Return how fast a control moves now, in its unit per second; KeyError for one that is not there."""
        share, most, _, follower = self._row_of[name][4:]
        if follower is not None:
            return follower.rate
        return max(-most, min(most, (self._held[name] - self._values[name]) * share)) / self._tick

    def _take_over(self, before: Smoother) -> None:
        for control, (*_, follower) in zip(self.controls, self._rows, strict=True):
            name = control.name
            if name in before._values:
                self._values[name], self._held[name] = (
                    control.clip(before._values[name]),
                    control.clip(before._held[name]),
                )
                if follower is not None:
                    follower.take_over(before.velocity(name), before._row_of[name][-1])

    def step(self, targets: Mapping[str, float]) -> dict[str, float]:
        """Return the controls' values one tick later; the caller owns the result.

        A missing target is the control's rest value; one that is not finite leaves the last one in force.
        """
        values, held = self._values, self._held
        for name, low, high, rest, share, most, dead, follower in self._rows:
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
            value = values[name]
            if follower is not None:
                values[name] = follower.step(value, target, held[name])
                held[name] = target
                continue
            held[name] = target
            change = (target - value) * share
            if change > most:
                change = most
            elif change < -most:
                change = -most
            values[name] = target if change == target - value else value + change
        return values.copy()


class _Follower:
    """One control that needs more than a one-pole low-pass and a slew limit."""

    __slots__ = (
        "_acceleration",
        "_agility",
        "_critical",
        "_inverse",
        "_limits",
        "_most",
        "_quick",
        "_tick",
        "kind",
        "rate",
        "velocity",
    )

    def __init__(self, control: Control, setting: Smoothing, tick: float, most: float) -> None:
        self.kind = setting.kind
        self.velocity = 0.0  # of the value (critical) or of the target (one-euro), in the control's unit per second
        self.rate = 0.0  # of the value, over the last tick
        self._tick, self._most, self._limits = tick, most, (control.low, control.high)
        self._acceleration = setting.acceleration
        self._inverse = tick / setting.time_s if setting.time_s > 0 else math.inf
        self._agility = 0.0
        if setting.kind == "one-euro":
            self._agility = 2 * math.pi * setting.agility * tick / (control.high - control.low)
        self._quick = 1.0 - math.exp(-2 * math.pi * SPEED_HZ * tick)
        self._critical: tuple[float, float, float, float] | None = None
        if setting.kind == "critical" and setting.time_s > 0:
            w = 2.0 / setting.time_s  # its delay is 2/w
            decay = math.exp(-w * tick)
            self._critical = (1 + w * tick) * decay, tick * decay, -w * w * tick * decay, (1 - w * tick) * decay

    def take_over(self, rate: float, before: _Follower | None) -> None:
        """Go on at this rate, in the control's unit per second; exactly, after one of the same kind."""
        self.velocity = self.rate = rate
        if before is not None and before.kind == self.kind:
            self.velocity = before.velocity

    def step(self, value: float, target: float, last: float) -> float:
        """Return the value one tick later; `last` is the target of the tick before."""
        tick, most = self._tick, self._most
        if self._critical is not None:
            # x'' = -2w x' - w² (x - target), solved for a target that stays as it is during the tick
            a, b, c, d = self._critical
            gap, velocity = value - target, self.velocity
            change = a * gap + b * velocity - gap
            self.velocity = c * gap + d * velocity
        else:
            speed = self.velocity = self.velocity + ((target - last) / tick - self.velocity) * self._quick
            # Casiez, Roussel & Vogel 2012, with the exact share for the tick, and the speed of the target instead of
            # its distance from the value: that one would depend on the tick
            change = (target - value) * (1.0 - math.exp(-self._inverse - self._agility * abs(speed)))
        bounded = change
        if not -most <= change <= most:
            bounded = math.copysign(most, change)
        if self._acceleration is not None:
            bounded = self._bounded(bounded, target - value)
        new, (low, high) = value + bounded, self._limits
        if not low <= new <= high:
            new = low if new < low else high
            bounded = new - value
        self.rate = bounded / tick
        if bounded != change and self._critical is not None:  # or it would wind up, and overshoot
            most = 2.0 * abs(target - new) * self._inverse / tick
            self.velocity = max(-most, min(most, self.rate)) if self.rate * (target - new) > 0 else 0.0
        return new

    def _bounded(self, change: float, gap: float) -> float:
        """Return a change that the acceleration allows, and after which it can still stop in time."""
        step = self._acceleration * self._tick * self._tick  # type: ignore[operator]  # of the change from tick to tick
        if change * gap >= 0:  # n changes, each smaller by `step`, that add up to the gap
            n = max(1, math.ceil(0.5 * (math.sqrt(1.0 + 8.0 * abs(gap) / step) - 1.0)))
            stoppable = abs(gap) / n + 0.5 * step * (n - 1)
            if abs(change) > stoppable:
                change = math.copysign(stoppable, change)
        before = self.rate * self._tick
        return max(before - step, min(before + step, change))


SPEED_HZ = 1.0  # cutoff of the target's speed, as in the paper

_Row = tuple[str, float, float, float, float, float, float, _Follower | None]


def _row(control: Control, setting: Smoothing, tick: float) -> _Row:
    share = 1.0 - math.exp(-tick / setting.time_s) if setting.time_s > 0 else 1.0
    slew = control.slew if setting.slew is None else setting.slew
    follower = None
    if not setting.freeze and (setting.kind != "low-pass" or setting.acceleration is not None):
        follower = _Follower(control, setting, tick, slew * tick)
    return (
        control.name,
        control.low,
        control.high,
        control.rest,
        0.0 if setting.freeze else share,
        slew * tick,
        setting.dead_zone,
        follower,
    )

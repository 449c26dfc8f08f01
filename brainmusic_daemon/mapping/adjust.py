"""A mapper's value of a control in, the one that the artist lets through out: gain, range, inversion, freeze."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brainmusic_daemon import registry
from brainmusic_daemon.api import Control
from brainmusic_daemon.mapping.smoothing import Smoothing


class Shaping(BaseModel):
    """How one control is changed on its way from the mapper."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: tuple[float, float] | None = Field(None, description="range of the control that is used")
    gain: float = Field(1.0, ge=0, le=100)
    offset: float = Field(0.0, ge=-1, le=1)
    invert: bool = False
    smooth_s: float | None = Field(None, ge=0, le=60)
    slew: float | None = Field(None, gt=0, allow_inf_nan=False)
    dead_zone: float = Field(0.0, ge=0, allow_inf_nan=False)
    freeze: bool = False

    @property
    def changes_value(self) -> bool:
        return self.output is not None or self.gain != 1 or self.offset != 0 or self.invert

    def function(self, control: Control) -> Callable[[float], float]:
        low, span = control.low, control.high - control.low
        first, last = self.output or (control.low, control.high)
        sign = -self.gain if self.invert else self.gain

        def shaped(value: float) -> float:
            u = 0.5 + sign * ((value - low) / span - 0.5) + self.offset
            return first + (last - first) * min(max(u, 0.0), 1.0)

        return shaped

    def smoothing_over(self, usual: Smoothing) -> Smoothing:
        return Smoothing(
            usual.time_s if self.smooth_s is None else self.smooth_s,
            self.slew or usual.slew,
            self.dead_zone,
            self.freeze,
        )

    @property
    def slope(self) -> float:
        return -self.gain if self.invert else self.gain


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What is changed about the controls that a mapper drives, whatever kind it is."""

    shapings: Mapping[str, Shaping] = field(default_factory=dict)  # control → how

    def functions(self, controls: Sequence[Control]) -> dict[str, Callable[[float], float]]:
        """Return control → from the mapper's value to the one that goes on, where that is not the same."""
        known = {control.name: control for control in controls}
        return {
            name: shaping.function(known[name])
            for name, shaping in self.shapings.items()
            if name in known and shaping.changes_value
        }

    def smoothing(self, controls: Sequence[Control], usual: Mapping[str, Smoothing]) -> dict[str, Smoothing]:
        """Return control → smoothing: the mapper's own, where nothing is adjusted."""
        return {
            **usual,
            **{
                control.name: self.shapings[control.name].smoothing_over(usual.get(control.name, Smoothing()))
                for control in controls
                if control.name in self.shapings
            },
        }

    def share(self, control: str) -> float:
        """Return by how much a share of the control's range grows on the way (negative: turned round)."""
        shaping = self.shapings.get(control)
        return 1.0 if shaping is None else shaping.slope


def read(table: Any, where: str) -> Adjustments:
    """Check an `adjust` table.  Raises SettingErrors with all that is wrong."""
    if not isinstance(table, Mapping):
        raise registry.SettingErrors([(where, "is a table of controls: [mapper.adjust.loudness]")])
    nested = {
        f"{family}.{number}": settings
        for family in ("z", "latent")
        if isinstance(numbered := table.get(family), Mapping)
        for number, settings in numbered.items()
    }
    flat = {name: settings for name, settings in table.items() if name not in ("z", "latent")} | nested
    problems: list[tuple[str, str]] = []
    shapings = {}
    for name, settings in flat.items():
        try:
            shapings[name] = Shaping.model_validate(settings)
        except ValidationError as error:
            problems += registry.describe(error, f"{where}.{name}")
    if problems:
        raise registry.SettingErrors(problems)
    return Adjustments(shapings)

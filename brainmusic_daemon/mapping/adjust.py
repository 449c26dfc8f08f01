"""A mapper's value of a control in, the one that the artist lets through out: gain, range, inversion, freeze."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from brainmusic_daemon import registry
from brainmusic_daemon.api import Control
from brainmusic_daemon.mapping.route import Shaping
from brainmusic_daemon.mapping.smoothing import Smoothing


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

    def shares(self, controls: Sequence[Control]) -> dict[str, float]:
        """Return control → by how much a share of its range grows on the way (negative: turned round)."""
        return {
            control.name: self.shapings[control.name].share(control)
            for control in controls
            if control.name in self.shapings
        }


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

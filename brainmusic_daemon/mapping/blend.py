"""Mappers in layers in, one mapper out: a weighted mean where several drive a control, else whoever does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from brainmusic_daemon.api import CONTROL, Control, Features, Words, plugin
from brainmusic_daemon.mapping.layer import Layer, build
from brainmusic_daemon.mapping.smoothing import Smoothing


@plugin
class Blend:
    """Play several mappers at once: 60 % neural and 40 % direct, or latent for timbre and direct for pitch.

    Each layer is a table with the `kind` and the settings of a mapper, and with `weight`, `controls` (names or
    wildcards of what it may drive) and `exclusive` (where it drives a control, no other layer does).
    """

    layers: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=16, description="the mappers")]

    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)
    bounded: bool = field(init=False)
    parts: tuple[Layer, ...] = field(init=False)
    _shares: list[tuple[Layer, list[tuple[str, float]]]] = field(init=False)  # per control they sum to 1
    _weights: list[tuple[Layer, dict[str, float]]] = field(init=False)  # the same for explanations
    _nothing: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = build(self.layers)
        driving: dict[str, list[Layer]] = {}
        for part in self.parts:
            for control in part.controls:
                if part.weight > 0:
                    driving.setdefault(control.name, []).append(part)
        for name, parts in driving.items():
            driving[name] = [part for part in parts if part.exclusive] or parts
        ranks = {name: rank for rank, name in enumerate(CONTROL)}
        names = sorted(driving, key=lambda name: ranks.get(name, len(ranks)))
        self.controls = tuple(_joined([part.control(name) for part in driving[name]]) for name in names)
        self.smoothing = {name: _mean(name, driving[name]) for name in names}
        self.bounded = all(getattr(part.mapper, "bounded", False) is True for part in self.parts)
        self._shares = [
            (
                part,
                [
                    (name, part.weight / sum(other.weight for other in parts))
                    for name, parts in driving.items()
                    if part in parts
                ],
            )
            for part in self.parts
        ]
        spans = {control.name: control.high - control.low for control in self.controls}
        self._nothing = dict.fromkeys(spans, 0.0)
        self._weights = [  # shares are of a control's range: where ranges differ, so do they
            (
                part,
                {name: share * (c.high - c.low) / spans[name] for name, share in shares for c in [part.control(name)]},
            )
            for part, shares in self._shares
        ]

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Prepare all layers.  Raises ConfigError as they do."""
        for part in self.parts:
            part.mapper.prepare(names, tick)

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the layers' weighted means; a layer that drives nothing may still speak."""
        values = self._nothing.copy()
        for part, shares in self._shares:
            found = part.mapper.map(features)
            for name, share in shares:
                values[name] += share * found[name]
        return values

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return the layers' explanations, added up with the same weights as their values."""
        whole: dict[tuple[str, str], float] = {}
        for part, weights in self._weights:
            for key, moved in part.mapper.explain(features).items():
                if (weight := weights.get(key[1])) is not None:
                    whole[key] = whole.get(key, 0.0) + weight * moved
        return whole

    @property
    def words(self) -> Words | None:
        """Return what the first layer says that speaks."""
        said = (getattr(part.mapper, "words", None) for part in self.parts)
        return next((words for words in said if words is not None), None)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return what the layers were loaded from."""
        return tuple(dict.fromkeys(file for part in self.parts for file in getattr(part.mapper, "files", ())))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what the layers have to say, each with its name."""
        return tuple(f"{part.name}: {remark}" for part in self.parts for remark in getattr(part.mapper, "remarks", ()))


def _joined(controls: Sequence[Control]) -> Control:
    """Return the control whose range holds those of all layers, and that moves as fast as the slowest of them."""
    first = controls[0]
    return replace(
        first,
        low=min(control.low for control in controls),
        high=max(control.high for control in controls),
        slew=min(control.slew for control in controls),
    )


def _mean(name: str, parts: Sequence[Layer]) -> Smoothing:
    """Return the layers' weighted mean; the way of following is that of the heaviest.

    A control is frozen where all are: one that moves is heard, as far as it goes.
    """
    every = [(part.weight, part.smoothing(name), part.control(name)) for part in parts]
    whole = sum(weight for weight, *_ in every)
    heaviest = max(every, key=lambda one: one[0])[1]
    slews = [smoothing.slew for _, smoothing, _ in every]
    slew = None
    if any(limit is not None for limit in slews):
        slew = (
            sum(
                weight * (control.slew if smoothing.slew is None else smoothing.slew)
                for weight, smoothing, control in every
            )
            / whole
        )
    return replace(
        heaviest,
        time_s=sum(weight * smoothing.time_s for weight, smoothing, _ in every) / whole,
        slew=slew,
        dead_zone=sum(weight * smoothing.dead_zone for weight, smoothing, _ in every) / whole,
        freeze=all(smoothing.freeze for _, smoothing, _ in every),
    )

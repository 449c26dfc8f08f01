"""Features in, controls out along routes that a person can read; the mapper that every other one falls back on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL, Control, Features, plugin
from brainmusic_daemon.mapping.expression import Function
from brainmusic_daemon.mapping.route import Routes, check
from brainmusic_daemon.mapping.shares import split
from brainmusic_daemon.mapping.smoothing import Smoothing

NEUTRAL = 0.5  # where a feature stands that is as usual for this person


@plugin
class Direct:
    """One route per control: a feature (or a small expression), a range, a curve.

    With no routes the default wiring plays.  Routes that all leave out `from` adjust the default wiring; as soon as one
    has it, the routes are exactly those that are written.
    """

    bounded: ClassVar[bool] = True

    routes: Routes = field(default_factory=dict)

    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)  # control → how the host smooths it
    unresolved: Mapping[str, str] = field(init=False, default_factory=dict)  # control → the features it misses here
    _playing: list[tuple[str, Function, tuple[int, ...]]] = field(init=False, default_factory=list)
    _slots: dict[str, int] = field(init=False, default_factory=dict)  # feature → where it stands among those taken
    _take: npt.NDArray[np.intp] = field(init=False, default_factory=lambda: np.zeros(0, np.intp))
    _targets: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        routes = check(self.routes)
        self.routes = {name: routes[name] for name in CONTROL if name in routes and routes[name].enabled}
        self.controls = tuple(CONTROL[name] for name in self.routes)
        self.smoothing = {name: route.smoothing for name, route in self.routes.items()}
        self._targets = {control.name: control.rest for control in self.controls}

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Find the routes' features; a route that misses one rests, and is listed in `unresolved`."""
        where = {name: number for number, name in enumerate(names)}
        found = {name: route for name, route in self.routes.items() if route.expression.resolvable(where)}
        inputs = {name: route.expression.features(where) for name, route in found.items()}
        self._slots = {
            name: slot for slot, name in enumerate(dict.fromkeys(name for i in inputs.values() for name in i))
        }
        self._take = np.array([where[name] for name in self._slots], np.intp)
        self._playing = [
            (name, route.function(self._slots), tuple(self._slots[feature] for feature in inputs[name]))
            for name, route in found.items()
        ]
        self._targets = {control.name: control.rest for control in self.controls}
        self.unresolved = {
            name: route.expression.missing(where) for name, route in self.routes.items() if name not in found
        }

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the controls' targets, before smoothing (see `smoothing`); the mapping returned is the caller's."""
        values = features.values.take(self._take).tolist()
        targets = self._targets.copy()
        for name, function, _ in self._playing:
            targets[name] = function(values)
        return targets

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return how far each feature moves each control's target now, against all features as usual.

        Exact for routes of one feature.  Of several, each gets the mean of what it does alone and of what is
        lost without it (the Shapley value, for two); what the shares then lack to the whole is spread in proportion.
        """
        values, names = features.values.take(self._take).tolist(), tuple(self._slots)
        shares: dict[tuple[str, str], float] = {}
        for name, function, slots in self._playing:
            route, control = self.routes[name], CONTROL[name]
            if route.freeze or not slots:
                continue
            neutral = [NEUTRAL] * len(values)
            for slot in slots:
                if names[slot].startswith("raw."):  # physical: as usual is, for want of better, the middle of the input
                    neutral[slot] = sum(route.input) / 2
            for slot, share in zip(slots, split(function, values, neutral, slots), strict=True):
                shares[names[slot], name] = share / (control.high - control.low)
        return shares

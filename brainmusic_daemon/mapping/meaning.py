"""Features in; attributes, the strengths of moods, and the controls that follow from them out, with who moves whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import CONTROL, Features
from brainmusic_daemon.mapping.expression import Expression, Function, parse
from brainmusic_daemon.mapping.route import Route
from brainmusic_daemon.mapping.shares import split
from brainmusic_daemon.mapping.vocabulary import Vocabulary

USUAL = 0.5  # where a feature stands that is as usual for this person, and what it misses lets an attribute stand

Values = Sequence[float]  # the features taken, then the attributes


@dataclass(frozen=True, slots=True)
class _Part:
    """A function of values, and the slots that it looks at."""

    name: str
    function: Function
    slots: tuple[int, ...]


class Meaning:
    """The whole calculation for one headset; pure."""

    def __init__(self, vocabulary: Vocabulary, routes: Mapping[str, Route], names: Sequence[str]) -> None:
        self.unresolved: dict[str, str] = {}  # what cannot follow anything here → the features it misses
        where = {name: number for number, name in enumerate(names)}
        attributes = {name: parse(one.source) for name, one in vocabulary.attributes.items()}
        known = {**where, **dict.fromkeys(attributes, 0)}  # an attribute hides a feature of the same name
        moods = {name: parse(one.when) for name, one in vocabulary.moods.items()}
        sources = {name: route.expression for name, route in routes.items()}
        taken = [name for one in attributes.values() for name in one.features(where)]
        later = [name for one in (*moods.values(), *sources.values()) for name in one.features(known)]
        self.features = tuple(dict.fromkeys([*taken, *(name for name in later if name not in attributes)]))
        self._take = np.array([where[name] for name in self.features], np.intp)
        self.count = len(self.features)
        slots = {name: slot for slot, name in enumerate(self.features)}
        every = {**slots, **{name: self.count + i for i, name in enumerate(attributes)}}
        self._attributes = [
            self._part(name, one, slots, where, lambda f: lambda v: min(max(f(v), 0.0), 1.0))
            or _Part(name, lambda v: USUAL, ())
            for name, one in attributes.items()
        ]
        strengths = [
            self._part(name, one, every, known, lambda f: lambda v: min(max(f(v), 0.0), 1.0))
            for name, one in moods.items()
        ]
        self._moods = [part.function if part else (lambda v: 0.0) for part in strengths]
        made = [
            self._part(name, one, every, known, lambda f, route=routes[name]: route.function(every))  # type: ignore[misc]
            for name, one in sources.items()
        ]
        self._routes = [part for part in made if part is not None]
        self._neutral = [
            [(sum(routes[part.name].input) / 2 if self._is_physical(slot) else USUAL) for slot in range(self.count)]
            for part in self._routes
        ]
        self._frozen = {name for name, route in routes.items() if route.freeze}

    def _is_physical(self, slot: int) -> bool:
        return self.features[slot].startswith("raw.")

    def _part(
        self,
        name: str,
        expression: Expression,
        index: Mapping[str, int],
        known: Mapping[str, int],
        finish: Callable[[Function], Function],
    ) -> _Part | None:
        if not expression.resolvable(known):
            self.unresolved[name] = expression.missing(known)
            return None
        inputs = expression.features(known)
        return _Part(name, finish(expression.compile(index)), tuple(index[feature] for feature in inputs))

    def values(self, features: Features) -> list[float]:
        """Return the features taken, then the attributes, 0..1."""
        values: list[float] = features.values.take(self._take).tolist()
        return values + [part.function(values) for part in self._attributes]

    def strengths(self, values: Values) -> list[float]:
        """Return the moods' strengths, 0..1."""
        return [function(values) for function in self._moods]

    def targets(self, values: Values) -> list[tuple[str, float]]:
        """Return the controls of the routes that play here."""
        return [(part.name, part.function(values)) for part in self._routes]

    def explain(self, values: Values) -> dict[tuple[str, str], float]:
        """Return (feature, control) → share of the control's range, against all features as usual.

        What an attribute moves is handed on to its features by the parts they have in it: the whole is exact.
        """
        count, now = self.count, values[: self.count]
        usual = [value if self._is_physical(slot) else USUAL for slot, value in enumerate(now)]
        stands = [part.function(usual) for part in self._attributes]
        moved = [split(part.function, now, usual, part.slots) if part.slots else [] for part in self._attributes]
        found: dict[tuple[str, str], float] = {}
        for part, neutral in zip(self._routes, self._neutral, strict=True):
            if part.name in self._frozen or not part.slots:
                continue
            control = CONTROL[part.name]
            span = control.high - control.low
            for slot, share in zip(
                part.slots, split(part.function, values, [*neutral, *stands], part.slots), strict=True
            ):
                if slot < count:
                    key = self.features[slot], part.name
                    found[key] = found.get(key, 0.0) + share / span
                    continue
                number = slot - count
                whole = values[slot] - stands[number]
                if abs(whole) < 1e-9:
                    continue
                for feature, own in zip(self._attributes[number].slots, moved[number], strict=True):
                    key = self.features[feature], part.name
                    found[key] = found.get(key, 0.0) + share * own / whole / span
        return found

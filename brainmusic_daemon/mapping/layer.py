"""Tables of layers in, mappers with their weight and the controls that they may drive out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brainmusic_daemon import registry
from brainmusic_daemon.api import Control, Mapper
from brainmusic_daemon.mapping.smoothing import Smoothing

MOST_DEPTH = 3  # blends of blends of blends
MOST_LAYERS = 16  # all levels together


class _Place(BaseModel):
    """What a layer's table says about the layer rather than about its mapper."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(1.0, ge=0, le=1000)
    controls: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["*"])
    exclusive: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One mapper of a blend."""

    name: str  # for people
    mapper: Mapper
    weight: float
    controls: tuple[Control, ...]  # those of the mapper's that it may drive
    exclusive: bool

    def control(self, name: str) -> Control:
        return next(control for control in self.controls if control.name == name)

    def smoothing(self, name: str) -> Smoothing:
        found: Mapping[str, Smoothing] = getattr(self.mapper, "smoothing", {})
        return found.get(name, Smoothing())


def build(tables: Sequence[Mapping[str, Any]], where: str = "mapper") -> tuple[Layer, ...]:
    """Make the layers' mappers.  Raises SettingErrors with everything that is wrong in any of them."""
    if _depth(tables) > MOST_DEPTH or _count(tables) > MOST_LAYERS:
        told = f"at most {MOST_DEPTH} blends within each other, with {MOST_LAYERS} layers in all"
        raise registry.SettingErrors([(f"{where}.layers", told)])
    problems: list[tuple[str, str]] = []
    layers = []
    for number, table in enumerate(tables):
        try:
            layers.append(_layer(table, f"{where}.layers.{number}"))
        except registry.SettingErrors as error:
            problems += error.problems
    if not problems and not any(layer.weight > 0 for layer in layers):
        problems.append((f"{where}.layers", "every layer has the weight 0: give one of them more"))
    if problems:
        raise registry.SettingErrors(problems)
    return tuple(layers)


def _layer(table: Mapping[str, Any], where: str) -> Layer:
    kind = table.get("kind", "direct")
    if not isinstance(kind, str):
        raise registry.SettingErrors([(f"{where}.kind", f"is the kind of a mapper, got {kind!r}")])
    try:
        place = _Place(**{key: value for key, value in table.items() if key in _Place.model_fields})
    except ValidationError as error:
        raise registry.SettingErrors(registry.describe(error, where)) from error
    settings = {key: value for key, value in table.items() if key != "kind" and key not in _Place.model_fields}
    try:
        mapper: Mapper = registry.build("mapper", kind, settings, "mapper")
    except registry.SettingErrors as error:  # whose places are those of an outermost mapper, of a blend within too
        told = [(where + place.removeprefix("mapper"), text) for place, text in error.problems]
        raise registry.SettingErrors(told) from error
    names = [control.name for control in mapper.controls]
    for pattern in place.controls:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = registry.did_you_mean(pattern, names)
            raise registry.SettingErrors([(f"{where}.controls", f"'{kind}' drives no '{pattern}'{hint}")])
    kept = tuple(c for c in mapper.controls if any(fnmatchcase(c.name, pattern) for pattern in place.controls))
    return Layer(kind, mapper, place.weight, kept, place.exclusive)


def _inner(table: Any) -> Any:
    layers = table.get("layers") if isinstance(table, Mapping) else None
    return layers if isinstance(layers, list) else []


def _depth(tables: Sequence[Any]) -> int:
    depth, level = 0, list(tables)
    while level and depth <= MOST_DEPTH:
        depth += 1
        level = [inner for table in level for inner in _inner(table)]
    return depth


def _count(tables: Sequence[Any]) -> int:
    count, level = 0, list(tables)
    while level and count <= MOST_LAYERS:
        count += len(level)
        level = [inner for table in level for inner in _inner(table)]
    return count

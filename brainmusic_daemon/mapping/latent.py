"""Features in, a latent vector out: for the synth's own timbre space, or for an outside model (RAVE, nn~)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brainmusic_daemon import registry
from brainmusic_daemon.api import CONTROL, ConfigError, Control, Features, Mapper, latent, plugin
from brainmusic_daemon.mapping import model_file, projection
from brainmusic_daemon.mapping.dimension import Dimension, Span
from brainmusic_daemon.mapping.projection import Projection
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.there import expanded

_log = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]

OWN = 8  # dimensions of the synth's timbre space
MOST = 128
FEATURES = (
    *("alpha", "beta", "theta", "gamma", "activation", "asymmetry", "connectivity", "synchrony", "iaf"),
    "aperiodic_exponent",
)
"""What a headset has of these drives the latents: features that say different things."""


@plugin
class Latent:
    """Map features to a latent vector: by a fixed orthogonal map, or by a model of `brainmusic train`.

    The fixed map turns the space of the features: nothing is lost, every latent hears several features, and no two
    hear the same.  It is drawn by `seed`; the log says what drives what.
    """

    target: Annotated[
        Literal["z", "latent"], Field(description="z: the synth's timbre space; latent: an outside model")
    ] = "z"
    dimensions: Annotated[int | None, Field(ge=1, le=MOST, description="default 8, or as many as the model has")] = None
    features: Annotated[list[str], Field(min_length=1, description="what drives it: names or wildcards")] = field(
        default_factory=lambda: [*FEATURES]
    )
    seed: Annotated[int, Field(ge=0, description="another seed is another map")] = 1
    model: Annotated[Path | None, Field(description="a trained model instead of the fixed map")] = None
    spread: Annotated[float, Field(gt=0, le=1, description="standard deviation of a feature, of its 0..1")] = 0.2
    reach: Annotated[
        float | None, Field(gt=0, le=10, description="standard deviations at the ends; default 2 (z), 3 (latent)")
    ] = None
    output: Annotated[Span | None, Field(description="range of every latent; default -1..1 (z), -3..3 (latent)")] = None
    gain: Annotated[float, Field(ge=0, le=100, description="stretches around the middle")] = 1.0
    smooth_s: Annotated[float, Field(ge=0, le=60, description="time constant, s")] = 0.2
    steady: Annotated[dict[str, float], Field(description="other controls, and where they stand")] = field(
        default_factory=dict
    )
    dimension: Annotated[dict[int, Dimension], Field(description="settings of single latents, by number")] = field(
        default_factory=dict
    )

    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)
    remarks: tuple[str, ...] = field(init=False, default=())
    statement: str = field(init=False, default="")  # of the fixed map: what moves each latent most
    files: tuple[Path, ...] = field(init=False, default=())
    bounded: bool = field(init=False, default=True)
    _inner: Mapper | None = field(init=False, default=None)  # the trained model
    _projection: Projection | None = field(init=False, default=None)
    _ranges: tuple[Control, ...] = field(init=False, default=())  # the model's own, in order
    _names: list[str] = field(init=False)
    _middle: Array = field(init=False)  # of the output ranges
    _half: Array = field(init=False)  # half their width, negative where turned round
    _gain: Array = field(init=False)
    _offset: Array = field(init=False)
    _usual: Array = field(init=False)  # positions with all features as usual
    _shares: Array = field(init=False)  # half a range used, in shares of the control's range
    _keys: list[tuple[str, str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        numbers = self._learned() if self.model is not None else [*range(self.dimensions or OWN)]
        most = OWN if self.target == "z" else MOST
        if numbers[-1] >= most:
            raise ConfigError(f"target '{self.target}' has {most} dimensions, not {numbers[-1] + 1}")
        for number in self.dimension:
            if number not in numbers:
                raise ConfigError(f"dimension.{number}: there are only {numbers[0]} to {numbers[-1]}")
        usual = self.output or ((-1.0, 1.0) if self.target == "z" else (-3.0, 3.0))
        each = [self.dimension.get(number, Dimension.model_validate({})) for number in numbers]
        spans = [one.output or usual for one in each]
        self.controls = tuple(self._control(number, span) for number, span in zip(numbers, spans, strict=True))
        self._names = [control.name for control in self.controls]
        self.smoothing = {
            name: Smoothing(
                self.smooth_s if one.smooth_s is None else one.smooth_s, one.slew, one.dead_zone, one.freeze
            )
            for name, one in zip(self._names, each, strict=True)
        }
        self.controls += self._standing()
        self._middle = np.array([(low + high) / 2 for low, high in spans])
        self._half = np.array([(high - low) / 2 for low, high in spans])
        stretch = 1.0 if self._inner is not None else 1 / (self.reach or (2.0 if self.target == "z" else 3.0))
        self._gain = np.array([stretch * (self.gain if one.gain is None else one.gain) for one in each])
        self._offset = np.array([one.offset for one in each])
        moving = np.array([not one.freeze for one in each])
        self._shares = moving * self._half / [control.high - control.low for control in self.controls[: len(each)]]
        self._usual = self._bent(np.zeros(len(each)))

    def _learned(self) -> list[int]:
        """Make the mapper that plays the model; return the numbers of the latents that it drives."""
        assert self.model is not None
        self.model = expanded(self.model)
        kind = model_file.load(self.model).kind
        self._inner = registry.build("mapper", kind, {"model": self.model}, "mapper")
        self.files = (self.model,)
        self.bounded = getattr(self._inner, "bounded", False) is True
        heads, tails = zip(*(control.name.partition(".")[::2] for control in self._inner.controls), strict=True)
        others = [c.name for c, head in zip(self._inner.controls, heads, strict=True) if head != self.target]
        if others:
            raise ConfigError(
                f"the model '{self.model}' drives {', '.join(others[:8])}, and target = \"{self.target}\" is "
                f'{self.target}.0, {self.target}.1 …: kind = "{kind}" plays it as it is'
            )
        if self.dimensions not in (None, len(tails)):
            raise ConfigError(f"the model '{self.model}' has {len(tails)} dimensions, not {self.dimensions}")
        self._ranges = tuple(sorted(self._inner.controls, key=lambda control: int(control.name.partition(".")[2])))
        return sorted(int(tail) for tail in tails)

    def _control(self, number: int, span: Span) -> Control:
        low, high = sorted(span)
        if self.target == "latent":
            return latent(number, low, high)
        own = CONTROL[f"z.{number}"]
        if not own.low <= low < high <= own.high:
            raise ConfigError(
                f"z.{number}: output must stay within {own.low:g} to {own.high:g}, got {low:g} to {high:g}"
            )
        return own

    def _standing(self) -> tuple[Control, ...]:
        for name, value in self.steady.items():
            control = CONTROL.get(name)
            if control is None or name.startswith("z."):
                others = [name for name in CONTROL if not name.startswith("z.")]
                raise ConfigError(f"steady.{name}: there is no such control{registry.did_you_mean(name, others)}")
            if not control.low <= value <= control.high:  # also true of NaN
                span = f"{control.low:g} to {control.high:g} {control.unit}".rstrip()
                raise ConfigError(f"steady.{name} must stay within {span}, got {value:g}")
        return tuple(control for name, control in CONTROL.items() if name in self.steady)

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Find the features.  Raises ConfigError where there are none, or the model misses some."""
        if self._inner is not None:
            self._inner.prepare(names, tick)
            self.remarks = tuple(getattr(self._inner, "remarks", ()))
            return
        found = projection.chosen(names, self.features)
        if not found:
            raise ConfigError(
                f"features: none of {', '.join(self.features)} is there with this headset"
                f"{registry.did_you_mean(self.features[0], names)}"
            )
        where = {name: place for place, name in enumerate(names)}
        matrix = projection.orthogonal(len(found), len(self._names), self.seed)
        self._projection = Projection(found, np.array([where[name] for name in found], np.intp), matrix, self.spread)
        self._keys = [(feature, control) for control in self._names for feature in found]
        told = self._projection.statement(self._names[:OWN])
        more = "" if len(self._names) <= OWN else f", and {len(self._names) - OWN} more"
        self.statement = f"{', '.join(told)}{more}"
        _log.info("latents: %s", self.statement)

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the latents' targets, before smoothing."""
        values = self._middle + self._half * self._bent(self._positions(features))
        return {**self.steady, **dict(zip(self._names, values.tolist(), strict=True))}

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return how far each feature moves each latent now; its parts of the sum before the bend, to scale."""
        if self._inner is not None:
            scale = dict(zip(self._names, (2 * self._shares * self._gain).tolist(), strict=True))
            return {key: share * scale[key[1]] for key, share in self._inner.explain(features).items() if scale[key[1]]}
        assert self._projection is not None
        parts = self._projection.matrix * self._projection.inputs(features.values)
        whole = parts.sum(axis=1)
        bend = self._bent(whole) - self._usual
        slope = self._gain * (1 - self._usual**2)  # of the bend where there is nothing to divide
        share = self._shares * np.divide(bend, whole, out=slope, where=np.abs(whole) > 1e-6)
        return dict(zip(self._keys, (parts * share[:, None]).ravel().tolist(), strict=True))

    def _positions(self, features: Features) -> Array:
        """Return where each latent should be: 0 the middle, ±1 the ends (learned) or one standard deviation (fixed)."""
        if self._inner is None:
            assert self._projection is not None
            return np.asarray(self._projection.matrix @ self._projection.inputs(features.values))
        found = self._inner.map(features)
        return np.array([2 * (found[c.name] - c.low) / (c.high - c.low) - 1 for c in self._ranges])

    def _bent(self, positions: Array) -> Array:
        """Return positions within -1..1: the fixed map's gently, a model's are there already."""
        moved = self._gain * positions + self._offset
        return np.asarray(np.clip(moved, -1.0, 1.0) if self._inner is not None else np.tanh(moved))

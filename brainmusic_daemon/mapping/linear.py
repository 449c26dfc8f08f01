"""Features in, controls out by one matrix that a person can read: learned (ridge regression), or written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from brainmusic_daemon import registry
from brainmusic_daemon.api import CONTROL, ConfigError, Control, Features, FloatArray, plugin
from brainmusic_daemon.mapping import model_file, terms
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.there import expanded

Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Row = Annotated[dict[str, Weight], BeforeValidator(terms.flat)]
Weights = Annotated[
    dict[str, Row], BeforeValidator(terms.numbered), Field(description="control → {feature = weight, intercept = …}")
]

USUAL, INTERCEPT = 0.5, "intercept"
_TOLD = 5  # features in a formula

DEFAULT_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    # Eyes closed means strong alpha: lower, slower, sparser, softer, darker, in a larger room.
    "fundamental_frequency": {INTERCEPT: 0.35, "engagement": 0.5, "alpha": -0.2},
    "loudness": {INTERCEPT: 0.5, "activation": 0.7},
    "brightness": {INTERCEPT: 0.45, "theta_alpha": 0.6, "beta": 0.3},
    "noise_amount": {INTERCEPT: 0.2, "beta": 0.4},
    "reverb": {INTERCEPT: 0.45, "alpha": 0.5, "connectivity": 0.2},
    "attack_time": {INTERCEPT: 0.4, "engagement": -0.7},
    "tempo": {INTERCEPT: 0.4, "engagement": 0.6, "activation": 0.2},
    "mode": {INTERCEPT: 0.5, "asymmetry": 0.8},
    "complexity": {INTERCEPT: 0.5, "theta_alpha": 0.7},
    "density": {INTERCEPT: 0.45, "beta": 0.5, "alpha": -0.5},
}
"""The matrix where neither a model nor weights are given."""


@plugin
class Linear:
    """Each control is a weighted sum of features: a model of `brainmusic train`, or weights in the configuration.

    A weight written by hand is a share of the control's range: with 1.0 the whole range of the feature moves the
    control through the whole of its own; `intercept` is where the control stands when all features are as usual.
    """

    model: Annotated[Path | None, Field(description=".safetensors of brainmusic train, instead of weights")] = None
    weights: Weights = field(default_factory=dict)
    smooth_s: terms.Smooth = field(default_factory=dict)
    tolerate: terms.Share = terms.TOLERATED

    bounded: ClassVar[bool] = True
    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)
    files: tuple[Path, ...] = field(init=False, default=())
    remarks: tuple[str, ...] = field(init=False, default=())
    learned: Model = field(init=False, repr=False)  # what plays, wherever it came from
    _who: str = field(init=False, repr=False, default="the weights")
    _told: tuple[str, ...] = field(init=False, repr=False, default=())
    _order: tuple[str, ...] = field(init=False, repr=False)
    _low: FloatArray = field(init=False, repr=False)
    _high: FloatArray = field(init=False, repr=False)
    _take: npt.NDArray[np.intp] = field(init=False, repr=False)
    _mean: FloatArray = field(init=False, repr=False)
    _ends: tuple[FloatArray, FloatArray] = field(init=False, repr=False)
    _matrix: FloatArray = field(init=False, repr=False)  # (n_features, n_controls), units per unit of the feature
    _shares: FloatArray = field(init=False, repr=False)  # the same, in shares of the control's range
    _bias: FloatArray = field(init=False, repr=False)
    _keys: list[list[tuple[str, str]]] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.model is not None and self.weights:
            raise ConfigError("model and weights are two ways to say the same: leave one of them out")
        if self.model is None:
            self.learned = by_hand(self.weights or DEFAULT_WEIGHTS)
        else:
            self.learned = model_file.load(self.model)
            self.files, self._who = (expanded(self.model),), f"the model '{Path(self.model).name}'"
            if self.learned.kind != "linear":
                raise ConfigError(f'{self._who} is a network: kind = "{self.learned.kind}" plays it')
        self.controls, self._told = terms.controls(self.learned.controls, self._who)
        self.smoothing = terms.smoothing(self.controls, self.smooth_s)
        self.remarks = self._told
        self._low, self._high = terms.limits(self.controls, self.learned.controls)
        self._order = tuple(control.name for control in self.controls)

    @property
    def formulas(self) -> Mapping[str, str]:
        """Return control → its row in words: shares of the control's range per step of each feature away from usual.

        A step is the feature's whole range for weights by hand, a standard deviation in training for a model.
        """
        (w, b), names = self.learned.layers[0], self.learned.features
        rows = {}
        for number, span in enumerate(self.learned.controls):
            row = w[:, number] / (span.high - span.low)
            order = [place for place in np.argsort(-np.abs(row), kind="stable").tolist() if row[place]]
            told = "".join(
                f" {row[i]:+.2g} {names[i]}".replace(" -", " - ").replace(" +", " + ") for i in order[:_TOLD]
            )
            more = f" and {len(order) - _TOLD} more" if len(order) > _TOLD else ""
            rows[span.name] = f"{(b[number] - span.low) / (span.high - span.low):.2g}{told}{more}"
        return rows

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Find the features; few that are missing stay as usual, more are a ConfigError."""
        model, way_out = self.learned, "train it with this headset" if self.model else "write weights for what there is"
        found = terms.match(model.features, names, model.influence, self.tolerate, self._who, way_out)
        (w, b), keep = model.layers[0], found.keep
        self._take, self._mean = found.take, model.mean[keep].astype(np.float64)
        self._ends = (model.ends[0][keep], model.ends[1][keep])
        self._matrix = w[keep].astype(np.float64) / model.scale[keep, None]
        self._bias = b - self._mean @ self._matrix
        self._shares = self._matrix / [control.high - control.low for control in self.controls]
        self._keys = terms.keys([model.features[number] for number in keep], self._order)
        self.remarks = (*self._told, *found.remarks)

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the controls' targets, before smoothing; the mapping returned is the caller's."""
        y = self._taken(features) @ self._matrix + self._bias
        return dict(zip(self._order, np.minimum(np.maximum(y, self._low), self._high).tolist(), strict=True))

    def _taken(self, features: Features) -> FloatArray:
        low, high = self._ends
        return np.asarray(np.minimum(np.maximum(features.values.take(self._take), low), high))

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return weight · (x − mean) / range: exact, as long as the control does not reach an end of its range.

        Of many features, those that move the controls most.
        """
        shares = (self._taken(features) - self._mean)[:, None] * self._shares
        return terms.shares(shares, self._keys)


def by_hand(weights: Mapping[str, Mapping[str, float]]) -> Model:
    """Return the model of weights as a configuration has them.  Raises ConfigError."""
    unknown = [name for name in weights if name not in CONTROL]
    if unknown:
        hint = registry.did_you_mean(unknown[0], [*CONTROL])
        raise ConfigError(f"weights.{unknown[0]}: there is no control '{unknown[0]}'{hint}")
    features = [*dict.fromkeys(name for row in weights.values() for name in row if name != INTERCEPT)]
    if not features:
        raise ConfigError("weights: no feature has a weight; e.g. [mapper.weights.loudness] activation = 0.8")
    physical = next((name for name in features if name.startswith("raw.")), None)
    if physical:
        raise ConfigError(f"weights: '{physical}' is physical; weights are for features of 0..1, '{physical[4:]}'")
    controls = [control for control in CONTROL.values() if control.name in weights]
    spans = np.array([control.high - control.low for control in controls])
    low = np.array([control.low for control in controls])
    w = np.array([[weights[control.name].get(name, 0.0) for control in controls] for name in features])
    b = np.array([weights[control.name].get(INTERCEPT, USUAL) for control in controls])
    usual, one = np.full(len(features), USUAL), np.ones(len(features))
    return Model("linear", tuple(features), tuple(controls), usual, one, ((w * spans, low + b * spans),))

"""Arrays in, a checked model of a mapping out: what it takes, what it drives, and the numbers between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Kind = Literal["linear", "neural"]

LARGEST = 1e30  # of a model's numbers: what comes of some layers of them is finite still
FAR = 8.0  # standard deviations: no feature is taken to be further from its mean than that
ACTIVATIONS = ("relu", "tanh", "silu", "elu", "gelu")


class Driven(Protocol):
    """What a model must know about a control: `Span` and `api.Control` have it."""

    @property
    def name(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def unit(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Span:
    """One control as a model knows it: its output is in this unit, and clipped to this range."""

    name: str
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What `save` writes and `load` reads: f(x) = layers((x − mean) / scale), clipped by whoever plays it.

    A layer is (W, b), W of shape (inputs, outputs), b of shape (outputs,): y = x @ W + b.  The activation stands
    between layers, not after the last one, which gives the controls in their units.  Arrays are float32 or float64,
    and are not written after hand-over.
    Raises ValueError where the parts do not fit together, with one line that says which.
    """

    kind: Kind  # linear: one layer; neural: at least one hidden layer
    features: tuple[str, ...]  # in the order of the first layer's inputs
    controls: tuple[Driven, ...]  # in the order of the last layer's outputs
    mean: Array  # (n_features,) of the training data
    scale: Array  # (n_features,) standard deviation of the training data, > 0
    layers: tuple[tuple[Array, Array], ...]
    activation: str = ""  # one of ACTIVATIONS; "" for linear
    dropout: float = 0.0  # of the training, for the record: playing leaves nothing out
    meta: Mapping[str, Any] = field(default_factory=dict)  # JSON: profile, data hash, versions, scores, α …

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "features", tuple(self.features))
        put(self, "controls", tuple(self.controls))
        put(self, "mean", _array(self.mean))
        put(self, "scale", _array(self.scale))
        put(self, "layers", tuple((_array(w), _array(b)) for w, b in self.layers))
        problem = _problem(self)
        if problem:
            raise ValueError(problem)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Return the sizes of the hidden layers."""
        return tuple(len(b) for _, b in self.layers[:-1])

    @property
    def weights(self) -> int:
        """Return how many numbers were learned."""
        return sum(w.size + b.size for w, b in self.layers)

    @property
    def influence(self) -> Array:
        """Return the share of the first layer's weights that is each feature's, (n_features,), summing to 1."""
        size = np.abs(self.layers[0][0])
        if len(self.layers) == 1:  # as shares of each control's range: hertz and seconds do not add up
            size = size / [control.high - control.low for control in self.controls]
        size = size.sum(axis=1, dtype=np.float64)
        return np.asarray(size / max(size.sum(), 1e-300))

    @property
    def ends(self) -> tuple[Array, Array]:
        """Return between which values features are taken, (n_features,) each.

        Without them, one that hardly moved in training, and does now, would drown all others.
        """
        return self.mean - FAR * self.scale, self.mean + FAR * self.scale

    def predict(self, x: Array) -> Array:
        """Return the controls in their units, not clipped, (n, n_controls), for (n, n_features) as they come."""
        y = (np.asarray(x, np.float64).clip(*self.ends) - self.mean) / self.scale
        for number, (w, b) in enumerate(self.layers):
            y = (activate(self.activation, y) if number else y) @ w + b
        return y


def activate(activation: str, x: Array) -> Array:
    """Return f(x), as PyTorch defines the functions of these names."""
    if activation == "relu":
        return np.maximum(x, 0)
    if activation == "tanh":
        return np.tanh(x)
    if activation == "silu":
        return np.asarray(x / (1 + np.exp(-x.clip(-80, None))))
    if activation == "elu":
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / _ROOT2)))


def slope(activation: str, x: Array) -> Array:
    """Return f'(x)."""
    if activation == "relu":
        return (x > 0).astype(x.dtype)
    if activation == "tanh":
        return 1 - np.tanh(x) ** 2
    if activation == "silu":
        s = 1 / (1 + np.exp(-x.clip(-80, None)))
        return np.asarray(s * (1 + x * (1 - s)))
    if activation == "elu":
        return np.exp(np.minimum(x, 0))
    from scipy.special import erf

    return np.asarray(0.5 * (1 + erf(x / _ROOT2)) + x * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


_ROOT2 = float(np.sqrt(2))


def _array(x: Any) -> Array:
    made = np.asarray(x)
    return made if made.dtype in (np.float32, np.float64) else made.astype(np.float64)


def _problem(model: Model) -> str:
    """Return what does not fit; empty when all does."""
    n, m = len(model.features), len(model.controls)
    names = [control.name for control in model.controls]
    if model.kind not in ("linear", "neural"):
        return f"kind is linear or neural, not {model.kind!r}"
    if not n or not m:
        return "it needs at least one feature and one control"
    for what, listed in (("feature", model.features), ("control", names)):
        if twice := _twice(listed):
            return f"the {what} {twice!r} is there twice"
    if model.kind == "linear" and len(model.layers) != 1:
        return f"a linear model has one layer, not {len(model.layers)}"
    if model.kind == "neural" and len(model.layers) < 2:
        return "a network has at least one hidden layer"
    if model.kind == "neural" and model.activation not in ACTIVATIONS:
        return f"the activation is one of {', '.join(ACTIVATIONS)}, not {model.activation!r}"
    if model.mean.shape != (n,) or model.scale.shape != (n,):
        return f"its scaler is for {model.mean.shape} and {model.scale.shape} features, and it names {n}"
    width = n
    for number, (w, b) in enumerate(model.layers):
        out = m if number == len(model.layers) - 1 else (w.shape[1] if w.ndim == 2 else -1)
        if w.shape != (width, out) or b.shape != (out,) or out < 1:
            return f"layer {number} is {w.shape} with {b.shape}, and {width} inputs to {max(out, 1)} outputs are needed"
        width = out
    arrays = {"mean": model.mean, "scale": model.scale}
    for number, (w, b) in enumerate(model.layers):
        arrays |= {f"w{number}": w, f"b{number}": b}
    for name, array in arrays.items():
        bad = array.size - int((np.abs(array) < LARGEST).sum())
        if bad:
            return f"{bad} of the {array.size} numbers in {name} are NaN or infinite, or beyond {LARGEST:g}"
    if not (model.scale > 0).all():
        return f"the scale of {model.features[int(np.argmin(model.scale > 0))]!r} is not above 0"
    for control in model.controls:
        if not (np.isfinite([control.low, control.high]).all() and control.low < control.high):
            return f"the range of {control.name!r}, {control.low:g} to {control.high:g}, is none"
    if not 0 <= model.dropout < 1:
        return f"dropout is 0 or more and below 1, not {model.dropout:g}"
    return ""


def _twice(names: Sequence[str]) -> str:
    return next((name for number, name in enumerate(names) if name in names[:number]), "")

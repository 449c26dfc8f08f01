"""Features in, controls out by a network: a small perceptron that was learned, or a TorchScript module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brainmusic_daemon import registry
from brainmusic_daemon.api import CONTROL, ConfigError, Control, Features, FloatArray, plugin
from brainmusic_daemon.mapping import model_file, terms, torchscript
from brainmusic_daemon.mapping.model import Driven, Model, Span
from brainmusic_daemon.mapping.perceptron import Perceptron
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.there import expanded

SCRIPTS = (".pt", ".ts")
SMALL = 200_000  # weights: some 100 µs
USUAL = 0.5  # where a feature stands that is as usual for this person


@plugin
class Neural:
    """Controls from a network: a model of `brainmusic train`, or any TorchScript module (.pt, .ts).

    A TorchScript module takes (n, features) and returns (n, controls); `features` and `drives` say which.  Without a
    model, the small one that comes with the program plays.
    """

    model: Annotated[Path | None, Field(description=".safetensors of brainmusic train, or a .pt")] = None
    features: Annotated[list[str], Field(description="what a .pt takes, in order")] = field(default_factory=list)
    drives: Annotated[list[str], Field(description="the controls that a .pt returns")] = field(default_factory=list)
    answers: Annotated[Literal["shares", "units"], Field(description="what a .pt returns: 0..1, or Hz, s, BPM")] = (
        "shares"
    )
    engine: Annotated[Literal["numpy", "torch"], Field(description="what plays a .safetensors: same numbers")] = "numpy"
    smooth_s: terms.Smooth = field(default_factory=dict)
    tolerate: terms.Share = terms.TOLERATED

    bounded: bool = field(init=False)  # a few small products always end in time; what PyTorch runs may be anything
    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)
    files: tuple[Path, ...] = field(init=False)
    remarks: tuple[str, ...] = field(init=False, default=())
    learned: Model | None = field(init=False, repr=False, default=None)  # None: a TorchScript module
    _who: str = field(init=False, repr=False)
    _told: tuple[str, ...] = field(init=False, repr=False, default=())
    _order: tuple[str, ...] = field(init=False, repr=False)
    _low: FloatArray = field(init=False, repr=False)
    _high: FloatArray = field(init=False, repr=False)
    _ranges: FloatArray = field(init=False, repr=False)
    _take: npt.NDArray[np.intp] = field(init=False, repr=False)
    _output: Callable[[FloatArray], FloatArray] = field(init=False, repr=False)
    _moved: Callable[[FloatArray], FloatArray] = field(init=False, repr=False)
    _keys: list[list[tuple[str, str]]] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        path = terms.bundled("neural.safetensors") if self.model is None else expanded(self.model)
        self.files, self._who = (path,), f"the model '{path.name}'"
        if path.suffix.lower() in SCRIPTS:
            torchscript.check(path)
            spans = self._named()
        else:
            if self.features or self.drives:
                raise ConfigError("features and drives are for TorchScript modules: a .safetensors file states its own")
            self.learned = model_file.load(path)
            if self.learned.kind != "neural":
                raise ConfigError(f'{self._who} is a matrix: kind = "{self.learned.kind}" plays it')
            spans = self.learned.controls
        size = sum(w.size for w, _ in self.learned.layers) if self.learned is not None else 0
        self.bounded = self.engine == "numpy" and 0 < size <= SMALL
        self.controls, self._told = terms.controls(spans, self._who)
        self.smoothing = terms.smoothing(self.controls, self.smooth_s)
        self.remarks = self._told
        self._order = tuple(control.name for control in self.controls)
        self._low, self._high = terms.limits(self.controls, spans)
        self._ranges = np.array([control.high - control.low for control in self.controls])

    def _named(self) -> tuple[Driven, ...]:
        """Return what a TorchScript module drives, as the settings have it."""
        for setting, names in (("features", self.features), ("drives", self.drives)):
            if not names:
                raise ConfigError(f'a TorchScript module needs the setting {setting}: {setting} = ["…", "…"], in order')
            if len({*names}) < len(names):
                raise ConfigError(f"{setting} names something twice")
        spans = [CONTROL.get(name) or Span(name, -3.0, 3.0) for name in self.drives]
        for span in spans:
            if isinstance(span, Span) and not span.name.startswith("latent."):
                hint = registry.did_you_mean(span.name, [*CONTROL])
                raise ConfigError(f"drives: there is no control '{span.name}'{hint}")
        return tuple(spans)

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Find the features, load what is to be loaded, and warm up; some seconds with PyTorch."""
        if self.learned is None:
            found = terms.match(self.features, names, None, 0.0, self._who, "export one for this headset")
            network, told = torchscript.load(self.files[0], len(self.features), len(self.drives))
            self._output, self._moved = _scripted(network, self.features, self._scale())
            if told:  # what remembers must not be asked what would be if: it would remember that, too
                nothing = np.zeros((len(self.features), len(self.drives)))
                self._moved = lambda x: nothing
            used: Sequence[str] = self.features
        else:
            found = terms.match(self.learned.features, names, self.learned.influence, self.tolerate, self._who)
            network_of, told = Perceptron(self.learned, found.keep), ()
            self._output, self._moved = network_of.output, network_of.moved
            if self.engine == "torch":
                self._output = _padded(torchscript.perceptron(self.learned), self.learned.mean, found.keep)
            used = [self.learned.features[number] for number in found.keep]
        self._take, self._keys = found.take, terms.keys(used, self._order)
        self.remarks = (*self._told, *found.remarks, *told)

    def _scale(self) -> tuple[FloatArray, FloatArray]:
        """Return the factors (n_controls,) and offsets (n_controls,) that bring a module's answers into units."""
        if self.answers == "units":
            return np.ones(len(self.controls)), np.zeros(len(self.controls))
        return self._high - self._low, self._low

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the controls' targets, before smoothing; the mapping returned is the caller's."""
        y = self._output(features.values.take(self._take))
        return dict(zip(self._order, np.minimum(np.maximum(y, self._low), self._high).tolist(), strict=True))

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return how far each feature moves each control, beside all features as usual.

        Of a model: integrated gradients from the training mean, which sum to the whole.  Of a module: what is lost
        when the feature is as usual.  Of many features, those that move the controls most.
        """
        return terms.shares(self._moved(features.values.take(self._take)) / self._ranges, self._keys)


def _padded(
    network: torchscript.Network, mean: FloatArray, keep: npt.NDArray[np.intp]
) -> Callable[[FloatArray], FloatArray]:
    """Return the network as a function of one vector of the features that there are."""
    usual = mean.astype(np.float64)

    def output(x: FloatArray) -> FloatArray:
        row = usual.copy()
        row[keep] = x
        return np.asarray(network(row[None])[0])

    return output


def _scripted(
    network: torchscript.Network, names: Sequence[str], scale: tuple[FloatArray, FloatArray]
) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """Return (n_features,) → (n_controls,) in units, and → (n_features, n_controls), what each feature moves."""
    factor, offset = scale
    places = np.array([number for number, name in enumerate(names) if not name.startswith("raw.")], np.intp)

    def output(x: FloatArray) -> FloatArray:
        return np.asarray(network(x[None])[0] * factor + offset)

    def moved(x: FloatArray) -> FloatArray:
        rows = np.tile(x, (len(x) + 1, 1))
        rows[places + 1, places] = USUAL  # what is physical has no usual value that were known here
        y = network(rows)
        return np.asarray((y[0] - y[1:]) * factor)

    return output, moved

"""Rows in, a small multilayer perceptron out, stopped before it learns by heart."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from brainmusic_daemon.api import ConfigError, FloatArray
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.ridge import spread
from brainmusic_daemon.learning.splits import Rows
from brainmusic_daemon.mapping.model import FAR, activate

_PATIENCE = 8  # epochs without a better validation error
_EPOCH_ROWS = 40_000  # drawn anew for every epoch: of an hour of ticks, neighbours are nearly the same
_HELD_ROWS = 8_000
_THREADS = 2
_WORTH_THREADS = 1024  # rows of a batch; with fewer, threads wait for each other more than they work


@dataclass(frozen=True, slots=True)
class Shape:
    """How a network is built and learned."""

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    dropout: float = 0.1
    weight_decay: float = 1e-3
    rate: float = 2e-3  # of learning; falls to nothing over the epochs
    epochs: int = 60  # at most
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """What was learned: standardised features in, targets in the controls' units out."""

    mean: FloatArray  # (n_features,)
    scale: FloatArray  # (n_features,)
    layers: tuple[
        tuple[FloatArray, FloatArray], ...
    ]  # (weights (n_in, n_out), bias (n_out,)); the last one is in units
    shape: Shape
    epochs: int  # after which it was best
    learned: tuple[float, ...] = field(default=())  # error on what it learned from, per epoch, 1: that of the mean
    held: tuple[float, ...] = field(default=())  # error on the validation stretch, per epoch

    def predict(self, x: FloatArray) -> FloatArray:
        """Return (n, n_controls) float32 for `x` (n, n_features)."""
        at: Any = (x - self.mean.astype(np.float32)) / self.scale.astype(np.float32)
        at = at.clip(-FAR, FAR)  # as whoever plays it
        for number, (weights, bias) in enumerate(self.layers):
            at = activate(self.shape.activation, at) if number else at
            at = at @ weights.astype(np.float32) + bias.astype(np.float32)
        return np.asarray(at)


def available() -> bool:
    """Return whether PyTorch is there."""
    from importlib.util import find_spec

    return find_spec("torch") is not None


def fit(
    data: DataSet,
    rows: Rows,
    validation: Rows | None,
    shape: Shape,
    *,
    epochs: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Network:
    """Learn on `rows`; with `validation`, keep the epoch that was best there and stop when it gets no better.

    Without `validation`, `epochs` are learned.  The same seed, data and torch give the same network.  `progress` gets
    the share of the epochs done, and may raise to end it.
    """
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "a network needs the package 'torch': pip install \"brainmusic-daemon[learn]\"; --mapper linear does not"
        ) from error
    mean, scale = spread(data.x[rows], data.weights[rows])
    known = np.isfinite(data.y)
    centre, size = _targets(data, rows, known)
    if validation is not None:
        validation = validation[:: -(-len(validation) // _HELD_ROWS)]
    every = rows if validation is None else np.concatenate([rows, validation])
    x = torch.from_numpy((data.x[every] - mean.astype(np.float32)) / scale.astype(np.float32))
    y = torch.from_numpy(np.where(known, (data.y - centre) / size, 0.0)[every].astype(np.float32))
    weights = torch.from_numpy((known * data.weights[:, None])[every].astype(np.float32))
    last = len(rows)
    total = epochs or shape.epochs
    batch = int(np.clip(min(last, _EPOCH_ROWS) // 80, 32, 1024))
    threads = torch.get_num_threads()
    torch.set_num_threads(min(_THREADS, threads) if batch >= _WORTH_THREADS else 1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(shape.seed)
            model = _build(torch, x.shape[1], y.shape[1], shape)
            optimiser = torch.optim.AdamW(model.parameters(), lr=shape.rate, weight_decay=shape.weight_decay)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, shape.epochs)
            best, best_at, state = float("inf"), total, None
            learned, held = [], []
            for epoch in range(total):
                model.train()
                summed = torch.zeros(2)
                for some in torch.split(torch.randperm(last)[:_EPOCH_ROWS], batch):
                    optimiser.zero_grad(set_to_none=True)
                    squares, count = (weights[some] * (model(x[some]) - y[some]) ** 2).sum(), weights[some].sum()
                    (squares / count.clamp_min(1e-9)).backward()
                    optimiser.step()
                    summed += torch.stack([squares.detach(), count])
                schedule.step()
                learned.append(float(summed[0] / summed[1].clamp_min(1e-9)))
                progress((epoch + 1) / total)
                if validation is None:
                    continue
                model.eval()
                with torch.no_grad():
                    squares = (weights[last:] * (model(x[last:]) - y[last:]) ** 2).sum()
                    held.append(float(squares / weights[last:].sum().clamp_min(1e-9)))
                if held[-1] < best - 1e-5:
                    best, best_at, state = held[-1], epoch + 1, copy.deepcopy(model.state_dict())
                elif epoch + 1 - best_at >= _PATIENCE:
                    break
            if state is not None:
                model.load_state_dict(state)
            layers = _layers(torch, model, centre, size)
    finally:
        with suppress(RuntimeError):
            torch.set_num_threads(threads)
    return Network(mean, scale, layers, shape, best_at, tuple(learned), tuple(held))


def _targets(data: DataSet, rows: Rows, known: Any) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation (n_controls,) of the known targets, so that every control counts the same."""
    centre, size = np.zeros(data.y.shape[1]), np.ones(data.y.shape[1])
    for column in range(data.y.shape[1]):
        own = rows[known[rows, column]]
        if len(own):
            mean, deviation = spread(data.y[own, column : column + 1], data.weights[own])
            centre[column], size[column] = mean[0], deviation[0]
    return centre, size


def _build(torch: Any, n_in: int, n_out: int, shape: Shape) -> Any:
    gelu = partial(torch.nn.GELU, approximate="tanh")
    made = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "silu": torch.nn.SiLU, "elu": torch.nn.ELU, "gelu": gelu}[
        shape.activation
    ]
    parts: list[Any] = []
    for width in shape.hidden:
        parts += [torch.nn.Linear(n_in, width), made(), torch.nn.Dropout(shape.dropout)]
        n_in = width
    parts.append(torch.nn.Linear(n_in, n_out))
    torch.nn.init.zeros_(parts[-1].bias)
    with torch.no_grad():
        parts[-1].weight.mul_(0.1)  # begins near the mean
    return torch.nn.Sequential(*parts)


def _layers(torch: Any, model: Any, centre: FloatArray, size: FloatArray) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """Return the linear layers as arrays; the last one undoes the scaling of the targets."""
    found = [
        (layer.weight.detach().numpy().T.astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
        for layer in model
        if isinstance(layer, torch.nn.Linear)
    ]
    weights, bias = found[-1]
    found[-1] = (weights * size, bias * size + centre)
    return tuple(found)

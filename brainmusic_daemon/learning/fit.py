"""A data set in; what was learned from all of it, and how good that is on stretches it was not learned from, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.learning import network, ridge, splits
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.network import Network, Shape
from brainmusic_daemon.learning.ridge import Linear
from brainmusic_daemon.learning.scores import Comparison, Score, compare, score
from brainmusic_daemon.learning.splits import Rows

Learned = Linear | Network
Progress = Callable[[float, float], None]

KINDS = ("linear", "neural")
_COST = {"linear": 1.0, "neural": 10.0}  # for the progress bar
_IMPORTANCE_ROWS = 1500  # of each test stretch


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn and how to test it."""

    kind: str = "linear"  # what is wanted in the end: linear or neural
    compare: bool = True  # try the other kind as well
    stretches: int = 5
    tests: int | None = None  # test on the last so many stretches only; None: all, of large data the last
    gap_s: float = splits.GAP_S
    block_s: float = 10.0  # for the intervals
    by_person: bool = False
    alpha: float | None = None  # penalty per row; None: tuned
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the report tells."""

    plan: Plan
    learned: Learned  # from all rows
    rows: Rows  # (k,) tested ones
    blocks: Rows  # (k,) number of each row's block
    predictions: dict[str, npt.NDArray[np.float32]]  # method → (k, n_controls): mean, direct, linear, neural
    scores: dict[str, list[Score]]  # method → one per control
    importance: FloatArray  # (n_features,) R² lost, mean of the controls, when this feature is shuffled
    networks: tuple[Network, ...]  # of the stretches
    samples: dict[str, Learned]  # kind → one that was tested: to see what such a thing costs
    stretches: int  # tested
    against_direct: Comparison
    against_mean: Comparison
    final_epochs: int = 0


def learn(data: DataSet, plan: Plan, progress: Progress = lambda done, total: None) -> Result:
    """Test by stretches, then learn from everything.

    The penalty is tuned, and the network stopped, on stretches that belong to neither.  What is handed out was learned
    from all rows, with penalties tuned over all stretches and for as many epochs as were best in the middle of the
    tests: so its own error is not known, but should be no larger than that of the tests, which knew less.
    `progress` may raise to end it.  Raises ConfigError.
    """
    label = splits.labels(data, plan.stretches, plan.by_person)
    tests = plan.tests
    if tests is None and not plan.by_person:
        tests = 1 if len(data.x) > splits.LARGE else None
    found = list(splits.folds(data, label, plan.gap_s, tests))
    kinds = [
        kind for kind in KINDS if kind == plan.kind or (plan.compare and (kind != "neural" or network.available()))
    ]
    total = sum(_COST[kind] for kind in kinds) * len(found) + _COST[plan.kind]
    done = 0.0
    low, high = (np.array([getattr(c, end) for c in data.controls], np.float32) for end in ("low", "high"))
    rows = np.concatenate([fold.test for fold in found])
    said: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in ("mean", *kinds)}
    networks: list[Network] = []
    samples: dict[str, Learned] = {}
    importance = np.zeros(data.x.shape[1])
    for fold in found:
        seen = np.concatenate([fold.train, fold.validation])
        mean = _mean(data, seen)
        said["mean"].append(np.repeat(mean[None], len(fold.test), axis=0))
        for kind in kinds:
            made: Learned
            if kind == "linear":
                made = ridge.fit(data, seen, label, plan.gap_s, plan.alpha)
            else:
                made = network.fit(
                    data, fold.train, fold.validation, plan.shape, progress=_part(progress, done, _COST[kind], total)
                )
                networks.append(made)
            samples[kind] = made
            said[kind].append(np.clip(made.predict(data.x[fold.test]), low, high).astype(np.float32))
            if kind == plan.kind:
                importance += _importance(data, made, fold.test) / len(found)
            done += _COST[kind]
            progress(done, total)
    epochs = int(np.median([made.epochs for made in networks])) if networks else 0
    everything = np.arange(len(data.x))
    learned: Learned
    if plan.kind == "linear":
        learned = ridge.fit(data, everything, label, plan.gap_s, plan.alpha)
    else:
        part = _part(progress, done, _COST["neural"], total)
        learned = network.fit(data, everything, None, plan.shape, epochs=max(epochs, 1), progress=part)
    progress(total, total)

    predictions = {name: np.concatenate(parts) for name, parts in said.items()}
    predictions["direct"] = data.direct[rows]
    names, blocks, y = tuple(c.name for c in data.controls), splits.blocks(data, rows, plan.block_s), data.y[rows]
    return Result(
        plan=plan,
        learned=learned,
        rows=rows,
        blocks=blocks,
        predictions=predictions,
        scores={name: score(y, predicted, blocks, names) for name, predicted in predictions.items()},
        importance=importance,
        networks=tuple(networks),
        samples=samples,
        stretches=len(found),
        against_direct=compare(y, predictions[plan.kind], predictions["direct"], blocks, names),
        against_mean=compare(y, predictions[plan.kind], predictions["mean"], blocks, names),
        final_epochs=epochs if plan.kind == "neural" else 0,
    )


def average(found: Sequence[Score]) -> float:
    """Return the mean R² of the controls that have one; NaN where none has."""
    known = [one.r2 for one in found if np.isfinite(one.r2)]
    return float(np.mean(known)) if known else float("nan")


def _mean(data: DataSet, rows: Rows) -> npt.NDArray[np.float32]:
    known = np.isfinite(data.y[rows])
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, data.y[rows], 0).sum(axis=0) / np.maximum(counts, 1), np.nan).astype(
        np.float32
    )


def _part(progress: Progress, done: float, cost: float, total: float) -> Callable[[float], None]:
    return lambda share: progress(done + share * cost, total)


def _importance(data: DataSet, made: Learned, rows: Rows) -> FloatArray:
    """Return the R² that each feature's shuffling costs on `rows`, mean of the controls (n_features,)."""
    some = rows[:: max(1, len(rows) // _IMPORTANCE_ROWS)]
    x, y = data.x[some].copy(), data.y[some]
    variance = np.array(
        [np.var(column[np.isfinite(column)]) if np.isfinite(column).any() else 0 for column in data.y.T]
    )
    known = np.isfinite(y) & (variance > 0)

    def error() -> float:
        squares = np.where(known, y - made.predict(x), 0.0) ** 2 / np.where(variance > 0, variance, 1.0)
        return float(squares.sum() / max(known.sum(), 1))

    order, base = np.random.default_rng(0).permutation(len(some)), error()
    out = np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        kept = x[:, column].copy()
        x[:, column] = kept[order]
        out[column] = error() - base
        x[:, column] = kept
    return out

"""Targets and predictions of held-out rows in; errors with intervals, and which of two mappings is better, out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.learning.splits import Rows

_DRAWS = 2000
FEW_BLOCKS = 8
NO_INTERVAL = (float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Score:
    """How well one control is predicted where it was not learned; NaN where nothing is known."""

    control: str
    r2: float  # 1 − MSE / variance of the target there
    mse: float  # in the control's unit, squared
    interval: tuple[float, float]  # of R², 95 %, blocks drawn anew


@dataclass(frozen=True, slots=True)
class Comparison:
    """By how much the error of one mapping is lower than another's: share of the other's, all controls alike."""

    lower: float  # 0.3: 30 % lower; negative: higher
    interval: tuple[float, float]  # 95 %
    controls: tuple[str, ...]  # that both drive
    blocks: int

    @property
    def better(self) -> bool | None:
        """Return whether it is better; None: the data cannot tell."""
        low, high = self.interval
        if not np.isfinite(low) or self.blocks < FEW_BLOCKS or low <= 0 <= high:
            return None
        return low > 0


def score(y: FloatArray, predicted: FloatArray, block: Rows, names: tuple[str, ...], seed: int = 0) -> list[Score]:
    """Return the score of every control; `y` and `predicted` (n, n_controls), NaN where not known, `block` (n,)."""
    scores = []
    for column, name in enumerate(names):
        known = np.isfinite(y[:, column]) & np.isfinite(predicted[:, column])
        true = y[known, column].astype(np.float64)
        if len(true) < 2 or np.ptp(true) == 0:
            scores.append(Score(name, float("nan"), float("nan"), NO_INTERVAL))
            continue
        squares = (true - predicted[known, column]) ** 2
        sums = _by_block(block[known], np.column_stack([np.ones(len(true)), true, true**2, squares]))
        drawn = draws(sums, seed)
        scores.append(Score(name, float(_r2(sums.sum(axis=0))), float(squares.mean()), interval(_r2(drawn))))
    return scores


def compare(y: FloatArray, ours: FloatArray, theirs: FloatArray, block: Rows, names: tuple[str, ...]) -> Comparison:
    """Compare two mappings on the rows and controls that both know; each control counts by its own variance."""
    known = np.isfinite(y) & np.isfinite(ours) & np.isfinite(theirs)
    columns = [c for c in range(y.shape[1]) if known[:, c].sum() > 1 and np.ptp(y[known[:, c], c]) > 0]
    errors = np.zeros((len(y), 2))
    for column in columns:
        rows = known[:, column]
        variance = float(np.var(y[rows, column], dtype=np.float64))
        for at, predicted in enumerate((ours, theirs)):
            errors[rows, at] += (y[rows, column].astype(np.float64) - predicted[rows, column]) ** 2 / variance
    used = known[:, columns].any(axis=1) if columns else np.zeros(len(y), bool)
    if not used.any():
        return Comparison(float("nan"), NO_INTERVAL, (), 0)
    sums = _by_block(block[used], errors[used])
    total = sums.sum(axis=0)
    drawn = draws(sums, 0)
    lower = 1 - drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12)
    found = float(1 - total[0] / max(total[1], 1e-12))
    return Comparison(found, interval(lower), tuple(names[c] for c in columns), len(sums))


def draws(sums: FloatArray, seed: int) -> FloatArray:
    """Return sums (n_draws, k) over as many blocks as there are, drawn with replacement from `sums` (n_blocks, k)."""
    counts = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_DRAWS)
    return np.asarray(counts @ sums)


def interval(values: FloatArray) -> tuple[float, float]:
    """Return the middle 95 % of bootstrap values."""
    finite = values[np.isfinite(values)]
    if len(finite) < 100:
        return NO_INTERVAL
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _by_block(block: Rows, values: FloatArray) -> FloatArray:
    """Return the sums of `values` (n, k) over each block (n_blocks, k)."""
    _, number = np.unique(block, return_inverse=True)
    return np.column_stack([np.bincount(number.reshape(-1), values[:, k]) for k in range(values.shape[1])])


def _r2(sums: FloatArray) -> FloatArray:
    """Return R² from sums (…, 4) of 1, y, y² and squared errors."""
    count, first, second, error = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    spread = second - first**2 / np.maximum(count, 1e-12)
    return np.where(spread > 1e-9 * np.maximum(second, 1e-12), 1 - error / np.where(spread > 0, spread, 1.0), np.nan)

"""Rows in, a ridge regression out, its penalties tuned on stretches that it has not seen.

All of it comes from sums of products: those of any set of stretches are the sum of theirs, and one decomposition serves
every penalty.  scikit-learn's `RidgeCV` tunes on single rows left out, which in a time series have twins on both sides;
its `Ridge` gives the same numbers (a test compares them), but would read an hour of features a thousand times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.splits import Rows, distant
from brainmusic_daemon.mapping.model import FAR

ALPHAS: FloatArray = np.logspace(-7, 2, 19)
"""Penalties per row, for standardised features: comparable however many rows there are."""

_UNTUNED = 1e-2  # where there is but one stretch to tune on
_CHUNK = 20_000  # rows that are widened to float64 at a time


@dataclass(frozen=True, slots=True)
class Linear:
    """y = intercept + ((x − mean) / scale) · weights; whoever plays it clips."""

    mean: FloatArray  # (n_features,)
    scale: FloatArray  # (n_features,)
    weights: FloatArray  # (n_features, n_controls) in the controls' units per standard deviation of the feature
    intercept: FloatArray  # (n_controls,)
    alphas: FloatArray  # (n_controls,) penalty per row

    def predict(self, x: FloatArray) -> FloatArray:
        """Return (n, n_controls) float32 for `x` (n, n_features)."""
        reach = (FAR * self.scale).astype(np.float32)  # as whoever plays it
        centre = self.mean.astype(np.float32)
        x = np.clip(x, centre - reach, centre + reach)
        slope = self.weights / self.scale[:, None]
        return np.asarray(x @ slope.astype(np.float32) + (self.intercept - self.mean @ slope).astype(np.float32))


def fit(data: DataSet, rows: Rows, label: Rows, gap_s: float, alpha: float | None = None) -> Linear:
    """Fit every control on those of `rows` that have a target for it.

    The penalty of each control is `alpha`, or tuned by cross-validation over the stretches that `label` (n,) numbers.
    """
    centre, scale = spread(data.x[rows], data.weights[rows])
    weights = np.zeros((data.x.shape[1], data.y.shape[1]))
    intercept, alphas = np.zeros(data.y.shape[1]), np.zeros(data.y.shape[1])
    for columns in _alike(np.isfinite(data.y[rows])):
        own = rows[np.isfinite(data.y[rows, columns[0]])]
        sums = _Sums(data, columns, centre, scale)
        parts = [own[label[own] == number] for number in np.unique(label[own])]
        of_parts = [sums.of(part) for part in parts]
        total = np.sum(of_parts, axis=0)
        if alpha is not None or len(parts) < 2:
            chosen = np.full(len(columns), _UNTUNED if alpha is None else alpha)
        else:
            errors = np.zeros((len(ALPHAS), len(columns)))
            for part, of_part in zip(parts, of_parts, strict=True):
                others = own[label[own] != label[part[0]]]
                near = np.setdiff1d(others, distant(data, others, part, gap_s), assume_unique=True)
                learned = total - of_part - sums.of(near)
                if learned[0, 0] > 1e-9:
                    errors += [_error(of_part, *found) for found in _solve(learned, len(scale), ALPHAS)]
            chosen = ALPHAS[np.argmin(errors, axis=0)]
        for penalty in np.unique(chosen):
            (slope, at_zero), same = next(_solve(total, len(scale), np.array([penalty]))), chosen == penalty
            which = np.array(columns)[same]
            weights[:, which], intercept[which], alphas[which] = slope[:, same], at_zero[same], penalty
    return Linear(centre, scale, weights, intercept, alphas)


def spread(x: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted mean and standard deviation (n_features,) of `x` (n, n_features); the latter is never 0."""
    total = float(weights.sum(dtype=np.float64))
    mean = weights.astype(np.float64) @ x / total
    square = np.zeros(x.shape[1])
    for at in range(0, len(x), _CHUNK):
        square += weights[at : at + _CHUNK].astype(np.float64) @ (x[at : at + _CHUNK] - mean) ** 2
    deviation = np.sqrt(square / total)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted sums of products of [1, standardised features, targets] over rows."""

    data: DataSet
    columns: list[int]
    centre: FloatArray
    scale: FloatArray

    def of(self, rows: Rows) -> FloatArray:
        """Return the symmetric matrix (1 + n_features + n_columns, the same)."""
        n = 1 + len(self.scale) + len(self.columns)
        out = np.zeros((n, n))
        for at in range(0, len(rows), _CHUNK):
            some = rows[at : at + _CHUNK]
            z = np.empty((len(some), n))
            z[:, 0] = 1.0
            z[:, 1 : 1 + len(self.scale)] = (self.data.x[some] - self.centre) / self.scale
            z[:, 1 + len(self.scale) :] = self.data.y[some][:, self.columns]
            out += (z * self.data.weights[some, None]).T @ z
        return out


def _solve(sums: FloatArray, n: int, alphas: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield (slope (n, n_columns), intercept (n_columns,)) for each penalty."""
    weight, mean = sums[0, 0], sums[0, 1:] / sums[0, 0]
    covariance = sums[1:, 1:] / weight - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance[:n, :n])
    turned = vectors.T @ covariance[:n, n:]
    for alpha in alphas:
        slope = vectors @ (turned / (np.maximum(values, 0.0) + alpha)[:, None])
        yield slope, mean[n:] - mean[:n] @ slope


def _error(sums: FloatArray, slope: FloatArray, intercept: FloatArray) -> FloatArray:
    """Return the sum of squared errors (n_columns,) on the rows behind `sums`."""
    beta = np.vstack([intercept, slope])
    inner, cross, own = sums[: len(beta), : len(beta)], sums[: len(beta), len(beta) :], sums[len(beta) :, len(beta) :]
    return np.asarray(np.diag(own) - 2 * (beta * cross).sum(axis=0) + (beta * (inner @ beta)).sum(axis=0))


def _alike(known: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return the columns that have their targets in the same rows, together; those without any are left out."""
    alike: dict[bytes, list[int]] = {}
    for column in range(known.shape[1]):
        if known[:, column].any():
            alike.setdefault(np.packbits(known[:, column]).tobytes(), []).append(column)
    return [*alike.values()]

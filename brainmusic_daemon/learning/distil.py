"""What a mapper makes of the last minutes' features in, a linear start that sounds like it, to learn on from, out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import Control, FloatArray
from brainmusic_daemon.mapping.model import Model, Span

FEW_ROWS = 100
_PENALTY = 1e-3  # per row, for standardised features
_UNUSED = 0.03  # a feature that the mapper does not look at is trusted so much less
_SPREAD = 0.05  # features of 0..1 that moved less than this are taken to move so much


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A linear mapping of features to positions 0..1 within the controls' ranges: what learning begins from.

    u = bias + ((x − mean) / scale) · weights, clipped to 0..1.  Arrays are never written.
    """

    features: tuple[str, ...]
    controls: tuple[Control, ...]
    mean: FloatArray  # (n_features,)
    scale: FloatArray  # (n_features,) > 0
    weights: FloatArray  # (n_features, n_controls)
    bias: FloatArray  # (n_controls,)
    fidelity: FloatArray  # (n_controls,) R² against the mapper that it was made of; 1 where that one stands still

    @property
    def nothing(self) -> FloatArray:
        """Return the offset that changes nothing (1 + n_features, n_controls)."""
        return np.zeros((1 + len(self.features), len(self.controls)))

    def basis(self, x: FloatArray) -> FloatArray:
        """Return (n, 1 + n_features): one, and the standardised features, whose squares add up to about one too."""
        z = (np.asarray(x, np.float64) - self.mean) / (self.scale * np.sqrt(len(self.mean)))
        return np.column_stack([np.ones(len(z)), z])

    def positions(self, x: FloatArray, offset: FloatArray | None = None) -> FloatArray:
        """Return (n, n_controls), not clipped, for features `x` (n, n_features) as they come.

        `offset` (1 + n_features, n_controls) is added, as a mapping of `basis`.
        """
        u = self.bias + ((np.asarray(x, np.float64) - self.mean) / self.scale) @ self.weights
        return u if offset is None else u + self.basis(x) @ offset

    def model(self, offset: FloatArray, meta: dict[str, object]) -> Model:
        """Return start and offset as a model that `linear` plays, in the controls' units."""
        low = np.array([control.low for control in self.controls])
        span = np.array([control.high for control in self.controls]) - low
        weights = self.weights + offset[1:] / np.sqrt(len(self.mean))
        return Model(
            kind="linear",
            features=self.features,
            controls=tuple(Span(c.name, c.low, c.high, c.unit) for c in self.controls),
            mean=self.mean,
            scale=self.scale,
            layers=((weights * span, low + (self.bias + offset[0]) * span),),
            meta=meta,
        )


def distil(
    features: tuple[str, ...], controls: tuple[Control, ...], x: FloatArray, u: FloatArray, used: FloatArray
) -> Start:
    """Fit positions `u` (n, n_controls) on features `x` (n, n_features) by ridge regression.

    `used` (n_features, n_controls) ≥ 0 says how much the mapper looks at each feature for each control (its own
    explanation): with a few minutes of features that rise and fall together, that keeps the weight where it belongs.
    A row of zeros everywhere: nothing is known.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    scale = np.maximum(x.std(axis=0, dtype=np.float64), _SPREAD)
    z = (x - mean) / scale
    bias = u.mean(axis=0)
    covariance, cross = z.T @ z / len(z), z.T @ (u - bias) / len(z)
    weights = np.zeros((x.shape[1], u.shape[1]))
    for column in range(u.shape[1]):
        most = float(used[:, column].max())
        trust: FloatArray = _UNUSED + used[:, column] / most if most > 0 else np.ones(x.shape[1])
        ridge = covariance * trust * trust[:, None]
        ridge[np.diag_indices_from(ridge)] += _PENALTY
        weights[:, column] = trust * np.linalg.solve(ridge, trust * cross[:, column])
    left = ((u - bias - z @ weights) ** 2).mean(axis=0)
    variance = u.var(axis=0)
    fidelity = np.where(variance > 1e-8, 1 - left / np.maximum(variance, 1e-8), 1.0)
    return Start(features, controls, mean, scale, weights, bias, fidelity)

"""A model's layers in, a network that plays out: controls, and what each feature does to them, in NumPy.

One vector through two layers of 64 costs 7 µs here, and 36 in PyTorch, which takes a second or more to import besides,
40 ms and more of it in one piece that no other thread gets through: several ticks.  The numbers are the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.mapping.model import Model, activate, slope

_NODES = 8  # of the integral, Gauss-Legendre: a network that is smooth needs 4


class Perceptron:
    """Plays the features at `keep`; those that are left out stand at their training mean."""

    def __init__(self, model: Model, keep: npt.NDArray[np.intp]) -> None:
        (first, bias), *others = [(w.astype(np.float64), b.astype(np.float64)) for w, b in model.layers]
        self.activation = model.activation
        self._mean = model.mean[keep].astype(np.float64)
        self._first = first[keep] / model.scale[keep, None].astype(np.float64)  # the scaler costs nothing in here
        self._at_mean = bias
        self._bias = bias - self._mean @ self._first
        self._others = others
        self._low, self._high = model.ends[0][keep], model.ends[1][keep]
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        self._along = np.concatenate([[0.0, 1.0], (nodes + 1) / 2])[:, None]
        self._weights = weights / 2

    def output(self, x: FloatArray) -> FloatArray:
        """Return (n_controls,) in the controls' units, not clipped, for x: (n_features,)."""
        y = np.minimum(np.maximum(x, self._low), self._high) @ self._first + self._bias
        for w, b in self._others:
            y = activate(self.activation, y) @ w + b
        return np.asarray(y)

    def moved(self, x: FloatArray) -> FloatArray:
        """Return by how much each feature moves each control from where it is at the mean, (n_features, n_controls).

        The gradient, averaged along the way from the mean to x (integrated gradients: Sundararajan, Taly & Yan, ICML
        2017), which costs the same however many features there are.  They sum to f(x) − f(mean): what the few nodes
        of the integral miss is spread in proportion.
        """
        away = np.minimum(np.maximum(x, self._low), self._high) - self._mean
        before = [self._at_mean + self._along * (away @ self._first)]  # (nodes, hidden): ahead of each activation
        for w, b in self._others[:-1]:
            before.append(activate(self.activation, before[-1]) @ w + b)
        last, bias = self._others[-1]
        ends = activate(self.activation, before[-1][:2]) @ last + bias
        back = last[None]
        for number in range(len(before) - 1, -1, -1):
            back = slope(self.activation, before[number][2:])[:, :, None] * back
            if number:
                back = self._others[number - 1][0] @ back
        gradient = self._first @ np.tensordot(self._weights, back, 1)
        moved = away[:, None] * gradient
        size = np.abs(moved)
        total = np.maximum(size.sum(axis=0), 1e-12)
        return np.asarray(moved + (ends[1] - ends[0] - moved.sum(axis=0)) / total * size)

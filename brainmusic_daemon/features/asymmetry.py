"""Frontal alpha in, its asymmetry out."""

from __future__ import annotations

import math

import numpy as np

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.spectral import Analysis


@plugin
class Asymmetry:
    """ln α(right frontal) − ln α(left frontal): positive with approach and good mood (Davidson 1992).

    More alpha is less activity, so positive means that the left frontal cortex is the more active one.
    """

    scale = "linear"
    spread = 0.5

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        frontal = setup.regions.get("frontal", np.array([], np.intp))
        self._left, self._right = np.intersect1d(frontal, setup.left), np.intersect1d(frontal, setup.right)
        self._alpha = setup.band("alpha")
        self._value = 0.0
        return bool(len(self._left) and len(self._right) and self._alpha is not None)

    def compute(self, analysis: Analysis) -> float:
        alpha, weights = analysis.power[:, self._alpha], analysis.weights
        left, right = weights[self._left], weights[self._right]
        n_left, n_right = float(left.sum()), float(right.sum())
        if n_left > 1e-3 and n_right > 1e-3:  # else a side has no good electrode: the last value stays
            on_left = float(left @ alpha[self._left]) / n_left
            on_right = float(right @ alpha[self._right]) / n_right
            self._value = math.log(on_right + 1e-9) - math.log(on_left + 1e-9)
        return self._value

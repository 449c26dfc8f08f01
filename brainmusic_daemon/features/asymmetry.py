"""Frontal alpha in, its asymmetry out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
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
        self._left, self._right = setup.pool("frontal.left"), setup.pool("frontal.right")
        self._alpha = setup.band("alpha")
        return None not in (self._left, self._right, self._alpha)

    def compute(self, analysis: Analysis) -> float:
        pooled = analysis.pooled
        return math.log((pooled[self._right, self._alpha] + 1e-9) / (pooled[self._left, self._alpha] + 1e-9))

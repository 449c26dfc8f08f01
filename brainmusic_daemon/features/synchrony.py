"""Analytic alpha signals in, how far the whole head swings together out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis


@plugin
class Synchrony:
    """Global field synchronisation of alpha, 0..1: Koenig et al. (2001), Schizophr. Res. 50:55-60.

    1 when all good channels are in phase or in opposite phase, as with one common source, 0 when their phases are
    anyhow.  It is the ratio (λ₁ − λ₂)/(λ₁ + λ₂) of the two variances of all channels' analytic signals in the complex
    plane, at this very moment: as fast as alpha itself, and unlike `connectivity` not blind to volume conduction.
    """

    scale = "linear"
    spread = 0.2

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs: three channels, as two are hardly a field."""
        column = setup.band("alpha")
        if column is None or len(setup.pools[""]) < 3:
            return False
        from brainmusic_daemon.features import coupling

        self._common_phase, self._column = coupling.common_phase, column
        self._mask = np.zeros(len(setup.channels))
        self._mask[setup.pools[""]] = 1.0
        return True

    def compute(self, analysis: Analysis) -> float:
        return float(self._common_phase(analysis.products, self._column, self._mask * analysis.weights))

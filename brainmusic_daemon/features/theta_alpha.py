"""Band powers in, the ratio θ/α out."""

from __future__ import annotations

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.spectral import Analysis


@plugin
class ThetaAlpha:
    """Theta over alpha, of all good channels: rises with drowsiness and inner absorption (Egner & Gruzelier 2003)."""

    scale = "log"
    spread = 0.8

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        self._theta, self._alpha = setup.band("theta"), setup.band("alpha")
        return self._theta is not None and self._alpha is not None

    def compute(self, analysis: Analysis) -> float:
        pooled = analysis.pooled
        return float(pooled[0, self._theta] / (pooled[0, self._alpha] + 1e-9))

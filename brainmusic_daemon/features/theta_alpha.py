"""Band powers in, the ratio θ/α out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis


@plugin
class ThetaAlpha:
    """Theta over alpha, of all good channels: rises with drowsiness and inner absorption (Egner & Gruzelier 2003)."""

    scale = "log"
    spread = 0.8

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        columns = [setup.band(name) for name in ("theta", "alpha")]
        self._columns = [column for column in columns if column is not None]
        return len(self._columns) == 2

    def compute(self, analysis: Analysis) -> float:
        theta, alpha = self._columns
        return analysis.overall[theta] / (analysis.overall[alpha] + 1e-9)

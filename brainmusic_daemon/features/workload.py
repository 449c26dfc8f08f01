"""Band powers in, the workload index θ(front)/α(back) out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis

_BACK = ("parietal", "occipital")


@plugin
class Workload:
    """Frontal theta over parietal alpha: rises with mental load; Holm et al. (2009), Sci. World J. 9:639-651.

    Without parietal electrodes the occipital ones stand in.
    """

    scale = "log"
    spread = 0.8

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        self._front = setup.pool("frontal")
        self._back = next((setup.pool(name) for name in _BACK if name in setup.pools), None)
        self._theta, self._alpha = setup.band("theta"), setup.band("alpha")
        return None not in (self._front, self._back, self._theta, self._alpha)

    def compute(self, analysis: Analysis) -> float:
        pooled = analysis.pooled
        return float(pooled[self._front, self._theta] / (pooled[self._back, self._alpha] + 1e-9))

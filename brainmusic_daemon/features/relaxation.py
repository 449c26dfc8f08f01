"""Band powers in, the relaxation index α/β out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis


@plugin
class Relaxation:
    """Alpha over beta, of all good channels: alpha falls with attention to the outside, beta rises with thought.

    The two meanings are those of Ray & Cole (1985), Science 228:750-752.  A ratio tells not which of the two has
    moved: `alpha_periodic` and `beta` do.
    """

    scale = "log"
    spread = 0.7

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        columns = [setup.band(name) for name in ("alpha", "beta")]
        self._columns = [column for column in columns if column is not None]
        return len(self._columns) == 2

    def compute(self, analysis: Analysis) -> float:
        alpha, beta = self._columns
        return analysis.overall[alpha] / (analysis.overall[beta] + 1e-9)

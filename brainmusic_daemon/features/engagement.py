"""Band powers in, the engagement index β/(α+θ) out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis


@plugin
class Engagement:
    """Beta over alpha plus theta, of all good channels: Pope, Bogart & Bartolome (1995), Biol. Psychol. 40:187-195."""

    scale = "log"
    spread = 0.7

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        columns = [setup.band(name) for name in ("beta", "alpha", "theta")]
        self._columns = [column for column in columns if column is not None]
        return len(self._columns) == 3

    def compute(self, analysis: Analysis) -> float:
        beta, alpha, theta = self._columns
        power = analysis.overall
        return power[beta] / (power[alpha] + power[theta] + 1e-9)

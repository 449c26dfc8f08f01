"""Band powers in, overall activation out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis


@plugin
class Activation:
    """Geometric mean of all band powers above 4 Hz, in µV²: how much the cortex does over all, whatever the band.

    The geometric mean gives each band the same say; the arithmetic one would be alpha under another name.  It is kin to
    global field power, Lehmann & Skrandies (1980), Electroencephalogr. Clin. Neurophysiol. 48:609-621.
    """

    scale = "log"
    spread = 0.4

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        self._columns = [column for column, (low, _) in enumerate(setup.bands.values()) if low >= 4]
        return bool(self._columns)

    def compute(self, analysis: Analysis) -> float:
        product = 1.0
        for column in self._columns:
            product *= analysis.overall[column] + 1e-9
        return float(product ** (1 / len(self._columns)))

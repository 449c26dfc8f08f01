"""Analytic signals in, phase coupling between the regions of the head out."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import REGIONS, Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis

_PERIOD_S = 0.04
_CHANCE = 1.25  # of one observation; Gaussian noise
_BACK = ("parietal", "occipital", "temporal", "central")


@plugin
class Connectivity:
    """Phase coupling of alpha with a lag: between front and back (`connectivity`) and between any two regions.

    The weighted phase lag index of Vinck et al. (2011), NeuroImage 55:1548-1565, of the regions' mean signals: 1 when
    one always leads.  One source seen by both places (volume conduction), or the reference that they share, has no lag
    and does not count.  Chance is not 0: without any coupling the index is about 0.2 at the default memory (and the
    debiased index, which would be 0, tells coupling from none no better, but keeps to one end of its range).  It is
    the scalp's counterpart of coupling in the default-mode network, whose front and back `connectivity` joins.
    """

    memory_s: Annotated[float, Field(ge=0.5, le=600, description="averaging time constant, s")] = 3.0
    pairs: Annotated[bool, Field(description="also connectivity.<region>_<region> for all regions there are")] = True

    names: ClassVar[tuple[str, ...]] = (
        "connectivity",
        *(f"connectivity.{one}_{other}" for one, other in combinations(REGIONS, 2)),
    )
    scale = "linear"
    spread: ClassVar[float] = 0.15

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs: two regions, or two hemispheres."""
        alpha = setup.band("alpha")
        front = setup.pool("frontal")
        back = next((setup.pool(name) for name in _BACK if name in setup.pools), None)
        if front is None or back is None:  # no such places: the two hemispheres
            front, back = setup.pool("left"), setup.pool("right")
        if alpha is None or front is None or back is None:
            return False
        from brainmusic_daemon.features import coupling

        self._lagged, self._alpha = coupling.lagged, alpha
        regions = [name for name in REGIONS if name in setup.pools]
        joined = [*combinations(regions, 2)] if self.pairs else []
        self.names = ("connectivity", *(f"connectivity.{one}_{other}" for one, other in joined))  # type: ignore[misc]
        rows = [(front, back), *((setup.pool(one), setup.pool(other)) for one, other in joined)]
        self._pairs = np.array(rows, np.intp)
        self._every = max(1, round(_PERIOD_S / setup.tick))
        self._keep = math.exp(-self._every * setup.tick / self.memory_s)
        self._sums = np.zeros((len(rows), 2))
        self._out = np.zeros(len(rows))
        self._n_taps, self._ticks, self._seen = setup.n_taps, -1, 0.0
        # the mean index of as many chance observations as there are independent ones in the memory
        low, high = setup.bands["alpha"]
        self._chance = min(_CHANCE / math.sqrt(2 * self.memory_s * (high - low)), 1.0)
        self._values = [self._chance] * len(rows)
        self.settle_s = min(1.5 * self.memory_s, 8.0)
        return True

    def compute(self, analysis: Analysis) -> list[float]:
        self._ticks += 1
        if self._ticks % self._every == 0 and analysis.window.filled >= self._n_taps:
            real, imag, keep = analysis.pooled_real, analysis.pooled_imag, self._keep
            self._seen += (1 - keep) * (1 - self._seen)
            self._lagged(real, imag, self._alpha, self._pairs, keep, self._seen, self._chance, self._sums, self._out)
            self._values = self._out.tolist()
        return self._values

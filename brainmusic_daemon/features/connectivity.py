"""Analytic signals in, phase coupling between the front and the back of the head out."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.spectral import Analysis

_BACK = ("parietal", "occipital", "temporal", "central")


@plugin
class Connectivity:
    """Imaginary coherency of alpha between frontal and posterior electrodes, |Im C|, 0..1 (Nolte et al. 2004).

    The imaginary part is blind to volume conduction: one source seen by both places has no phase lag.  It is the
    scalp's counterpart of coupling in the default-mode network, whose front and back it joins.
    """

    memory_s: Annotated[float, Field(gt=0, description="averaging time constant, s")] = 2.0

    scale = "linear"
    spread = 0.15

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        front = setup.pool("frontal")
        back = next((setup.pool(name) for name in _BACK if name in setup.pools), None)
        if front is None or back is None:  # no such places: the two hemispheres
            front, back = setup.pool("left"), setup.pool("right")
        self._front, self._back, self._alpha = front, back, setup.band("alpha")
        self._keep = math.exp(-setup.tick / self.memory_s)
        self._cross, self._power_front, self._power_back = 0j, 0.0, 0.0
        return None not in (front, back, self._alpha)

    def compute(self, analysis: Analysis) -> float:
        real, imag, column = analysis.pooled_real, analysis.pooled_imag, self._alpha
        front = complex(real[self._front, column], imag[self._front, column])
        back = complex(real[self._back, column], imag[self._back, column])
        keep, new = self._keep, 1 - self._keep
        self._cross = keep * self._cross + new * front * back.conjugate()
        self._power_front = keep * self._power_front + new * abs(front) ** 2
        self._power_back = keep * self._power_back + new * abs(back) ** 2
        return abs(self._cross.imag) / (math.sqrt(self._power_front * self._power_back) + 1e-9)

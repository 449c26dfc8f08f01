"""Alpha power in, an event at the onset of every burst of alpha out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from brainmusic_daemon.api import Event, plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis

_PLACES = ("occipital", "parietal")
_SMALL = 1e-9  # µV²
_LEARN_S = 5.0  # before so much was seen nothing is a burst
_STEP = 0.8  # of the logarithm: about the inverse of its density at the median, so that the median is tracked at best
_FULL = math.log(100.0)  # an event of strength 1 has a hundred times the median power


@plugin
class Burst:
    """The event `alpha_burst` when a burst of alpha begins; no feature of its own.

    A burst is alpha power over so many times its running median for at least two cycles; it ends half way back.  The
    criterion, multiples of the person's own median, is that of Shin et al. (2017), eLife 6:e29086, for beta; that a
    burst has a least duration is from Hughes et al. (2012), NeuroImage 59:1255-1267.
    """

    threshold: Annotated[float, Field(gt=1, le=50, description="power over its running median that is a burst")] = 4.0
    cycles: Annotated[float, Field(ge=0, le=20, description="it counts once it has lasted so many cycles of alpha")] = (
        2.0
    )
    memory_s: Annotated[float, Field(ge=5, le=3600, description="time constant of the running median, s")] = 60.0

    names: ClassVar[tuple[str, ...]] = ()
    scale = "linear"
    spread: ClassVar[tuple[float, ...]] = ()

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        column = setup.band("alpha")
        if column is None:
            return False
        place = next((name for name in _PLACES if name in setup.pools), "")
        self._at = setup.pool(place), column
        low, high = setup.bands["alpha"]
        self._tick, self._delay = setup.tick, setup.delays.get("alpha", 0.0)
        self._lasting = self.cycles / ((low + high) / 2) - 1e-9
        self._high, self._low = math.log(self.threshold), math.log((1 + self.threshold) / 2)
        self._median, self._known, self._above = 0.0, 0.0, 0.0
        self._inside = False
        self._n_taps = setup.n_taps
        return True

    def compute(self, analysis: Analysis) -> tuple[float, ...]:
        if analysis.window.filled < self._n_taps:
            return ()
        level = math.log(float(analysis.pooled[self._at]) + _SMALL)
        if self._known == 0.0:
            self._median = level
        self._known += self._tick
        step = _STEP * self._tick / min(0.5 + self._known, self.memory_s)
        over = level - self._median
        self._median += math.copysign(min(step, abs(over)), over)
        if over > self._high:
            self._above += self._tick
            if not self._inside and self._above > self._lasting and self._known > _LEARN_S:
                self._inside = True
                begun = analysis.window.time - self._delay - (self._above - self._tick)
                analysis.events.append(Event("alpha_burst", begun, min(over / _FULL, 1.0)))
        else:
            self._above = 0.0
            self._inside = self._inside and over > self._low
        return ()

"""Physical features in, the same features as 0..1 around this person's own middle out."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features import compiled

_PRIOR_S = 4.0  # the prior spread weighs as much as this many seconds of data
_FIRST_S = 0.5  # and the first value of the middle as much as this


class Baseline:
    """An adaptive middle and spread per feature; the value is the person's own (normal) percentile.

    A percentile neither clips nor depends on units: half of the time is above 0.5, a tenth above 0.9, on any person.
    The first seconds move it fast; afterwards it forgets with the time constant `memory_s`.  Outliers pull no harder
    than three spreads, so that one cough does not flatten the next minute.
    """

    def __init__(self, n_logarithmic: int, spread: FloatArray, memory_s: float) -> None:
        """`spread` (n,): what to expect before any is seen; the first `n_logarithmic` are judged on the logarithm."""
        self._n_logarithmic, self._memory = n_logarithmic, memory_s
        self.middle = np.zeros(len(spread))
        self.variance = np.square(spread, dtype=float)
        self._floor = 1e-4 * self.variance
        self.seconds = 0.0  # of good signal that went in

    def update(self, raw: FloatArray, dt: float, learn: bool, out: FloatArray) -> None:
        """Write each feature's 0..1 to `out` (n,); `learn` False leaves the baseline as it is (bad signal)."""
        if self.seconds == 0.0:
            self.middle[:] = raw
            logarithmic = self.middle[: self._n_logarithmic]
            np.log(np.maximum(logarithmic, compiled.SMALL), out=logarithmic)
        if learn:
            self.seconds += dt
        known = min(self.seconds, self._memory)
        towards_middle, towards_variance = min(dt / (_FIRST_S + known), 1.0), dt / (_PRIOR_S + known)
        compiled.normalise(
            raw,
            self._n_logarithmic,
            self.middle,
            self.variance,
            self._floor,
            learn,
            towards_middle,
            towards_variance,
            out,
        )

"""Physical features in, the same features as 0..1 around this person's own middle out."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray

_LOGISTIC = 1.702  # 1/(1+exp(−1.702 z)) is the normal distribution function within 0.01 (Haley 1952)
_PRIOR_S = 4.0  # the prior spread weighs as much as this many seconds of data


class Baseline:
    """An adaptive middle and spread per feature; the value is the person's own (normal) percentile.

    A percentile neither clips nor depends on units: half of the time is above 0.5, a tenth above 0.9, on any person.
    The first seconds move it fast; afterwards it forgets with the time constant `memory_s`.  Outliers pull no harder
    than three spreads, so that one cough does not flatten the next minute.
    """

    def __init__(self, logarithmic: FloatArray, spread: FloatArray, memory_s: float) -> None:
        """`logarithmic` (n,) bool: judged on the logarithm; `spread` (n,): the spread to expect before any is seen."""
        self._log = np.asarray(logarithmic, bool)
        self._memory = memory_s
        self.middle = np.zeros(len(spread))
        self._prior = spread.astype(float) ** 2
        self.variance = self._prior.copy()
        self.seconds = 0.0  # of good signal that went in
        self._x = np.zeros(len(spread))
        self._e = np.zeros(len(spread))

    def update(self, raw: FloatArray, dt: float, learn: bool, out: FloatArray) -> None:
        """Write each feature's 0..1 to `out`; `learn` False leaves the baseline as it is (bad signal)."""
        x, e = self._x, self._e
        x[:] = raw
        np.log(np.maximum(x, 1e-9), out=x, where=self._log)
        if self.seconds == 0.0:
            self.middle[:] = x
        np.subtract(x, self.middle, out=e)
        if learn:
            self.seconds += dt
            limit = 3 * np.sqrt(self.variance)
            bounded = np.minimum(np.maximum(e, -limit), limit)
            self.middle += bounded * min(dt / (0.5 + min(self.seconds, self._memory)), 1.0)
            bounded *= bounded
            bounded -= self.variance
            self.variance += bounded * (dt / (_PRIOR_S + min(self.seconds, self._memory)))
            np.maximum(self.variance, 1e-4 * self._prior, out=self.variance)
        e /= np.sqrt(self.variance)
        e *= -_LOGISTIC
        np.minimum(e, 30.0, out=e)
        np.exp(e, out=e)
        e += 1.0
        np.divide(1.0, e, out=out)

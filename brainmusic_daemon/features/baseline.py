"""Physical features in, the same features as 0..1 within this person's own range out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features import compiled

_SHARE = 0.45  # of the way from low to high; below half, as log powers dip deeper than they peak
_SETTLED_S = 600.0  # what a profile counts for, in seconds of the same person
_KNOWN = 3.0  # a range from a profile closes so many times as slowly: both its ends were seen on purpose


class Baseline:
    """An adaptive range per feature; 0.5 is its middle, and no value is ever clipped.

    *The middle* lies between the lowest and the highest level (over 3 s) that this person was at, not at the mean of
    all that came: a quarter of an hour with closed eyes must not become the new usual.  So the range opens within
    seconds for a level outside it and closes with `memory_s` (in the first minute faster, growing with the square
    of the time, so that hands at the headset are outgrown and the first closed eyes are not).  Unlike a running mean
    it needs no equal share of both states, and unlike the extremes of a session it forgets what does not come back.

    *The spread* is the mean distance from the middle, above and below apart, because log powers are skewed.  Outliers
    count as three spreads at most (as one for the level, which is then near a median), so that one cough does not
    flatten the next minute.  The first seconds are no range: averages are still filling then.

    *The curve* is an arc tangent: 5 to 95 % of a normal distribution spans 0.78 of the range; 0.01 and 0.99 are only
    reached 19 spreads out, so artifacts saturate late and what is heard keeps moving.
    """

    def __init__(self, n_logarithmic: int, spread: FloatArray, memory_s: float) -> None:
        """`spread` (n,): what to expect before any is seen; the first `n_logarithmic` are judged on the logarithm."""
        n = len(spread)
        self.n_logarithmic, self._memory = n_logarithmic, np.full(n, float(memory_s))
        self.level, self.low, self.high = np.zeros(n), np.zeros(n), np.zeros(n)
        self._prior = spread / compiled.NORMAL
        self.below, self.above = self._prior.copy(), self._prior.copy()
        self._floor = 1e-2 * self._prior
        self._share = np.where(np.arange(n) < n_logarithmic, _SHARE, 0.5)
        self._known = np.zeros(n)  # s of good signal behind each feature
        self.seconds = 0.0  # of good signal that went in, or stand in for it

    @property
    def middle(self) -> FloatArray:
        """Return what becomes 0.5 (n,), on the logarithm where that is what is judged."""
        return np.asarray(self.low + self._share * (self.high - self.low))

    @property
    def spread(self) -> FloatArray:
        """Return the spreads below and above the middle (n, 2)."""
        return np.asarray(compiled.NORMAL * np.column_stack([self.below, self.above]))

    def seed(self, at: npt.NDArray[np.intp], middle: FloatArray, spread: FloatArray, reach: FloatArray) -> None:
        """Start the features `at` (k,) from a known person's range: no calibration phase.

        `middle` (k,), `spread` (k, 2) below and above it, and `reach` (k, 2), the lowest and the highest level.
        """
        floor = self._floor[at]
        low, high = np.minimum(reach[:, 0], middle - floor), np.maximum(reach[:, 1], middle + floor)
        # a middle close to one end would move with every breath at that end
        low = np.minimum(low, middle - 0.25 * (high - middle))
        high = np.maximum(high, middle + 0.25 * (middle - low))
        self.low[at], self.high[at], self.level[at] = low, high, middle
        self._share[at] = (middle - low) / (high - low)
        self.below[at], self.above[at] = np.maximum(spread.T / compiled.NORMAL, self._floor[at])
        self._known[at] = _SETTLED_S
        self._memory[at] *= _KNOWN
        self.seconds = _SETTLED_S

    def restart(self, at: npt.NDArray[np.intp]) -> None:
        """Forget what the features `at` (k,) were like: the next value is their middle."""
        self._known[at] = 0.0
        self.below[at] = self.above[at] = self._prior[at]

    def update(self, raw: FloatArray, dt: float, learn: bool, out: FloatArray) -> None:
        """Write each feature's 0..1 to `out` (n,); `learn` False leaves the baseline as it is (bad signal)."""
        if learn:
            self.seconds += dt
        compiled.normalise(
            raw,
            self.n_logarithmic,
            self._share,
            self.level,
            self.low,
            self.high,
            self.below,
            self.above,
            self._floor,
            self._known,
            learn,
            dt,
            self._memory,
            out,
        )

"""What was delivered and when, and the truth, in; correlation over lag, best lag, rate, out.

The judge knows no tool: values with times of arrival, an envelope with times of pushing, all on one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEP_S = 0.005  # of the lags
HELD_HZ = 200.0  # how finely a receiver looks at what it has
LONGEST_S = 5.0
SETTLE_S, END_S = 6.0, 1.5  # left out: filling windows and looking back; the truth has no future to look at
ASKED = 0.95
PROMPT_S = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one run of one peer follows the truth; correlations are medians over the channels."""

    lags: Array  # s
    curve: Array  # correlation of what a receiver holds with the truth so much earlier
    rate_hz: float  # of new values
    at_arrival: tuple[float, float]  # (best lag s, correlation) judged only at the moments of arrival

    @property
    def best_s(self) -> float:
        return float(self.lags[np.argmax(self.curve)])

    @property
    def best(self) -> float:
        return float(self.curve.max())

    @property
    def prompt(self) -> float:
        """Return the best correlation at 100 ms or less."""
        return float(self.curve[self.lags <= PROMPT_S + 1e-9].max())

    @property
    def reach_s(self) -> float:
        """Return the shortest lag with a correlation of 0.95; NaN where it is never reached."""
        return reach(self.lags, self.curve, ASKED)


def reach(lags: Array, curve: Array, wanted: float) -> float:
    """Return the shortest lag at which the curve is as high, between its points too; NaN: nowhere."""
    there = np.flatnonzero(curve >= wanted)
    if not len(there):
        return float("nan")
    i = int(there[0])
    if i == 0:
        return float(lags[0])
    share = (wanted - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(lags[i - 1] + share * (lags[i] - lags[i - 1]))


def judge(
    delivered: Mapping[str, tuple[Array, Array]], truth: Array, pushed: Array, longest_s: float = LONGEST_S
) -> Verdict:
    """Return how well values by channel (times, values) follow the columns of `truth` (n_samples, n_channels).

    `pushed` (n_samples,) says when each sample left.  Raises ValueError where too little was delivered.
    """
    begin, end = pushed[0] + SETTLE_S, pushed[-1] - END_S
    lags = np.arange(0.0, min(longest_s, SETTLE_S - 1.0) + STEP_S / 2, STEP_S)
    grid = np.arange(begin, end, 1 / HELD_HZ)
    held, arrived, rates = [], [], []
    for column, (times, values) in enumerate(delivered.values()):
        inside = (times >= begin) & (times < end)
        fresh = inside & (np.diff(values, prepend=np.nan) != 0)
        if inside.sum() < 10 or np.ptp(values[inside]) == 0:
            raise ValueError(f"{int(inside.sum())} values in {end - begin:.0f} s")
        rates.append(fresh.sum() / (end - begin))
        newest = np.searchsorted(times, grid, side="right") - 1
        at = np.where(newest >= 0, values[np.maximum(newest, 0)], np.nan)
        held.append(_curve(at, grid, truth[:, column], pushed, lags))
        arrived.append(_curve(values[inside], times[inside], truth[:, column], pushed, lags))
    curve, plain = np.median(held, axis=0), np.median(arrived, axis=0)
    best = int(np.argmax(plain))
    return Verdict(lags, curve, float(np.median(rates)), (float(lags[best]), float(plain[best])))


def _curve(values: Array, times: Array, truth: Array, pushed: Array, lags: Array) -> Array:
    known = np.isfinite(values)
    values, times = values[known], times[known]
    found = [np.corrcoef(values, np.interp(times - lag, pushed, truth))[0, 1] for lag in lags]
    return np.array(found)


def median(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the median run: curve and rate, point by point."""
    lags = verdicts[0].lags
    curve = np.median([one.curve for one in verdicts], axis=0)
    plain = np.median([one.at_arrival for one in verdicts], axis=0)
    return Verdict(lags, curve, float(np.median([one.rate_hz for one in verdicts])), (plain[0], plain[1]))

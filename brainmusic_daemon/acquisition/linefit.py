"""Jittering times of evenly spaced samples in, the straight line behind them out: a clock model with a tracked rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

START_S, MEMORY_S = 1.0, 8.0  # the stated rate counts like this much data; later the fit forgets after this long
EXACT = 0.05  # a time this near to the line (in periods) is as good as the line: it is passed on as it came
CLEAN = 0.1  # mean deviation, in periods, below which times count as exact and a step is believed at once
TOLERANCE = 1.5  # a deviation of more periods than this, and more than JITTERS mean deviations, is suspicious
JITTERS = 5.0
RATE_RANGE = 0.05  # the true rate is within 5 % of the stated one
UNLEARNED = 0.25  # one time teaches the mean deviation at most this much, s


class LineFit:
    """time = line + period, sample by sample: a growing-memory least-squares line that ends as a fading-memory one.

    The gains are those of the α-β (g-h) filter that fits a line to all samples so far, 2(2k−1)/(k(k+1)) and
    6/(k(k+1)), held from k = MEMORY_S on (Brookner, Tracking and Kalman Filtering Made Easy, 1998, ch. 1).  Everything
    is done one sample at a time with plain floats, so the result cannot depend on how samples were chunked; for the
    5 to 20 samples of a read that is faster than array calls as well.
    """

    def __init__(self, samplerate: float) -> None:
        self.nominal = 1.0 / samplerate
        self.period = self.nominal
        self.line: float | None = None  # fitted time of the newest sample
        self.jitter = 0.0  # mean |deviation| of late, s
        self._first = max(2, round(START_S * samplerate))
        self._most = max(3, round(MEMORY_S * samplerate))
        self._forget = 1.0 / self._first
        self._k = self._first
        self._exact: float | None = None

    @property
    def time(self) -> float:
        """Best time of the newest sample: the source's own where it lies on the line, else the line's."""
        return self._exact if self._exact is not None else (self.line or 0.0)

    @property
    def tolerance(self) -> float:
        return max(TOLERANCE * self.period, JITTERS * self.jitter)

    @property
    def clean(self) -> bool:
        """Whether the times have been seen to be (almost) exact."""
        return self._k - self._first >= self._first and self.jitter < CLEAN * self.period

    def anchor(self, time: float) -> None:
        """Let the line go through `time` at the *next* sample; the rate stays as it was learned."""
        self.line = time - self.period

    def skip(self, n: int) -> None:
        """Pass `n` samples that never came."""
        if self.line is not None:
            self.line += n * self.period

    def ahead(self, n: int) -> float:
        """Return what the line says of the sample `n` samples after the newest (0 before there is a line)."""
        return 0.0 if self.line is None else self.line + n * self.period

    def advance(self, times: Sequence[float], at: int, last: float) -> int:
        """Follow `times[at:]` while they advance from `last` and stay near the line; return the first that does not."""
        if self.line is None:
            if not math.isfinite(times[at]):
                return at
            self.anchor(times[at])
        line, period, jitter, k, most = self.line, self.period, self.jitter, self._k, self._most
        assert line is not None
        forget, shortest, longest = self._forget, self.nominal / (1 + RATE_RANGE), self.nominal * (1 + RATE_RANGE)
        near, size = EXACT * period, 0.0
        n, time = len(times), last
        while at < n:
            time = times[at]
            error = time - (line + period)
            size = error if error >= 0 else -error
            if not (time > last and (size < TOLERANCE * period or size < JITTERS * jitter)):
                break
            if k < most:
                k += 1
            gain = 2.0 / (k + 1)  # 2(2k−1)/(k(k+1)) ≈ 2·gain, 6/(k(k+1)) ≈ 1.5·gain² for the k ≥ 100 that occur
            line += period + 2.0 * gain * error
            period += 1.5 * gain * gain * error
            if period > longest:
                period = longest
            elif period < shortest:
                period = shortest
            jitter += (size - jitter) * forget
            last = time
            at += 1
            self._exact = time if size < near else None
        self.line, self.period, self.jitter, self._k = line, period, jitter, k
        return at

    def accept(self, time: float) -> None:
        """Take one time that `advance` refused as jitter: it pulls the line no more than a tolerable one would."""
        if self.line is None:
            self.anchor(time)
        assert self.line is not None
        error, tolerance = time - (self.line + self.period), self.tolerance
        pull = min(max(error, -tolerance), tolerance)
        self._k = min(self._k + 1, self._most)
        gain = 2.0 / (self._k + 1)
        self.line += self.period + 2.0 * gain * pull
        wanted = self.period + 1.5 * gain * gain * pull
        self.period = min(max(wanted, self.nominal / (1 + RATE_RANGE)), self.nominal * (1 + RATE_RANGE))
        self.jitter += (min(abs(error), UNLEARNED) - self.jitter) * self._forget
        self._exact = time if abs(error) < EXACT * self.period else None

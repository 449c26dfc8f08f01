"""Durations in, percentiles out: a histogram that costs the tick one list access."""

from __future__ import annotations

import math

_PER_DECADE = 20  # steps of 12 %
_DECADES = 7  # 1 µs to 10 s
_LOG_STEP = _PER_DECADE / math.log(10)
_SIZE = _PER_DECADE * _DECADES + 2


class Histogram:
    """Counts of durations in logarithmic bins.  One writer; any thread may read."""

    def __init__(self) -> None:
        self._bins = [0] * _SIZE
        self.count = 0
        self.total = 0.0  # s
        self.worst = 0.0  # s

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a duration, or several alike; anything below a microsecond is in the first bin."""
        at = int(math.log(seconds * 1e6) * _LOG_STEP) + 1 if seconds > 1e-6 else 0
        self._bins[at if at < _SIZE else _SIZE - 1] += times
        self.count += times
        self.total += seconds * times
        if seconds > self.worst:
            self.worst = seconds

    def percentile(self, percent: float) -> float:
        """Return the upper edge of the bin that holds the percentile, in seconds; 0 when nothing was counted."""
        wanted = self.count * percent / 100
        seen = 0
        for at, n in enumerate(self._bins):
            seen += n
            if seen >= wanted and seen:
                return float(min(1e-6 * math.exp(at / _LOG_STEP), self.worst))
        return 0.0

    def cumulative(self) -> list[tuple[float, int]]:
        """Return (upper edge in seconds, how many were not above it), four edges a decade, the last one infinite.

        An edge itself counts as above.  The numbers belong together, whatever is added meanwhile.
        """
        bins = list(self._bins)
        found = [(10.0 ** (at / _PER_DECADE - 6), sum(bins[: at + 1])) for at in range(0, _SIZE - 1, _PER_DECADE // 4)]
        return [*found, (math.inf, sum(bins))]

    def summary(self) -> dict[str, float]:
        """Return count, and mean, 50th, 95th and 99th percentile and maximum in milliseconds."""
        return {
            "count": self.count,
            "mean_ms": round(1e3 * self.total / self.count, 4) if self.count else 0.0,
            **{f"p{percent}_ms": round(1e3 * self.percentile(percent), 4) for percent in (50, 95, 99)},
            "max_ms": round(1e3 * self.worst, 4),
        }

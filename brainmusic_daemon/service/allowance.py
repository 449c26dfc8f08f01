"""Requests of many senders in, whether one more may be answered out: so many at once, then so many a second."""

from __future__ import annotations

import time

_MOST = 100  # senders that are remembered


class Allowance:
    """One thread's; whoever makes senders up does not fill the memory."""

    def __init__(self, at_once: float, per_s: float) -> None:
        self._at_once, self._per_s = at_once, per_s
        self._left: dict[str, tuple[float, float]] = {}  # sender → how many are left, as of when

    def take(self, who: str) -> bool:
        """Return whether there is one for this sender, and take it."""
        now = time.monotonic()
        left, then = self._left.get(who, (self._at_once, now))
        left = min(left + (now - then) * self._per_s, self._at_once)
        if who not in self._left and len(self._left) >= _MOST:
            self._left.clear()
        self._left[who] = max(left - 1.0, 0.0) if left >= 1.0 else left, now
        return left >= 1.0

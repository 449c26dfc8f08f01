"""A device's wrapping sample counter in; sample numbers with the losses counted out, where it can be trusted."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray

_WRAPS = (100, 101, 128, 200, 201, 256, 65_536)  # what boards count up to before they begin again at 0
_PROBATION = 64  # steps of one in a row that earn trust, together with a wrap
_DOUBTS = 0.2  # share of other steps that loses it for good


class Counter:
    """Learns where the counter wraps.

    Boards differ: some count every sample to 256, some repeat a number for all samples of a radio packet, some count
    in twos.  Only a counter that steps by ones and wraps at a usual place is believed; until it has wrapped once, and
    for the others, there are no numbers.  A loss of exactly one wrap does not show in the counter: a second that is
    missing in the time stamps does.
    """

    def __init__(self, samplerate: float) -> None:
        self._rate = samplerate
        self._last = -1
        self._last_time = 0.0
        self._row = 0  # steps of one in a row
        self._modulus = 0
        self._number = 0  # of the newest sample
        self._good = self._odd = 0.0

    def numbers(self, counts: FloatArray, times: FloatArray) -> list[tuple[int, int, int | None]]:
        """Return (start, stop, number of the first or None) for stretches (n_samples,) without a loss inside."""
        stretches: list[tuple[int, int, int | None]] = []
        start, first = 0, None
        for i, (count, time) in enumerate(zip(counts.tolist(), times.tolist(), strict=True)):
            lost = self._advance(round(count) if np.isfinite(count) else -1, time)
            number = self._number if self._modulus else None
            if i == 0:
                first = number
            elif lost or (number is None) != (first is None):
                stretches.append((start, i, first))
                start, first = i, number
        stretches.append((start, len(counts), first))
        return stretches

    def _advance(self, count: int, time: float) -> int:
        """Take one sample; return how many were lost before it."""
        before, self._last = self._last, count
        passed, self._last_time = time - self._last_time, time
        lost = 0
        if before >= 0 and count >= 0:
            if self._modulus:
                lost = (count - before - 1) % self._modulus
                missing = passed * self._rate - 1 - lost
                if missing > self._rate:
                    lost += round(missing / self._modulus) * self._modulus
                self._judge(lost == 0)
            elif count == before + 1:
                self._row += 1
            else:
                if count == 0 and before + 1 in _WRAPS and self._row >= min(_PROBATION, before):
                    self._modulus = before + 1
                self._row = 0
        self._number += 1 + lost
        return lost

    def _judge(self, expected: bool) -> None:
        self._good = 0.999 * self._good + expected
        self._odd = 0.999 * self._odd + (not expected)
        if self._odd > 20 and self._odd > _DOUBTS * (self._odd + self._good):
            self._modulus, self._row, self._last = 0, -(2**62), -1

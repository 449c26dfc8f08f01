"""Analytic alpha of several heads in, how far each pair swings together out."""

from __future__ import annotations

import cmath
import math
from collections import deque
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from brainmusic_daemon.api import FloatArray

MEMORY_S = 4.0  # some forty waves; a pair that comes together or parts is heard within seconds
CHANCE = 0.2  # what two brains that have nothing to do with each other come to with this memory
CENTRE_HZ = 10.0  # alpha turns about so fast: taken out before values are interpolated
_PAST_S = 1.0  # how far the newest samples of two headsets may be apart

Moment = tuple[float, complex]  # session seconds, µV


class Interbrain:
    """Phase locking of every pair, 0..1: Lachaux et al. (1999), Hum. Brain Mapp. 8:194-208.

    The length of the mean of e^i(φa − φb), fading with `MEMORY_S`; 1: the phases keep their distance, whatever it is.
    Heads share no volume conduction, so unlike within one head a distance of zero is as good as another.  What they
    may share is noise (hum is outside the band), a common stimulus, or nearly the same frequency (Burgess 2013, Front.
    Hum. Neurosci. 7:881); and what they must share is the clock.  Headsets deliver in chunks, so the newest samples of
    two are tens of milliseconds apart, at 10 Hz a third of a turn: each signal is turned back by CENTRE_HZ, what is
    left changes slowly, and is interpolated at the latest moment that all have reached.
    """

    def __init__(self, n: int, tick: float) -> None:
        self.pairs = tuple(combinations(range(n), 2))
        self._i, self._j = (np.array(ends, np.intp) for ends in zip(*self.pairs, strict=True))
        self._past: tuple[deque[Moment], ...] = tuple(deque(maxlen=math.ceil(_PAST_S / tick)) for _ in range(n))
        self._sums = np.zeros(len(self.pairs), np.complex128)
        self._seen = np.zeros(len(self.pairs))  # 0..1, share of the memory that was seen
        self._moment = -math.inf
        self.locking: FloatArray = np.full(len(self.pairs), CHANCE)

    def update(self, newest: Sequence[Moment | None]) -> FloatArray:
        """Return the locking (n_pairs,) after a tick; None: no usable signal, whose pairs stay as they are."""
        moment = math.inf
        for past, new in zip(self._past, newest, strict=True):
            if new is None:
                past.clear()
                continue
            time, value = new
            if not past or time > past[-1][0]:
                past.append((time, value * cmath.exp(-2j * math.pi * CENTRE_HZ * time)))
            moment = min(moment, past[-1][0])
        if not self._moment < moment < math.inf:
            return self.locking
        step = min(moment - self._moment, MEMORY_S)
        self._moment = moment
        phases = np.array([_direction(past, moment) for past in self._past])
        products = phases[self._i] * phases[self._j].conj()
        here = products != 0
        keep = np.where(here, math.exp(-step / MEMORY_S), 1.0)
        self._sums = keep * self._sums + (1 - keep) * products
        self._seen = keep * self._seen + (1 - keep) * here
        # the little that is seen at first agrees with itself: the rest counts as chance
        self.locking = np.abs(self._sums) + (1 - self._seen) * CHANCE
        return self.locking


def _direction(past: deque[Moment], moment: float) -> complex:
    """Return the phase at `moment` as a number of length 1; 0 where it is not known."""
    later: Moment | None = None
    for time, value in reversed(past):
        if time <= moment:
            if later is not None:
                value += (later[1] - value) * (moment - time) / (later[0] - time)
            return value / size if (size := abs(value)) > 0 else 0j
        later = time, value
    return 0j

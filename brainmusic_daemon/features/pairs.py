"""Analytic alpha of several persons and who is there in, features of what is between each two of them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features.baseline import Baseline
from brainmusic_daemon.features.interbrain import MEMORY_S, Interbrain, Moment

GROUP = "interbrain"
_SPREAD = 0.15  # of phase locking
_LEARN_EVERY_S = 0.1  # it changes within seconds: its ranges need not be looked at in every tick
_APART = 1e-3  # of a pair of which one is not followed


class Pairs:
    """`interbrain.<a>.<b>` of every pair, and `interbrain`, their mean, weighted by how far both are followed.

    The physical value is the phase locking; 0..1 is where that lies within the range that this pair has shown, and
    0.5 for a pair that is not there.
    """

    def __init__(self, people: Sequence[str], tick: float, memory_s: float) -> None:
        """`people`: two or more."""
        self._between = Interbrain(len(people), tick)
        pairs = self._between.pairs
        self._first, self._second = (np.array(ends, np.intp) for ends in zip(*pairs, strict=True))
        self.names = (GROUP, *(f"{GROUP}.{people[i]}.{people[j]}" for i, j in pairs))
        self.raw: FloatArray = np.zeros(len(self.names))
        self.values: FloatArray = np.full(len(self.names), 0.5)
        self._ranges = [Baseline(0, np.array([_SPREAD]), memory_s) for _ in self.names]
        self._tick, self._every = tick, max(1, round(_LEARN_EVERY_S / tick))
        self._ticks = 0
        self._together_s = 0.0  # that two were there

    def go_on(self, before: Pairs) -> None:
        """Keep the ranges that are known."""
        known = dict(zip(before.names, before._ranges, strict=True))
        self._ranges = [known.get(name, new) for name, new in zip(self.names, self._ranges, strict=True)]

    def update(self, moments: Sequence[Moment | None], follows: FloatArray) -> None:
        """Take in a tick: of every person the newest moment, None without a usable signal, and the share followed."""
        locking = self._between.update(moments)
        weights = follows[self._first] * follows[self._second]
        total = float(weights.sum())
        self.raw[1:] = np.where(weights > _APART, locking, self.raw[1:])
        if total > _APART:
            self.raw[0] = float(weights @ locking) / total
            self._together_s += self._tick
        self._ticks += 1
        if self._ticks % self._every == 0 and self._together_s > MEMORY_S:  # before, it is mostly chance
            self._normalise([float(weights.max()), *weights.tolist()])

    def _normalise(self, shares: Sequence[float]) -> None:
        found = np.empty(1)
        for number, (share, known) in enumerate(zip(shares, self._ranges, strict=True)):
            if share > _APART:
                known.update(self.raw[number : number + 1], self._every * self._tick, True, found)
                self.values[number] = 0.5 + share * (found[0] - 0.5)

"""A wavering value in, a rung that does not flicker out: smoothed, with hysteresis in level and in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

WIDTH = 0.16


@dataclass(slots=True)
class Ladder:
    """Stands on one of len(edges) + 1 rungs.

    It leaves a rung when the smoothed value is beyond the rung's edge by `hysteresis`, and not before it has stood
    there for `hold` ticks.
    """

    edges: Sequence[float]  # rising: rung i lies between edges[i - 1] and edges[i]
    hysteresis: float
    hold: int
    share: float  # of the way to a new value that is gone in one tick
    value: float  # smoothed
    rung: int = field(init=False)
    since: int = field(default=0, init=False)  # ticks on this rung

    def __post_init__(self) -> None:
        self.rung = sum(self.value > edge for edge in self.edges)
        self.since = self.hold  # where it stands at the beginning is no decision

    def step(self, target: float) -> bool:
        """Go on by one tick; return whether the rung is another one now."""
        self.value = value = self.value + self.share * (target - self.value)
        self.since += 1
        if self.since < self.hold:
            return False
        edges, rung = self.edges, self.rung
        while rung < len(edges) and value > edges[rung] + self.hysteresis:
            rung += 1
        while rung > 0 and value < edges[rung - 1] - self.hysteresis:
            rung -= 1
        if rung == self.rung:
            return False
        self.rung, self.since = rung, 0
        return True


def share_of(smooth_s: float, tick: float) -> float:
    """Return the share of a step that is gone in one tick (s) with this time constant (s)."""
    return 1.0 - math.exp(-tick / smooth_s) if smooth_s > 0 else 1.0


def centres(edges: Sequence[float]) -> list[float]:
    """Return the middle of every rung; the outermost count as wide as those between them, a single edge as WIDTH."""
    reach = (edges[-1] - edges[0]) / max(len(edges) - 1, 1) or WIDTH
    ends = [edges[0] - reach, *edges, edges[-1] + reach]
    return [(low + high) / 2 for low, high in pairwise(ends)]


def memberships(value: float, middles: Sequence[float]) -> list[float]:
    """Return how much a value belongs to each rung: 1 in a rung's middle, shared with the neighbour on the way."""
    found = [0.0] * len(middles)
    if value <= middles[0]:
        found[0] = 1.0
    elif value >= middles[-1]:
        found[-1] = 1.0
    else:
        upper = next(i for i, middle in enumerate(middles) if middle > value)
        below, above = middles[upper - 1], middles[upper]
        found[upper] = (value - below) / (above - below)
        found[upper - 1] = 1.0 - found[upper]
    return found

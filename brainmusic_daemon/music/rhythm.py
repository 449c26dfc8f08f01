"""A number of hits and a number of steps in, a pattern out; more hits never give fewer."""

from __future__ import annotations

from functools import cache


@cache
def euclid(hits: int, steps: int) -> tuple[bool, ...]:
    """Spread `hits` over `steps` as evenly as whole steps allow, the first on the first.

    The patterns of Bjorklund's algorithm up to rotation (Toussaint, "The Euclidean algorithm generates traditional
    musical rhythms", 2005), here by Bresenham's rule.
    """
    return tuple((step * hits) % steps < hits for step in range(steps))


@cache
def metric(hits: int, steps: int) -> tuple[bool, ...]:
    """Fill the strong steps first, then the weaker: each pattern keeps the hits of the sparser ones."""
    order = sorted(range(steps), key=lambda step: (-weight(step, steps), step))
    chosen = {*order[:hits]}
    return tuple(step in chosen for step in range(steps))


@cache
def weight(step: int, steps: int) -> float:
    """Return how strong a step is, 1 for the first … towards 0: by how large an even part of the whole it begins."""
    if step % steps == 0:
        return 1.0
    size, level = steps, 1.0
    while size > 1:
        factor = next(p for p in range(2, size + 1) if size % p == 0)
        size //= factor
        level *= 0.6
        if step % size == 0:
            return level
    return level


def hits_for(density: float, low: float, high: float, steps: int) -> int:
    """Return how many of `steps` are played: the share runs from `low` to `high` with `density` (0..1)."""
    return min(max(round((low + (high - low) * density) * steps), 0), steps)

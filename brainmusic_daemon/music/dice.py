"""A seed and a place in the piece in, a number without pattern out: the same each time, whatever came before."""

from __future__ import annotations

_MASK = 2**64 - 1


def throw(*key: int) -> float:
    """Return a number in 0 ≤ x < 1 that depends on all of `key` (SplitMix64's mixing, Steele et al. 2014)."""
    state = 0
    for part in key:
        state = (state + (part & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / 2**53

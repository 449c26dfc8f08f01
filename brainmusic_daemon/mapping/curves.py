"""A position 0..1 in, a position 0..1 out: the shapes that a route can bend its feature with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Curve = Callable[[float], float]
Shape = Literal["linear", "exp", "log", "s", "power"]


def make(shape: Shape, amount: float | None, low: float, high: float) -> Curve:
    """Return a rising curve with curve(0) = 0 and curve(1) = 1, for positions within 0..1.

    `amount` is how strongly it bends.  None: for "exp" and "log" as much as `low`..`high` need for equal steps in to be
    equal ratios out (musical intervals), or 3 where that has no meaning; for "s" and "power" 2.
    """
    if shape == "linear":
        return lambda u: u
    if shape in ("s", "power"):
        k = 2.0 if amount is None else amount
        if shape == "power":
            return lambda u: math.pow(u, k)
        return lambda u: (a := math.pow(u, k)) / (a + math.pow(1.0 - u, k))
    bend = _musical(low, high) if amount is None else amount
    if abs(bend) < 1e-6:
        return lambda u: u
    whole = math.expm1(bend)
    if shape == "exp":
        return lambda u: math.expm1(bend * u) / whole
    return lambda u: math.log1p(whole * u) / bend


def _musical(low: float, high: float) -> float:
    return math.log(high / low) if low > 0 and high > 0 and low != high else 3.0

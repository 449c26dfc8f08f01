"""All runs of a peer in; its median run, as plain values, out."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from peers.judge import Verdict, median
from peers.peer import Peer
from peers.wave import Found


def row(peer: Peer, runs: list[Found]) -> dict[str, Any]:
    """Return the median run of a peer as plain values."""
    verdicts = [one.verdict for one in runs if one.verdict is not None]
    made: dict[str, Any] = {
        **{name: getattr(peer, name) for name in ("key", "tool", "setting", "about", "kind", "role", "version")},
        "runs": len(verdicts),
        "why": next((one.why for one in runs if one.why), "") if not verdicts else "",
    }
    if verdicts:
        good = [one for one in runs if one.verdict is not None]
        minutes = sorted({one.minute for one in good})
        own = {
            name: median([v for one, v in zip(good, verdicts, strict=True) if one.minute == name]) for name in minutes
        }
        typical = median([*own.values()])  # each recording counts the same, however often it was played
        made |= {
            **_figures(typical),
            "cpu": middle([one.cpu for one in good]),
            "memory_mb": middle([one.memory_mb for one in good]),
            "processes": max(one.processes for one in good),
            "lags": typical.lags.tolist(),
            "curve": typical.curve.tolist(),
            "by_minute": {name: _figures(verdict) for name, verdict in own.items()},
            "each": [_each(one, verdict) for one, verdict in zip(good, verdicts, strict=True)],
        }
    return made


def _each(one: Found, verdict: Verdict) -> dict[str, Any]:
    told = {name: value for name, value in asdict(one).items() if name not in ("verdict", "key", "why")}
    return {**told, **_figures(verdict)}


def _figures(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in ("prompt", "best", "best_s", "reach_s", "rate_hz", "at_arrival")}


def middle(values: list[float]) -> float:
    """Return the median of what is known; NaN: nothing is."""
    known = sorted(value for value in values if math.isfinite(value))
    return known[len(known) // 2] if known else math.nan

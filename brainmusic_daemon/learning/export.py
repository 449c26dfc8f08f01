"""What was learned in; the model that a mapper plays, with all that one wants to know about it later, out."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Learned, Plan, Result
from brainmusic_daemon.learning.ridge import Linear
from brainmusic_daemon.mapping.model import Model, Span


def model(data: DataSet, learned: Learned, meta: Mapping[str, Any] | None = None) -> Model:
    """Return `learned`, its outputs in the controls' units."""
    if isinstance(learned, Linear):
        layers, activation, dropout = [(learned.weights, learned.intercept)], "", 0.0
    else:
        layers, activation, dropout = [*learned.layers], learned.shape.activation, learned.shape.dropout
    return Model(
        kind="linear" if isinstance(learned, Linear) else "neural",
        features=data.features,
        controls=tuple(Span(c.name, c.low, c.high, c.unit) for c in data.controls),
        mean=learned.mean.astype(np.float32),
        scale=learned.scale.astype(np.float32),
        layers=tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in layers),
        activation=activation,
        dropout=dropout,
        meta=dict(meta or {}),
    )


def versions() -> dict[str, str]:
    """Return what made the model."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("brainmusic-daemon", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def about(data: DataSet, result: Result, profile: str = "") -> dict[str, Any]:
    """Return what goes into the model's file beside the numbers; no file names, as models are handed around."""
    plan: Plan = result.plan
    found: dict[str, Any] = {
        "profile": profile,
        "data": {"sha256": data.digest, "rows": len(data.x), "minutes": round(data.minutes, 2)},
        "tested": {
            "stretches": result.stretches,
            "by_person": plan.by_person,
            "gap_s": plan.gap_s,
            "rows": len(result.rows),
            "error_below_direct": result.against_direct.lower,
            "error_below_direct_95": result.against_direct.interval,
        },
        "scores": {score.control: {"r2": score.r2, "mse": score.mse} for score in result.scores[plan.kind]},
        "versions": versions(),
    }
    if isinstance(result.learned, Linear):
        found["alpha_per_row"] = result.learned.alphas.tolist()
    else:
        shape = result.learned.shape
        found |= {"epochs": result.final_epochs, "seed": shape.seed, "weight_decay": shape.weight_decay}
    return found

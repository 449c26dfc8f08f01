"""Sessions with a known law in them, for the tests of learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import CONTROL
from brainmusic_daemon.learning.dataset import DataSet, build
from brainmusic_daemon.learning.group import Group

NAMES = ("alpha", "beta", "theta", "engagement", "asymmetry", "theta_alpha", "activation", "connectivity")


def drifting(n: int, count: int, seed: int, seconds: float = 1.0, tick: float = 0.1) -> np.ndarray[Any, Any]:
    """Return (n, count) noise that is alike over `seconds`, with deviation 1: as features are."""
    keep = np.exp(-tick / seconds)
    noise = np.random.default_rng(seed).standard_normal((n, count)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    for i in range(1, n):
        noise[i] += keep * noise[i - 1]
    return noise


def session(
    n: int = 1200,
    controls: Sequence[str] = ("mode", "brightness"),
    *,
    noise: float = 0.3,
    seed: int = 0,
    curve: Callable[[Any], Any] = lambda drive: drive,
    tick: float = 0.1,
    law: int = 0,
) -> Group:
    """Return a session whose targets are a curve of a linear combination of the features, and noise."""
    x = drifting(n, len(NAMES), seed, tick=tick)
    weights = np.random.default_rng(1000 + law).standard_normal((len(NAMES), len(controls))) / np.sqrt(len(NAMES))
    y = curve(x @ weights) + noise * np.random.default_rng(seed + 1).standard_normal((n, len(controls)))
    targets = {}
    for column, name in enumerate(controls):
        made = CONTROL[name]
        targets[name] = (made.low + (made.high - made.low) * (0.5 + 0.1 * y[:, column])).astype(np.float32)
    return Group(
        name=f"session {seed}",
        times=np.arange(n) * tick,
        features=NAMES,
        values=(0.5 + 0.15 * x).astype(np.float32),
        targets=targets,
        weights=np.ones(n, np.float32),
        parts=np.zeros(n, np.intp),
    )


def random_targets(n: int = 1500, *, hold: int = 1, seed: int = 0, slow_s: float = 20.0) -> DataSet:
    """Return slowly drifting features and targets that have nothing to do with them, constant for `hold` rows."""
    x = drifting(n, len(NAMES), seed, slow_s)
    y = np.random.default_rng(seed + 7).uniform(0, 1, -(-n // hold)).repeat(hold)[:n].astype(np.float32)
    made = session(n, seed=seed)
    return build([replace(made, values=(0.5 + 0.15 * x).astype(np.float32), targets={"mode": y})])


def write_csv(path: Path, group: Group, states: Sequence[str] | None = None) -> Path:
    """Write a group as `render --controls` does."""
    head = ["time", *(f"feature.{n}" for n in group.features), *(f"control.{n}" for n in group.targets)]
    lines = [",".join([*head, "quality", "state", "events"])]
    for i in range(len(group)):
        row = [group.times[i], *group.values[i], *(values[i] for values in group.targets.values()), 1.0]
        lines.append(",".join(f"{value:.6g}" for value in row) + f",{states[i] if states else 'good'},")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

"""Known laws, an hour of features, recordings of rest and arithmetic in; what learning makes of them as tables out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import common
from brainmusic_daemon import config
from brainmusic_daemon.api import CONTROL, CONTROLS
from brainmusic_daemon.learning import dataset, fit, scores
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Plan
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.service import material
from brainmusic_daemon.service.listening import listen

SUBJECTS = ("03", "10")
_DRAWS = 2000


def law(n: int, seed: int, bend: Callable[[Any], Any], noise: float = 0.3) -> tuple[DataSet, Any]:
    """Return rows without memory, 10 features to 8 targets by a random law, and the targets without noise."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 10))
    clean = bend(x @ (0.5 * random.standard_normal((10, 8))))
    y = clean + noise * random.standard_normal((n, 8))
    size = 1.01 * np.abs(y).max()
    targets = {f"z.{i}": (y[:, i] / size).astype(np.float32) for i in range(8)}
    names = tuple(f"feature{i}" for i in range(10))
    rows = np.arange(n)
    group = Group("law", rows * 1.0, names, x.astype(np.float32), targets, np.ones(n, np.float32), np.zeros(n, np.intp))
    return dataset.build([group]), clean / size


def laws() -> str:
    """Return R² on rows not seen, beside the best that is possible: the law itself."""
    lines = [
        "| law | rows | linear | network | best possible | linear, at worst below |",
        "|---|---|---|---|---|---|",
    ]
    for name, n, bend in (
        ("linear", 200, lambda drive: drive),
        ("linear", 2000, lambda drive: drive),
        ("1.5·sin(Σ)", 3000, lambda drive: 1.5 * np.sin(drive)),
        ("absolute Σ", 3000, np.abs),
    ):
        found = []
        for seed in range(10 if n == 200 else 3):
            data, clean = law(n, seed, bend)
            result = fit.learn(data, Plan(gap_s=0.0))
            y, best = data.y[result.rows], clean[result.rows]
            possible = np.mean(1 - ((y - best) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0))
            found.append([fit.average(result.scores[kind]) for kind in ("linear", "neural")] + [possible])
        mean, least = np.mean(found, axis=0), np.max([best - linear for linear, _, best in found])
        lines.append(f"| {name} | {n} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} | {least:.3f} |")
    return "\n".join(lines)


def hour() -> str:
    """Return how long an hour at 50 Hz takes: 180,000 rows, 160 features, 18 controls."""
    n, width = 180_000, 160
    random = np.random.default_rng(0)
    x = np.zeros((n, width), np.float32)
    noise = random.standard_normal((n, width)).astype(np.float32)
    for i in range(1, n):  # features remember about a second
        x[i] = 0.98 * x[i - 1] + 0.2 * noise[i]
    targets = {}
    for control in CONTROLS[:18]:
        drive = np.tanh(x[:, :12] @ random.standard_normal(12) / 3) + 0.3 * random.standard_normal(n)
        targets[control.name] = (control.low + (control.high - control.low) * (0.5 + 0.2 * drive)).astype(np.float32)
    names = tuple(f"feature{i}" for i in range(width))
    group = Group(
        "hour", np.arange(n) * 0.02, names, 0.5 + 0.15 * x, targets, np.ones(n, np.float32), np.zeros(n, np.intp)
    )
    data = dataset.build([group])
    lines = ["| mapper | seconds | R² on the last fifth |", "|---|---|---|"]
    for kind, compare in (("linear", False), ("neural", False), ("neural", True)):
        begun = time.monotonic()
        result = fit.learn(data, Plan(kind, compare))
        taken = time.monotonic() - begun
        both = " and the other kind for the report" if compare else ""
        lines.append(f"| {kind}{both} | {taken:.0f} | {fit.average(result.scores[kind]):.2f} |")
    return "\n".join(lines)


def rest() -> str:
    """Return how well rest and arithmetic are told apart within a person, and what time alone would explain."""
    folder = common.recordings() / "rest_vs_arithmetic"
    lines = [
        "| person | told apart | mapper | AUC | balanced accuracy | R² | blocks |",
        "|---|---|---|---|---|---|---|",
    ]
    for subject in SUBJECTS:
        first, second = (folder / f"Subject{subject}_{number}.edf" for number in (1, 2))
        if not second.is_file():
            raise common.Absent(f"needs {second}")
        group = listen(config.load(), [(first, {"mode": 0.2}), (second, {"mode": 0.8})], subject)
        lines += _told_apart(subject, "rest, arithmetic", group)
        lines += _told_apart(subject, "rest, its last third", _halves(group))
    return "\n".join(lines)


def _halves(group: Group) -> Group:
    """Return the rest alone, its last third called the task: what drifts with time is told apart there as well."""
    keep = group.parts == 0
    at = np.count_nonzero(keep) * 2 // 3
    late = np.arange(np.count_nonzero(keep)) >= at
    return replace(
        group,
        times=group.times[keep],
        values=group.values[keep],
        weights=group.weights[keep],
        targets={"mode": np.where(late, 0.8, 0.2).astype(np.float32)},
        parts=late.astype(np.intp),
    )


def _told_apart(subject: str, what: str, group: Group) -> list[str]:
    data = dataset.build([group])
    result = fit.learn(data, Plan())
    lines = []
    for kind in ("linear", "neural"):
        y, said = data.y[result.rows, 0] > 0.5, result.predictions[kind][:, 0]
        drawn = _drawn(y, said, result.blocks)
        middle = (CONTROL["mode"].low + CONTROL["mode"].high) / 2
        cells = [
            f"{point:.2f} ({low:.2f} … {high:.2f}){'' if low > chance else ', not above chance'}"
            for point, (low, high), chance in (
                (_auc(y, said), scores.interval(drawn[:, 0]), 0.5),
                (_accuracy(y, said, middle), scores.interval(drawn[:, 1]), 0.5),
                (result.scores[kind][0].r2, result.scores[kind][0].interval, 0.0),
            )
        ]
        count = f"{len(np.unique(result.blocks[~y]))} + {len(np.unique(result.blocks[y]))}"
        lines.append(f"| {subject} | {what} | {kind} | {' | '.join(cells)} | {count} |")
    return lines


def _drawn(y: Any, said: Any, blocks: Any) -> Any:
    """Return AUC and balanced accuracy with blocks of each condition drawn anew (n_draws, 2)."""
    random = np.random.default_rng(0)
    rows = [
        [np.flatnonzero((blocks == b) & (y == side)) for b in np.unique(blocks[y == side])] for side in (False, True)
    ]
    out = np.empty((_DRAWS // 4, 2))
    for number in range(len(out)):
        some = np.concatenate([side[i][::5] for side in rows for i in random.integers(0, len(side), len(side))])
        out[number] = _auc(y[some], said[some]), _accuracy(y[some], said[some], 0.5)
    return out


def _auc(y: Any, said: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, said))


def _accuracy(y: Any, said: Any, middle: float) -> float:
    return float(((said[y] > middle).mean() + (said[~y] <= middle).mean()) / 2)


def needed() -> str:
    """Return how much data each kind needs: R² on rows not seen, by the number of rows; rows have no memory."""
    sizes = (50, 100, 200, 500, 1000, 3000)
    lines = [f"| law | kind | {' | '.join(map(str, sizes))} | best possible |", f"|---|---|{'---|' * len(sizes)}---|"]
    for name, bend in (("linear", lambda drive: drive), ("absolute Σ", np.abs)):
        found, possible = [], 0.0
        for n in sizes:
            data, clean = law(n, 0, bend)
            result = fit.learn(data, Plan(gap_s=0.0))
            found.append([fit.average(result.scores[kind]) for kind in fit.KINDS])
            y = data.y[result.rows]
            possible = np.mean(
                1 - ((y - clean[result.rows]) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
            )
        for kind, scored in zip(fit.KINDS, zip(*found, strict=True), strict=True):
            lines.append(f"| {name} | {kind} | {' | '.join(f'{r2:.2f}' for r2 in scored)} | {possible:.2f} |")
    return "\n".join(lines)


def kinds() -> str:
    """Return what every kind makes of one task, on the same rows: slow and dark at rest, quick and bright at work."""
    folder = common.recordings() / "rest_vs_arithmetic"
    calm, busy = {"tempo": 60.0, "brightness": 0.2}, {"tempo": 110.0, "brightness": 0.8}
    plain, words = config.load(), config.load("semantic")
    names = ("mean", "direct", "semantic", "linear", "neural", "60 % neural, 40 % direct")
    lines = [f"| person | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for subject in SUBJECTS:
        first, second = (folder / f"Subject{subject}_{number}.edf" for number in (1, 2))
        if not second.is_file():
            raise common.Absent(f"needs {second}")
        group = listen(plain, [(first, calm), (second, busy)], subject)
        data = dataset.build([material.with_direct(group, plain.mapper, plain.tick)])
        result = fit.learn(data, Plan())
        said = dict(result.predictions)
        said["semantic"] = dataset.build([material.with_direct(group, words.mapper, words.tick)]).direct[result.rows]
        said[names[-1]] = 0.6 * said["neural"] + 0.4 * said["direct"]
        y, driven = data.y[result.rows], tuple(control.name for control in data.controls)
        errors = {name: 1 - fit.average(scores.score(y, said[name], result.blocks, driven)) for name in names}
        lines.append(f"| {subject} | {' | '.join(f'{errors[name]:.2f}' for name in names)} |")
    return "\n".join(lines)


TABLES: Mapping[str, Callable[[], str]] = {"laws": laws, "needed": needed, "hour": hour, "rest": rest, "kinds": kinds}

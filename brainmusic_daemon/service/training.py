"""What a user gives to `brainmusic train` in; a model and a report out."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainmusic_daemon import config as configuration
from brainmusic_daemon import registry
from brainmusic_daemon.api import BrainmusicError, ConfigError, Features, Mapper
from brainmusic_daemon.learning import dataset, export, fit, verdict
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Plan, Result
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.service import material
from brainmusic_daemon.there import expanded, is_folder, is_there

Progress = Callable[[float, float], None]
_SHARE_OF_READING = 0.4  # of the progress bar
_TIMED = 400  # ticks


class Stopped(Exception):
    """The user has ended it; nothing was written."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` did."""

    data: DataSet
    result: Result
    model: Model
    cost: Mapping[str, tuple[float, int]]  # method → (seconds per tick, bytes of its file)
    groups: tuple[Group, ...]  # without their arrays' use: for the report's description


def train(
    texts: Sequence[str],
    plan: Plan,
    out: Path,
    report_to: Path | None = None,
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    controls: Sequence[str] = (),
    features: Sequence[str] = (),
    stop: threading.Event | None = None,
    progress: Progress = lambda done, total: None,
) -> Trained:
    """Learn from DATA and write the model to `out`, and the report.  Raises ConfigError, Stopped.

    Files are written last and each at once: whoever stops it has what was there before.
    """
    items = [material.parse(text) for text in texts]
    out = expanded(out)
    _refuse([item.path for item in items], [path for path in (out, report_to) if path is not None])
    if report_to is not None:
        from brainmusic_daemon.learning import report

        report.check()
    resolved = configuration.load(config, overrides)

    def watched(done: float, total: float) -> None:
        if stop is not None and stop.is_set():
            raise Stopped
        progress(done, total)

    share = _SHARE_OF_READING
    groups = material.read(items, resolved, stop, lambda done, total: watched(share * done / total, 1.0))
    watched(share, 1.0)
    direct = resolved.mapper if resolved.choice.table.get("kind", "direct") == "direct" else resolved.fallback
    groups = [material.with_direct(group, direct, resolved.tick) for group in groups]
    data = dataset.build(groups, controls=controls, features=features)
    result = fit.learn(data, plan, lambda done, total: watched(share + (1 - share) * done / total, 1.0))
    profile = resolved.profile.name if resolved.profile is not None else ""
    model = export.model(data, result.learned, export.about(data, result, profile))
    cost = _cost(data, result, model, direct, resolved.tick)
    described = tuple(replace(group, values=group.values[:0], direct={}) for group in groups)
    trained = Trained(data, result, model, cost, described)
    page = _page(trained, texts) if report_to is not None else ""
    watched(1.0, 1.0)
    model_file.save(out, model)
    if report_to is not None:
        _write(expanded(report_to), page)
    return trained


def _cost(data: DataSet, result: Result, model: Model, direct: Mapper, tick: float) -> dict[str, tuple[float, int]]:
    """Return what each mapper takes per tick (median, seconds), measured, and the size of its file (bytes)."""
    import tempfile

    rows = list(material.ticks(data.features, data.x[:: max(1, len(data.x) // _TIMED)][:_TIMED]))
    costs: dict[str, tuple[float, int]] = {}
    direct.prepare(data.features, tick)
    costs["direct"] = (_median_time(direct, rows), 0)
    made = {kind: export.model(data, learned) for kind, learned in result.samples.items()}
    made[result.plan.kind] = model
    with tempfile.TemporaryDirectory() as folder:
        for kind, of in made.items():
            path = model_file.save(Path(folder) / f"{kind}.safetensors", of)
            try:
                mapper = registry.build("mapper", kind, {"model": str(path)}, "mapper")
                mapper.prepare(data.features, tick)
                costs[kind] = (_median_time(mapper, rows), path.stat().st_size)
            except BrainmusicError:
                costs[kind] = (float("nan"), path.stat().st_size)
    return costs


def _median_time(mapper: Mapper, rows: Sequence[Features]) -> float:
    taken = []
    for features in rows:
        begun = time.perf_counter()
        mapper.map(features)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def _page(trained: Trained, texts: Sequence[str]) -> str:
    from brainmusic_daemon.learning import report

    return report.page(trained.data, trained.result, trained.cost, trained.groups, texts)


def _refuse(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Raise ConfigError where a file would overwrite the data or the other one, or cannot be written."""
    for number, path in enumerate(outputs):
        file = expanded(path)
        for other in (*inputs, *(expanded(o) for o in outputs[:number])):
            if file.resolve() == other.resolve() or (is_there(file) and is_there(other) and file.samefile(other)):
                what = "one of the data" if other in inputs else "wanted for the model already"
                raise ConfigError(f"cannot write {path}: it is {what}; give it a name of its own")
        if is_folder(file) or not is_folder(file.parent):
            raise ConfigError(
                f"cannot write {path}: " + ("it is a folder" if is_folder(file) else "there is no such folder")
            )
        try:
            file.with_name(file.name + ".part").lstat()
        except FileNotFoundError:
            pass
        except OSError as error:  # a name that the disk cannot hold: said now, not after minutes of learning
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write the report {path}: {error.strerror or error}") from error


def summary(done: Trained, out: Path, report_to: Path | None = None) -> str:
    """Return in a few lines what came of it, and how to play it."""
    lines = [" ".join(verdict.sentences(done.result)), *verdict.cautions(done.data, done.result), *done.data.remarks]
    scores = ", ".join(f"{s.control} {s.r2:.2f}" for s in done.result.scores[done.result.plan.kind])
    lines.insert(1, f"R² on what it has not seen: {scores}")
    lines.append(
        f"play it: brainmusic swap {shlex.quote(str(out))}" + (f"; read about it: {report_to}" if report_to else "")
    )
    return "\n".join(lines)

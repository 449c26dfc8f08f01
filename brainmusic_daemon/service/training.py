"""What a user gives to `brainmusic train` in; a model and a report out."""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon import config as configuration
from brainmusic_daemon import registry
from brainmusic_daemon.api import BrainmusicError, ConfigError, Features, Mapper, State
from brainmusic_daemon.config import Config
from brainmusic_daemon.learning import dataset, export, fit, recorded, tables, verdict
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Plan, Result
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.service.listening import listen

Progress = Callable[[float, float], None]
_SHARE_OF_READING = 0.4  # of the progress bar
_TIMED = 400  # ticks


class Stopped(Exception):
    """The user has ended it; nothing was written."""


@dataclass(frozen=True, slots=True)
class Item:
    """One DATA of the command line."""

    path: Path
    targets: Mapping[str, float]  # of a recording that stands for something; else empty
    person: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` did."""

    data: DataSet
    result: Result
    model: Model
    cost: Mapping[str, tuple[float, int]]  # method → (seconds per tick, bytes of its file)
    groups: tuple[Group, ...]  # without their arrays' use: for the report's description


def parse(text: str) -> Item:
    """Read FILE, PERSON:FILE or either with @control=value,control=value.  Raises ConfigError."""
    person, targets, path = "", {}, Path(text).expanduser()
    if not path.exists() and "@" in text:
        text, _, said = text.rpartition("@")
        for setting in said.split(","):
            name, equals, value = setting.partition("=")
            try:
                targets[name.strip()] = float(value)
            except ValueError:
                equals = ""
            if not equals or not np.isfinite(targets[name.strip()]):
                raise ConfigError(f"'{setting}' in '{said}': write control=value, e.g. {Path(text).name}@tempo=60")
            made = dataset.control(name.strip())
            if not made.low <= targets[made.name] <= made.high:
                raise ConfigError(f"{setting}: {made.name} goes from {made.low:g} to {made.high:g} {made.unit}".strip())
        path = Path(text).expanduser()
    named = re.match(r"(\w[\w-]+):(.+)", text)  # two letters at least: C:\… is a drive
    if named and not path.exists():
        person, path = named.group(1), Path(named.group(2)).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no file '{path}'")
    return Item(path, targets, person)


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
    items = [parse(text) for text in texts]
    out = out.expanduser()
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
    groups = _read(items, resolved, stop, lambda done, total: watched(share * done / total, 1.0))
    watched(share, 1.0)
    direct = resolved.mapper if resolved.choice.table.get("kind", "direct") == "direct" else resolved.fallback
    groups = [_with_direct(group, direct, resolved.tick) for group in groups]
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
        _write(report_to.expanduser(), page)
    return trained


def _read(items: Sequence[Item], config: Config, stop: threading.Event | None, progress: Progress) -> list[Group]:
    """Return one group per file, and one per person for recordings that stand for something."""
    groups: list[Group] = []
    together: dict[str, list[tuple[Path, Mapping[str, float]]]] = {}
    for item in items:
        if item.targets:
            together.setdefault(item.person, []).append((item.path, item.targets))
    files = [item for item in items if not item.targets]
    total = len(files) + len(together)

    def part(done: float, whole: float) -> None:
        progress(len(groups) + min(done / whole, 1.0) if whole else len(groups), max(total, len(groups)))

    for item in files:
        if item.path.suffix.lower() in (".csv", ".txt"):
            groups.append(tables.read(item.path, item.person, part))
        elif item.path.suffix.lower() in (".xdf", ".xdfz") or item.path.name.lower().endswith(".xdf.gz"):
            groups += recorded.read(item.path, item.person)
        else:
            raise ConfigError(
                f"{item.path} is no XDF of `brainmusic record` and no CSV of `brainmusic render --controls`; "
                f"of any other recording, say what it stands for: {item.path.name}@tempo=60,brightness=0.2"
            )
        part(0.0, 1.0)
    for person, recordings in together.items():
        groups.append(listen(config, recordings, person, stop=stop, progress=part))
        part(0.0, 1.0)
    return groups


def _with_direct(group: Group, direct: Mapper, tick: float) -> Group:
    """Return `group` with what the direct mapper makes of its rows, before smoothing."""
    wanted = [control.name for control in direct.controls if control.name in group.targets]
    direct.prepare(group.features, tick)
    lost = getattr(direct, "unresolved", {})
    wanted = [name for name in wanted if name not in lost]
    if not wanted or not len(group):
        return group
    out = np.empty((len(group), len(wanted)), np.float32)
    spans = {control.name: control for control in direct.controls}
    finite = np.all(np.isfinite(group.values), axis=1)
    for number, features in enumerate(_ticks(group.features, group.values)):
        if finite[number]:
            said = direct.map(features)
            out[number] = [spans[name].clip(said[name]) for name in wanted]
        else:
            out[number] = np.nan
    return replace(group, direct={name: out[:, column] for column, name in enumerate(wanted)})


def _ticks(names: tuple[str, ...], values: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    """Yield rows as the features of a tick."""
    index, nothing = {name: number for number, name in enumerate(names)}, np.zeros(0)
    for row in values:
        yield Features(0.0, 0.0, names, row.astype(np.float64), index, (), nothing, State.GOOD)


def _cost(data: DataSet, result: Result, model: Model, direct: Mapper, tick: float) -> dict[str, tuple[float, int]]:
    """Return what each mapper takes per tick (median, seconds), measured, and the size of its file (bytes)."""
    import tempfile

    rows = list(_ticks(data.features, data.x[:: max(1, len(data.x) // _TIMED)][:_TIMED]))
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
        file = path.expanduser()
        for other in (*inputs, *(o.expanduser() for o in outputs[:number])):
            if file.resolve() == other.resolve() or (file.exists() and other.exists() and file.samefile(other)):
                what = "one of the data" if other in inputs else "wanted for the model already"
                raise ConfigError(f"cannot write {path}: it is {what}; give it a name of its own")
        if file.is_dir() or not file.parent.is_dir():
            raise ConfigError(
                f"cannot write {path}: " + ("it is a folder" if file.is_dir() else "there is no such folder")
            )


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

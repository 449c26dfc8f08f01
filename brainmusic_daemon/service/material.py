"""What a user names as data to learn from in; sessions as arrays, and what the direct mapper makes of them, out."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import ConfigError, Features, Mapper, State
from brainmusic_daemon.config import Config
from brainmusic_daemon.learning import dataset, recorded, tables
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.service.listening import listen
from brainmusic_daemon.there import expanded, is_file, is_there

Progress = Callable[[float, float], None]

_TWICE = "what is there twice would be tested on what it was learned from, and count double; give it once"


@dataclass(frozen=True, slots=True)
class Item:
    """One DATA of the command line."""

    path: Path
    targets: Mapping[str, float]  # of a recording that stands for something; else empty
    person: str = ""


def parse(text: str) -> Item:
    """Read FILE, PERSON:FILE or either with @control=value,control=value.  Raises ConfigError."""
    person, targets, path = "", {}, expanded(text)
    if not is_there(path) and "@" in text:
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
        path = expanded(text)
    named = re.match(r"(\w[\w-]+):(.+)", text)  # two letters at least: C:\… is a drive
    if named and not is_there(path):
        person, path = named.group(1), expanded(named.group(2))
    if not is_file(path):
        raise ConfigError(f"there is no file '{path}'")
    return Item(path, targets, person)


def read(items: Sequence[Item], config: Config, stop: threading.Event | None, progress: Progress) -> list[Group]:
    """Return one group per file, and one per person for recordings that stand for something."""
    _once(items)
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
    told: dict[bytes, str] = {}
    for group in groups:
        before = told.setdefault(hashlib.sha256(group.values.tobytes()).digest(), group.name)
        if before is not group.name and len(group):
            raise ConfigError(f"{group.name} holds the same as {before}: {_TWICE}")
    return groups


def _once(items: Sequence[Item]) -> None:
    """Raise ConfigError where a file is named twice."""
    paths = [item.path.resolve() for item in items]
    for number, item in enumerate(items):
        if paths[number] in paths[:number]:
            together = "say all that it stands for at once, FILE@control=value,control=value"
            raise ConfigError(f"{item.path} is given twice: {together if item.targets else _TWICE}")


def with_direct(group: Group, direct: Mapper, tick: float) -> Group:
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
    for number, features in enumerate(ticks(group.features, group.values)):
        if finite[number]:
            said = direct.map(features)
            out[number] = [spans[name].clip(said[name]) for name in wanted]
        else:
            out[number] = np.nan
    return replace(group, direct={name: out[:, column] for column, name in enumerate(wanted)})


def ticks(names: tuple[str, ...], values: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    """Yield rows as the features of a tick."""
    index, nothing = {name: number for number, name in enumerate(names)}, np.zeros(0)
    for row in values:
        yield Features(0.0, 0.0, names, row.astype(np.float64), index, (), nothing, State.GOOD)

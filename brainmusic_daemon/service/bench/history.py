"""The runs before this one, kept in a file per machine, in; what got better or worse beyond the noise, out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brainmusic_daemon.service.bench.figures import Figure
from brainmusic_daemon.service.bench.machine import IDENTITY

KEPT = 20  # runs of each machine
_MOST_BYTES = 1 << 20
_SHARE = 0.1  # of the value: less is noise, whatever the figure
_SPREADS = 3.0  # median deviations of the runs before


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that differs from the run before by more than noise."""

    name: str
    before: float
    now: float
    better: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def folder() -> Path:
    """Return where runs are kept."""
    import platformdirs

    return Path(platformdirs.user_state_dir("brainmusic", appauthor=False)) / "bench"


def file_of(machine: Mapping[str, Any]) -> Path:
    """Return the file of this machine; the runs in it say which version made them."""
    identity = json.dumps([machine.get(key) for key in IDENTITY])
    return folder() / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


def runs(file: Path) -> list[dict[str, Any]]:
    """Return the runs before, the newest last; a file that cannot be understood holds none."""
    try:
        with file.open("rb") as opened:
            known = json.loads(opened.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [run for run in known if _whole(run)] if isinstance(known, list) else []


def _whole(run: object) -> bool:
    if not isinstance(run, dict) or not isinstance(run.get("values"), dict):
        return False
    texts = isinstance(run.get("version"), str) and isinstance(run.get("when"), str)
    return texts and all(type(value) in (int, float) for value in run["values"].values())


def keep(file: Path, before: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> bool:
    """Write this run behind the others; False where that cannot be: the figures are told all the same."""
    part = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps([*before, run][-KEPT:]), encoding="utf-8")
        part.replace(file)  # two runs at once: the later one's, whole
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


def comparable(before: Sequence[Mapping[str, Any]], version: str) -> tuple[Mapping[str, Any] | None, list[Any]]:
    """Return the newest run of this version, or else of another, and those of its version, which tell what is noise."""
    if not before:
        return None, []
    last = next((run for run in reversed(before) if run["version"] == version), before[-1])
    return last, [run for run in before if run["version"] == last["version"]]


def changes(now: Sequence[Figure], last: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return what differs from the last run by more than noise: the figure's own, a tenth, what earlier runs show."""
    found = []
    for figure in now:
        if figure.name not in last["values"] or not figure.better:
            continue
        before = float(last["values"][figure.name])
        difference = figure.value - before
        if abs(difference) > noise(
            figure, [run["values"][figure.name] for run in alike if figure.name in run["values"]]
        ):
            better = (difference < 0) == (figure.better == "lower")
            found.append(Change(figure.name, before, figure.value, better))
    return found


def noise(figure: Figure, earlier: Sequence[float]) -> float:
    """Return by how much a figure may differ between two runs without meaning anything."""
    least = max(figure.noise, _SHARE * abs(figure.value))
    if len(earlier) < 3:
        return 2 * least  # nothing is known yet of this machine
    middle = statistics.median(earlier)
    return max(least, _SPREADS * 1.4826 * statistics.median(abs(value - middle) for value in earlier))

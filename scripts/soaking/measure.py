"""A process in, what it holds out; a series of that in, by how much it grew out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FEWEST = 60  # looks that say anything about growth
SLACK_BYTES = 1_000_000  # a heap of a hundred megabytes moves by so much without any leak


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table."""

    what: str
    asked: str
    measured: str
    met: bool
    timing: bool = False  # told, but a failure only where the machine is ours alone (--strict)
    values: Mapping[str, Any] = field(default_factory=dict)  # for machines

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Look:
    """What a process holds at one moment."""

    time: float  # s
    resident: int  # bytes
    own: int  # bytes that it alone has written: files that others map too, or no more, do not count
    threads: int
    files: int


def look(pid: int, time: float) -> Look:
    """Look at a process.  Linux tells all of it; elsewhere what cannot be known is 0."""
    base = Path("/proc") / str(pid)
    try:
        status = (base / "status").read_text(encoding="ascii", errors="replace")
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        rollup = (base / "smaps_rollup").read_text(encoding="ascii", errors="replace")
        own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty"))
        resident, threads = int(lines["VmRSS"].split()[0]), int(lines["Threads"])
        return Look(time, 1024 * resident, 1024 * own, threads, len(os.listdir(base / "fd")))  # noqa: PTH208
    except (OSError, KeyError, ValueError):
        return Look(time, 0, 0, 0, 0)


def growth(times: Iterable[float], values: Iterable[float]) -> tuple[float, float]:
    """Return (rise over the whole series, its middle): the median of the slopes of all pairs (Theil and Sen).

    A few high looks, while a model is being loaded, do not bend it.
    """
    t, v = np.asarray([*times], float), np.asarray([*values], float)
    if len(t) < 3 or t[-1] <= t[0]:
        return 0.0, float(v.mean()) if len(v) else 0.0
    if len(t) > 400:  # medians of stretches: enough points for a line
        stretches = np.array_split(np.arange(len(t)), 400)
        t, v = (np.array([np.median(x[s]) for s in stretches]) for x in (t, v))
    i, j = np.triu_indices(len(t), 1)
    slope = float(np.median((v[j] - v[i]) / (t[j] - t[i])))
    return slope * float(t[-1] - t[0]), float(np.median(v))


def memory(looks: list[Look], long_s: float = 0.0) -> list[Verdict]:
    """Judge whether memory is flat: resident, and the process's own.

    Shorter than `long_s` a series says little, as it is still warming up: then 5 % are let pass.  Of fewer than FEWEST
    looks it says nothing, and is not judged.
    """
    found = []
    share = 0.01 if looks and looks[-1].time - looks[0].time >= long_s else 0.05
    for name, text in (("own", "memory of its own (private, written)"), ("resident", "resident memory (RSS)")):
        values = [getattr(each, name) for each in looks]
        rise, middle = growth((each.time for each in looks), values)
        percent = 100 * rise / middle if middle else 0.0
        few = len(looks) < FEWEST
        met = few or rise <= max(share * middle, SLACK_BYTES)
        said = f"{middle / 1e6:.1f} MB, {rise / 1e6:+.2f} MB ({percent:+.2f} %) over {len(looks)} looks"
        if few:
            said = f"{middle / 1e6:.1f} MB; too short to judge: {len(looks)} looks of {FEWEST}"
        found.append(
            Verdict(
                text,
                f"grows by < {share:.0%}",
                said,
                met,
                values={"bytes": middle, "rise": rise, "series": _thin(values)},
            )
        )
    return found


def _thin(values: list[int], most: int = 60) -> list[float]:
    """Return medians of stretches, to be looked at when something grows."""
    return [float(np.median(part)) for part in np.array_split(values, min(most, len(values)))] if values else []


def leaks(looks: list[Look]) -> list[Verdict]:
    """Judge whether threads or open files pile up: the fewest in the last third against the most in the first.

    What comes and goes (a swap's thread, a client's connection) shows in neither.
    """
    third = max(1, len(looks) // 3)
    found = []
    for name, text in (("threads", "threads"), ("files", "open files")):
        values = [getattr(each, name) for each in looks]
        before, after = max(values[:third], default=0), min(values[-third:], default=0)
        typical = int(np.median(values)) if values else 0
        said = f"{typical} usually; at first at most {before}, at last at least {after}"
        found.append(
            Verdict(text, "none left behind", said, after <= before, values={"before": before, "after": after})
        )
    return found

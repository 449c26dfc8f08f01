"""Minutes in; how every setting of the expert's scripts would do on them, offline, as a table out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from peers.judge import Verdict, judge, median
from peers.programs.expert_alpha import PERIOD_S, Butterworth, Hann
from peers.stimulus import WATCHED, Minute

WINDOWS_S = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.75, 1.0, 2.0)
ORDERS, SMOOTH_ORDERS, LOW_PASS_HZ = (1, 2, 3), (1, 2), (2, 3, 4, 5, 6, 8)
TRANSPORT_S = 0.003  # LSL, the script, and OSC


def table(minutes: Sequence[Minute]) -> str:
    """Return all settings, the soonest at 0.95 first."""
    rows = []
    for name, settings in _grid():
        runs = [offline(minute, name, *settings) for minute in minutes]
        rows.append((median(runs), runs, f"{name} {' '.join(settings)}"))
    rows.sort(key=lambda row: row[0].reach_s if math.isfinite(row[0].reach_s) else 9 - row[0].best)
    head = ["setting", "best r", "at, ms", "0.95 from, ms", *(f"0.95 from, {minute.name}" for minute in minutes)]
    lines = [head, ["---"] * len(head)]
    for middle, runs, name in rows:
        reached = [f"{1000 * run.reach_s:.0f}" for run in (middle, *runs)]
        lines.append([name, f"{middle.best:.3f}", f"{1000 * middle.best_s:.0f}", *reached])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _grid() -> Iterator[tuple[str, tuple[str, ...]]]:
    for seconds in WINDOWS_S:
        yield "hann", (str(seconds),)
    for settings in itertools.product(ORDERS, SMOOTH_ORDERS, LOW_PASS_HZ):
        yield "butterworth", tuple(map(str, settings))


def offline(minute: Minute, method: str, *settings: str) -> Verdict:
    """Return the verdict on a script that is fed every 20 ms, as live, without a machine in between."""
    picks, rate = [minute.channels.index(name) for name in WATCHED], minute.samplerate
    made = {"hann": Hann, "butterworth": Butterworth}[method](rate, len(picks), *settings)
    made.feed(minute.before[-round(4 * rate) :, picks])
    block = round(PERIOD_S * rate)
    ends = np.arange(block, len(minute.samples), block)
    values = np.array([made.feed(minute.samples[end - block : end, picks]) for end in ends])
    pushed = np.arange(len(minute.samples)) / rate
    times = pushed[ends - 1] + TRANSPORT_S
    return judge({name: (times, values[:, k]) for k, name in enumerate(WATCHED)}, minute.truth(), pushed, longest_s=1.2)

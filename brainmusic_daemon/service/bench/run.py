"""Seconds in, a whole measurement of this machine out: starts the processes, listens, judges, compares."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.service.bench import history, judge, machine
from brainmusic_daemon.service.bench.figures import Figure, figures
from brainmusic_daemon.service.bench.marks import FEATURE
from brainmusic_daemon.service.bench.processes import Beside, lsl_of_its_own
from brainmusic_daemon.service.bench.receiver import Monitor, Receiver

_PATIENCE_S = 180.0  # a first start compiles what is kept from then on
_END_S = 30.0
_SPEED_S = 20.0  # of rendering

Progress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement found."""

    seconds: float
    machine: Mapping[str, str | int]
    load: float | None  # before it began
    figures: tuple[Figure, ...]
    sound: str  # how the sound was found, or why not
    compared_with: Mapping[str, Any] | None  # when and version of the run before
    changes: tuple[history.Change, ...]
    raw: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "machine": dict(self.machine),
            "load": self.load,
            "figures": [figure.as_dict() for figure in self.figures],
            "sound": self.sound,
            "compared_with": dict(self.compared_with) if self.compared_with else None,
            "changes": [change.as_dict() for change in self.changes],
            **self.raw,
        }


def bench(seconds: float, stop: threading.Event, progress: Progress = lambda done, total: None) -> Bench | None:
    """Measure this machine for `seconds`, and a little for what is short; None when stopped.

    Raises BrainmusicError when the daemon cannot even be started; a poor figure is a figure.
    """
    described, load = machine.describe(), machine.load()
    total = seconds + 12.0
    with lsl_of_its_own() as env:
        measured = _live(seconds, env, stop, lambda done: progress(min(done, total - 4.0), total))
        if measured is None:
            return None
        speed = _speed(env)
    progress(total, total)
    found = judge.judge(measured, speed)
    told = tuple(figures(found))
    file = history.file_of(described)
    before = history.runs(file)
    last, alike = history.comparable(before, str(described["brainmusic"]))
    values = {figure.name: figure.value for figure in told}
    when = time.strftime("%Y-%m-%d %H:%M")
    history.keep(file, before, {"when": when, "version": described["brainmusic"], "seconds": seconds, "values": values})
    compared = {key: last[key] for key in ("when", "version")} if last else None
    changed = tuple(history.changes(told, last, alike)) if last else ()
    return Bench(seconds, described, load, told, found["sound_how"], compared, changed, found["raw"])


def _live(
    seconds: float, env: Mapping[str, str], stop: threading.Event, progress: Callable[[float], None]
) -> dict[str, Any] | None:
    """Run sender and daemon; return all that both noted, and what was received and heard."""
    name = f"bench-{os.getpid()}"
    receiver, monitor = Receiver(), Monitor()
    overrides = [
        *("source.kind=lsl", f"source.stream={name}", f"session.name={name}", "session.status=false"),
        *("session.resume=false", "web.enabled=false", "control.enabled=false", "output.audio.enabled=true"),
        f'output.osc.targets=["127.0.0.1:{receiver.port}"]',
        f'output.osc.features=["summary", "{FEATURE}"]',
    ]
    try:
        with Beside("sender", name, env=env) as sender:
            started = time.perf_counter()
            with Beside("subject", str(receiver.port), *overrides, env=env) as subject:
                while not receiver.ready.wait(0.1):
                    if stop.is_set():  # asked first: Ctrl-C ends the others too
                        return None
                    if sender.ended:
                        raise BrainmusicError(f"nothing can be sent over LSL here: {sender.last_words()}")
                    if subject.ended or time.perf_counter() - started > _PATIENCE_S:
                        raise BrainmusicError(f"the daemon to be measured did not come up: {subject.last_words()}")
                    progress(min(time.perf_counter() - started, 6.0))
                stop.wait(1.0)  # a whole window of the stimulus, and the start is over
                subject.order("begin")
                begun = time.perf_counter()
                while (passed := time.perf_counter() - begun) < seconds and not stop.wait(0.1):
                    progress(8.0 + passed)
                if stop.is_set():
                    return None
                subject.order("end")
                said = subject.result(_END_S)
                if said is None:
                    raise BrainmusicError(f"the daemon that was measured has ended: {subject.last_words()}")
            sender.order("end")
            pushed = json.loads(sender.result(_END_S) or "[]")
    finally:
        receiver.close()
        loudness, origin = monitor.close()
    return {
        "inside": json.loads(said),
        "pushed": np.array(pushed),
        "seen": receiver.seen,
        "span": (begun, begun + seconds),
        "started": started,
        "first": receiver.first,
        "loudness": loudness,
        "origin": origin,
        "why": monitor.why,
    }


def _speed(env: Mapping[str, str]) -> dict[str, float]:
    """Return how many times faster than real time it renders; nothing where it cannot be told."""
    with Beside("speed", f"{_SPEED_S:g}", env=env) as process:
        return dict(json.loads(process.result(_PATIENCE_S) or "{}"))

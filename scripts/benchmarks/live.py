"""Recordings replayed over LSL in; what Pure Data received from the daemon, eyes open and closed, out."""

from __future__ import annotations

import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import (
    Absent,
    Options,
    Row,
    brainmusic,
    free_port,
    lsl_environment,
    recordings,
    settings,
    started,
)

RAW, ALPHA, PITCH = "feature/raw.alpha.occipital", "feature/alpha.occipital", "control/fundamental_frequency"
SETTLED_S = 3.0  # after a stream has come (back): the window fills, the controls follow
BETWEEN_S = 3.0  # without a stream: longer than the daemon needs to notice


@dataclass(slots=True)
class Heard:
    """What Pure Data printed while one recording was played."""

    values: dict[str, list[float]] = field(default_factory=lambda: {RAW: [], ALPHA: [], PITCH: []})

    def median(self, name: str) -> float:
        return statistics.median(self.values[name]) if self.values[name] else float("nan")


def measure(options: Options) -> list[Row]:
    folder = recordings() / "eyes_open_closed"
    subjects = ("S001", "S002")
    with lsl_environment() as env, ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_session, subject, folder, options.seconds, env) for subject in subjects]
        found = dict(zip(subjects, [job.result() for job in jobs], strict=True))
    return [_row(subject, *heard) for subject, heard in found.items()]


def _row(subject: str, opened: Heard, closed: Heard) -> Row:
    raw = closed.median(RAW) / opened.median(RAW)
    shares = [_share_above(heard, 0.5) for heard in (opened, closed)]
    return Row(
        f"the same for {subject} through `replay` → LSL → `run` → OSC → Pure Data, live",
        "the state is plain in the received controls",
        f"medians open → closed: `raw.alpha.occipital` {opened.median(RAW):.1f} → {closed.median(RAW):.1f} µV² "
        f"(× {raw:.1f}); `alpha.occipital` {opened.median(ALPHA):.2f} → {closed.median(ALPHA):.2f}, above 0.5 "
        f"for {100 * shares[0]:.0f} → {100 * shares[1]:.0f} % of the time; pitch {opened.median(PITCH):.0f} → "
        f"{closed.median(PITCH):.0f} Hz; area under the ROC curve of a single tick: "
        f"raw {_area(opened, closed, RAW):.2f}, 0..1 {_area(opened, closed):.2f}, "
        f"pitch {_area(closed, opened, PITCH):.2f}",
        raw > 2 and _area(opened, closed, RAW) > 0.8 and closed.median(ALPHA) - opened.median(ALPHA) > 0.1,
        {
            "raw_ratio": raw,
            "area_raw": _area(opened, closed, RAW),
            "area_alpha": _area(opened, closed),
            "area_pitch": _area(closed, opened, PITCH),
            "received": [len(heard.values[RAW]) for heard in (opened, closed)],
        },
    )


def _share_above(heard: Heard, limit: float) -> float:
    values = heard.values[ALPHA]
    return sum(value > limit for value in values) / max(len(values), 1)


def _area(low: Heard, high: Heard, name: str = ALPHA) -> float:
    """Return how often a value of `high` lies above one of `low`: the area under the ROC curve, 0.5 by chance."""
    import numpy as np

    a, b = np.sort(low.values[name]), np.asarray(high.values[name])
    return float((np.searchsorted(a, b, "left") + np.searchsorted(a, b, "right")).mean() / (2 * len(a)))


def _session(subject: str, folder: Path, seconds: float, env: Mapping[str, str]) -> tuple[Heard, Heard]:
    """One daemon, which keeps its baseline; first the eyes-open recording is played, then the other."""
    import shutil

    if not shutil.which("pd"):
        raise Absent("needs the Debian package puredata-core (program pd)")
    from tests.receivers import pd_receiver

    port, name = free_port(), f"bench {subject}"
    chosen = {
        "source.kind": "lsl",
        "source.stream": name,
        "session.name": f"bench-{subject}",  # two daemons at a time
        "session.patience_s": 60.0,
        "session.status": False,
        "web.enabled": False,
        "control.osc_port": 0,
        "output.audio.enabled": False,
        "output.osc.targets": [f"127.0.0.1:{port}"],
        "output.osc.features": ["raw.alpha.occipital", "alpha.occipital"],
        "output.osc.controls": ["fundamental_frequency"],
    }
    run = brainmusic("run", "--config", "lsl", *settings(chosen))
    with pd_receiver(port) as received, started(run, env, stderr=subprocess.PIPE, text=True) as daemon:
        said: list[str] = []
        threading.Thread(target=lambda: said.extend(daemon.stderr), daemon=True).start()
        heard = []
        for number in (1, 2):
            heard.append(_play(folder / f"{subject}R0{number}.edf", name, seconds, received, env))
            time.sleep(BETWEEN_S)
            if daemon.poll() is not None:
                raise RuntimeError(f"the daemon ended by itself: {''.join(said)[-1000:]}")
    return heard[0], heard[1]


def _play(recording: Path, name: str, seconds: float, received: list[Any], env: Mapping[str, str]) -> Heard:
    """Replay a recording and collect what Pure Data prints from when it is heard until it ends."""
    heard, begin = Heard(), len(received)
    with started(brainmusic("replay", recording, "--stream", name), env) as replay:
        deadline = time.monotonic() + 30.0
        while not _moves(received, begin):
            if time.monotonic() > deadline or replay.poll() is not None:
                raise RuntimeError(f"Pure Data received nothing new from {recording.name}")
            time.sleep(0.02)
        time.sleep(SETTLED_S)
        begin = len(received)
        until = time.monotonic() + seconds
        while time.monotonic() < until and replay.poll() is None:
            time.sleep(0.02)
        end = len(received)
        replay.send_signal(signal.SIGTERM)
    for address, arguments in received[begin:end]:
        key = address.removeprefix("/brainmusic/")
        if key in heard.values and isinstance(arguments[0], float):
            heard.values[key].append(arguments[0])
    return heard


def _moves(received: list[Any], begin: int) -> bool:
    """Whether the raw feature takes new values since `begin`: it stays where it is while no headset is there."""
    found = {arguments[0] for address, arguments in received[begin:] if address == f"/brainmusic/{RAW}"}
    return len(found) > 2

"""A storm of swaps on the real daemon: every kind of mapper and some that fail, ten a second, with the synth playing.

`python -m tests.storm SECONDS` prints one line of JSON; run it in an environment whose default audio device is a null
sink (`tests.pulse`), so that what was heard can be looked at.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from brainmusic_daemon import config as configuration
from brainmusic_daemon.service.daemon import Daemon

KINDS = ("direct", "linear", "neural", "semantic", "latent", "blend")  # as the bundled configurations have them
PER_SECOND = 10
STEADY_S = 3.0  # of every kind by itself, before the storm

FAILING = {  # calls: those of the trial, then those that are heard
    "raises": "1 / 0",
    "nan": "return {'loudness': float('nan')}",
    "beyond": "return {'loudness': 7.0}",
    "hangs": "while True: pass",
    "sleeps": "time.sleep(1e6)",
    "exits": "raise SystemExit",
}
FILE = """
import time
from brainmusic_daemon.api import CONTROL, plugin

@plugin
class Mine:
    controls = (CONTROL["loudness"],)
    calls = 0

    def prepare(self, names, tick):
        pass

    def map(self, features):
        self.calls += 1
        if self.calls > {good}:
            {act}
        return {{"loudness": 0.4}}

    def explain(self, features):
        return {{}}
"""


def choices() -> list[str]:
    """Return the bundled configurations whose mapper this installation can make."""
    return ["default", *(name for name in KINDS[1:] if (configuration.folder() / f"{name}.toml").is_file())]


def files(folder: Path, tried: int) -> list[str]:
    """Write a good mapper, and those that fail in their trial, or a few ticks after it."""
    made = {"good.py": FILE.format(good=10**9, act="pass"), "broken.py": "def ("}
    for name, act in FAILING.items():
        if name not in ("hangs", "sleeps"):  # these would hold up the queue for as long as a trial may take
            made[f"{name}-at-once.py"] = FILE.format(good=0, act=act)
        made[f"{name}-later.py"] = FILE.format(good=tried + 2, act=act)
    for name, text in made.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in made]


def storm(seconds: float, *settings: str) -> dict[str, Any]:
    """Run the daemon, play every kind by itself, then swap ten times a second; return what was counted."""
    config = configuration.load(
        None,
        ["session.status=false", "swap.try_s=2", "output.audio.device=pulse", "output.audio.frames=256", *settings],
    )
    daemon, stop = Daemon(config), threading.Event()
    runner = threading.Thread(target=daemon.run, args=(stop,))
    runner.start()
    try:
        while daemon.session.frame is None or daemon.session.frame.features.state != "good":
            time.sleep(0.05)
        with tempfile.TemporaryDirectory() as folder:
            return _storm(daemon, seconds, Path(folder))
    finally:
        stop.set()
        runner.join()


def _storm(daemon: Daemon, seconds: float, folder: Path) -> dict[str, Any]:
    good = choices()
    for name in good:
        daemon.mappers.load(name, 0.5).wait(30)
        time.sleep(STEADY_S)
    bad = files(folder, tried=len(daemon.session.recent))
    before, heard = daemon.ticker.counters(), daemon.host.counters()["audio"]
    host = daemon.session.pipeline.host
    swaps, faults, begun_at, begun = host.swaps, host.faults, daemon.clock.now(), time.monotonic()
    tickets = []
    for number in range(round(seconds * PER_SECOND)):
        name = bad[number // 2 % len(bad)] if number % 2 else good[number // 2 % len(good)]
        tickets.append((Path(name).name, daemon.mappers.load(name, (0.0, 0.05, 0.3)[number % 3])))
        time.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.monotonic()))
    late = sum(not ticket.wait(60) for _, ticket in tickets)
    ended_at = daemon.clock.now()
    daemon.mappers.load("default", 0.5).wait(30)
    time.sleep(1.0)
    after, still = daemon.ticker.counters(), daemon.host.counters()["audio"]
    outcome: Counter[str] = Counter()
    for name, ticket in tickets:
        outcome[f"{name} {'taken' if ticket.ok else 'refused'}"] += 1
    return {
        "kinds": good,
        "asked": len(tickets),
        "unanswered": late,
        "swaps": host.swaps - swaps,
        "faults": host.faults - faults,
        "missed": after["missed"] - before["missed"],
        "failed": after["failed"],
        "ticks": after["ticks"] - before["ticks"],
        "lateness": daemon.ticker.lateness.summary(),
        "duration": daemon.ticker.duration.summary(),
        "underflows": still["underflows"] - heard["underflows"],
        "nonfinite": still.get("nonfinite", 0),
        "began_s": begun_at,
        "took_s": ended_at - begun_at,
        "plays": host.playing.name,
        "outcome": dict(outcome),
    }


if __name__ == "__main__":
    print(json.dumps(storm(float(sys.argv[1]), *sys.argv[2:])))

"""Running programs in; what each has taken of the machine, and what others took meanwhile, out."""

from __future__ import annotations

import json
import os
import subprocess

from benchmarks.common import Absent

from peers import environments
from peers.peer import PROGRAMS, Stage

Costs = dict[str, dict[str, float]]


def others(share: float | None, before: Costs, after: Costs, took: float) -> float | None:
    """Return the share of the machine that neither we nor the peers took; to the system, peers are others too."""
    if share is None or not after:
        return share
    ours = sum(spent["cpu_s"] - before[key]["cpu_s"] for key, spent in after.items() if key in before)
    return max(0.0, share - ours / (took * (os.cpu_count() or 1)))


def meter(stages: dict[str, Stage], sender: subprocess.Popen[str]) -> Costs:
    """Return what the programs of each stage, and the sender, have taken; empty where psutil cannot be had."""
    numbers = {key: [process.pid for process in stage.processes] for key, stage in stages.items()}
    numbers["the sender"] = [sender.pid]
    every = [str(pid) for pids in numbers.values() for pid in pids]
    try:
        command = [environments.python("tools"), "-P", PROGRAMS / "meter.py", *every]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        found = json.loads(done.stdout)
    except (Absent, subprocess.TimeoutExpired, json.JSONDecodeError):
        return {}
    return {
        key: {what: sum(found[str(pid)][what] for pid in pids) for what in ("cpu_s", "memory_mb", "processes")}
        for key, pids in numbers.items()
    }

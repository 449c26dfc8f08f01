"""Ten swaps a second among all kinds of mappers, failing ones included, with the synth playing and one core busy.

    scripts/bench --only storm

The storm itself is `tests/storm.py`.  Beside it runs a program that only sleeps from deadline to deadline: what that
one misses too, and what `pacat` has as underruns, is the machine's doing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.audio import pacat
from benchmarks.common import CHECKOUT, Options, Row, child, null_sink, started

BEFORE_S = 35.0  # start, the first windows, every kind by itself


def measure(options: Options) -> list[Row]:
    busy = [sys.executable, "-c", "while True: pass"]
    with null_sink() as server, started(busy), pacat(server) as plain, ThreadPoolExecutor(1) as pool:
        sleeper = pool.submit(child, "ticks", BEFORE_S + options.seconds)
        command = [sys.executable, "-m", "tests.storm", str(options.seconds)]
        done = subprocess.run(command, env=server.env, cwd=CHECKOUT, capture_output=True, text=True, check=True)
        plainly, alone = plain(), sleeper.result()["missed"]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    failing = {what: count for what, count in found["outcome"].items() if "at-once" in what or "broken" in what}
    asked = sum(failing.values())
    let_in = sum(count for what, count in failing.items() if what.endswith("taken"))
    later = sum(count for what, count in found["outcome"].items() if "later" in what)
    rows = [
        Row(
            f"10 swaps a second among {len(found['kinds'])} kinds for {options.seconds:g} s, one core busy: ticks",
            "0 missed",
            f"{found['missed']:g} of {found['ticks']:g} missed (a program that only sleeps, beside it: {alone}); "
            f"{found['asked']} asked for, {found['swaps']} taken up; a tick takes {found['duration']['p50_ms']:.2f} ms "
            f"(99 %: {found['duration']['p99_ms']:.1f})",
            found["missed"] == 0,
            found,
        ),
        Row(
            "the same: sound",
            "0 underflows",
            f"{found['underflows']:g} underflows (`pacat`, a plain C player, beside it: {plainly})",
            found["underflows"] == 0,
        ),
        Row(
            "the same: candidates that fail when they are tried / some ticks after they were taken up",
            "every one rolled back",
            f"{asked - let_in} of {asked} refused / {found['faults']} of {later} replaced "
            "(the others were swapped away before they failed)",
            let_in == 0 and found["plays"] == "default",
        ),
    ]
    return rows

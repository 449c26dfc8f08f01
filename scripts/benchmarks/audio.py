"""Busy Python threads beside the synth in, underflows out; what only concerns the synth is in scripts/bench_audio.py."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.common import CHECKOUT, Options, Row, null_sink

FRAMES = 256


def measure(options: Options) -> list[Row]:
    with null_sink() as server:
        command = [sys.executable, CHECKOUT / "scripts" / "bench_audio.py", "--child-live", options.seconds, FRAMES]
        done = subprocess.run([*map(str, command)], env=server.env, capture_output=True, text=True, check=True)
    counters = json.loads(done.stdout.splitlines()[-1])
    return [
        Row(
            f"audio at {FRAMES} frames, {options.seconds:g} s beside two busy Python threads in the same process",
            "0 underflows",
            f"{counters['underflows']:g} underflows in {counters['callbacks']:g} blocks; "
            f"the callback takes {100 * counters['load']:.1f} % of a block's time",
            counters["underflows"] == 0,
            counters,
        )
    ]

"""Busy Python threads beside the synth in, underflows out; scripts/bench_audio.py tells more about the synth."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.common import CHECKOUT, Options, Row, null_sink, started

FRAMES = 256


def measure(options: Options) -> list[Row]:
    """Beside it `pacat`, a plain C program, plays silence to the same server: its underruns are the machine's."""
    with null_sink() as server, pacat(server) as plain:
        command = [sys.executable, CHECKOUT / "scripts" / "bench_audio.py", "--child-live", options.seconds, FRAMES]
        done = subprocess.run([*map(str, command)], env=server.env, capture_output=True, text=True, check=True)
        plainly = plain()
    counters = json.loads(done.stdout.splitlines()[-1])
    return [
        Row(
            f"audio at {FRAMES} frames, {options.seconds:g} s beside two busy Python threads in the same process",
            "0 underflows",
            f"{counters['underflows']:g} underflows in {counters['callbacks']:g} blocks "
            f"(`pacat`, a plain C player, had {plainly} at the same time); "
            f"the callback takes {100 * counters['load']:.1f} % of a block's time",
            counters["underflows"] == 0,
            {**counters, "pacat": plainly},
        )
    ]


@contextmanager
def pacat(server: Any) -> Iterator[Callable[[], int]]:
    """Play silence with the same buffering; gives a function that tells its underruns until then."""
    latency_ms = round(2 * FRAMES / server.samplerate * 1000)
    format_ = ["--raw", "--format=float32le", f"--rate={server.samplerate}", "--channels=2"]
    command = ["pacat", "-v", *format_, f"--latency-msec={latency_ms}", "/dev/zero"]
    lines: list[str] = []
    with started(command, server.env, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True).start()
        yield lambda: sum("underrun" in line for line in lines)

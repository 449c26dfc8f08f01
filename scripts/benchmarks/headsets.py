"""1 … 16 simulated headsets, then performers over LSL, into one daemon; its ticks and processor time out.

    scripts/bench --only headsets

Each has 8 channels at 250 Hz, all features, and its own thread.  OSC is sent to a socket of this process; there is
no sound, which has its own thread and does not depend on the number of headsets.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.common import CHECKOUT, Options, Row, child, lsl_environment, started

COUNTS = (1, 2, 4, 8, 16)
PERFORMERS = (2, 6)  # liblsl's range of ports holds no more streams than that on one machine
SETTLE_S = 6.0  # imports, compiled code, the first windows, learning the first ranges
SECONDS = 20.0


def measure(options: Options) -> list[Row]:
    seconds = min(options.seconds, SECONDS)
    found = {}
    with ThreadPoolExecutor(1) as pool:
        for count in COUNTS:
            sleeper = pool.submit(child, "ticks", SETTLE_S + seconds)  # what it misses too is the machine's doing
            found[count] = child("headsets", count, seconds) | {"sleeper": sleeper.result()["missed"]}
    first, last = found[COUNTS[0]], found[COUNTS[-1]]
    rows = [
        Row(
            f"{count} simulated headset{'s' if count > 1 else ''}, 8 channels at 250 Hz each, {seconds:g} s",
            "no missed tick at 20 ms" if count == COUNTS[-1] else "",
            f"a tick takes {one['p50_ms']:.2f} ms (99 %: {one['p99_ms']:.2f}, at most {one['max_ms']:.1f}), begins "
            f"{one['late_ms']:.2f} ms late (99 %); {one['missed']} of {one['ticks'] + one['missed']} missed, "
            f"{one['sleeper']} by a program that only sleeps from deadline to deadline beside it; {one['cpu']:.0f} % "
            f"of one core; {one['features']} features; {one['mb']:.0f} MB",
            one["missed"] == 0 if count == COUNTS[-1] else None,
            one,
        )
        for count, one in found.items()
    ]
    more = COUNTS[-1] - COUNTS[0]
    tick, cpu, mb = ((last[key] - first[key]) / more for key in ("p50_ms", "cpu", "mb"))
    text = f"{tick:.2f} ms of a tick, {cpu:.1f} % of one core (its simulation included), {mb:.1f} MB"
    rows.append(Row("each further headset", "stated", text, None, {"tick_ms": tick, "cpu": cpu, "mb": mb}))
    with lsl_environment() as env:
        found = {count: _conducted(count, seconds, env) for count in PERFORMERS}
    few, many = (found[count] for count in PERFORMERS)
    more = PERFORMERS[-1] - PERFORMERS[0]
    tick, cpu = ((many[key] - few[key]) / more for key in ("p50_ms", "cpu"))
    text = (
        f"{tick:.2f} ms of a tick, {cpu:.1f} % of one core; with {PERFORMERS[-1]} of them a tick takes "
        f"{many['p50_ms']:.2f} ms (99 %: {many['p99_ms']:.2f}), {many['missed']} of "
        f"{many['ticks'] + many['missed']} missed; {many['features']} features"
    )
    return [*rows, Row("a conductor: each further performer, over LSL on one machine", "stated", text, None, many)]


def _conducted(count: int, seconds: float, env: Mapping[str, str]) -> dict[str, Any]:
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "scripts")])
    command = [sys.executable, "-m", "benchmarks.headsets", "publish", str(count)]
    with started(command, {**env, "PYTHONPATH": path}):
        return dict(child("headsets", count, seconds, "performers", env=env))


def publish(count: int) -> None:
    """Publish the features of so many performers, as their daemons would, until the process is ended."""
    from brainmusic_daemon.api import StreamInfo
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.outputs.lsl import Lsl
    from tests.frames import TICK_S, make_frame

    clock = WallClock()
    outputs = [Lsl(name=f"performer {number}", controls=[]) for number in range(count)]
    for output in outputs:
        output.open(clock, StreamInfo("", (), 0.0))
    frames = [make_frame(number) for number in range(50)]
    number = 0
    while True:
        number += 1
        clock.wait_until(number * TICK_S)
        frame = replace(frames[number % len(frames)], time=number * TICK_S, follow=1.0)
        for output in outputs:
            output.send(frame)


def run(count: int, seconds: float, kind: str = "headsets") -> dict[str, Any]:
    """Run a daemon with so many headsets, or performers, in this process."""
    from brainmusic_daemon import config
    from brainmusic_daemon.service.daemon import Daemon
    from brainmusic_daemon.service.metrics import Histogram

    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # never read: what does not fit is dropped
    listener.bind(("127.0.0.1", 0))
    headsets = [{"kind": "simulator", "seed": number + 1} for number in range(count)]
    performers = [{"kind": "performer", "stream": f"performer {number} features"} for number in range(count)]
    tables: dict[str, Any] = {
        "session": {"name": f"bench-{count}", "status": False},
        "source": performers if kind == "performers" else headsets,
        "output": {"osc": {"targets": [f"127.0.0.1:{listener.getsockname()[1]}"]}},
        "web": {"enabled": False},
        "control": {"enabled": False},
    }
    daemon = Daemon(config.resolve(tables))
    stop = threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        until = time.monotonic() + 60
        while not daemon.session.attached and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(SETTLE_S if kind == "headsets" else 2 * SETTLE_S)  # to be found takes a while
        before, begun, spent = daemon.ticker.counters(), time.perf_counter(), time.process_time()
        daemon.ticker.duration, daemon.ticker.lateness = Histogram(), Histogram()
        time.sleep(seconds)
        after, took = daemon.ticker.counters(), time.perf_counter() - begun
        spent = time.process_time() - spent
        duration, lateness = daemon.ticker.duration.summary(), daemon.ticker.lateness.summary()
        names = daemon.session.pipeline.bank.names if daemon.session.pipeline.bank else ()
    finally:
        stop.set()
        thread.join(20)
        listener.close()
    return {
        "headsets": count,
        "ticks": int(after["ticks"] - before["ticks"]),
        "missed": int(after["missed"] - before["missed"]),
        **{key: duration[key] for key in ("p50_ms", "p99_ms", "max_ms")},
        "late_ms": lateness["p99_ms"],
        "cpu": 100 * spent / took,
        "features": len(names),
        "mb": _megabytes(),
    }


def _megabytes() -> float:
    """Return the memory in use, where the system tells."""
    from brainmusic_daemon.service.measures import resident_bytes

    return (resident_bytes() or 0) / 2**20


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(int(sys.argv[2]))
    else:
        print(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])))

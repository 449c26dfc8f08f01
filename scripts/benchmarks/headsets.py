"""1 … 16 simulated headsets, then performers over LSL, into one daemon; its ticks and processor time out.

    scripts/bench --only headsets

Each has 8 channels at 250 Hz, all features, and its own thread.  OSC is sent to a socket of this process; there is
no sound, which has its own thread and does not depend on the number of headsets.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import performers
from benchmarks.common import Options, Row, child

COUNTS = (1, 2, 4, 8, 16)
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
    return [*rows, *performers.rows(seconds)]


def run(count: int, seconds: float, kind: str = "headsets") -> dict[str, Any]:
    """Run a daemon with so many headsets, or performers, in this process."""
    from brainmusic_daemon import config
    from brainmusic_daemon.service.daemon import Daemon
    from brainmusic_daemon.service.metrics import Histogram

    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # never read: what does not fit is dropped
    listener.bind(("127.0.0.1", 0))
    headsets = [{"kind": "simulator", "seed": number + 1} for number in range(count)]
    away = [{"kind": "performer", "stream": f"{performers.NAME} {number} features"} for number in range(count)]
    tables: dict[str, Any] = {
        "session": {"name": f"bench-{count}", "status": False},
        "source": away if kind == "performers" else headsets,
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
        daemon.ticker.duration, daemon.ticker.lateness, daemon.session.latency = Histogram(), Histogram(), Histogram()
        time.sleep(seconds)
        after, took = daemon.ticker.counters(), time.perf_counter() - begun
        spent = time.process_time() - spent
        duration, lateness = daemon.ticker.duration.summary(), daemon.ticker.lateness.summary()
        latency, there = daemon.session.latency.summary(), _there(daemon)
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
        "sample_to_datagram_ms": [latency["p50_ms"], latency["p99_ms"]],
        "there": there,
        "cpu": 100 * spent / took,
        "features": len(names),
        "mb": _megabytes(),
    }


def _there(daemon: Any) -> int:
    """Return how many persons the music follows."""
    frame = daemon.session.frame
    return sum(signal.follow > 0.9 for signal in frame.features.people.values()) or int(frame.follow > 0.9)


def _megabytes() -> float:
    """Return the memory in use, where the system tells."""
    from brainmusic_daemon.service.measures import resident_bytes

    return (resident_bytes() or 0) / 2**20


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])))

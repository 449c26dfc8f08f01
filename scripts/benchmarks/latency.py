"""Samples of known time in, over LSL and from the simulator; their age when OSC was received elsewhere, out."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.common import CHECKOUT, Options, Row, child, free_port, lsl_environment, percentiles, told
from benchmarks.inside import MARK, WITNESS

N_CHANNELS, TICK_MS = 8, 20.0
RATE_HZ = 250.25  # of a device that says 250: so that samples and ticks meet in every phase, as they do with real ones
SETTLED_S = 2.0


def measure(options: Options) -> list[Row]:
    seconds = min(options.seconds, 30.0)
    return [*_rows("over LSL", *over_lsl(seconds)), *_rows("from the simulator", *from_simulator(seconds))]


def _rows(where: str, newest: list[float], every: list[float], inside: Mapping[str, Any]) -> list[Row]:
    rows = []
    limits = f"median below {TICK_MS / 2 + 2:g} ms, 99 % below {TICK_MS + 3:g} ms"
    for what, values in (
        (f"newest sample → datagram received, 8 channels at 250 Hz {where}", newest),
        (f"every sample → the first datagram that has it in it, {where}", every),
    ):
        found = percentiles(values)
        met = found["p50_ms"] < TICK_MS / 2 + 2 and found["p99_ms"] < TICK_MS + 3
        rows.append(Row(what, limits, told(found), met, found))
    rows[0] = Row(
        rows[0].what,
        limits,
        f"{rows[0].measured} (inside the daemon, until handed over: {told(inside['settled']['latency'])})",
        rows[0].met,
        {**rows[0].values, "inside": inside},
    )
    return rows


def over_lsl(seconds: float) -> tuple[list[float], list[float], Mapping[str, Any]]:
    """The first channel counts samples, so that the window itself says which one is its newest; this process pushes
    them one by one and knows when; another one receives."""
    port, name = free_port(), "bench latency"
    overrides = [
        "source.kind=lsl",
        f"source.stream={name}",
        "session.status=false",
        "output.audio.enabled=false",
        f'output.osc.targets=["127.0.0.1:{port}"]',
    ]
    with lsl_environment() as env:
        witness = _receiver(port, seconds + 30.0)
        pusher = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.pusher", name, str(RATE_HZ), str(N_CHANNELS)],
            env={**env, "PYTHONPATH": _path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            inside = child("inside", seconds, port, "lsl", *overrides, env=env)
            pushed, _ = pusher.communicate("stop\n", timeout=20)
        finally:
            pusher.kill()
    times = [float(line) for line in pushed.split()]
    seen = [(arrived, round(value)) for arrived, value, _ in _finish(witness)]
    begin = seen[0][0] + SETTLED_S
    seen = [(arrived, number) for arrived, number in seen if arrived > begin and 0 <= number < len(times)]
    newest = [arrived - times[number] for arrived, number in seen]
    every = [
        arrived - times[number]
        for (_, before), (arrived, last) in itertools.pairwise(seen)
        for number in range(before + 1, last + 1)
    ]
    return newest, every, inside


def from_simulator(seconds: float) -> tuple[list[float], list[float], Mapping[str, Any]]:
    """A simulated sample exists from its own time on: nothing is sent anywhere, so its time is its beginning."""
    port = free_port()
    overrides = [
        "session.status=false",
        "output.audio.enabled=false",
        f'output.osc.targets=["127.0.0.1:{port}"]',
        f"source.samplerate={RATE_HZ}",
        "source.chunk_ms=0",  # a chunk's length would be the device's latency, not the program's
    ]
    witness = _receiver(port, seconds + 30.0)
    inside = child("inside", seconds, port, "default", *overrides)
    seen = [(arrived, sampled) for arrived, _, sampled in _finish(witness)]
    begin = seen[0][0] + SETTLED_S
    seen = [(arrived, sampled) for arrived, sampled in seen if arrived > begin]
    newest = [arrived - sampled for arrived, sampled in seen]
    every = []
    for (_, before), (arrived, last) in itertools.pairwise(seen):
        every += [arrived - last + k / RATE_HZ for k in range(round((last - before) * RATE_HZ))]
    return newest, every, inside


def _path() -> str:
    return os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "scripts")])


def _receiver(port: int, seconds: float) -> subprocess.Popen[str]:
    """Start a process that receives, before anything is sent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.latency", str(port), str(seconds)],
        env={**os.environ, "PYTHONPATH": _path()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # it is ready
    return process


def _finish(process: subprocess.Popen[str]) -> list[tuple[float, float, float]]:
    """Return (arrival of the tick's last OSC datagram, value of the newest sample, its time) per tick."""
    out, _ = process.communicate("stop\n", timeout=20)
    return [tuple(map(float, line.split())) for line in out.splitlines()]  # type: ignore[misc]


def receive() -> None:
    """Child process: note when each tick's last real datagram came; the witness's own tells which sample was in it."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    found: list[tuple[float, float, float]] = []
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    here.bind(("127.0.0.1", port))
    here.settimeout(0.2)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    print("ready", flush=True)
    until, arrived = time.perf_counter() + seconds, 0.0
    while not stop.is_set() and time.perf_counter() < until:
        try:
            packet = here.recv(4096)
        except TimeoutError:
            continue
        if packet.startswith(MARK):
            _, _, value, sampled = WITNESS.unpack(packet)
            if arrived:  # else the OSC output is not open yet
                found.append((arrived, value, sampled))
            arrived = 0.0
        else:
            arrived = time.perf_counter()
    print("\n".join(f"{a!r} {v!r} {s!r}" for a, v, s in found))


if __name__ == "__main__":
    receive()

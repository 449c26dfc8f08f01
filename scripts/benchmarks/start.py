"""`brainmusic run` from its first instruction in, seconds to the first sound and to the first datagram out."""

from __future__ import annotations

import os
import select
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.common import Options, Row, brainmusic, settings, started

SILENCE = 1e-4  # of full scale: −80 dB
PATIENCE_S = 180.0


def measure(options: Options) -> list[Row]:
    from benchmarks.common import null_sink

    with null_sink() as server:
        once(server)  # fills the caches, of kernels and of files
        warm = [once(server) for _ in range(options.runs)]
        with tempfile.TemporaryDirectory() as folder:
            cold = once(server, {"XDG_CACHE_HOME": folder})
    sound, datagram = ([run[key] for run in warm] for key in ("sound", "datagram"))
    progress = [line for line in cold["said"] if "compil" in line.lower()]
    return [
        Row(
            f"start to first sound, warm cache, {len(warm)} runs",
            "below 2 s",
            f"median {statistics.median(sound):.2f} s ({min(sound):.2f} to {max(sound):.2f})",
            statistics.median(sound) < 2.0,
            {"runs": sound},
        ),
        Row(
            f"start to first OSC datagram, {len(warm)} runs",
            "",
            f"median {statistics.median(datagram):.2f} s ({min(datagram):.2f} to {max(datagram):.2f}); longest gap "
            f"between two until the sound came {statistics.median(run['gap'] for run in warm):.2f} s",
            None,
            {"runs": datagram, "gaps": [run["gap"] for run in warm]},
        ),
        Row(
            "start to first sound with a cold cache: the one-time compilation",
            "shows progress",
            f"{cold['sound']:.1f} s (first OSC datagram {cold['datagram']:.2f} s, longest gap between two "
            f"until the sound came {cold['gap']:.2f} s); it says: "
            + ("; ".join(f"“{line.strip()}”" for line in progress[:3]) or "nothing"),
            bool(progress),
            cold,
        ),
    ]


def once(server: Any, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Start the program once; return seconds until its first sound is in the capture and until its first datagram.

    The capture of the null sink's monitor runs before, and adds its own delay of some 5 ms.
    """
    from tests.pulse import SINK

    listen = ["parec", "-d", f"{SINK}.monitor", "--format=float32le", f"--rate={server.samplerate}", "--channels=2"]
    env = {**server.env, **(more or {})}
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc,
        started([*listen, "--latency-msec=5"], server.env, stdout=subprocess.PIPE) as capture,
    ):
        osc.bind(("127.0.0.1", 0))
        sound = capture.stdout.fileno()
        os.read(sound, 1 << 16)  # the capture runs
        chosen = {"output.osc.targets": [f"127.0.0.1:{osc.getsockname()[1]}"], "session.status": False}
        begun = time.perf_counter()
        command = brainmusic("run", *settings(chosen))
        with started(command, env, stderr=subprocess.PIPE, text=True) as daemon:
            found = _first(sound, osc, begun)
            daemon.terminate()
            said = daemon.stderr.read().splitlines()
    return {**found, "said": said}


def _first(sound: int, osc: socket.socket, begun: float) -> dict[str, float]:
    """Wait for both; return seconds since `begun`, and the longest gap between datagrams until then."""
    import numpy as np

    found: dict[str, float] = {}
    gap = newest = 0.0
    while len(found) < 2:
        if time.perf_counter() - begun > PATIENCE_S:
            raise RuntimeError(f"nothing but {', '.join(found) or 'silence'} within {PATIENCE_S:g} s")
        ready, _, _ = select.select([sound, osc], [], [], 1.0)
        now = time.perf_counter() - begun
        if osc in ready:
            osc.recv(4096)
            gap, newest = max(gap, now - (newest or now)), now
            found.setdefault("datagram", now)
        if sound in ready:
            heard = np.frombuffer(os.read(sound, 1 << 16), dtype=np.uint8)
            heard = heard[: len(heard) // 4 * 4].view("<f4")
            if "sound" not in found and np.abs(heard).max(initial=0.0) > SILENCE:
                found["sound"] = now
    return {**found, "gap": max(gap, found["sound"] - newest)}

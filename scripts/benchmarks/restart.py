"""A daemon that is killed with -9 in, seconds until it plays on where it was out; headsets that die, likewise."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import Options, Row, brainmusic, child, null_sink, started
from benchmarks.start import _first

NAME = "restart"
CONFIG = """
[source]
kind = "simulator"
[output.osc]
[output.audio]
[scene.calm]
mapper = "linear"
preset = "tides"
fade_s = 0
"""


def measure(options: Options) -> list[Row]:
    runs = [killed() for _ in range(options.runs)]
    seconds = [run["sound"] for run in runs]
    with tempfile.TemporaryDirectory() as folder:
        births = child("restart", 100 if options.runs > 2 else 15, env={**os.environ, "XDG_STATE_HOME": folder})
    return [
        Row(
            f"kill -9, restart with --resume, to sound again: mapper, scene, knobs as they were, {len(runs)} runs",
            "within 3 s",
            f"median {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}); first OSC datagram "
            f"{statistics.median(run['datagram'] for run in runs):.2f} s; mapper and scene right in "
            f"{sum(run['right'] for run in runs)} of {len(runs)}",
            max(seconds) < 3.0 and all(run["right"] for run in runs),
            {"runs": runs},
        ),
        Row(
            f"headset killed and reborn {births['births']} times during a run",
            "rests and returns within 1 s; no leak, no thread left",
            f"rests after {births['rest_median_s']:.2f} s (longest {births['rest_max_s']:.2f}), "
            f"returns after {births['return_median_s']:.2f} s (longest {births['return_max_s']:.2f}); "
            f"threads {births['threads']:+d}, open files {births['files']:+d}, "
            f"memory {births['kilobytes']:+.0f} kB between the 10th and the last",
            births["rest_max_s"] < 1.0
            and births["return_max_s"] < 1.0
            and births["threads"] <= 0
            and births["files"] <= 0,
            births,
        ),
    ]


def killed() -> dict[str, Any]:
    """Play a scene with a knob turned, kill, start again; seconds count from the new process's first instruction."""
    from tests.pulse import SINK

    with null_sink() as server, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_text(CONFIG, encoding="utf-8")
        env = {**server.env, "XDG_STATE_HOME": folder}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc:
            osc.bind(("127.0.0.1", 0))
            sets = (f"session.name={NAME}", "session.status=false", "web.enabled=false", "control.osc_port=0")
            sets += (f'output.osc.targets=["127.0.0.1:{osc.getsockname()[1]}"]',)
            command = brainmusic("run", "--config", file, "--resume", *(part for s in sets for part in ("--set", s)))

            def tell(*words: str) -> str:
                done = subprocess.run(brainmusic(*words, "--name", NAME), env=env, capture_output=True, text=True)
                return done.stdout

            with started(command, env) as first:
                osc.recv(4096)
                time.sleep(3.0)
                tell("tell", "scene", "calm")
                tell("tell", "route", "tempo", "gain", "1.5")
                time.sleep(1.0)
                first.send_signal(signal.SIGKILL)
                first.wait()
            osc.setblocking(False)
            try:
                while osc.recv(65536):
                    pass
            except BlockingIOError:
                osc.setblocking(True)
            listen = ["parec", "-d", f"{SINK}.monitor", "--format=float32le", f"--rate={server.samplerate}"]
            with started([*listen, "--channels=2", "--latency-msec=5"], server.env, stdout=subprocess.PIPE) as capture:
                sound = capture.stdout.fileno()
                os.read(sound, 1 << 16)
                begun = time.perf_counter()
                with started(command, env):
                    found: dict[str, Any] = _first(sound, osc, begun)
                    state = json.loads(tell("status", "--json") or "{}")
                    kept = json.loads((Path(folder) / "brainmusic" / f"{NAME}.json").read_text(encoding="utf-8"))
    mapper = state.get("mapper", {}).get("name")
    right = mapper == "linear" and state.get("preset") == "tides" and kept["scene"] == "calm"
    return {**found, "right": right and "1.5" in json.dumps(kept["table"])}


def rebirths(number: int) -> dict[str, Any]:
    """Kill and revive a headset in a running daemon, in this process."""
    import gc
    import threading

    from brainmusic_daemon.api import State
    from tests.test_devices_vanish import mortal, open_files, state

    def until(wanted: bool) -> float:
        begun = time.perf_counter()
        while (state(daemon) is State.LOST) is not wanted:
            if time.perf_counter() > begun + 20:
                raise RuntimeError("the music does not " + ("rest" if wanted else "return"))
            time.sleep(0.002)
        return time.perf_counter() - begun

    rests, returns = [], []
    before = (0, 0, 0.0)
    with mortal() as (daemon, source):
        while daemon.session.frame is None or not daemon.session.attached:
            time.sleep(0.05)
        until(False)
        for birth in range(number):
            source.dead = True
            rests.append(until(True))
            source.dead = False
            returns.append(until(False))
            if birth == 10:
                gc.collect()
                before = threading.active_count(), open_files(), _kilobytes()
        gc.collect()
        after = threading.active_count(), open_files(), _kilobytes()
    return {
        "births": number,
        "rest_median_s": statistics.median(rests),
        "rest_max_s": max(rests),
        "return_median_s": statistics.median(returns),
        "return_max_s": max(returns),
        "threads": after[0] - before[0],
        "files": after[1] - before[1],
        "kilobytes": after[2] - before[2],
    }


def _kilobytes() -> float:
    """Return the resident memory, where the system says it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


if __name__ == "__main__":
    print(json.dumps(rebirths(int(sys.argv[1]))))

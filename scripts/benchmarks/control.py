"""Commands from the shell and a flood of OSC in; how long they take, and what they cost the ticks, out."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import Options, Row, brainmusic, child, null_sink

NAME = "control"
FLOOD_HZ = 5_000
SILENT = 1e-3  # -60 dBFS
FRAMES_HZ = 48_000
SHORT = {"status": ("status",), "swap": ("swap", "linear"), "panic": ("tell", "panic"), "resume": ("tell", "resume")}


def measure(options: Options) -> list[Row]:
    return [*from_the_shell(options.runs), flood(min(options.seconds, 20.0))]


def from_the_shell(runs: int) -> list[Row]:
    """Time the short commands from start to end, and a panic from its datagram to silence in the capture."""
    import numpy as np

    from tests import daemons
    from tests.receivers import wait_for

    seconds: dict[str, list[float]] = {name: [] for name in SHORT}
    worked: list[float] = []
    silent: list[float] = []
    with null_sink() as pulse, pulse.capture() as file, running(pulse.env, "output.audio.device=pulse") as daemon:

        def peak() -> float:
            return float(np.abs(pulse.sound(file)[-FRAMES_HZ // 10 :]).max(initial=0.0))

        wait_for(lambda: peak() > 0.01, 60, "for sound")
        for _ in range(runs):
            for name, words in SHORT.items():
                begun, before = time.perf_counter(), processor_s()
                subprocess.run(brainmusic(*words, "--name", NAME), env=daemon.env, capture_output=True, check=True)
                seconds[name].append(time.perf_counter() - begun)
                worked.append(processor_s() - before)
            wait_for(lambda: peak() > 0.01, 60, "for sound")
            time.sleep(0.5)
            with daemons.client(daemon.osc_port) as patch:
                at = len(pulse.sound(file))
                patch.ask("/brainmusic/panic")
                time.sleep(0.5)
                loud = np.flatnonzero(np.abs(pulse.sound(file)).max(axis=1) > SILENT)
                silent.append((loud[-1] + 1 - at) / FRAMES_HZ)
                patch.ask("/brainmusic/resume")
            wait_for(lambda: peak() > 0.01, 60, "for sound")
        begun = time.perf_counter()
        subprocess.run(brainmusic("stop", "--name", NAME), env=daemon.env, capture_output=True, check=True)
        stopped = time.perf_counter() - begun
    longest = {name: max(found) for name, found in seconds.items()}
    return [
        Row(
            f"commands from the shell, start of the command included, {runs} runs each",
            "below 200 ms",
            ", ".join(f"`{name}` {1e3 * statistics.median(all_):.0f} ms (longest {1e3 * longest[name]:.0f})"
                      for name, all_ in seconds.items())
            + f"; processor time of one {1e3 * statistics.median(worked):.0f} ms",
            max(statistics.median(found) for found in seconds.values()) < 0.2,
            {"seconds": seconds, "processor_s": worked},
        ),
        Row(
            "OSC panic → silence (−60 dBFS) in the monitor's recording, device and capture included",
            "below 50 ms",
            f"median {1e3 * statistics.median(silent):.0f} ms (longest {1e3 * max(silent):.0f})",
            statistics.median(silent) < 0.05,
            {"seconds": silent},
        ),
        Row(
            "`brainmusic stop`, which returns when the music has faded out and the daemon has ended",
            "below 1 s, and the start of the command",
            f"{1e3 * stopped:.0f} ms",
            stopped < 1.2,
            {"seconds": stopped},
        ),
    ]  # fmt: skip


def processor_s() -> float:
    """Return the processor time of the programs that have ended, which says more than the clock on a busy machine."""
    spent = os.times()
    return spent.children_user + spent.children_system


def flood(seconds: float) -> Row:
    """Send what a runaway patch might, one in a hundred cut short."""
    from tests import daemons
    from tests.receivers import wait_for

    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_STATE_HOME": folder}
        with running(env, "output.audio.enabled=false") as daemon, daemons.client(daemon.osc_port) as patch:
            wait_for(lambda: daemon.status().get("ticks", {}).get("ticks"), 60, "for ticks")
            time.sleep(3.0)
            good = [
                daemons.packet("/brainmusic/target/tempo", 120.0),
                daemons.packet("/brainmusic/route/tempo/gain", 1.1),
                daemons.packet("/brainmusic/rate", 0.5),
            ]
            broken, sent = good[2][:-3], {"good": 0, "broken": 0}
            with ThreadPoolExecutor(1) as pool:
                sleeper = pool.submit(child, "ticks", seconds)  # what it misses too is the machine's doing
                before = daemon.status()
                for number in daemons.pace(FLOOD_HZ, seconds):
                    kind = "broken" if number % 100 == 0 else "good"
                    patch.socket.send(broken if kind == "broken" else good[number % 3])
                    sent[kind] += 1
                time.sleep(0.5)
                after = daemon.status()
                asleep = sleeper.result()["missed"]
    counted = after["osc_in"]
    ticks, missed = (after["ticks"][key] - before["ticks"][key] for key in ("ticks", "missed"))
    return Row(
        f"{FLOOD_HZ} OSC commands a second for {seconds:g} s, one in a hundred malformed",
        "no missed tick, all malformed counted, none fatal",
        f"{missed} of {ticks} ticks missed (by a program that only sleeps, beside it: {asleep}); "
        f"{counted['malformed']} of {sent['broken']} malformed counted, "
        f"{counted['received']} of {sent['good']} others received",
        missed == 0 and counted["malformed"] == sent["broken"] and after["ticks"]["failed"] == 0,
        {"sent": sent, "osc_in": counted, "missed": missed, "asleep": asleep, "ticks": ticks},
    )


class _Daemon:
    def __init__(self, process: Any, env: dict[str, str]) -> None:
        self._process, self.env = process, env

    @property
    def osc_port(self) -> int:
        return int(self._process.osc_port)

    def status(self) -> dict[str, Any]:
        told = subprocess.run(
            brainmusic("status", "--json", "--name", NAME), env=self.env, capture_output=True, text=True
        )
        return dict(json.loads(told.stdout or "{}"))  # it may just be starting


@contextmanager
def running(env: dict[str, str], *settings: str) -> Iterator[_Daemon]:
    """Run the daemon in a process of its own, with a folder of its own for what it keeps."""
    from tests import daemons

    with tempfile.TemporaryDirectory() as folder:
        state, runtime = Path(folder, "state"), Path(env.get("XDG_RUNTIME_DIR", Path(folder, "run")))
        runtime.mkdir(mode=0o700, exist_ok=True)
        own = {**env, "XDG_STATE_HOME": str(state), "XDG_RUNTIME_DIR": str(runtime)}
        quiet = ("control.osc_port=0", "session.status=false", "web.enabled=false")
        with daemons.process(*quiet, *settings, name=NAME, env=own, quiet=False) as process:
            yield _Daemon(process, own)

"""The daemon with its embedded default in; processor time, memory and whether torch was loaded out.  Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import Absent, Options, Row, brainmusic, free_port, null_sink, settings

START_S = 5.0  # imports and the opening of devices are told by the benchmark of the start
CLOCK_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def measure(options: Options) -> list[Row]:
    if not Path("/proc/self/stat").exists():
        raise Absent("needs /proc, which only Linux has")
    seconds = min(options.seconds, 30.0)
    with null_sink() as server:
        found = {shown: live(server.env, seconds, shown) for shown in (True, False)}
    return [
        Row(
            f"the daemon live, synth on, {seconds:g} s, status line {'on a terminal' if shown else 'off'}",
            "below 20 % of one core, below 250 MB without torch",
            f"{used['cpu']:.1f} % of one core ({used['main_cpu']:.1f} the main thread with the status line, "
            f"{used['sound_cpu']:.1f} the sound server's client, {used['rest_cpu']:.1f} acquisition, tick and synth); "
            f"{used['peak_mb']:.0f} MB at most ({used['private_mb']:.0f} of them not shared with files on disk); "
            f"torch {'IS' if used['torch'] else 'not'} loaded",
            used["cpu"] < 20 and used["peak_mb"] < 250 and not used["torch"],
            used,
        )
        for shown, used in found.items()
    ]


def live(env: Mapping[str, str], seconds: float, shown: bool) -> dict[str, Any]:
    """Run the program on a terminal of its own, where it shows its status, and look at it from outside."""
    import pty

    terminal, its_end = pty.openpty()
    threading.Thread(target=_drain, args=(terminal,), daemon=True).start()
    chosen = {"output.osc.targets": [f"127.0.0.1:{free_port()}"], "session.status": shown}
    command = brainmusic("run", "--for", START_S + seconds + 5.0, *settings(chosen))
    size = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(command, env={**env, **size}, stdin=subprocess.DEVNULL, stdout=its_end, stderr=its_end)
    os.close(its_end)
    try:
        time.sleep(START_S)
        before, begun = _threads(process.pid), time.perf_counter()
        time.sleep(seconds)
        after, took = _threads(process.pid), time.perf_counter() - begun
        status = Path(f"/proc/{process.pid}/status").read_text()
        torch = "torch" in Path(f"/proc/{process.pid}/maps").read_text()
    finally:
        process.terminate()
        process.wait(20)
        with contextlib.suppress(OSError):
            os.close(terminal)
    used = {tid: (name, spent - before.get(tid, (name, 0.0))[1]) for tid, (name, spent) in after.items()}
    by_name: dict[str, float] = {}
    for tid, (name, spent) in used.items():
        key = "main" if tid == process.pid else name
        by_name[key] = by_name.get(key, 0.0) + 100 * spent / took
    sizes = {key: int(kb) / 1024 for key, kb in re.findall(r"^(VmHWM|VmRSS|RssAnon):\s+(\d+) kB", status, re.M)}
    return {
        "cpu": sum(by_name.values()),
        "main_cpu": by_name["main"],
        "sound_cpu": (sound := by_name.get("threaded-ml", 0.0)),  # as libpulse names its thread
        "rest_cpu": sum(by_name.values()) - by_name["main"] - sound,
        "threads": {name: round(share, 2) for name, share in sorted(by_name.items()) if share > 0},
        "peak_mb": sizes["VmHWM"],
        "now_mb": sizes["VmRSS"],
        "private_mb": sizes["RssAnon"],
        "torch": torch,
    }


def _threads(process: int) -> dict[int, tuple[str, float]]:
    """Return thread → (name, seconds of processor time, user and system)."""
    found = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            head, _, rest = (task / "stat").read_text().rpartition(")")
            fields = rest.split()
            found[int(task.name)] = (head.partition("(")[2], (int(fields[11]) + int(fields[12])) / CLOCK_TICKS)
    return found


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass

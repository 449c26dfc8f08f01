"""A daemon whose page is open in three browsers in; what that costs it, and what it does to its ticks, out.

Stretches with and without somebody who looks alternate, so that what else the machine does falls on both.  The browsers
draw without a graphics card and take most of the machine, at the lowest priority; so three programs that only read what
a browser is sent are measured, too: what these cost is the daemon's own share.  Beside each stretch a program only
sleeps from deadline to deadline: what makes it late as well is the machine's doing.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.common import Absent, Options, Row, child, null_sink

LOOKING = 3
ROUNDS = 3
SETTLE_S = 2.0


def measure(options: Options) -> list[Row]:
    with contextlib.ExitStack() as stack:
        env: Mapping[str, str] | None = None
        with contextlib.suppress(Absent):
            env = stack.enter_context(null_sink()).env
        found = child("page", options.seconds / (4 * ROUNDS), env=env)
    return [_row(f"the page open in {LOOKING} {who}, all panels live", found[who]) for who in found]


def _row(what: str, found: Mapping[str, Any]) -> Row:
    without, looked = found["without"], found["with"]
    added = looked["core"] - without["core"]
    asked = "99 % of lateness unchanged within noise; below 10 % of a core added"
    rounds = ", ".join(f"{a:.2f} → {b:.2f}" for a, b in zip(without["rounds_ms"], looked["rounds_ms"], strict=True))
    missed = f"missed {without['missed']:.0f} → {looked['missed']:.0f} of {looked['due']:.0f}"
    sleeper = f"a program that only sleeps: {_middle(without['sleeper_ms']):.2f} → {_middle(looked['sleeper_ms']):.2f}"
    said = (
        f"{100 * added:.1f} % of a core added; late by 99 % {rounds} ms (stretches without → with; {sleeper}); {missed}"
    )
    later = _middle(looked["rounds_ms"]) - _middle(without["rounds_ms"])
    machine = max(0.0, _middle(looked["sleeper_ms"]) - _middle(without["sleeper_ms"]))
    noise = max(0.5, max(without["rounds_ms"]) - min(without["rounds_ms"]))
    return Row(what, asked, said, later <= machine + noise and added < 0.1, found)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _stretch(running: Any, seconds: float) -> dict[str, float]:
    """Return what a stretch of time cost, and how late its ticks were."""
    from brainmusic_daemon.service.metrics import Histogram

    lateness = running.ticker.lateness = Histogram()
    before, missed = resource.getrusage(resource.RUSAGE_SELF), running.ticker.counters()["missed"]
    begun = time.monotonic()
    sleeper = child("page", "sleep", seconds)
    took, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "core": spent / took,
        "p99_ms": 1e3 * lateness.percentile(99),
        "sleeper_ms": sleeper,
        "missed": running.ticker.counters()["missed"] - missed,
        "due": took / 0.02,
    }


@contextlib.contextmanager
def _readers(url: str) -> Iterator[None]:
    """Let programs read what a browser is sent, and do nothing with it."""
    import subprocess

    code = (
        "import sys; from websockets.sync.client import connect\n"
        "with connect(sys.argv[1], proxy=None) as c:\n"
        "    c.send('{}')\n"
        "    for m in c: pass\n"
    )
    address = url.replace("http", "ws") + "ws"
    made = [subprocess.Popen([sys.executable, "-c", code, address]) for _ in range(LOOKING)]
    try:
        yield
    finally:
        for process in made:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _browsers(url: str) -> Iterator[None]:
    from tests.browser import browser

    with contextlib.ExitStack() as stack:
        for _ in range(LOOKING):
            tab = stack.enter_context(browser("nice", "-n", "19")).tab()
            tab.size(1440, 1000)
            tab.open(url)
            tab.wait("window.brainmusic && brainmusic.traces.count > 20", 60)
        yield


def inside() -> None:
    """Child process: run a daemon; print the stretches with and without each kind of viewer."""
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service.daemon import Daemon

    seconds = float(sys.argv[1])
    overrides = ["web.port=0", "control.osc_port=0", "session.status=false", "session.name=page-bench"]
    running, stop = Daemon(configuration.load(None, [*overrides, "music.preset=ensemble"])), threading.Event()
    thread = threading.Thread(target=running.run, args=(stop,))
    thread.start()
    while not (running.web.port and running.session.attached):
        time.sleep(0.05)
    time.sleep(3 * SETTLE_S)
    found = {}
    kinds: dict[str, Callable[[str], Any]] = {"readers": _readers, "browsers": _browsers}
    for who, looking in kinds.items():
        stretches: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
        for _ in range(ROUNDS):
            stretches["without"].append(_stretch(running, seconds))
            with looking(running.web.url):
                time.sleep(SETTLE_S)
                stretches["with"].append(_stretch(running, seconds))
            time.sleep(SETTLE_S)
        found[who] = {name: _together(parts) for name, parts in stretches.items()}
    stop.set()
    thread.join()
    print(json.dumps(found))


def _together(parts: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "core": sum(part["core"] for part in parts) / len(parts),
        "rounds_ms": [part["p99_ms"] for part in parts],
        "sleeper_ms": [part["sleeper_ms"] for part in parts],
        "missed": sum(part["missed"] for part in parts),
        "due": sum(part["due"] for part in parts),
    }


def sleep_only(seconds: float) -> None:
    """Child process: wake up every 20 ms and do nothing; print by how much 99 % of it is late, ms."""
    begun, late = time.perf_counter(), []
    for number in range(1, round(seconds / 0.02) + 1):
        time.sleep(max(0.0, begun + 0.02 * number - time.perf_counter()))
        late.append(1e3 * (time.perf_counter() - begun - 0.02 * number))
    print(json.dumps(sorted(late)[int(0.99 * len(late))]))


if __name__ == "__main__":
    sleep_only(float(sys.argv[2])) if sys.argv[1] == "sleep" else inside()

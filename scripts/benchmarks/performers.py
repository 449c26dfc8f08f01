"""1 … 16 performers over LSL into one conductor; what each costs it, and how old a sample is when its datagram leaves.

    scripts/bench --only headsets

So many are published from one other process, at the rate and with the features of daemons (16 whole ones would need
more than this machine); one whole daemon, simulator included, then gives the age of a sample from end to end.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import CHECKOUT, Row, child, started

COUNTS = (1, 4, 8, 16)
NAME = "performer"


def rows(seconds: float) -> list[Row]:
    found: dict[int, dict[str, Any]] = {}
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "scripts")])
    with _lsl() as env:
        for count in COUNTS:
            command = [sys.executable, "-m", "benchmarks.performers", str(count)]
            with started(command, {**env, "PYTHONPATH": path}):
                found[count] = child("headsets", count, seconds, "performers", env=env)
    made = [
        Row(
            f"a conductor of {count} performer{'s' if count > 1 else ''} over LSL, {seconds:g} s",
            "",
            f"{one['there']} followed; {_ticks(one)}; {one['cpu']:.1f} % of one core; {one['features']} features; "
            f"{one['mb']:.0f} MB; their sample → its datagram {_age(one)}",
            None,
            one,
        )
        for count, one in found.items()
    ]
    few, many = found[COUNTS[0]], found[COUNTS[-1]]
    tick, cpu, mb = ((many[key] - few[key]) / (COUNTS[-1] - COUNTS[0]) for key in ("p50_ms", "cpu", "mb"))
    text = f"{tick:.2f} ms of a tick, {cpu:.1f} % of one core, {mb:.1f} MB"
    made.append(Row("each further performer", "stated", text, None, {"tick_ms": tick, "cpu": cpu, "mb": mb}))
    with _lsl() as env:
        one = _whole(seconds, env)
    text = f"{_age(one)}; both daemons on one machine, two ticks of 20 ms in between"
    return [*made, Row("a whole performer: its sample → the conductor's datagram", "stated", text, None, one)]


def _whole(seconds: float, env: Mapping[str, str]) -> dict[str, Any]:
    """Run one whole daemon as the performer."""
    settings = (f"output.lsl.name={NAME} 0", "session.name=bench-performer", "session.status=false")
    off = ("output.audio.enabled=false", "output.osc.enabled=false", "web.enabled=false", "control.enabled=false")
    words = [word for setting in (*settings, *off) for word in ("--set", setting)]
    with started([sys.executable, "-m", "brainmusic_daemon", "run", *words], {**env, "PYTHONPATH": str(CHECKOUT)}):
        return dict(child("headsets", 1, seconds, "performers", env=env))


def _ticks(one: Mapping[str, Any]) -> str:
    return (
        f"a tick takes {one['p50_ms']:.2f} ms (99 %: {one['p99_ms']:.2f}), begins {one['late_ms']:.2f} ms late (99 %), "
        f"{one['missed']} of {one['ticks'] + one['missed']} missed"
    )


def _age(one: Mapping[str, Any]) -> str:
    median, worst = one["sample_to_datagram_ms"]
    return f"{median:.0f} ms (99 %: {worst:.0f})"


@contextmanager
def _lsl() -> Iterator[dict[str, str]]:
    """Give the environment of an LSL session of its own, with ports for more streams than one computer has by default.

    Real performers have a computer, and 32 ports, each.
    """
    with tempfile.TemporaryDirectory(prefix="brainmusic-bench-") as folder:
        text = f"[lab]\nSessionID = {Path(folder).name}\n[ports]\nPortRange = 200\n[log]\nlevel = -3\n"
        file = Path(folder, "lsl_api.cfg")
        file.write_text(f"[multicast]\nResolveScope = machine\n{text}", encoding="utf-8")
        yield {**os.environ, "LSLAPICFG": str(file)}


def publish(count: int) -> None:
    """Publish the features of so many performers, as their daemons would, until the process is ended."""
    from brainmusic_daemon.api import StreamInfo
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.outputs.lsl import Lsl
    from tests.frames import TICK_S, make_frame

    clock = WallClock()
    outputs = [Lsl(name=f"{NAME} {number}", controls=[]) for number in range(count)]
    for output in outputs:
        output.open(clock, StreamInfo("", (), 0.0))
    frames = [make_frame(number) for number in range(50)]
    number = 0
    while True:
        number += 1
        now = number * TICK_S
        clock.wait_until(now)
        frame = frames[number % len(frames)]
        frame = replace(
            frame, features=replace(frame.features, time=now, sample_time=now - 0.004), time=now, follow=1.0
        )
        for output in outputs:
            output.send(frame)


if __name__ == "__main__":
    publish(int(sys.argv[1]))

"""The default set-up beside a busy core in; how well the ticks kept their deadlines out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from benchmarks.common import Absent, Options, Row, busy_core, child, null_sink, told


def measure(options: Options) -> list[Row]:
    with contextlib.ExitStack() as stack:
        env: Mapping[str, str] | None = None
        with contextlib.suppress(Absent):
            env = stack.enter_context(null_sink()).env
        where = stack.enter_context(busy_core())
        found = child("inside", options.seconds, 0, "default", env=env)
    sound = "sound and OSC on" if "audio" in found["outputs"] else "OSC on, no sound device"
    return [_row(found, f"{where} kept busy, {sound}", options.seconds)]


def _row(found: Mapping[str, Any], where: str, seconds: float) -> Row:
    ticks = found["counters"]
    return Row(
        f"ticks at 20 ms, {seconds:g} s, {where}",
        "none missed, 99 % of deadlines kept within 2 ms",
        f"{ticks['missed']:g} of {ticks['ticks'] + ticks['missed']:g} missed; {100 * found['within_2_ms_all']:.2f} % "
        f"within 2 ms (once 2 s old: {found['missed_settled']:g} missed, {100 * found['within_2_ms']:.2f} %); "
        f"late by {told(found['lateness'])}; work per tick {told(found['duration'])}",
        ticks["missed"] == 0 and found["within_2_ms_all"] >= 0.99,
        found,
    )

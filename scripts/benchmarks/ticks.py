"""The default set-up beside a busy core in; how well the ticks kept their deadlines out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from benchmarks.common import Absent, Options, Row, busy_core, child, null_sink, told
from benchmarks.inside import START_S


def measure(options: Options) -> list[Row]:
    with contextlib.ExitStack() as stack:
        env: Mapping[str, str] | None = None
        with contextlib.suppress(Absent):
            env = stack.enter_context(null_sink()).env
        where = stack.enter_context(busy_core())
        found = child("inside", START_S + options.seconds, 0, "default", env=env)
    sound = "sound and OSC on" if "audio" in found["outputs"] else "OSC on, no sound device"
    return [_row(found, f"{where} kept busy, {sound}", options.seconds)]


def _row(found: Mapping[str, Any], where: str, seconds: float) -> Row:
    whole, settled = found["all"], found["settled"]
    return Row(
        f"ticks at 20 ms, {seconds:g} s, {where}",
        "none missed, 99 % of deadlines kept within 2 ms",
        f"{settled['missed']} of {settled['due']} missed, {100 * settled['within_2_ms']:.2f} % within 2 ms; "
        f"late by {told(settled['lateness'])}; work per tick {told(settled['duration'])}; "
        f"beside these, {whole['missed'] - settled['missed']} missed in the {START_S:g} s of start-up",
        settled["missed"] == 0 and settled["within_2_ms"] >= 0.99,
        found,
    )

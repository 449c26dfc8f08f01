"""The default set-up beside a busy core in; how well the ticks kept their deadlines out."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.common import Absent, Options, Row, busy_core, child, null_sink, told
from benchmarks.inside import START_S


def measure(options: Options) -> list[Row]:
    """Beside it a program that only sleeps, from deadline to deadline: what it misses too is the machine's doing."""
    with contextlib.ExitStack() as stack:
        env: Mapping[str, str] | None = None
        with contextlib.suppress(Absent):
            env = stack.enter_context(null_sink()).env
        where = stack.enter_context(busy_core())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        sleeper = pool.submit(child, "ticks", options.seconds)
        found = child("inside", START_S + options.seconds, 0, "default", env=env) | {"sleeper": sleeper.result()}
    sound = "sound and OSC on" if "audio" in found["outputs"] else "OSC on, no sound device"
    return [_row(found, f"{where} kept busy, {sound}", options.seconds)]


def _row(found: Mapping[str, Any], where: str, seconds: float) -> Row:
    whole, settled, sleeper = found["all"], found["settled"], found["sleeper"]
    return Row(
        f"ticks at 20 ms, {seconds:g} s, {where}",
        "none missed, 99 % of deadlines kept within 2 ms",
        f"{settled['missed']} of {settled['due']} missed, {100 * settled['within_2_ms']:.2f} % within 2 ms; "
        f"late by {told(settled['lateness'])}; work per tick {told(settled['duration'])}; "
        f"beside these, {whole['missed'] - settled['missed']} missed in the {START_S:g} s of start-up; a program that "
        f"only sleeps from deadline to deadline at the same time: {sleeper['missed']} missed, "
        f"{100 * sleeper['within_2_ms']:.2f} % within 2 ms",
        settled["missed"] == 0 and settled["within_2_ms"] >= 0.99,
        found,
    )


def sleep_only() -> None:
    """Child process: wake up every 20 ms and do nothing; print how that went."""
    period, late = 0.02, []
    begin = time.perf_counter()
    due = round(float(sys.argv[1]) / period)
    number = 1
    while number <= due:
        time.sleep(max(0.0, begin + number * period - time.perf_counter()))
        late.append(time.perf_counter() - begin - number * period)
        number += 1 + int(late[-1] / period)
    print(json.dumps({"missed": due - len(late), "within_2_ms": sum(x <= 0.002 for x in late) / due}))


if __name__ == "__main__":
    sleep_only()

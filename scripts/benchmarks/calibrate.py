"""A calibration taken while the daemon plays, and changes of profile after it, in; the ticks that they cost, out."""

from __future__ import annotations

import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.common import Options, Row, brainmusic, child, null_sink
from benchmarks.control import NAME, running

TAKE_S = 12  # of each of both conditions: what is worked out afterwards hardly grows with it
CHANGES = 20  # back and forth
LONGEST_S = 55.0  # takes, bells and working out, with what is left of a slow machine


def measure(options: Options) -> list[Row]:
    from tests import daemons
    from tests.receivers import wait_for

    settings = ("output.audio.device=pulse", f"source.period_s={2 * TAKE_S}")
    with (
        null_sink() as pulse,
        tempfile.TemporaryDirectory() as profiles,
        running({**pulse.env, "BRAINMUSIC_PROFILES": profiles}, *settings) as daemon,
        daemons.client(daemon.osc_port) as patch,
        ThreadPoolExecutor(1) as pool,
    ):
        wait_for(lambda: daemon.status().get("ticks", {}).get("ticks"), 60, "for ticks")
        time.sleep(3.0)  # the start's own missed ticks are counted apart
        sleeper = pool.submit(child, "ticks", LONGEST_S + CHANGES / 4)
        before = daemon.status()["ticks"]
        told = patch.ask("/brainmusic/calibrate/start", "anna", TAKE_S, TAKE_S)
        assert told[1] == "ok", told
        said = wait_for_the_end(daemon.env)
        taken_up = daemon.status()["ticks"]
        seconds = []
        for number in range(2 * CHANGES):
            begun = time.perf_counter()
            told = patch.ask("/brainmusic/profile/none") if number % 2 else patch.ask("/brainmusic/profile", "anna")
            seconds.append(time.perf_counter() - begun)
            assert told[1] == "ok", told
            time.sleep(0.1)
        after = daemon.status()["ticks"]
        asleep = sleeper.result()["missed"]
    return [
        Row(
            f"calibrating 2 × {TAKE_S} s while it plays, taking it up, and {2 * CHANGES} changes of profile",
            "no missed tick",
            f"{taken_up['missed'] - before['missed']} of {taken_up['ticks'] - before['ticks']} missed by calibrating, "
            f"{after['missed'] - taken_up['missed']} by the changes, {1e3 * sorted(seconds)[CHANGES]:.0f} ms each "
            f"(longest {1e3 * max(seconds):.0f}); by a program that only sleeps, beside it: {asleep}",
            after["missed"] == before["missed"],
            {
                "before": before,
                "taken_up": taken_up,
                "after": after,
                "seconds": seconds,
                "said": said,
                "asleep": asleep,
            },
        )
    ]


def wait_for_the_end(env: dict[str, str]) -> str:
    """Return what the calibration has found."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        command = brainmusic("tell", "calibrate.state", "--name", NAME)
        told: subprocess.CompletedProcess[Any] = subprocess.run(command, env=env, capture_output=True, text=True)
        if told.stdout.startswith("done"):
            return str(told.stdout)
        time.sleep(1.0)
    raise TimeoutError(f"calibrating was not done within {LONGEST_S:g} s: {told.stdout}{told.stderr}")

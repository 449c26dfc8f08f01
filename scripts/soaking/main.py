"""Arguments in, both soaks run side by side, their verdicts printed; what is not met is exit code 1."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from soaking import judge, wall
from soaking.evening import judge as judge_evening
from soaking.measure import Verdict
from soaking.told import failed, say, table

_STEP = 0.05  # of progress that is told


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="on the wall clock; 0: not at all")
    parser.add_argument("--virtual-hours", type=float, default=24.0, help="on the virtual clock; 0: not at all")
    parser.add_argument("--json", action="store_true", help="everything, for machines")
    parser.add_argument("--strict", action="store_true", help="a machine that was too slow is a failure too")
    options = parser.parse_args()
    early: list[int] = []  # a signal that comes while the day is being started must not leave it alone
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    begun = time.monotonic()
    found: dict[str, list[Verdict]] = {}
    day = _start_day(options.virtual_hours, beside=bool(options.minutes)) if options.virtual_hours else None
    try:
        signal.signal(signal.SIGTERM, _end)
        if early:
            _end(early[0], None)
        if options.minutes:
            if part := wall.missing():
                say(f"no soak on the wall clock: needs {part}")
                found["wall clock"] = [Verdict("real parts", "all there", f"needs {part}", _optional())]
            else:
                found[f"{options.minutes:g} minutes on the wall clock"] = judge_evening(
                    wall.evening(options.minutes, _told("wall clock"))
                )
        if day is not None:
            found[f"{options.virtual_hours:g} hours on the virtual clock"] = _end_day(day)
    finally:
        if day is not None and day.poll() is None:
            day.kill()
            day.wait()
    wrong = [each for verdicts in found.values() for each in failed(verdicts, options.strict)]
    if options.json:
        rows = {title: [each.as_dict() for each in verdicts] for title, verdicts in found.items()}
        print(json.dumps({"took_s": time.monotonic() - begun, "failed": len(wrong), "soaks": rows}))
    else:
        print("\n\n".join(table(title, verdicts) for title, verdicts in found.items()))
        print(f"\n{len(wrong)} not met; {time.monotonic() - begun:.0f} s. A line with ! is slow, and no failure.")
    sys.exit(1 if wrong else 0)


def _end(number: int, _: object) -> None:
    """Leave as after an error, so that what was started is ended too; asked twice, go on with that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("ended before its time")
    sys.exit(128 + number)


def _optional() -> bool:
    """Return whether a part may be missing: not where CI asks for all."""
    return os.environ.get("BRAINMUSIC_REQUIRE_PARTS") != "1"


def _told(what: str) -> object:
    shown = -1.0

    def tell(share: float) -> None:
        nonlocal shown
        if share - shown >= _STEP:
            shown = share
            say(f"{what}: {share:.0%}")

    return tell


def _start_day(hours: float, *, beside: bool) -> subprocess.Popen[str]:
    """Play the day in a process of its own, which gives way to the one on the wall clock where it is `beside` it."""
    here = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(here), str(here.parent)])
    nice = ["nice", "-n", "19"] if beside and os.name == "posix" else []
    command = [*nice, sys.executable, "-m", "soaking.virtual", f"{hours:g}"]
    out = subprocess.PIPE
    return subprocess.Popen(command, stdout=out, text=True, env={**os.environ, "PYTHONPATH": path})


def _end_day(process: subprocess.Popen[str]) -> list[Verdict]:
    tell, last = _told("virtual clock"), ""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress "):
            tell(float(line.split()[1]))  # type: ignore[operator]
        else:
            last = line
    if process.wait() or not last:
        return [Verdict("the day", "played to its end", f"ended with code {process.returncode}", False)]
    found = json.loads(last)
    rows = judge.day(found)
    speed = f"{found['elapsed_s']:.0f} s, {found['hours'] * 3600 / found['elapsed_s']:.0f} × real time"
    return [*rows, Verdict("it took", "minutes", speed, True)]

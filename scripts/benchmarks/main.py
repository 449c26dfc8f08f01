"""The names of benchmarks in, a table out."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from typing import Any

from benchmarks import machine
from benchmarks.common import Absent, Options, Row

NAMES = (
    "welch",
    "live",
    "ticks",
    "latency",
    "audio",
    "start",
    "restart",
    "cost",
    "control",
    "calibrate",
    "storm",
    "page",
    "render",
    "headsets",
)


def main() -> None:
    """Measure, say on the way what is going on, print the table."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="8 s in place of 60, fewer runs: to see that it works")
    parser.add_argument("--json", action="store_true", help="for machines")
    chosen = parser.parse_args()
    options = Options(seconds=8.0, runs=2) if chosen.quick else Options()
    rows: list[tuple[str, Row]] = []
    shares: dict[str, float] = {}
    failed = False
    for name in chosen.only:
        print(f"{name} … (load {machine.load()})", file=sys.stderr, flush=True)
        begun, others = time.monotonic(), machine.Others()
        try:
            found: list[Row] = importlib.import_module(f"benchmarks.{name}").measure(options)
        except Absent as why:
            found = [Row(name, "", f"not measured: {why}")]
        except Exception as error:  # noqa: BLE001 - the others are measured all the same
            failed = True
            found = [Row(name, "", f"failed: {str(error).strip().splitlines()[-1]}", met=False)]
            traceback.print_exc()
        if (share := others.share()) is not None:
            shares[name] = round(share, 3)
        took = f"{name}: {time.monotonic() - begun:.0f} s, other programs took {100 * shares.get(name, 0):.0f} %"
        print(f"{took} of the machine", file=sys.stderr, flush=True)
        rows += [(name, row) for row in found]
        for row in found:
            print(f"  {row.what}: {row.measured}", file=sys.stderr, flush=True)
    about = machine.describe()
    if shares:
        about["share of the machine that other programs took"] = ", ".join(
            f"{name} {100 * share:.0f} %" for name, share in shares.items()
        )
    if chosen.json:
        print(json.dumps({"machine": about, "rows": [{"name": n, **row.as_dict()} for n, row in rows]}, indent=1))
    else:
        print(as_table(about, rows))
    sys.exit(1 if failed else 0)


def as_table(about: dict[str, Any], rows: list[tuple[str, Row]]) -> str:
    lines = ["; ".join(f"{key} {value}" for key, value in about.items()), ""]
    lines += ["| what | asked | measured | met | `scripts/bench --only` |", "|---|---|---|---|---|"]
    verdict = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {row.what} | {row.asked} | {row.measured} | {verdict[row.met]} | {n} |" for n, row in rows]
    return "\n".join(lines)

"""The names of peers in; tables, a picture, and the section of docs/benchmarks.md out."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine

from peers import catalogue, docs, encoders, environments, stimulus, summary, synth, tables, tuning, wave
from peers.peer import PROGRAMS, Peer
from peers.wave import Found

PARTS = ("encoders", "synth")
QUICK_S = 20.0
CORES = 1.2  # what the peers of one wave may want together: a good half of a small machine


def main() -> None:
    """Play, judge, tell."""
    options = _options()
    if options.tune:
        print(tuning.table(stimulus.minutes()))
        return
    if options.write:
        docs.check(options.write / "benchmarks.md")  # before twelve minutes are spent
    begun = time.monotonic()
    chosen = tuple(peer for peer in catalogue.every() if not options.only or peer.key in options.only)
    found = play(chosen, options.runs, QUICK_S if options.quick else stimulus.LONGEST_S) if chosen else []
    result: dict[str, Any] = {
        "peers": [summary.row(peer, [one for one in found if one.key == peer.key]) for peer in chosen],
        "encoders": _part("encoders", options, lambda: encoders.measure(1 if options.quick else encoders.ROUNDS)),
        "synth": _part("synth", options, lambda: synth.measure(1 if options.quick else 3)),
    }
    result["machine"] = {
        **machine.describe(),
        "took_s": round(time.monotonic() - begun),
        "others": summary.middle([one.others for one in found if one.others is not None]),
        "minutes": sorted({one.minute for one in found}),
        "runs": options.runs,
    }
    text = json.dumps(tables.plain(result), indent=1) if options.json else tables.text(result)
    print(text)
    if options.write:
        docs.write(options.write / "benchmarks.md", tables.section(result))
        drawn(result, options.write / "images" / "peers.png")


def _part(name: str, options: argparse.Namespace, measure: Callable[[], Any]) -> Any:
    if options.only and name not in options.only:
        return None
    print(f"{name} … (load {machine.load()})", file=sys.stderr, flush=True)
    return measure()


def drawn(result: dict[str, Any], file: Path) -> None:
    """Draw the picture, in the environment that has matplotlib."""
    command = [environments.python("tools"), "-P", PROGRAMS / "picture.py", file]
    subprocess.run(command, input=json.dumps(tables.plain(result)), text=True, check=True, timeout=120)


def play(chosen: tuple[Peer, ...], runs: int, seconds: float) -> list[Found]:
    """Return what every run of every peer came to; waves take turns, so that no peer has the quiet hour."""
    minutes = stimulus.minutes()
    found: list[Found] = []
    groups = catalogue.waves(chosen, CORES)
    for number in range(runs):
        minute = minutes[number % len(minutes)]
        for group in groups[number % len(groups) :] + groups[: number % len(groups)]:
            names = ", ".join(peer.key for peer in group)
            print(f"run {number + 1} of {runs}, {minute.name}: {names} (load {machine.load()})", file=sys.stderr)
            try:
                came = wave.run(group, minute.cut(seconds))
            except (
                OSError,
                RuntimeError,
                subprocess.SubprocessError,
            ) as error:  # the other waves are played all the same
                came = [Found(peer.key, minute.name, None, why=f"its wave failed: {error}") for peer in group]
            found += came
            for one in came:
                print(f"  {one.key}: {_line(one)}", file=sys.stderr, flush=True)
    return found


def _line(one: Found) -> str:
    if one.verdict is None:
        return f"nothing: {one.why}"
    v = one.verdict
    return (
        f"{v.prompt:.3f} at 100 ms, best {v.best:.3f} at {1000 * v.best_s:.0f} ms (at arrival {v.at_arrival[1]:.3f} at "
        f"{1000 * v.at_arrival[0]:.0f}), 0.95 at {1000 * v.reach_s:.0f} ms, {v.rate_hz:.1f} values/s, "
        f"{one.cpu:.1f} % of a core, {one.memory_mb:.0f} MB, {one.processes} processes"
    )


def _options() -> argparse.Namespace:
    names = [*(peer.key for peer in catalogue.every()), *PARTS]
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="only " + ", ".join(names))
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="minutes played to every peer (2)")
    parser.add_argument("--quick", action="store_true", help="20 s, once: to see that it works")
    parser.add_argument("--tune", action="store_true", help="only try the grid of the expert's settings, offline")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--write", type=Path, metavar="DOCS", help="write the section and the picture there")
    options = parser.parse_args()
    if options.quick:
        options.runs = 1
    return options

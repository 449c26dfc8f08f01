"""A number and pytest's arguments in; the tests run so often, files in random order; what differed between runs out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path


def outcomes(report: Path) -> dict[str, str]:
    """Return what became of each test of a run, from pytest's own report."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        said = next((kind for kind in ("error", "failure", "skipped") if kind in kinds), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = said
    return found


def differing(runs: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the tests that did not come out the same in every run, with what each run said."""
    said: dict[str, list[str]] = defaultdict(list)
    for name in sorted({name for run in runs for name in run}):
        said[name] = [run.get(name, "absent") for run in runs]
    return {name: each for name, each in said.items() if len({*each}) > 1}


def main(times: int, arguments: Sequence[str]) -> int:
    """Run all; 1 where anything failed or differed."""
    runs, worst = [], 0
    with tempfile.TemporaryDirectory(prefix="brainmusic-repeated-") as folder:
        for seed in range(1, times + 1):
            report = Path(folder) / f"{seed}.xml"
            options = ["-q", f"--shuffle={seed}", f"--junit-xml={report}"]
            print(f"run {seed} of {times}: --shuffle={seed}", flush=True)
            worst = max(worst, subprocess.run([sys.executable, "-m", "pytest", *options, *arguments]).returncode)
            runs.append(outcomes(report) if report.exists() else {})
    flaky = differing(runs)
    for name, said in flaky.items():
        print(f"not the same each time: {name}: {', '.join(said)}")
    print(f"{len(flaky)} of {len({n for run in runs for n in run})} tests were not the same in {times} runs")
    return int(bool(flaky) or worst > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

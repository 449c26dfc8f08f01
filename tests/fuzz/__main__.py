"""Names of targets and a budget in; each one fuzzed in a process of its own, and a table of what came of it, out."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import bed

FIGURES = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)")
RUNS = 1_000_000
HEAD = "| target | executions | seconds | a second of the processor | minutes to a million | edges | findings |"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one target; `findings` are all that fail today, whichever run came upon them."""

    name: str
    runs: int
    seconds: float
    worked: float  # seconds of the processor: speeds are told by these, whatever else the machine does
    edges: int
    findings: tuple[Path, ...]

    @property
    def row(self) -> str:
        rate = self.runs / self.worked if self.worked > 0 else 0.0
        million = RUNS / rate / 60 if rate else 0.0
        found = len(self.findings) or "none"
        speed = f"{rate:,.0f} | {million:.1f}"
        return f"| `{self.name}` | {self.runs:,} | {self.seconds:,.0f} | {speed} | {self.edges:,} | {found} |"


def main() -> int:
    """Fuzz what the command line names; 1 where anything was found."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz", description="Coverage-guided fuzzing of everything that parses."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="see --list")
    parser.add_argument("--all", action="store_true", help="every target, one after the other")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"executions of each ({RUNS:,})")
    parser.add_argument("--seconds", type=float, default=0.0, help="at most so long each")
    parser.add_argument("--seed", type=int, default=1, help="another seed takes other ways")
    parser.add_argument(
        "--findings", type=Path, default=Path(".fuzz"), help="folder of findings and grown corpora (.fuzz)"
    )
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="run one input of one target, and show what it raises"
    )
    parser.add_argument("--list", action="store_true", help="what there is")
    asked = parser.parse_args()
    wrong = [name for name in asked.targets if name not in bed.names()]
    if wrong:
        parser.error(f"there is no target {', '.join(wrong)}; there is {', '.join(bed.names())}")
    if asked.again is not None:
        bed.target(*asked.targets[:1]).timed(asked.again.read_bytes())
        print(f"{asked.again}: fine")
        return 0
    chosen = bed.names() if asked.all else asked.targets
    if asked.list or not chosen:
        for name in bed.names():
            print(f"{name:<16} {bed.about(name)}")
        return 0
    outcomes = [fuzzed(name, asked) for name in chosen]
    print(f"\n{HEAD}\n{'|---' * (HEAD.count('|') - 1)}|")
    print("\n".join(outcome.row for outcome in outcomes))
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for outcome in outcomes:
        for path in outcome.findings:
            again = f"\n  again: scripts/fuzz {outcome.name} --again {path}" if path.suffix != ".txt" else ""
            print(f"found: {path}{again}")
    return int(any(outcome.findings for outcome in outcomes))


def fuzzed(name: str, asked: argparse.Namespace) -> Outcome:
    """Fuzz one target in a process of its own, which what it feeds may end; return what came of it."""
    folder = asked.findings / name
    grown, found = folder / "corpus", folder / "found"
    for one in (grown, found):
        one.mkdir(parents=True, exist_ok=True)
    target = bed.target(name)
    words = folder / "words.dict"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words if word), encoding="ascii")
    known = standing(found, folder / "mended", lambda path: reproduces(name, path))
    options = [
        f"-runs={asked.runs}",
        f"-max_total_time={int(asked.seconds)}",
        f"-seed={asked.seed}",
        f"-max_len={target.most}",
        f"-dict={words}",
        f"-artifact_prefix={found}/",
        "-timeout=20",
        "-rss_limit_mb=3072",
        "-print_final_stats=1",
    ]
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.guided",
        name,
        str(found),
        *options,
        str(grown),
        str(bed.CORPUS / name),
    ]
    log, began, before = folder / "log.txt", time.monotonic(), _worked()
    with log.open("w", encoding="utf-8") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    seconds, worked = time.monotonic() - began, _worked() - before
    figures = FIGURES.findall(log.read_text(encoding="utf-8", errors="replace"))
    runs, edges, _ = figures[-1] if figures else (0, 0, 0)
    findings = inputs(found)
    if code and len(findings) == len(known):  # it ended, and left nothing that says why
        findings = (*findings, log)
    said = f"{len(findings)} findings, {len(known)} of them known"
    print(f"{name}: {int(runs):,} executions in {seconds:.0f} s, {edges} edges, {said}", flush=True)
    return Outcome(name, int(runs), seconds, worked, int(edges), findings)


def _worked() -> float:
    """Return for how long the processes that have ended kept a processor, s."""
    times = os.times()
    return times.children_user + times.children_system


def inputs(found: Path) -> tuple[Path, ...]:
    """Return what is kept of the places that fail, by name; a traceback lies beside each."""
    return tuple(path for path in sorted(found.iterdir()) if path.suffix != ".txt")


def standing(found: Path, mended: Path, fails: Callable[[Path], bool]) -> tuple[Path, ...]:
    """Try what earlier runs found: return what still fails; what does no more is told, and set aside in `mended`."""
    still = []
    for path in inputs(found):
        if fails(path):
            still.append(path)
            continue
        mended.mkdir(exist_ok=True)
        path.with_suffix(".txt").unlink(missing_ok=True)
        print(f"mended: {path.replace(mended / path.name)}", flush=True)
    return tuple(still)


def reproduces(name: str, path: Path) -> bool:
    """Say whether an input still fails, in a process of its own, which it may end, or hold for ever."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--again", str(path)]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def _quoted(word: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word[:60])


if __name__ == "__main__":
    sys.exit(main())

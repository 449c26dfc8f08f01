"""Recordings in; how many times faster than real time they are rendered, with and without sound, out."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import Options, Row, brainmusic, child, recordings

RECORDINGS = {
    "8 channels at 500 Hz": ("rest_vs_arithmetic/Subject03_1.edf", 182.0),
    "64 channels at 160 Hz": ("eyes_open_closed/S001R01.edf", 61.0),
}
FILES = {
    "without sound": {},
    "without sound, with `--controls`": {"--controls": "out.csv"},
    "with sound": {"--wav": "out.wav"},
    "with sound and `--controls`": {"--wav": "out.wav", "--controls": "out.csv"},
}


def measure(options: Options) -> list[Row]:
    rows = []
    runs = min(options.runs, 3)
    for recording, (path, seconds) in RECORDINGS.items():
        for files, arguments in FILES.items():
            found = [_once(recordings() / path, arguments, seconds) for _ in range(runs)]
            asked = 50 if "--wav" in arguments else 300
            speed, whole = (statistics.median(values) for values in zip(*found, strict=True))
            rows.append(
                Row(
                    f"`render` {files}, {recording}",
                    f"above {asked} × real time",
                    f"{speed:.0f} × (the whole program, start-up included: {whole:.0f} × in {seconds / whole:.1f} s)",
                    speed > asked,
                    {"speeds": [s for s, _ in found], "whole": [w for _, w in found]},
                )
            )
    return rows


def _once(recording: Path, arguments: dict[str, str], seconds: float) -> tuple[float, float]:
    """Return the speed of the work itself, and that of the whole program from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        files = {option: str(Path(folder) / name) for option, name in arguments.items()}
        work = child("render", recording, json.dumps(files))
        begun = time.perf_counter()
        options = [part for option in files.items() for part in option]
        subprocess.run(brainmusic("render", recording, *options), check=True, capture_output=True)
        return float(work["speed"]), seconds / (time.perf_counter() - begun)


def render_here() -> None:
    """Child process: render as the command does, and print what the program knows of its own speed."""
    from brainmusic_daemon.service.render import render_files

    given = json.loads(sys.argv[2])
    files = {"wav": "--wav", "csv": "--controls", "jsonl": "--osc"}
    paths = {kind: Path(given[option]) if option in given else None for kind, option in files.items()}
    done = render_files(Path(sys.argv[1]), None, (), files=paths)
    print(json.dumps({"speed": done.speed, "seconds": done.seconds, "elapsed": done.elapsed}))


if __name__ == "__main__":
    render_here()

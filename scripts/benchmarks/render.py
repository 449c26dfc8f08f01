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
            speed, alone, whole = (statistics.median(values) for values in zip(*found, strict=True))
            rows.append(
                Row(
                    f"`render` {files}, {recording}",
                    f"above {asked} × real time",
                    f"{speed:.0f} × ({alone:.0f} × per second of processor time; the whole program, start-up included: "
                    f"{whole:.0f} ×, {seconds / whole:.1f} s)",
                    speed > asked,
                    {"runs": found},
                )
            )
    return rows


def _once(recording: Path, arguments: dict[str, str], seconds: float) -> tuple[float, float, float]:
    """Return the speed of the work, by the clock and by processor time, and that of the whole program."""
    with tempfile.TemporaryDirectory() as folder:
        files = {option: str(Path(folder) / name) for option, name in arguments.items()}
        work = child("render", recording, json.dumps(files))
        begun = time.perf_counter()
        options = [part for option in files.items() for part in option]
        subprocess.run(brainmusic("render", recording, *options), check=True, capture_output=True)
        return work["speed"], work["alone"], seconds / (time.perf_counter() - begun)


def render_here() -> None:
    """Child process: render as the command does, and print what the program knows of its own speed."""
    from brainmusic_daemon.service.render import render_files

    given = json.loads(sys.argv[2])
    files = {"wav": "--wav", "csv": "--controls", "jsonl": "--osc"}
    paths = {kind: Path(given[option]) if option in given else None for kind, option in files.items()}
    begun: list[float] = []  # processor time and position, once the first ticks have loaded what they need

    def progress(position: float, *_total: float) -> None:
        if not begun:
            begun.extend((time.process_time(), position))

    done = render_files(Path(sys.argv[1]), None, (), files=paths, progress=progress)
    alone = (done.seconds - begun[1]) / (time.process_time() - begun[0])
    print(json.dumps({"speed": done.speed, "alone": alone, "seconds": done.seconds, "elapsed": done.elapsed}))


if __name__ == "__main__":
    render_here()

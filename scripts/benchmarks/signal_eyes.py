"""Eyes open and eyes closed in; how well they are told apart by the normalised features alone, out."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import brainmusic, recordings
from benchmarks.signal_data import Array, Table, Take, label, load, render, table, write_edf

Blocks = Sequence[tuple[int, float, float]]  # 0 open or 1 closed; from, to: seconds of that recording
WINDOWS_S = (2.0, 5.0)
FEATURES: Mapping[str, Sequence[str]] = {
    "alpha.occipital": ("alpha.occipital",),
    "alpha": ("alpha",),
    "mean of alpha, .occipital, .parietal": ("alpha", "alpha.occipital", "alpha.parietal"),
}
LATE_S = 0.1  # analysis delay and tick: the rows that belong to a window come that much later


def measure(pairs: Sequence[tuple[Path, Path]], settings: Sequence[str]) -> str:
    """Return the table of hits, threshold 0.5, nothing fitted; Welch has the best threshold of the same windows."""
    head = ["person, session, windows judged", "window", *FEATURES, "Welch, best threshold"]
    rows: list[list[object]] = []
    for opened, closed in pairs:
        takes = load(opened), load(closed)
        length = min(len(take.samples) / take.samplerate for take in takes) // 1
        half = length / 2
        sessions: dict[str, tuple[Blocks, float]] = {
            "all of one after the other, first time": ([(0, 0, length), (1, 0, length)], 0.0),
            "the same, second time": ([(0, 0, length), (1, 0, length)] * 2, 2 * length),
            f"blocks of {half:g} s, after the first of each": (
                [(0, 0, half), (1, 0, half), (0, half, length), (1, half, length)],
                2 * half,
            ),
        }
        known = {f"profile of the first {half:g} s of each, on the second": half, "profile of both, on both": length}
        for text, seconds in known.items():
            begin = seconds if seconds < length else 0.0
            sessions[text] = [(0, begin, length), (1, begin, length)], 0.0
        for text, (blocks, from_s) in sessions.items():
            x = joined(takes, blocks)
            with tempfile.TemporaryDirectory() as folder:
                profile = _calibrated(takes, known[text], Path(folder)) if text in known else []
                made = _session(takes[0], x, Path(folder), [*settings, *profile])
            for window_s in WINDOWS_S:
                hits, n = judged(takes[0], x, made, blocks, from_s, window_s)
                rows.append([f"{takes[0].name[:4]}, {text}, {n}", f"{window_s:g} s", *hits])
    return table(head, rows)


def default_pairs() -> list[tuple[Path, Path]]:
    """Return eyes open and eyes closed of each person.  Raises Absent."""
    folder = recordings() / "eyes_open_closed"
    return [(path, path.with_name(path.name.replace("R01", "R02"))) for path in sorted(folder.glob("*R01.edf"))]


def joined(takes: tuple[Take, Take], blocks: Blocks) -> Array:
    """Return the samples of the blocks one after the other, as one recording would hold them."""
    rate = takes[0].samplerate
    return np.concatenate([takes[state].samples[round(a * rate) : round(b * rate)] for state, a, b in blocks])


def _calibrated(takes: tuple[Take, Take], seconds: float, folder: Path) -> list[str]:
    """Calibrate with the first `seconds` of each recording; return the setting that names the profile."""
    files = [folder / f"{state}.edf" for state in ("open", "closed")]
    for take, file in zip(takes, files, strict=True):
        rate = round(take.samplerate)
        write_edf(file, take.samples[: round(seconds * rate)], take.channels, rate)
    os.environ["BRAINMUSIC_PROFILES"] = str(folder)  # of this process and its children: nobody's profiles are touched
    command = brainmusic("calibrate", "bench", "--from", files[0], "--closed-from", files[1])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"brainmusic calibrate ended with {done.returncode}: {done.stderr[-1000:]}")
    return ["session.profile=bench"]


def _session(take: Take, x: Array, folder: Path, settings: Sequence[str]) -> Table:
    path = folder / "session.edf"
    write_edf(path, x, take.channels, round(take.samplerate))
    return render(path, settings)


def judged(
    take: Take, x: Array, made: Table, blocks: Blocks, from_s: float, window_s: float
) -> tuple[list[float], int]:
    """Return the share of windows that each feature tells right, then Welch, and how many windows there are."""
    windows, states, start = [], [], 0.0
    for state, begin, end in blocks:
        for number in range(int((end - begin) / window_s)):
            at = start + number * window_s
            if at >= from_s:
                windows.append(at)
                states.append(state)
        start += end - begin
    truth = np.array(states, bool)
    time = made["time"] - LATE_S
    hits = []
    for names in FEATURES.values():
        value = np.mean([made[f"feature.{name}"] for name in names if f"feature.{name}" in made], axis=0)
        means = np.array([value[(time > at) & (time <= at + window_s)].mean() for at in windows])
        hits.append(float(np.mean((means > 0.5) == truth)))
    power = _welch(take, x, windows, window_s)
    return [*hits, max(float(np.mean((power > limit) == truth)) for limit in power)], len(windows)


def _welch(take: Take, x: Array, windows: Sequence[float], window_s: float) -> Array:
    from scipy.signal import welch

    rate = take.samplerate
    picks = [i for i, name in enumerate(take.channels) if label(name) in ("O1", "OZ", "O2")]
    found = []
    for at in windows:
        part = x[round(at * rate) : round((at + window_s) * rate), picks]
        f, power = welch(part, rate, nperseg=min(round(2 * rate), len(part)), axis=0)
        found.append(power[(f >= 8) & (f <= 13)].sum(axis=0).mean())
    return np.array(found)

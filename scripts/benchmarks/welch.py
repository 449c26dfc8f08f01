"""Recordings of eyes open and closed in; how far alpha goes up, by `render` and by scipy's Welch, out."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import Options, Row, brainmusic, recordings

BAND_HZ = (8.0, 13.0)
SETTLED_S = 2.0  # the first window is filling


def measure(options: Options) -> list[Row]:
    folder = recordings() / "eyes_open_closed"
    rows = []
    for subject in ("S001", "S002"):
        files = [folder / f"{subject}R0{run}.edf" for run in (1, 2)]
        (opened, opened_welch), (closed, closed_welch) = [(_rendered(file), _welch(file)) for file in files]
        ours, theirs = closed / opened, closed_welch / opened_welch
        rows.append(
            Row(
                f"eyes closed over open, `raw.alpha.occipital`, {subject}, through `render`",
                "within 25 % of Welch",
                f"{ours:.2f}; Welch {theirs:.2f}; {100 * (ours / theirs - 1):+.1f} %",
                abs(ours / theirs - 1) <= 0.25,
                {"ratio": ours, "welch": theirs},
            )
        )
    return rows


def _rendered(recording: Path) -> float:
    """Return the mean of raw.alpha.occipital over all ticks, µV²."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "controls.csv"
        subprocess.run(brainmusic("render", recording, "--controls", table), check=True, capture_output=True)
        with table.open() as lines:
            rows = [(float(r["time"]), float(r["feature.raw.alpha.occipital"])) for r in csv.DictReader(lines)]
    return float(np.mean([value for time, value in rows if time > SETTLED_S]))


def _welch(recording: Path) -> float:
    """Return the mean power of the same channels in the same band, µV²; Hann windows of 2 s, half overlapping."""
    import mne
    from scipy.signal import welch

    from brainmusic_daemon.features.montage import region_of

    raw = mne.io.read_raw_edf(recording, verbose="error")
    picks = [name for name in raw.ch_names if region_of(name) == "occipital"]
    samples = 1e6 * raw.get_data(picks=picks)
    rate = float(raw.info["sfreq"])
    hz, density = welch(samples, rate, nperseg=round(2 * rate))
    inside = (hz >= BAND_HZ[0]) & (hz <= BAND_HZ[1])
    return float(density[:, inside].sum(axis=1).mean() * (hz[1] - hz[0]))

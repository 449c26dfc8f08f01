"""Curves in, as JSON on standard input; a picture of correlation over lag out.  Needs matplotlib only.

python picture.py FILE.png < result.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {
    "brainmusic": "#111111",
    "script": "#c0392b",
    "Timeflux": "#1f77b4",
    "goofi-pipe": "#2a9d4a",
    "EEGsynth": "#8e5bb5",
    "mne-lsl + Welch": "#e08a1e",
    "BrainFlow": "#17a2a2",
}
BUTTERWORTH = "#e377c2"
TICKS_MS = (0, 50, 100, 250, 500, 1000, 2000, 3000, 4000)


def main() -> None:
    result = json.load(sys.stdin)
    figure, axis = plt.subplots(figsize=(10.5, 6.2), dpi=110, layout="constrained")
    rows = [row for row in result["peers"] if row.get("curve") and row["role"] != "between"]
    for row in rows:
        _draw(axis, row)
    axis.axhline(0.95, color="#999999", linewidth=0.8, zorder=0)
    axis.axvline(100, color="#999999", linewidth=0.8, zorder=0)
    axis.set_xscale("function", functions=(lambda x: x**0.5, lambda x: x**2))
    axis.set_xlim(0, 4200)
    axis.set_xticks(TICKS_MS, [f"{ms}" for ms in TICKS_MS])
    axis.set_ylim(-0.35, 1.0)
    axis.set_xlabel("the truth so many ms before what a receiver holds")
    axis.set_ylabel("correlation of the delivered alpha with the true envelope")
    axis.set_title(f"Alpha over the same live stream: {', '.join(result['machine']['minutes'])}", fontsize=11)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    figure.savefig(sys.argv[1])


def _draw(axis: Any, row: dict[str, Any]) -> None:
    ours, script = row["kind"] == "ours", row["kind"] == "script"
    style = "--" if row["role"] == "tuned" else ":" if row["role"] == "variant" else "-"
    lags = [1000 * lag for lag in row["lags"]]
    label = f"{'expert' if script else row['tool']}: {row['setting']}"
    colour = BUTTERWORTH if row["key"].startswith("butterworth") else COLOURS.get(row["tool"], "#666666")
    width = 2.6 if ours and row["role"] == "documented" else 1.4
    axis.plot(lags, row["curve"], style, color=colour, linewidth=width, label=label, zorder=5 if ours else 2)
    axis.plot([1000 * row["best_s"]], [row["best"]], "o", color=colour, markersize=4, zorder=6)


if __name__ == "__main__":
    main()

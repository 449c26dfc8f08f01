"""Recordings in; how much of 0..1 every normalised feature uses after the first minute, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.signal_data import load, render, table

FROM_S = 60.0
ASKED_SPAN, ASKED_CLIPPED = 0.6, 0.02
CLIPPED = 0.005  # this near to an end


def measure(files: Sequence[Path], settings: Sequence[str]) -> str:
    """Return one row per recording; where it is shorter, its second half is looked at."""
    head = ["recording", "from", "features", "span, least", "median", f"below {ASKED_SPAN}", "clipped at most", "worst"]
    rows: list[list[object]] = []
    for path in files:
        take = load(path)
        made = render(path, settings)
        length = made["time"][-1]
        begin = FROM_S if length > FROM_S + 20 else length / 2
        after = made["time"] > begin
        after &= np.array([state == "good" for state in made.states])
        names = [name for name in made.columns if name.startswith("feature.") and not name.startswith("feature.raw.")]
        if after.sum() < 100:
            rows.append([take.name, f"{begin:.0f} s", len(names), "no good signal", "", "", "", ""])
            continue
        values = np.column_stack([made[name][after] for name in names])
        low, high = np.percentile(values, [5, 95], axis=0)
        span = high - low
        clipped = ((values < CLIPPED) | (values > 1 - CLIPPED)).mean(axis=0)
        worst = names[int(np.argmin(span))].removeprefix("feature.")
        rows.append(
            [
                take.name,
                f"{begin:.0f} s",
                len(names),
                f"{span.min():.2f}",
                f"{np.median(span):.2f}",
                f"{(span < ASKED_SPAN).mean():.0%}",
                f"{clipped.max():.1%}",
                worst,
            ]
        )
    text = f"5th to 95th percentile of each feature; asked: {ASKED_SPAN} and more, below {ASKED_CLIPPED:.0%} clipped"
    return f"{text} (within {CLIPPED} of an end)\n\n" + table(head, rows)

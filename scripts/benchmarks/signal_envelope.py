"""Recordings in; how well alpha from `render`, and alpha of the peers, follow the true envelope 100 ms before, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.signal_data import (
    BANDS,
    EDGE_S,
    Array,
    Take,
    butterworth_envelope,
    correlation,
    envelope,
    load,
    render,
    table,
    ticks,
)
from benchmarks.signal_peers import PEERS

ASKED_S, ASKED = 0.1, 0.96
WANTED = ("O1", "OZ", "O2")
LAGS = np.round(np.arange(0.0, 2.01, 0.025), 3)


def measure(files: Sequence[Path], settings: Sequence[str]) -> str:
    """Return the tables of alpha at 100 ms."""
    takes = [take for take in map(load, files) if len(take.samples) / take.samplerate > 4 * EDGE_S]
    names = ["brainmusic", *PEERS]
    rows: list[list[object]] = []
    best: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    others: list[list[object]] = []
    for take in takes:
        picks = take.picked(WANTED)
        truth = envelope(take.samples[:, picks], take.samplerate, BANDS["alpha"])
        second = butterworth_envelope(take.samples[:, picks], take.samplerate, BANDS["alpha"])
        row: list[object] = [take.name]
        for name in names:
            times, found = _estimate(take, picks, name, settings)
            at = [float(np.nanmedian(correlation(take, truth, times, found, lag))) for lag in LAGS]
            row.append(at[int(np.argmin(np.abs(LAGS - ASKED_S)))])
            best[name].append((float(LAGS[int(np.nanargmax(at))]), float(np.nanmax(at))))
            if name == "brainmusic":
                each = correlation(take, truth, times, found, ASKED_S)
                soft = float(np.nanmedian(correlation(take, second, times, found, ASKED_S)))
                cells = ", ".join(f"{take.channels[i]} {r:.3f}" for i, r in zip(picks, each, strict=True))
                others.append([take.name, cells if len(picks) <= 4 else f"{len(picks)} channels", soft])
        rows.append(row)
    turned = [[name, *(row[i + 1] for row in rows)] for i, name in enumerate(names)]
    for line, name in zip(turned, names, strict=True):
        lag, r = np.median([b[0] for b in best[name]]), np.median([b[1] for b in best[name]])
        line += [f"{1000 * lag:.0f} ms", float(r)]
    head = ["alpha, 8-13 Hz, at 100 ms", *(take.name for take in takes), "best at", "there"]
    text = (
        f"Correlation with the zero-phase envelope of the same channel {1000 * ASKED_S:.0f} ms before, median over "
        f"{', '.join(WANTED)} (else all); asked with closed eyes: {ASKED}\n\n" + table(head, turned)
    )
    return text + "\n\n" + table(["channel by channel", "r at 100 ms", "against filtfilt + Hilbert"], others)


def _estimate(take: Take, picks: tuple[int, ...], name: str, settings: Sequence[str]) -> tuple[Array, Array]:
    """Return times and amplitudes (n_times, n_channels) of one method."""
    if name != "brainmusic":
        times = ticks(take)
        return times, PEERS[name](take, picks, times, BANDS["alpha"])
    made = render(take.path, settings)
    columns = [np.sqrt(made[f"feature.raw.alpha.{take.channels[i]}"]) for i in picks]
    return made["time"], np.column_stack(columns)

"""Recordings in; the pictures of docs/signal.md out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.signal_data import BANDS, envelope, load, render, ticks
from benchmarks.signal_envelope import ASKED_S, WANTED
from benchmarks.signal_peers import PEERS

SHOWN = ("Butterworth tuned to these recordings: order 1, 4 Hz", "Hann FFT, 1 s", "OpenBCI GUI", "scipy Welch, 2 s")
SECONDS = (20.0, 32.0)


def draw(path: Path, folder: Path, settings: Sequence[str]) -> list[Path]:
    """Draw alpha of one recording, and the kernels; return the files."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    return [_envelopes(path, folder / "envelope.png", settings), _kernels(folder / "kernels.png")]


def _envelopes(path: Path, file: Path, settings: Sequence[str]) -> Path:
    from matplotlib import pyplot

    take = load(path)
    picks = take.picked(WANTED)[:1]
    channel = take.channels[picks[0]]
    truth = envelope(take.samples[:, picks], take.samplerate, BANDS["alpha"])[:, 0]
    at = np.arange(len(truth)) / take.samplerate + take.begin
    made = render(path, settings)
    ours = (made["time"], np.sqrt(made[f"feature.raw.alpha.{channel}"]))
    times = ticks(take)
    lines = {"this program": ours, **{n: (times, PEERS[n](take, picks, times, BANDS["alpha"])[:, 0]) for n in SHOWN}}
    figure, axes = pyplot.subplots(len(lines), 1, figsize=(8, 1.35 * len(lines)), sharex=True, layout="constrained")
    for axis, (name, (t, value)) in zip(axes, lines.items(), strict=True):
        wanted = np.interp(t - ASKED_S, at, truth)
        inner = np.isfinite(value) & (t > 3) & (t < at[-1] - 2)
        r = np.corrcoef(value[inner], wanted[inner])[0, 1]
        scale = np.sqrt(np.mean(wanted[inner] ** 2) / np.mean(value[inner] ** 2))
        axis.fill_between(t, wanted, color="0.85", label=f"truth, {1000 * ASKED_S:.0f} ms before")
        axis.plot(t, scale * value, color="C0" if name == "this program" else "C3", linewidth=1.2)
        axis.set_title(f"{name}: r = {r:.2f}", fontsize=9, loc="left")
        axis.set_ylim(0, 1.1 * wanted[inner].max())
        axis.set_yticks([])
        axis.set_xlim(*SECONDS)
    axes[-1].set_xlabel(f"s; alpha of {channel} in {take.name}, each scaled to the truth's size")
    return _saved(figure, file)


def _kernels(file: Path) -> Path:
    from matplotlib import pyplot

    from brainmusic_daemon.features import delays, kernels

    fs, chosen, prior = 250.0, delays.choose(BANDS, 0.075, kernel_s=1.0), delays.expected(BANDS)
    made = kernels.design([*BANDS.values()], fs, 250, [*chosen.values()], prior)
    f = np.arange(0.1, 125, 0.1)
    gain = 20 * np.log10(np.maximum(np.abs(kernels.response(made, fs, f)) / 2, 1e-6))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for column, name in enumerate(BANDS):
        left.plot(f, gain[:, column], label=f"{name}, {1000 * chosen[name]:.0f} ms", linewidth=1)
        answer = np.abs(made[::-1, column])
        right.plot(np.arange(len(answer)) / fs * 1000, answer / answer.max(), linewidth=1)
    for line in (50, 60, 100, 120):
        left.axvline(line, color="0.8", linewidth=0.6, zorder=0)
    left.set(xscale="log", xlim=(0.1, 125), ylim=(-100, 5), xlabel="Hz", ylabel="gain, dB")
    left.legend(fontsize=7, loc="lower left")
    right.set(xlabel="age of a sample, ms", ylabel="|kernel|, of its peak")
    return _saved(figure, file)


def _saved(figure: Any, file: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(file, dpi=100)
    pyplot.close(figure)
    return file

"""Recordings in; what each band costs in delay, by design and as measured, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.signal_data import BANDS, EDGE_S, Array, Take, envelope, load, table

DELAYS_S = (0.05, 0.1, 0.15, 0.25, 0.5)
FINE_S = np.round(np.arange(0.05, 0.501, 0.025), 3)
FIDELITY = 0.9
KERNEL_S = 1.0


def measure(files: Sequence[Path], settings: Sequence[str]) -> str:
    """Return correlation per band and delay, the delay each band needs, and how well the design foretells it."""
    from brainmusic_daemon.features import delays, kernels

    del settings  # the kernels themselves are what is looked at here
    takes = [take for take in map(load, files) if len(take.samples) / take.samplerate > 8 * EDGE_S]
    prior = delays.expected(BANDS)
    chosen = delays.choose(BANDS, 0.075, kernel_s=KERNEL_S)
    rows: list[list[object]] = []
    needs: list[list[object]] = []
    learned: list[list[object]] = []
    for name, band in BANDS.items():
        every, own = [], []
        at_default: list[tuple[float, float, float, float]] = []
        for take in takes:
            picks = take.picked((), 16)
            x = take.samples[:, picks]
            truth = envelope(x, take.samplerate, band)
            spectrum = learn(take, picks, prior)
            every.append([_follow(take, x, truth, band, delay, prior)[0] for delay in FINE_S])
            own.append([_follow(take, x, truth, band, delay, spectrum)[0] for delay in FINE_S])
            before, after = (_follow(take, x, truth, band, chosen[name], density) for density in (prior, spectrum))
            at_default.append((*before, *after))
        expected = [
            float(
                delays.expected_correlation(
                    kernels.design([band], 250.0, 250, [delay], prior), [band], np.array([delay]), 250.0, prior
                )[0]
            )
            for delay in FINE_S
        ]
        for text, values in (("", np.array(every)), (", own spectrum", np.array(own))):
            middle = np.median(values, axis=0)
            picked = [float(middle[int(np.argmin(np.abs(FINE_S - delay)))]) for delay in DELAYS_S]
            rows.append([f"{name}{text}", *picked, _first(middle)])
        needed = [_first(np.array(row)) for row in every]
        needs.append([name, f"{1000 * chosen[name]:.0f} ms", _first(np.array(expected)), *needed])
        default = np.array(at_default)
        learned.append(
            [
                f"{name}, {1000 * chosen[name]:.0f} ms",
                *(float(v) for v in np.median(default[:, [0, 2]], axis=0)),
                float(np.max(default[:, 2] - default[:, 0])),
                float(np.min(default[:, 2] - default[:, 0])),
                float(np.mean(np.abs(default[:, 1] - default[:, 0]))),
                float(np.mean(np.abs(default[:, 3] - default[:, 2]))),
            ]
        )
    ms = [f"{1000 * delay:.0f} ms" for delay in DELAYS_S]
    return "\n\n".join(
        [
            "Correlation of the causal envelope with the true one, by delay; up to 16 channels of each of "
            f"{len(takes)} recordings, median. `own spectrum`: learned on the first 60 s, or half if shorter.",
            table(["band", *ms, f"{FIDELITY} at"], rows),
            f"The delay that each recording needs for {FIDELITY} (steps of 25 ms up to 500), and what the design says:",
            table(["band", "default", "by design", *(take.name for take in takes)], needs),
            "What the own spectrum is worth at the default delay, and how far the foretold correlation is off:",
            table(["band", "prior", "own", "most gained", "least", "prior off by", "own off by"], learned),
        ]
    )


def learn(take: Take, picks: Sequence[int], prior: object) -> object:
    """Return the spectrum as the program learns it, from the first minute or the first half."""
    from brainmusic_daemon.api import Window
    from brainmusic_daemon.features.spectrum import Learner

    n = round(KERNEL_S * take.samplerate)
    step = round(0.5 * take.samplerate)
    last = min(round(60 * take.samplerate), len(take.samples) // 2)
    learner = Learner(len(picks), take.samplerate, 0.5, n, 1.0)
    for end in range(n, last + 1, step):
        part = np.ascontiguousarray(take.samples[end - n : end, picks], dtype=np.float32)
        nothing = np.zeros(len(picks))
        window = Window(part, nothing, end, end / take.samplerate, n, nothing.astype(bool))
        learner.add(window, np.ones(len(picks), bool))
    return learner.spectrum(prior)  # type: ignore[arg-type]


def _follow(
    take: Take, x: Array, truth: Array, band: tuple[float, float], delay: float, density: object
) -> tuple[float, float]:
    """Return the measured and the foretold correlation of one kernel."""
    from scipy.signal import fftconvolve

    from brainmusic_daemon.features import delays, kernels

    fs = take.samplerate
    made = kernels.design([band], fs, round(KERNEL_S * fs), [delay], density)  # type: ignore[arg-type]
    found = np.abs(fftconvolve(x - x.mean(axis=0), made[::-1], axes=0)[: len(x)])
    at = np.arange(len(x)) / fs
    inner = (at > EDGE_S) & (at < at[-1] - EDGE_S)
    each = [
        np.corrcoef(found[inner, i], np.interp(at[inner] - delay, at, truth[:, i]))[0, 1] for i in range(x.shape[1])
    ]
    foretold = delays.expected_correlation(made, [band], np.array([delay]), fs, density)  # type: ignore[arg-type]
    return float(np.nanmedian(each)), float(foretold[0])


def _first(values: Array) -> str:
    enough = np.flatnonzero(values >= FIDELITY)
    return f"{1000 * FINE_S[enough[0]]:.0f} ms" if len(enough) else f"no ({values.max():.2f})"

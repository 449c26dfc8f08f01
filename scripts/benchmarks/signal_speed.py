"""Nothing in; what a tick costs beside Welch and BrainFlow on the same data, and by channels and rate, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.signal_data import Array, table

PAIRS = ((8, 250.0), (64, 500.0))
SIZES = ((8, 250.0), (16, 250.0), (32, 250.0), (64, 250.0), (128, 250.0), (256, 250.0), (64, 500.0), (64, 1000.0),
         (64, 2000.0), (256, 1000.0))  # fmt: skip
_NAMES = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")


def measure(files: Sequence[Path], settings: Sequence[str]) -> str:
    """Return the two tables of speed; microseconds per tick, the least of seven stretches."""
    del files
    rows = []
    for channels, rate in PAIRS:
        product, bands, every, n_features = tick_cost(channels, rate, settings)
        brainflow, scipy = peers_cost(channels, rate)
        size = f"{channels} ch {rate:g} Hz"
        rows += [
            [f"{size}: the product alone", _us(product), _times(brainflow / product), _times(scipy / product)],
            [
                f"{size}: five bands of all channels and regions",
                _us(bands),
                _times(brainflow / bands),
                _times(scipy / bands),
            ],
            [f"{size}: all {n_features} features", _us(every), _times(brainflow / every), _times(scipy / every)],
            [f"{size}: BrainFlow get_avg_band_powers, 2 s", _us(brainflow), "", ""],
            [f"{size}: scipy Welch, 2 s, spectra only", _us(scipy), "", ""],
        ]
    costs = []
    for channels, rate in SIZES:
        product, bands, every, n_features = tick_cost(channels, rate, settings)
        costs.append(
            [
                channels,
                f"{rate:g}",
                _us(product),
                f"{1e9 * product / (channels * rate):.2f}",
                _us(bands),
                _us(every),
                n_features,
            ]
        )
    return "\n\n".join(
        [
            "One tick, µs; asked of all features: 100 × BrainFlow, 30 × Welch; 256 channels at 1000 Hz below 2 ms.",
            table(["", "µs", "BrainFlow ÷ this", "Welch ÷ this"], rows),
            "What channels and rate cost, kernels of 1 s, so that the window grows with the rate:",
            table(["channels", "Hz", "product, µs", "ns per sample", "bands, µs", "all, µs", "features"], costs),
        ]
    )


def tick_cost(channels: int, rate: float, settings: Sequence[str]) -> tuple[float, float, float, int]:
    """Return seconds for the product, for band powers and regions, for all features, and how many those are."""
    from brainmusic_daemon import config
    from brainmusic_daemon.api import StreamInfo, Window
    from brainmusic_daemon.pipeline import Pipeline

    pipeline = Pipeline(config.load(None, settings))
    names = _NAMES if channels == 8 else tuple(f"{_NAMES[i % 8]}_{i}" for i in range(channels))
    pipeline.prepare(StreamInfo("", names, rate))
    bank = pipeline.bank
    assert bank is not None
    spectral, n = bank.spectral, bank.spectral.n_taps
    x = noise(round(3 * rate), channels).astype(np.float32)
    step, nothing = round(0.02 * rate), np.zeros(channels)
    ends = range(n, len(x), step)
    windows = [Window(x[end - n : end], nothing, end, end / rate, n, nothing.astype(bool)) for end in ends]
    ring = len(windows)
    W, out = spectral._W, spectral.analysis.products

    def bands(i: int) -> None:
        spectral.analyse(windows[i % ring])
        spectral.pool()

    number = iter(range(10**9))

    def every(i: int) -> None:
        tick = next(number)
        bank.update(0.02 * tick, windows[i % ring], alive=True)

    count = max(20, int(20_000 / channels / (rate / 250)))
    product = fastest(lambda i: np.dot(windows[i % ring].samples.T, W, out=out), count)
    return product, fastest(bands, count), fastest(every, count), len(bank.names) // 2


def peers_cost(channels: int, rate: float) -> tuple[float, float]:
    """Return seconds for BrainFlow's band powers and for scipy's Welch, both on 2 s of all channels."""
    from brainflow import DataFilter
    from scipy.signal import welch

    data = np.ascontiguousarray(noise(round(2 * rate), channels).T)
    every = list(range(channels))
    brainflow = fastest(lambda i: DataFilter.get_avg_band_powers(data, every, round(rate), True), 5)
    return brainflow, fastest(lambda i: welch(data, rate, nperseg=min(256, data.shape[1])), 20)


def noise(n: int, channels: int) -> Array:
    """Return 1/f noise (n, channels), 10 µV."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((n, channels)), axis=0)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))[:, None]
    x = np.fft.irfft(spectrum, n, axis=0)
    return np.asarray(10 * x / x.std(axis=0))


def fastest(work: Callable[[int], object], count: int, stretches: int = 7) -> float:
    """Return seconds per call, in the fastest of some stretches: the others shared the machine."""
    work(0)
    found = []
    for _ in range(stretches):
        begun = time.perf_counter()
        for i in range(count):
            work(i)
        found.append((time.perf_counter() - begun) / count)
    return min(found)


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:.3g}" if seconds < 1e-3 else f"{1e6 * seconds:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} ×" if ratio < 10 else f"{ratio:.0f} ×"

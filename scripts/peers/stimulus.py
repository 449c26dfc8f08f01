"""Nothing in; a minute with closed eyes, what came before it, and the true alpha in it, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from benchmarks.common import Absent, recordings
from benchmarks.signal_data import Array, envelope, label, load

CHANNELS = ("Fp1", "Fp2", "C3", "C4", "Pz", "O1", "Oz", "O2")  # of a usual small headset
WATCHED = ("O1", "Oz", "O2")  # their alpha is delivered and judged
ALPHA = (8.0, 13.0)
LONGEST_S = 61.0
RATE_HZ = 250.0  # of a usual headset: settings of "256 samples" then mean what their authors meant

# The window that serves best of 0.2 to 2 s on the two recordings with closed eyes (scripts/bench_peers --tune): longer
# is later and hardly truer, shorter lets the neighbours of the band in.
BEST_S = 0.4


@dataclass(frozen=True, slots=True)
class Minute:
    """Eyes open until everybody listens, then closed: samples in microvolts, (n_samples, n_channels)."""

    name: str
    channels: tuple[str, ...]
    samplerate: float
    before: Array  # eyes open; played round and round
    samples: Array  # eyes closed: this is what is judged

    def truth(self) -> Array:
        """Return the zero-phase alpha envelope (n_samples, len(WATCHED)), µV, of exactly the band."""
        picks = [self.channels.index(name) for name in WATCHED]
        return envelope(self.samples[:, picks], self.samplerate, ALPHA)

    def cut(self, seconds: float) -> Minute:
        """Return the same with less of the closed eyes."""
        n = round(seconds * self.samplerate)
        return Minute(self.name, self.channels, self.samplerate, self.before, self.samples[:n])


def minutes() -> list[Minute]:
    """Return the real minutes there are, or one of the simulator where the recordings are absent."""
    try:
        folder = recordings() / "eyes_open_closed"
    except Absent:
        return [simulated()]
    return list(_recorded(folder)) or [simulated()]


def _recorded(folder: Path) -> Iterator[Minute]:
    for closed in sorted(folder.glob("*R02.edf")):
        opened = closed.with_name(closed.name.replace("R02", "R01"))
        if opened.exists():
            rows, rate = _eight(closed)
            yield Minute(f"{closed.stem[:4]} (recorded)", CHANNELS, rate, _eight(opened)[0], rows)


def _eight(path: Path) -> tuple[Array, float]:
    from scipy.signal import resample_poly

    take = load(path)
    labels: Sequence[str] = [label(name) for name in take.channels]
    rows = take.samples[: round(LONGEST_S * take.samplerate), [labels.index(name.upper()) for name in CHANNELS]]
    ratio = Fraction(RATE_HZ / take.samplerate).limit_denominator(1000)
    middle = rows.mean(axis=0)
    return middle + resample_poly(rows - middle, ratio.numerator, ratio.denominator, axis=0), RATE_HZ


def simulated() -> Minute:
    """Return a minute of the simulated person."""
    from brainmusic_daemon.acquisition.simulator import Simulator
    from brainmusic_daemon.clock import VirtualClock

    person, clock, rows = Simulator(channels=CHANNELS, period_s=LONGEST_S), VirtualClock(), []
    person.open(clock)
    while clock.now() < 2 * LONGEST_S:
        chunk = person.read(1.0)
        if chunk is not None:
            rows.append(chunk.samples)
    samples = np.concatenate(rows).astype(float)
    half = round(LONGEST_S * person.samplerate)
    return Minute("simulated", CHANNELS, person.samplerate, samples[:half], samples[half : 2 * half])

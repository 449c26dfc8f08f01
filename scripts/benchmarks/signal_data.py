"""Recordings in; their samples, what the program makes of them, and the truth that looks back from later, out."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import recordings

Array = npt.NDArray[np.float64]
BANDS = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
EDGE_S = 2.0  # at both ends the window is filling, and the truth has no future to look at
TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Take:
    """The longest stretch without a gap of one recording; sample k is at begin + k/samplerate."""

    path: Path
    channels: tuple[str, ...]
    samplerate: float
    samples: Array  # (n_samples, n_channels) µV
    begin: float  # s after the first sample of the recording

    @property
    def name(self) -> str:
        return self.path.stem[:22]

    def picked(self, wanted: Sequence[str], at_most: int = 16) -> tuple[int, ...]:
        """Return the channels of these names; without any of them some of all, evenly."""
        labels = [label(name) for name in self.channels]
        found = tuple(labels.index(name) for name in wanted if name in labels)
        evenly = np.unique(np.linspace(0, len(labels) - 1, min(at_most, len(labels))).round().astype(int))
        return found or tuple(int(i) for i in evenly)


def label(channel: str) -> str:
    """Return the bare 10-20 name of a channel such as `EEG O1-REF` or `Oz..`."""
    return channel.strip().rstrip(".").removeprefix("EEG ").split("-")[0].strip().upper()


@lru_cache(maxsize=4)
def load(path: Path) -> Take:
    """Read a recording as the program does.  Channels that are flat are left out: there is nothing to compare."""
    from brainmusic_daemon.acquisition import formats

    take = formats.load(path)
    run = max(take.runs, key=lambda run: run.stop - run.start)
    samples = np.nan_to_num(take.samples[run.start : run.stop])
    alive = np.flatnonzero(samples.std(axis=0) > 0)
    channels = tuple(take.channels[i] for i in alive)
    return Take(path, channels, 1 / run.step, samples[:, alive], run.time - take.runs[0].time)


def defaults() -> list[Path]:
    """Return the recordings that the figures are asked for.  Raises Absent."""
    folder = recordings()
    return sorted(
        [
            *folder.glob("eyes_open_closed/*.edf"),
            *folder.glob("rest_vs_arithmetic/*.edf"),
            *folder.glob("openbci_text/*.txt"),
        ]
    )


def envelope(x: Array, samplerate: float, band: tuple[float, float]) -> Array:
    """Return the zero-phase envelope (n_samples, n_channels): the analytic signal of exactly the band, by FFT."""
    pad = int(2 * samplerate)
    padded = np.pad(x - x.mean(axis=0), ((pad, pad), (0, 0)), mode="reflect")
    spectrum = np.fft.fft(padded, axis=0)
    f = np.fft.fftfreq(len(padded), 1 / samplerate)
    spectrum[~((f >= band[0]) & (f <= band[1]))] = 0
    return np.asarray(2 * np.abs(np.fft.ifft(spectrum, axis=0))[pad : pad + len(x)])


def butterworth_envelope(x: Array, samplerate: float, band: tuple[float, float]) -> Array:
    """Return the zero-phase envelope of the usual script: a Butterworth filter both ways, and Hilbert."""
    from scipy.signal import butter, hilbert, sosfiltfilt

    sos = butter(4, band, "bandpass", fs=samplerate, output="sos")
    return np.abs(hilbert(sosfiltfilt(sos, x - x.mean(axis=0), axis=0), axis=0))


def correlation(take: Take, truth: Array, times: Array, estimate: Array, lag: float) -> Array:
    """Return per channel how the estimates made at `times` follow the truth `lag` seconds before.

    `truth` (n_samples, n_channels), `estimate` (n_times, n_channels): what leaves at time T has seen samples ≤ T.
    """
    at = np.arange(len(truth)) / take.samplerate + take.begin
    inner = (times - lag > at[0] + EDGE_S / 2) & (times > at[0] + EDGE_S) & (times < at[-1] - EDGE_S)
    inner &= np.isfinite(estimate).all(axis=1)
    t, found = times[inner] - lag, []
    for column in range(truth.shape[1]):
        a, b = estimate[inner, column], np.interp(t, at, truth[:, column])
        found.append(np.corrcoef(a, b)[0, 1] if a.std() > 0 and b.std() > 0 else np.nan)
    return np.array(found)


def ticks(take: Take) -> Array:
    """Return the times of the ticks that fall into a take."""
    end = take.begin + len(take.samples) / take.samplerate
    return np.arange(int(take.begin / TICK_S) + 1, int(end / TICK_S) + 1) * TICK_S


def seen(take: Take, times: Array) -> npt.NDArray[np.intp]:
    """Return how many samples have come by each of `times`: those whose time is ≤ T."""
    return np.floor((times - take.begin) * take.samplerate + 1 + 1e-6).astype(np.intp)


@dataclass(frozen=True, slots=True)
class Table:
    """What `brainmusic render --controls` wrote."""

    columns: Mapping[str, int]
    values: Array  # (n_rows, n_columns); NaN where there is text
    states: list[str]
    speed: float  # × real time

    def __getitem__(self, name: str) -> Array:
        return self.values[:, self.columns[name]]

    def __contains__(self, name: object) -> bool:
        return name in self.columns


def render(path: Path, settings: Sequence[str] = ()) -> Table:
    """Render a recording to a table through the program's own `render`, in this process."""
    from brainmusic_daemon.service.render import render_files

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "controls.csv"
        done = render_files(path, None, list(settings), files={"csv": table})
        with table.open(newline="", encoding="utf-8") as lines:
            rows: Iterator[list[str]] = csv.reader(lines)
            head = next(rows)
            state = head.index("state")
            read = [row for row in rows]
    values = np.array([[_number(text) for text in row] for row in read])
    return Table({name: i for i, name in enumerate(head)}, values, [row[state] for row in read], done.speed)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def write_edf(path: Path, samples: Array, channels: Sequence[str], samplerate: int) -> None:
    """Write (n_samples, n_channels) µV as an EDF file of whole seconds, 0.1 µV or finer."""
    limit = float(np.ceil(np.abs(samples).max() + 1))
    count, seconds = len(channels), len(samples) // samplerate
    texts: list[tuple[Sequence[object], int]] = [
        (["0"], 8), (["X X X X", "Startdate X X X X"], 80),
        (["01.01.26", "10.00.00", 256 * (count + 1)], 8), ([""], 44),
        ([seconds, 1], 8), ([count], 4), (channels, 16), ([""] * count, 80), (["uV"] * count, 8), ([-limit] * count, 8),
        ([limit] * count, 8), ([-32768] * count, 8), ([32767] * count, 8), ([""] * count, 80),
        ([samplerate] * count, 8), ([""] * count, 32),
    ]  # fmt: skip
    head = b"".join(str(text).encode()[:width].ljust(width) for group, width in texts for text in group)
    digital = np.round((samples + limit) / (2 * limit) * 65535 - 32768).astype("<i2")
    records = digital[: seconds * samplerate].reshape(seconds, samplerate, count).transpose(0, 2, 1)
    path.write_bytes(head + records.tobytes())


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """Return a value as it stands in a table; correlations and shares with three and two digits."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)

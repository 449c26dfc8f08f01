"""Recordings as text (OpenBCI GUI, BrainFlow CSV); samples that fit together, or a ConfigError."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.acquisition.formats import cut, markers, text
from brainmusic_daemon.acquisition.formats.take import Take
from brainmusic_daemon.api import ConfigError
from tests.fuzz import bed

MOST = 3072
QUICK = 4000
WORDS = (
    "%OpenBCI Raw EXG Data\n",
    "%Number of channels = ",
    "%Sample Rate = 250 Hz\n",
    "%Board = OpenBCI_GUI$BoardCytonSerial\n",
    "Sample Index, EXG Channel 0, EXG Channel 1, Timestamp\n",
    "\n",
    ",",
    "\t",
    ", ",
    "nan",
    "inf",
    "-1e308",
    "1e999",
    "255",
    "256",
    "0",
    "1.5",
    "999999999999",
    "\x1c",
    "\x85",
    "1_0",
    "B\n",
    "%",
)


def whole(take: Take) -> None:
    """Check what the program stands on: shapes, a rate, runs in order that cover every sample once."""
    assert take.samples.ndim == 2 and take.samples.shape[1] == len(take.channels) == len(set(take.channels))
    assert take.samplerate > 0 and np.isfinite(take.samplerate), take.samplerate
    assert take.samples.dtype == np.float64 and take.runs[0].start == 0 and take.runs[-1].stop == len(take.samples)
    for one, other in zip(take.runs[:-1], take.runs[1:], strict=True):
        assert one.stop == other.start and one.number < other.number, take.runs
        assert np.isfinite(other.time) and other.time > one.time and other.step > 0, take.runs
    assert all(run.step > 0 and run.start < run.stop and np.isfinite(run.time) for run in take.runs), take.runs
    for run in cut(take.runs, 0.5, 1.0):
        assert 0 <= run.start < run.stop <= len(take.samples) and run.time >= 0


def fuzz(data: bytes) -> None:
    """Read as OpenBCI's text; with B first, as a BrainFlow CSV of a Cyton."""
    board = "CYTON_BOARD" if data[:2] == b"B\n" else ""
    path = bed.file("recording.txt", data[2:] if board else data)
    try:
        take = text.read(path, board)
    except ConfigError as error:
        assert str(error)
        return
    whole(take)
    assert markers.read(path, take) == ()


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    head = b"%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 250 Hz\n"
    head += b"%Board = OpenBCI_GUI$BoardCytonSerial\n"
    titles = b"Sample Index, EXG Channel 0, EXG Channel 1, Timestamp\n"
    rows = "".join(
        f"{i % 256}, {i * 0.5}, {-i}, {1600000000 + i / 250:.4f}\n" for i in range(12) if i not in (4, 5)
    ).encode()
    flow = "".join("\t".join(str(float(i + column)) for column in range(24)) + "\n" for i in range(6)).encode()
    return {
        "new": head + titles + rows,
        "old": head + rows,
        "brainflow": b"B\n" + flow,
        "csv": b"B\n" + flow.replace(b"\t", b","),
        "empty": b"\n",
    }

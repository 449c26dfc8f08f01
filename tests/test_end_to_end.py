"""Real eyes, open and closed, told apart at the far end: offline, in what Pure Data received, and in the sound."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from brainmusic_daemon.service.render import render_files
from tests import parts
from tests.pulse import Pulse
from tests.receivers import pd_receiver, wait_for

SUBJECTS = ("S001", "S002")
OCCIPITAL = ("PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2", "Iz")
WATCHED = ("feature/raw.alpha.occipital", "feature/alpha", "feature/engagement", "control/fundamental_frequency")
PHASE_S = 16.0  # of each condition, live
COMMAND = (sys.executable, "-m", "brainmusic_daemon")


def recording(subject: str, run: int) -> Path:
    return parts.recordings() / "eyes_open_closed" / f"{subject}R0{run}.edf"


def column(table: Path, name: str) -> npt.NDArray[np.float64]:
    with table.open(encoding="utf-8") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])


def welch_alpha(file: Path) -> float:
    """Return the alpha power of the occipital channels as scipy's Welch (2 s) sees it, µV²."""
    import mne
    from scipy.signal import welch

    raw = mne.io.read_raw_edf(file, preload=True, verbose="error")
    raw.rename_channels(lambda name: name.strip(".").replace("Po", "PO"))
    x = raw.get_data(list(OCCIPITAL)) * 1e6
    f, density = welch(x, raw.info["sfreq"], nperseg=int(2 * raw.info["sfreq"]))
    inside = (f >= 8) & (f <= 13)
    return float(density[:, inside].mean())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_offline_alpha_closed_over_open_is_what_welch_says(subject: str, tmp_path: Path) -> None:
    power = []
    for run in (1, 2):
        table = tmp_path / f"{run}.csv"
        render_files(recording(subject, run), None, (), files={"csv": table})
        power.append(column(table, "feature.raw.alpha.occipital")[100:].mean())
    expected = welch_alpha(recording(subject, 2)) / welch_alpha(recording(subject, 1))
    assert power[1] / power[0] == pytest.approx(expected, rel=0.25)


@contextmanager
def playing(file: Path) -> Iterator[None]:
    """Publish a recording over LSL, as the command does, while the block runs."""
    process = subprocess.Popen([*COMMAND, "replay", str(file), "--stream", "person"], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0


def centroid(file: Path, begin: float, end: float, samplerate: int = 48_000) -> float:
    """Return the mean frequency (Hz) of the sound between two times, each octave below 4 kHz with the weight it has."""
    x = np.fromfile(file, dtype=np.float32).reshape(-1, 2)[int(begin * samplerate) : int(end * samplerate)].mean(axis=1)
    frames = x[: len(x) // 8192 * 8192].reshape(-1, 8192) * np.hanning(8192)
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).mean(axis=0)
    f = np.fft.rfftfreq(8192, 1 / samplerate)
    inside = (f > 60) & (f < 4000)
    return float((f * power)[inside].sum() / power[inside].sum())


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_live_the_eyes_are_heard_in_pure_data_and_in_the_sound(subject: str, tmp_path: Path) -> None:
    """One run of the daemon; the person's headset plays eyes open, goes away, comes back with the eyes closed."""
    files = [recording(subject, run) for run in (1, 2)]
    port = parts.free_port()
    pulse = Pulse()
    pulse.start()
    settings = [
        "source.kind=lsl",
        "source.name=person",
        "session.patience_s=60",
        "baseline.settle_s=3",
        "output.audio.device=pulse",
        f'output.osc.targets=["127.0.0.1:{port}"]',
        'output.osc.features=["raw.alpha.occipital", "alpha", "engagement"]',
        'output.osc.controls=["fundamental_frequency"]',
    ]
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    log = tmp_path / "run.log"
    try:
        with pd_receiver(port) as received, pulse.capture() as sound, log.open("wb") as err:
            begun = time.monotonic()
            daemon = subprocess.Popen([*COMMAND, "run", *arguments], env=pulse.env, stderr=err)
            spans, marks = [], []
            for file in files:
                seen = len(received)
                with playing(file):
                    wait_for(lambda seen=seen: good(received[seen:]), timeout=40, what="the state 'good'")
                    first, start = len(received), time.monotonic() - begun
                    wait_for(lambda first=first: lasted(received[first:]), timeout=PHASE_S + 20, what="the phase")
                    marks.append((first, len(received)))
                    spans.append((start + 2, time.monotonic() - begun))
            daemon.terminate()
            assert daemon.wait(timeout=10) == 0
            time.sleep(0.2)  # what is in the recorder's pipe
            heard = [centroid(sound, *span) for span in spans]
    finally:
        pulse.close()
    opened, closed = (received[slice(*mark)] for mark in marks)
    opened, closed = ({name: mean(part, name) for name in WATCHED} for part in (opened, closed))
    assert closed["feature/raw.alpha.occipital"] > 4 * opened["feature/raw.alpha.occipital"]
    assert closed["feature/alpha"] > 0.15 + opened["feature/alpha"]
    assert closed["feature/engagement"] < opened["feature/engagement"] - 0.02
    assert closed["control/fundamental_frequency"] < 0.97 * opened["control/fundamental_frequency"]
    assert heard[1] < 0.95 * heard[0]
    said = log.read_text(encoding="utf-8")
    assert "streaming again" in said
    assert "Traceback" not in said


Messages = list[tuple[str, list[float | int | str]]]


def values(messages: Messages, name: str) -> npt.NDArray[np.float64]:
    return np.array([args[0] for address, args in messages if address == f"/brainmusic/{name}"], float)


def mean(messages: Messages, name: str) -> float:
    return float(values(messages, name).mean())


def good(messages: Messages) -> bool:
    return ("/brainmusic/state", ["good"]) in messages


def lasted(messages: Messages) -> bool:
    return len(values(messages, "feature/alpha")) >= PHASE_S * 50

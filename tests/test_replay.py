"""A recording published as LSL streams and received again: values, times, labels, formats."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.acquisition.lsl import Lsl
from brainmusic_daemon.acquisition.recording import Recording
from brainmusic_daemon.api import Chunk, ConfigError, StreamInfo
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.service.replay import Replay
from tests import parts, xdf_writer
from tests.receivers import wait_for
from tests.xdf_writer import Stream

pytestmark = pytest.mark.real
RATE = 200.0
LABELS = ("Fz", "O1", "O2")


def _file(folder: Path, seconds: float = 3.0, gap_s: float = 0.0) -> Path:
    """Write an EEG whose first channel is the sample number, markers, and an empty stream."""
    n = int(seconds * RATE)
    times = 1000 + np.arange(n) / RATE
    times[n // 2 :] += gap_s
    samples = np.column_stack([np.arange(n), np.sin(np.arange(n)) * 50, -np.arange(n)])
    stamp = f"{time.monotonic_ns()}"
    channels = [{"label": label, "unit": "microvolts", "type": "EEG", "maker": "me & <you>"} for label in LABELS]
    return xdf_writer.write(
        folder / f"{stamp}.xdf",
        [
            Stream(f"eeg {stamp}", samples, times, rate=RATE, fmt="float32", channels=channels, source_id=f"e{stamp}"),
            Stream(f"marks {stamp}", ["go", "né", ""], times[[20, min(200, n - 2), n - 1]], "Markers", 0.0, "string"),
            Stream(f"count {stamp}", np.arange(n // 20)[:, None], times[::20][: n // 20], "Count", 10.0, "int16"),
            Stream(f"empty {stamp}", np.zeros((0, 2)), [], "ACC", 50.0),
        ],
    )


@contextmanager
def _running(replay: Replay, **settings: Any) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=replay.run, args=(stop,), kwargs=settings)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def _receive(source: Lsl, seconds: float) -> tuple[StreamInfo, Chunk, list[float]]:
    """Return what the source says, what arrived, and how late each read's newest sample was."""
    clock = WallClock()
    info = source.open(clock)
    chunks, late, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        chunk = source.read(0.05)
        if chunk is not None:
            chunks.append(chunk)
            late.append(clock.now() - float(chunk.times[-1]))
    source.close()
    joined = Chunk(np.concatenate([c.samples for c in chunks]), np.concatenate([c.times for c in chunks]))
    return info, joined, late


def test_eeg_makes_the_round_trip(tmp_path: Path) -> None:
    path = _file(tmp_path, seconds=4)
    name = f"eeg {path.stem}"
    with _running(Replay(path)):
        info, got, late = _receive(Lsl(type="EEG", source_id=f"e{path.stem}"), 1.2)
    assert (info.name, info.channels, info.samplerate, info.uid) == (name, LABELS, RATE, f"e{path.stem}")
    first = int(got.samples[0, 0])
    assert len(got.times) > 100
    expected = np.arange(first, first + len(got.times))
    assert np.array_equal(got.samples[:, 0], expected)
    assert np.array_equal(got.samples[:, 1], (np.sin(expected) * 50).astype(np.float32).astype(float))
    np.testing.assert_allclose(np.diff(got.times), 1 / RATE, atol=1e-5)
    assert np.median(late) < 0.01


def test_every_stream_is_published_with_markers_and_formats(tmp_path: Path) -> None:
    import pylsl

    path = _file(tmp_path, seconds=4)
    with _running(Replay(path)):
        found = {info.name(): info for info in pylsl.resolve_bypred(f"contains(name,'{path.stem}')", 4, 3.0)}
        assert {name.split()[0] for name in found} == {"eeg", "marks", "count", "empty"}
        marks, count, eeg = (found[f"{kind} {path.stem}"] for kind in ("marks", "count", "eeg"))
        assert (marks.type(), marks.nominal_srate(), marks.channel_format()) == ("Markers", 0.0, pylsl.cf_string)
        assert (count.channel_format(), count.nominal_srate()) == (pylsl.cf_int16, 10.0)
        inlets = [pylsl.StreamInlet(info) for info in (marks, count, eeg)]
        description = inlets[2].info(2.0).desc().child("channels").first_child()
        assert (description.child_value("label"), description.child_value("maker")) == ("Fz", "me & <you>")
        for inlet in inlets:
            inlet.open_stream(2.0)
        end, rows = time.perf_counter() + 2.0, [[], [], []]
        while time.perf_counter() < end:
            for inlet, kept in zip(inlets, rows, strict=True):
                values, stamps = inlet.pull_chunk(0.05)
                kept += [(value[0], stamp) for value, stamp in zip(values, stamps, strict=True)]
    said, counted, sent = rows
    assert [text for text, _ in said] == ["né"]
    assert len(counted) > 10
    number_at = {number: stamp for number, stamp in sent}
    assert said[0][1] == pytest.approx(number_at[200.0], abs=1e-6)  # the streams keep their relative timing
    assert all(stamp == pytest.approx(number_at[20.0 * n], abs=1e-6) for n, stamp in counted if 20.0 * n in number_at)


def test_gaps_and_speed_are_kept(tmp_path: Path) -> None:
    path = _file(tmp_path, seconds=16, gap_s=4.0)
    with _running(Replay(path, speed=4.0, start_s=1.0)):
        info, got, _ = _receive(Lsl(type="EEG", source_id=f"e{path.stem}"), 3.2)
    assert info.samplerate == 4 * RATE
    assert 200 <= got.samples[0, 0] < 1600
    at = int(np.flatnonzero(got.samples[:, 0] == 1600)[0])
    steps = np.diff(got.times)
    assert steps[at - 1] == pytest.approx((4.0 + 1 / RATE) / 4, abs=1e-4)
    np.testing.assert_allclose(np.delete(steps, at - 1), 1 / RATE / 4, atol=1e-4)


def test_looping_goes_on_in_time(tmp_path: Path) -> None:
    path = _file(tmp_path, seconds=0.5)
    with _running(Replay(path, loop=True)) as thread:
        _, got, _ = _receive(Lsl(type="EEG", source_id=f"e{path.stem}"), 1.2)
        assert thread.is_alive()
    assert (np.diff(got.samples[:, 0]) == -99).sum() >= 2
    np.testing.assert_allclose(np.diff(got.times), 1 / RATE, atol=1e-4)


def test_renamed_stopped_and_counted(tmp_path: Path) -> None:
    path = _file(tmp_path, seconds=60)
    replay, shown = Replay(path, stream_name=f"me {path.stem}"), []
    assert [track.name.split()[0] for track in replay.tracks] == ["me", "marks", "count", "empty"]
    stop = threading.Event()
    thread = threading.Thread(target=replay.run, args=(stop, lambda at, total: shown.append((at, total))))
    thread.start()
    wait_for(lambda: len(shown) >= 3)
    stop.set()
    thread.join(10)
    assert not thread.is_alive() and len(shown) < 100
    assert all(total == pytest.approx(60) for _, total in shown) and shown[-1][0] > shown[0][0]


def test_the_end_is_reached(tmp_path: Path) -> None:
    replay, shown = Replay(_file(tmp_path, seconds=0.5), speed=2.0), []
    begin = time.perf_counter()
    replay.run(threading.Event(), lambda at, total: shown.append(at))
    assert 0.25 <= time.perf_counter() - begin < 10.0


def test_a_marker_clock_far_off_is_moved(tmp_path: Path) -> None:
    times = 5000 + np.arange(400) / RATE
    path = xdf_writer.write(
        tmp_path / "far.xdf",
        [
            Stream("eeg", np.random.default_rng(0).standard_normal((400, 2)), times, rate=RATE),
            Stream("marks", ["a", "b"], [12.0, 12.5], "Markers", 0.0, "string"),
        ],
    )
    replay = Replay(path)
    assert replay.duration_s == pytest.approx(2.0, abs=0.01)
    assert replay.tracks[1].stamps.tolist() == [0.0, 0.5]
    assert any("marks" in remark and "4988 s away" in remark for remark in replay.remarks)


def test_steps_back_are_sent_as_recorded_but_never_late(tmp_path: Path) -> None:
    times = 100 + np.arange(100) / RATE
    times[50] -= 0.05
    path = xdf_writer.write(tmp_path / "back.xdf", [Stream("eeg", np.ones((100, 1)), times, rate=RATE)])
    (track,) = Replay(path).tracks
    assert track.stamps[50] < track.stamps[49]
    assert np.all(np.diff(track.due) >= 0)


def test_another_format_becomes_one_stream(tmp_path: Path) -> None:
    path = parts.recordings() / "eyes_open_closed" / "S001R01.edf"
    name = f"edf {time.monotonic_ns()}"
    recorded = Recording(path=str(path))
    info = recorded.open(VirtualClock())
    with _running(Replay(path, stream_name=name)):
        live, got, _ = _receive(Lsl(stream=name), 0.5)
    assert (live.channels, live.samplerate) == (info.channels, 160.0)
    clock = VirtualClock()
    recorded.open(clock)
    clock.wait_until(10)
    chunk = recorded.read(0)
    assert chunk is not None
    start = int(np.flatnonzero((chunk.samples == got.samples[0]).all(axis=1))[0])
    assert np.array_equal(got.samples, chunk.samples[start : start + len(got.samples)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"speed": 0.0}, "above 0"), ({"start_s": 9.0}, "nothing starts at 9 s"), ({"start_s": -1.0}, "nothing starts")],
)
def test_wrong_settings(tmp_path: Path, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Replay(_file(tmp_path, 0.5), **settings)


def test_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording"):
        Replay(tmp_path / "nobody.xdf")
    path = xdf_writer.write(tmp_path / "empty.xdf", [Stream("eeg", np.zeros((0, 2)), [])])
    with pytest.raises(ConfigError, match="nothing to replay; there is 'eeg'"):
        Replay(path)


def test_real_recordings_load() -> None:
    for name, count in (("xdf_muse/muse_P001", 4), ("xdf_reference/clock_resets", 2), ("xdf_emg_markers/handFour", 2)):
        replay = Replay(parts.recordings() / f"{name}.xdf")
        assert len(replay.tracks) == count
        assert all(len(track.samples) == len(track.stamps) for track in replay.tracks)
        assert replay.duration_s > 2

"""A recording holds what happened, to the bit and to the last second, and plays again as it was heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.formats.xdf_file import Stream, streams
from brainmusic_daemon.api import Chunk, Clock, ConfigError, EndOfStream, Frame, OutputLost, SourceLost, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.outputs.xdf_file import XdfFile
from brainmusic_daemon.service import recorder as recorder_module
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.render import render
from brainmusic_daemon.service.replay import Replay
from brainmusic_daemon.service.session import Session
from tests import parts
from tests.faults import find
from tests.heard import heard
from tests.receivers import wait_for
from tests.signals import CYTON, pink

TICK = 0.02
SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else


class Listener:
    """An output that keeps what it is handed."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def open(self, clock: Clock, info: StreamInfo) -> None:
        pass

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        pass

    def counters(self) -> dict[str, float]:
        return {}


class Headsets:
    """A source that is one headset after another: (first second, last second, channels, samples at 250 Hz)."""

    def __init__(self, *worn: tuple[float, float, tuple[str, ...], np.ndarray]) -> None:
        self.worn = worn
        self.delivered: list[Chunk] = []

    def open(self, clock: Clock) -> StreamInfo:
        self.clock = clock
        for begin, end, channels, samples in self.worn:
            if begin <= clock.now() < end:
                self.begin, self.end, self.channels, self.samples = begin, end, channels, samples
                self.at = max(0, int((clock.now() - self.begin) * 250))
                return StreamInfo("amp", self.channels, 250.0, "amp-7", details={"board": "<made> for this test"})
        raise SourceLost("away")

    def read(self, timeout: float) -> Chunk | None:
        now = self.clock.now()
        if now >= self.worn[-1][1]:
            raise EndOfStream
        if now >= self.end:
            raise SourceLost("went away")
        end = min(int((now - self.begin) * 250), len(self.samples))
        if end <= self.at:
            return None
        first, self.at = self.at, end
        chunk = Chunk(self.samples[first:end], self.begin + np.arange(first, end) / 250.0, first)
        self.delivered.append(chunk)
        return chunk

    def close(self) -> None:
        pass


def configured(*settings: str) -> Config:
    return configuration.load(None, ["output.audio.enabled=false", *settings])


def recorded(
    path: Path, config: Config, seconds: float, source: Any = None,
    between: Callable[[int, Session], None] = lambda number, session: None,
) -> list[Frame]:  # fmt: skip
    """Run a session on the virtual clock with a recorder, as `render` would; return its frames."""
    clock, listener = VirtualClock(), Listener()
    session = Session(config, clock, source)
    recorder = Recorder(session)
    recorder.start(path)
    session.outputs = (listener,)
    session.acquisition.pump()
    session.attach()
    for number in range(round(seconds / TICK)):
        clock.wait_until((number + 1) * TICK)
        try:
            session.acquisition.pump()
        except EndOfStream:
            break
        session.attach()
        session.tick((number + 1) * TICK)
        between(number, session)
    assert recorder.status is not None
    done = recorder.stop()
    assert done is not None
    assert done.lost == 0
    assert recorder.stop() is None
    return listener.frames


def by_name(path: Path) -> dict[str, list[Stream]]:
    found: dict[str, list[Stream]] = {}
    for stream in streams(path)[0]:
        found.setdefault(stream.name, []).append(stream)
    return found


def texts(stream: Stream) -> list[str]:
    return [text for (text,) in stream.samples]


def test_everything_is_in_it_to_the_bit(tmp_path: Path) -> None:
    samples = pink(20 * 250, 8, 250.0) + 140_000.123456789
    samples[1000:1100, 3] = np.nan
    samples[2000:2300] = np.inf
    samples[3000:3500, 6] = 187_500.0

    def between(number: int, session: Session) -> None:
        if number == 300:
            session.journal.note("rating", value=0.5)
        if number == 400:
            session.journal.note("target", "tempo", 120.5)
            session.journal.note("cue", "raise", text="tempo")

    source = Headsets((0.0, 20.0, CYTON, samples))
    config = configured('features.exclude=["C3"]', "music.preset=ensemble", "baseline.settle_s=2")
    path = tmp_path / "a.xdf"
    frames = recorded(path, config, 19.0, source, between)
    found = by_name(path)
    (eeg,) = found["amp"]
    delivered = np.concatenate([chunk.samples for chunk in source.delivered])
    assert eeg.samples.tobytes() == delivered.tobytes()  # all channels, bad stretches, NaN and infinities too
    assert [channel for channel, unit, kind in eeg.channels] == [*CYTON]
    assert {(unit, kind) for _, unit, kind in eeg.channels} == {("microvolts", "EEG")}
    assert (eeg.nominal_rate, eeg.source_id, eeg.type) == (250.0, "amp-7", "EEG")
    assert eeg.desc["device"][0]["detail"][0] == {"name": ["board"], "value": ["<made> for this test"]}
    origin = eeg.times[0] - source.delivered[0].times[0]

    (features,) = found["brainmusic.features"]
    withal = [frame for frame in frames if frame.features.names]
    assert [channel for channel, _, _ in features.channels] == [*withal[0].features.names]
    expected = np.array([frame.features.values for frame in withal]).astype(np.float32)
    np.testing.assert_array_equal(features.samples, expected)
    np.testing.assert_allclose(features.times - origin, [frame.time for frame in withal], atol=1e-7)
    assert features.nominal_rate == pytest.approx(50)

    (controls,) = found["brainmusic.controls"]
    assert [channel for channel, _, _ in controls.channels] == [*frames[0].controls.values]
    assert dict((name, unit) for name, unit, _ in controls.channels)["tempo"] == "BPM"
    expected = np.array([[*frame.controls.values.values()] for frame in frames]).astype(np.float32)
    np.testing.assert_array_equal(controls.samples, expected)
    (quality,) = found["brainmusic.quality"]
    assert [channel for channel, _, _ in quality.channels] == [name for name in CYTON if name != "C3"]

    notes = [note for frame in frames for note in frame.notes]
    (played,) = found["brainmusic.notes"]
    assert len(notes) > 10
    np.testing.assert_allclose(played.times - origin, [note.time for note in notes], atol=1e-7)
    np.testing.assert_allclose(played.samples[:, 0], [note.pitch for note in notes], rtol=1e-6)
    np.testing.assert_allclose(played.samples[:, 4], [note.pan for note in notes], rtol=1e-6)

    (ratings,), (targets,), (markers,) = (found[f"brainmusic.{name}"] for name in ("ratings", "targets", "markers"))
    assert ratings.samples.tolist() == [[0.5]]
    assert ratings.times[0] - origin == pytest.approx(301 * TICK)
    assert texts(targets) == ["tempo 120.5"]
    marks = texts(markers)
    assert "cue raise tempo" in marks
    assert f"mapper {frames[0].mapper}" in marks
    states = [frame.features.state for frame in frames]
    changes = [state for i, state in enumerate(states) if i == 0 or state is not states[i - 1]]
    assert [mark for mark in marks if mark.startswith("state ")] == [f"state {state}" for state in changes]
    events = [event.name for frame in frames for event in frame.features.events]
    assert [mark.split()[1] for mark in marks if mark.startswith("event ")] == events


def test_features_rendered_from_it_are_those_that_were_recorded(tmp_path: Path) -> None:
    """Same code, same samples, same phase of the ticks: equal up to the file's float32."""
    path = tmp_path / "a.xdf"
    settings = ("source.kind=simulator", "source.chunk_ms=0")
    recorded(path, configured(*settings), 30.0)
    (features,) = by_name(path)["brainmusic.features"]
    listener = Listener()
    render(configured("source.kind=recording", f"source.path={path}"), {"listener": listener})
    again = np.array([frame.features.values for frame in listener.frames])[: len(features.samples)]
    assert len(again) > 1400
    assert [name for name, _, _ in features.channels] == [*listener.frames[0].features.names]
    before = features.samples[: len(again)]
    np.testing.assert_allclose(again, before, rtol=1e-6, atol=1e-9)


def test_it_is_replayed_with_its_eeg_in_the_lead(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    recorded(path, configured("source.kind=simulator", "music.preset=tides"), 12.0)
    replay = Replay(path, stream_name="again")
    published = {track.name: track.type for track in replay.tracks}
    assert published["again"] == "EEG"
    assert published["brainmusic.features"] == "Features"
    assert published["brainmusic.markers"] == "Markers"
    assert replay.duration_s == pytest.approx(12.0, abs=1.0)
    assert replay.remarks == []


def test_a_headset_that_goes_leaves_a_gap_and_another_one_is_another_stream(tmp_path: Path) -> None:
    few = ("Fp1", "O2")
    source = Headsets(
        (0.0, 4.0, CYTON, pink(1000, 8, 250.0)),
        (6.0, 10.0, CYTON, pink(1000, 8, 250.0, seed=1)),
        (11.0, 16.0, few, pink(1250, 2, 250.0)),
    )
    path = tmp_path / "a.xdf"
    recorded(path, configured("baseline.settle_s=1"), 15.9, source)
    found = by_name(path)
    first, second = found["amp"]
    assert [name for name, _, _ in second.channels] == [*few]
    steps = np.diff(first.times)
    assert np.flatnonzero(steps > 0.1).tolist() == [int(np.argmax(steps))]  # one gap
    assert 2.0 < steps.max() < 4.0  # the pauses between attempts to open it again
    assert len(found["brainmusic.features"]) == len(found["brainmusic.quality"]) == 2
    assert len({stream.source_id for stream in found["brainmusic.features"]}) == 2
    marks = texts(found["brainmusic.markers"][0])
    assert [mark.split()[0] for mark in marks].count("gap") == 1
    assert marks.count("source amp") == 2
    assert "state lost" in marks
    assert formats.load(path).channels == CYTON  # the richer one


def test_time_stamps_that_the_source_does_not_know_are_continued(tmp_path: Path) -> None:
    class Forgetful(Headsets):
        def read(self, timeout: float) -> Chunk | None:
            chunk = super().read(timeout)
            if chunk is None:
                return None
            times = chunk.times.copy()
            times[1::3] = np.nan
            return replace(chunk, times=times, first=None)

    path = tmp_path / "a.xdf"
    recorded(path, configured(), 2.0, Forgetful((0.0, 3.0, CYTON, pink(750, 8, 250.0))))
    (eeg,) = by_name(path)["amp"]
    np.testing.assert_allclose(np.diff(eeg.times), 1 / 250, atol=1e-6)


def test_a_recording_starts_and_stops_while_the_session_runs(tmp_path: Path) -> None:
    clock = VirtualClock()
    session = Session(configured("source.kind=simulator"), clock)
    recorder = Recorder(session)
    for number in range(1, 400):
        clock.wait_until(number * TICK)
        session.acquisition.pump()
        session.attach()
        session.tick(number * TICK)
        if number in (100, 300):
            recorder.start(tmp_path / f"{number}.xdf")
        if number == 200:
            with pytest.raises(ConfigError, match=r"already recording to .*100\.xdf"):
                recorder.start(tmp_path / "other.xdf")
            assert recorder.status is not None
            recorder.stop()
            assert recorder.status is None
            assert session.tap is session.acquisition.tap is None
    recorder.stop()
    for name in ("100", "300"):
        assert formats.load(tmp_path / f"{name}.xdf").samples.shape[0] == pytest.approx(500, abs=10)
    assert "mapper direct" in texts(by_name(tmp_path / "300.xdf")["brainmusic.markers"][0])  # what plays, said anew
    assert recorder.last is not None
    assert "to" in str(recorder.last)


@pytest.mark.parametrize(("name", "said"), [("a.wav", "only XDF"), ("no/a.xdf", "cannot record"), ("b.xdf", "b-2.xdf")])
def test_a_name_that_will_not_do_is_refused(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "b.xdf").write_bytes(b"precious")
    recorder = Recorder(Session(configured("source.kind=simulator"), VirtualClock()))
    with pytest.raises(ConfigError, match=said):
        recorder.start(tmp_path / name)
    assert recorder.status is None
    assert (tmp_path / "b.xdf").read_bytes() == b"precious"
    recorder.start(tmp_path / "new.xdf")  # a refusal leaves it ready
    recorder.stop()
    assert not (tmp_path / "new.xdf").exists()  # nothing came: nothing stays


def test_a_disk_that_does_not_answer_costs_samples_that_are_counted_and_never_a_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer, flush = threading.Event(), threading.Event(), XdfFile.flush

    def hang(file: XdfFile, sync: bool) -> bool:
        asked.set()
        answer.wait(60)
        return flush(file, sync)

    monkeypatch.setattr(XdfFile, "flush", hang)
    monkeypatch.setattr(recorder_module, "MOST_FRAMES", 50)
    monkeypatch.setattr(recorder_module, "DRAIN_S", 0.01)
    clock = VirtualClock()
    session = Session(configured("source.kind=simulator"), clock)
    recorder = Recorder(session)
    recorder.start(tmp_path / "a.xdf")
    assert asked.wait(30)
    for number in range(1, 201):
        clock.wait_until(number * TICK)
        session.acquisition.pump()
        session.attach()
        session.tick(number * TICK)
    assert recorder.status is not None
    assert recorder.status.lost == 150
    answer.set()
    done = recorder.stop()
    assert done is not None
    assert done.samples["brainmusic.controls"] == 50
    assert done.samples["simulator"] > 900  # chunks have a queue of their own
    assert find("recording-disk-slow").says([str(done)]), str(done)


def test_the_disk_has_it_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync = list[float](), os.fsync

    def count(fd: int) -> None:
        synced.append(time.monotonic())
        fsync(fd)

    recorder = Recorder(Session(configured("source.kind=simulator"), VirtualClock()))
    recorder.start(tmp_path / "a.xdf")
    monkeypatch.setattr(os, "fsync", count)
    wait_for(lambda: len(synced) >= 2)
    recorder.stop()
    assert synced[1] - synced[0] < 4.0  # 1, on a machine that does nothing else


# --- the real program -------------------------------------------------------------------------------------------------


def command(path: Path, seconds: float, *settings: str) -> list[str]:
    port = parts.free_port()
    chosen = ["source.kind=simulator", "output.audio.enabled=false", f'output.osc.targets=["127.0.0.1:{port}"]']
    options = [option for setting in (*chosen, *settings) for option in ("--set", setting)]
    return [sys.executable, "-m", "brainmusic_daemon", "record", str(path), "--for", str(seconds), *options]


def test_killed_in_the_middle_it_is_complete_to_the_last_second_and_plays_again(tmp_path: Path) -> None:
    """A live tick sees the samples that have arrived, at a phase that nobody can repeat: so the file is rendered with a
    tick per sample, and each live tick must be one of those around it; what is learned meanwhile may differ a little.
    """
    row, path = find("killed-while-it-records"), tmp_path / "a.xdf"
    with subprocess.Popen(command(path, 60), stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 500_000, 120)  # some 9 s
        time.sleep(5.0)  # so that it is killed at any moment, not just when something has been written
        process.send_signal(signal.SIGKILL)
        killed = time.perf_counter()  # on Linux the clock of the recording too
        assert process.wait() == -signal.SIGKILL and row.state == "ends" and not row.message
    found = by_name(path)
    (eeg,), (features,) = found["simulator"], found["brainmusic.features"]
    assert len(eeg.times) > 12 * 250
    np.testing.assert_allclose(np.diff(eeg.times), 1 / 250, atol=1e-6)  # nothing is missing
    if sys.platform == "linux":
        assert killed - eeg.times[-1] < 3.0  # below 1 on a machine that does nothing else
        assert killed - features.times[-1] < 3.0

    listener = Listener()
    render(configured("source.kind=recording", f"source.path={path}", "session.tick_ms=4"), {"listener": listener})
    names = [name for name, _, _ in features.channels]
    settled = features.times > eeg.times[0] + 3.0
    times = np.array([frame.time for frame in listener.frames]) + eeg.times[0]
    at = np.searchsorted(times, features.times[settled])
    around = np.clip(at[:, None] + np.arange(-5, 2), 0, len(times) - 1)
    for name in ("raw.alpha", "raw.beta", "raw.alpha.O1", "raw.asymmetry"):
        live = features.samples[settled, names.index(name)]
        again = np.array([frame.features[name] for frame in listener.frames])[around]
        error = np.abs(again - live[:, None]).min(axis=1) / np.ptp(live)
        assert np.median(error) < 1e-6, name  # the file's float32
        assert np.percentile(error, 80) < 0.005, name  # a tick that comes late sees what came meanwhile


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes another process's limits")
def test_on_a_full_disk_the_music_goes_on_and_so_does_the_recording_once_there_is_room(tmp_path: Path) -> None:
    import resource

    row, path, log = find("recording-disk-full"), tmp_path / "a.xdf", tmp_path / "log"
    with heard() as osc, log.open("w") as said, subprocess.Popen(command(path, 9, osc.target), stderr=said) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 10_000, 60)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 5_000, hard))
        wait_for(lambda: row.says([log.read_text()]), 60)
        full = len(formats.load(path).samples)  # readable meanwhile
        assert full > 0
        before = len(osc.ticks)
        wait_for(lambda: len(osc.ticks) > before + 75, 30, "for the music, which goes on")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        room = time.monotonic()
        wait_for(lambda: "goes on" in log.read_text(), 30)
        assert row.seconds is not None and time.monotonic() - room <= row.seconds + SLOW_S
        assert process.wait(timeout=60) == 0
    lines = log.read_text()
    assert lines.count("cannot go on recording") == lines.count("goes on") == 1
    (eeg,) = by_name(path)["simulator"]
    assert len(eeg.times) > 7 * 250
    np.testing.assert_allclose(np.diff(eeg.times), 1 / 250, atol=1e-6)  # memory held what the disk did not


def test_the_command_refuses_to_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"precious")
    done = subprocess.run(command(path, 1), capture_output=True, text=True, timeout=60, check=False)
    row = find("recording-exists")
    assert row.state == f"exit {done.returncode}" and row.says([done.stderr]), done.stderr
    assert "a-2.xdf" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == b"precious"


def test_no_thread_to_write_with_is_told_and_the_next_recording_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(configuration.resolve({"source": {"kind": "simulator"}}), VirtualClock())
    recorder, file = Recorder(session), tmp_path / "me.xdf"

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OutputLost, match=r"cannot record to .*can't start new thread"):
            recorder.start(file)
    assert not file.exists() and recorder.status is None and recorder.stop() is None
    assert session.tap is None
    recorder.start(file)
    session.journal.note("rating", value=1.0)
    done = recorder.stop()
    assert done is not None and done.samples["brainmusic.ratings"] == 1

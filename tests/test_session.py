"""One tick joins source, pipeline and outputs; headsets come and go; live and offline give the same bits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import (
    Chunk,
    Clock,
    ConfigError,
    EndOfStream,
    Frame,
    OutputLost,
    SourceLost,
    State,
    StreamInfo,
)
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.host import _RETRY_S, OutputHost
from brainmusic_daemon.service.render import render, render_files
from brainmusic_daemon.service.session import Session
from tests import edf_writer
from tests.faults import find
from tests.receivers import wait_for
from tests.signals import CYTON, pink


class Listener:
    """An output that keeps what it is handed, and fails when told to."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.opened = self.closed = 0
        self.refuse: list[Exception] = []
        self.fail = False

    def open(self, clock: Clock, info: StreamInfo) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        self.opened += 1

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self.fail:
            raise RuntimeError("broken output")

    def close(self) -> None:
        self.closed += 1

    def counters(self) -> dict[str, float]:
        return {"frames": len(self.frames)}


class Script:
    """A source that plays given samples at 250 Hz, with silences (seconds) in which nothing comes."""

    def __init__(self, samples: np.ndarray, silences: list[tuple[float, float]] = (), channels: Any = CYTON) -> None:  # type: ignore[assignment]
        self.samples, self.silences, self.channels = samples, silences, channels
        self.at = 0

    def open(self, clock: Clock) -> StreamInfo:
        self.clock = clock
        return StreamInfo("script", tuple(self.channels), 250.0, uid="script")

    def read(self, timeout: float) -> Chunk | None:
        now = self.clock.now()
        end = min(int(now * 250 + 1e-6), len(self.samples))
        if any(begin <= now < stop for begin, stop in self.silences):
            self.at = end
            return None
        if self.at >= len(self.samples):
            raise EndOfStream
        if end <= self.at:
            return None
        first, self.at = self.at, end
        return Chunk(self.samples[first:end], np.arange(first, end) / 250.0, first)

    def close(self) -> None:
        pass


def configured(*settings: str) -> Config:
    return configuration.load(None, ["output.audio.enabled=false", *settings])


def frames_of(source: Script, seconds: float, *settings: str) -> tuple[list[Frame], Session]:
    clock, listener = VirtualClock(), Listener()
    session = Session(configured(*settings), clock, source)
    session.outputs = (listener,)
    for number in range(1, round(seconds / 0.02) + 1):
        clock.wait_until(number * 0.02)
        try:
            session.acquisition.pump()
        except EndOfStream:
            break
        session.attach()
        session.tick(number * 0.02)
    return listener.frames, session


def test_a_silent_source_rests_the_music_within_a_second_and_it_returns_by_itself() -> None:
    frames, session = frames_of(Script(pink(30 * 250, 8, 250.0), [(15.0, 20.0)]), 29, "baseline.settle_s=2")
    by_time = {round(frame.time, 2): frame for frame in frames}
    assert by_time[14.9].features.state is State.GOOD
    assert by_time[16.0].features.state is State.LOST
    rest = {control.name: control.rest for control in session.pipeline.host.controls}
    resting = by_time[19.9].controls
    for name, value in rest.items():
        control = next(control for control in session.pipeline.host.controls if control.name == name)
        assert abs(resting[name] - value) < 0.05 * (control.high - control.low), name
    assert by_time[20.9].features.state is not State.LOST
    assert by_time[28.0].features.state is State.GOOD
    assert session.pipeline.bank is not None
    assert session.pipeline.bank.gate.follow > 0.99


def test_the_glide_has_no_step() -> None:
    """Between two ticks no control moves further than its contract allows, whatever the source does."""
    frames, session = frames_of(Script(pink(30 * 250, 8, 250.0), [(8.0, 11.0), (15.0, 16.5)]), 29)
    for control in session.pipeline.host.controls:
        values = np.array([frame.controls[control.name] for frame in frames])
        assert np.abs(np.diff(values)).max() <= control.slew * 0.02 + 1e-9, control.name
        assert values.min() >= control.low
        assert values.max() <= control.high


def test_before_any_headset_the_music_rests() -> None:
    clock = VirtualClock()
    session = Session(configured(), clock, Script(pink(250, 8, 250.0)))
    frame = session.tick(0.02)
    assert frame.features.state is State.LOST
    assert frame.features.names == ()
    assert frame.controls["loudness"] == pytest.approx(0.15)


def test_an_output_that_raises_stops_no_other() -> None:
    clock, broken, sound = VirtualClock(), Listener(), Listener()
    broken.fail = True
    session = Session(configured(), clock, Script(pink(250, 8, 250.0)))
    session.outputs = (broken, sound)
    for number in range(1, 6):
        session.tick(number * 0.02)
    assert len(sound.frames) == 5
    assert session.counters()["output_failures"] == 5


def test_nan_and_infinities_never_come_out() -> None:
    x = pink(20 * 250, 8, 250.0)
    rng = np.random.default_rng(0)
    x[rng.random(x.shape) < 0.01] = np.nan
    x[rng.random(x.shape) < 0.01] = np.inf
    x[2000:2500, 3] = np.nan
    x[3000:3200] = np.nan
    frames, session = frames_of(Script(x), 19)
    for frame in frames:
        assert np.isfinite(frame.features.values).all()
        assert all(np.isfinite(value) for value in frame.controls.values.values())
    assert session.counters()["nonfinite"] > 1000
    assert min(frame.features.quality[3] for frame in frames if 8.5 < frame.time < 9.9) == 0


def test_all_channels_railed_hold_then_rest() -> None:
    x = pink(20 * 250, 8, 250.0)
    x[2500:] = 187_500.0
    frames, _ = frames_of(Script(x), 19, "baseline.settle_s=2")
    states = [frame.features.state for frame in frames]
    assert states[450] is State.GOOD
    assert State.HELD in states
    assert states[-1] is State.RESTING
    assert states.index(State.HELD) < states.index(State.RESTING)


def recording(folder: Path, seconds: int = 8) -> Path:
    x = pink(seconds * 200, 4, 200.0, rms_uv=20.0)
    edf_writer.write(folder / "person.edf", x, ["AF7", "AF8", "TP9", "TP10"], 200)
    return folder / "person.edf"


def test_the_same_recording_gives_the_same_bits(tmp_path: Path) -> None:
    source = recording(tmp_path)
    made = []
    for turn in ("a", "b"):
        files = {kind: tmp_path / f"{turn}.{kind}" for kind in ("wav", "csv", "jsonl")}
        render_files(source, None, (), files=files)
        made.append([file.read_bytes() for file in files.values()])
    assert made[0] == made[1]
    assert all(len(content) > 10_000 for content in made[0])


def test_render_is_as_long_as_the_recording_or_as_asked(tmp_path: Path) -> None:
    source = recording(tmp_path)
    whole = render_files(source, None, (), files={"csv": tmp_path / "whole.csv"})
    assert whole.ticks == 400
    assert len((tmp_path / "whole.csv").read_text().splitlines()) == 401
    part = render_files(source, None, (), files={}, start=2.0, seconds=3.0)
    assert part.ticks == 150


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        render_files(recording(tmp_path), None, (), files={"csv": tmp_path / "nowhere" / "x.csv"})


def test_a_stopped_render_ends_early(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert render_files(recording(tmp_path), None, (), files={}, stop=stop).ticks == 0


def test_chunks_make_no_difference_to_what_comes_out() -> None:
    class Hasty(Script):
        """Gives every sample by itself."""

        def read(self, timeout: float) -> Chunk | None:
            if self.at >= len(self.samples):
                raise EndOfStream
            if self.at / 250.0 > self.clock.now() - 1 / 250.0 + 1e-9:
                return None
            self.at += 1
            return Chunk(self.samples[self.at - 1 : self.at], np.array([(self.at - 1) / 250.0]), self.at - 1)

    x = pink(6 * 250, 8, 250.0)
    one, other = (frames_of(source, 5.9)[0] for source in (Script(x), Hasty(x)))
    for a, b in zip(one, other, strict=True):
        assert (a.features.values == b.features.values).all()
        assert a.controls.values == b.controls.values


def host(**outputs: Listener) -> tuple[OutputHost, list[tuple[Any, ...]]]:
    changes: list[tuple[Any, ...]] = []
    return OutputHost(outputs, VirtualClock(), StreamInfo("", (), 0.0), changes.append), changes


def wait(condition: Any) -> None:
    event = threading.Event()
    for _ in range(500):
        if condition():
            return
        event.wait(0.01)
    pytest.fail("it did not happen")


def test_outputs_open_and_come_back_alone() -> None:
    good, late = Listener(), Listener()
    late.refuse = [OutputLost("not yet")]
    made, changes = host(good=good, late=late)
    made.start()
    wait(lambda: changes and changes[-1] == (good,))
    wait(lambda: made.lost == {"late": "not yet"})
    wait(lambda: changes[-1] == (good, late))
    assert made.lost == {}
    made.stop()
    assert changes[-1] == ()
    assert (good.closed, late.closed) == (1, 1)


def test_when_nothing_opens_the_reason_is_known() -> None:
    dead, wrong = Listener(), Listener()
    dead.refuse = [OutputLost("no device")] * 100
    wrong.refuse = [ConfigError("no such thing")]
    made, _ = host(dead=dead, wrong=wrong)
    made.start()
    wait(lambda: made.all_tried)
    assert made.all_lost is not None
    assert "no device" in made.all_lost
    assert str(made.error) == "no such thing"
    made.stop()


def test_a_daemon_without_a_source_gives_up_after_its_patience() -> None:
    daemon = Daemon(configured("source.kind=lsl", "source.name=nobody", "source.wait_s=0.6", "session.patience_s=0.5"))
    with pytest.raises(SourceLost, match="nobody"):
        daemon.run(threading.Event())


def test_a_daemon_whose_outputs_all_fail_says_which() -> None:
    daemon = Daemon(configured('output.osc.targets=["no-such-host.invalid:1"]', "session.patience_s=0.2"))
    with pytest.raises(OutputLost, match=r"no-such-host\.invalid") as caught:
        daemon.run(threading.Event())
    row = find("outputs-all-lost")
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"


def test_a_daemon_runs_and_stops_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    daemon = Daemon(configured())
    daemon.run(threading.Event(), seconds=0.5)
    assert daemon.ticker.ticks >= 10
    wait(lambda: set(threading.enumerate()) <= before)


def test_a_live_recording_ends_the_run(tmp_path: Path) -> None:
    daemon = Daemon(configured("source.kind=recording", f"source.path={recording(tmp_path, 2)}"))
    daemon.run(threading.Event(), seconds=30)
    assert daemon.clock.now() < 20


def test_rendering_without_outputs_counts_states() -> None:
    done = render(configuration.resolve({**configured().tables}), {}, seconds=2.0)
    assert sum(done.states.values()) == pytest.approx(1.0)
    assert done.seconds == pytest.approx(2.0)


def test_an_output_that_breaks_its_promise_on_opening_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, good = Listener(), Listener()
    broken.refuse = [ValueError("unexpected")]
    made, changes = host(broken=broken, good=good)
    made.start()
    row = find("output-breaks-when-opened")
    assert row.seconds == max(_RETRY_S)  # between two tries
    wait_for(lambda: broken.opened and good.opened, row.seconds, "for both")
    made.stop()
    assert "output 'broken' failed to open: ValueError: unexpected" in caplog.messages and row.says(caplog.messages)
    assert broken.opened == good.opened == 1 and made.all_tried and changes[-1] == ()


def test_an_output_that_opens_after_the_stop_is_closed_again() -> None:
    go = threading.Event()

    class Slow(Listener):
        def open(self, clock: Clock, info: StreamInfo) -> None:
            go.wait(10)
            super().open(clock, info)

    slow = Slow()
    made, changes = host(slow=slow)
    made.start()
    made._stop.set()
    go.set()
    made._threads[0].join(timeout=10)
    assert (slow.opened, slow.closed) == (1, 1) and changes == []

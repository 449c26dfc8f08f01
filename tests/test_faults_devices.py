"""Headsets die, return, change and lie: the music and the recording are what docs/reliability.md says."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.lsl import Lsl
from brainmusic_daemon.acquisition.supervisor import Acquisition
from brainmusic_daemon.api import ConfigError, State, StreamInfo
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.session import Session
from tests import daemons
from tests.faults.bed import AMP, LONG, SETTINGS, Flow, Heard, Wire, find, listen
from tests.receivers import wait_for
from tests.signals import CYTON

AWAY, BACK = 12.0, 17.0
WORN = (0.0, AWAY, AMP, Flow.healthy(12.0))


def followed(name: str, *worn: tuple[float, float, StreamInfo, Flow], folder: Path, back: float = BACK) -> Heard:
    """Let one headset follow another, and hold what came of it against its row: it follows again within its time."""
    row, source = find(name), Wire(None, WORN, *worn)
    heard = listen(source, LONG + 5, record=folder / "a.xdf")
    assert heard.finite()
    assert row.says(heard.said), heard.said
    between = [f.features.state for f in heard.frames if AWAY + 1.5 < f.time < back]
    assert State.LOST in between and not {*between} & {State.GOOD, State.CALIBRATING}
    assert next(f.time for f in heard.frames if f.features.state is State.LOST and f.time > 1) < AWAY + 1.0
    late = [t for t, follow in zip(heard.times, heard.follow, strict=True) if t > back and follow < 0.99]
    assert row.seconds is not None and max(late) - back <= row.seconds
    assert heard.frames[-1].features.state is State.GOOD
    return heard


def later(seconds: float = 20.0, begin: float = BACK, **settings: Any) -> Flow:
    """Return what a headset sends that comes at second `begin`."""
    flow = Flow.healthy(seconds, **settings)
    return Flow(flow.samples, flow.times + begin, flow.arrivals + begin, flow.numbers)


def test_a_headset_that_was_switched_off(tmp_path: Path) -> None:
    heard = followed("headset-dies-and-returns", (BACK, np.inf, AMP, later()), folder=tmp_path)
    assert heard.counts["reconnects"] == 1 and len(heard.eeg()) == 1


def test_a_hundred_deaths() -> None:
    """It lives for four seconds each time, and is away for one."""
    row, tick, clock = find("reborn-a-hundred-times"), 0.05, VirtualClock()
    source = Wire(None, *((5.0 * i, 5.0 * i + 4.0, BAND, _life(5.0 * i)) for i in range(102)))
    session = Session(configuration.load(None, [*SETTINGS, "session.tick_ms=50"]), clock, source)
    follow, objects, messages = list[float](), list[int](), list[str]()
    for number in range(1, round(505.0 / tick)):
        clock.wait_until(number * tick)
        session.acquisition.pump()
        session.attach()
        frame = session.tick(number * tick)
        if number % 100 == 78:  # 3.9 s after each birth
            assert session.pipeline.bank is not None
            assert frame.features.state in (State.GOOD, State.CALIBRATING)
            follow.append(session.pipeline.bank.follow)
            messages.append(session.acquisition.last_message)
            source.delivered.clear()
            if number // 100 in (20, 100):
                gc.collect()
                objects.append(len(gc.get_objects()))
        elif number % 100 == 98:
            assert frame.features.state is State.LOST
    assert session.counters()["reconnects"] == 100 and session.acquisition.generation == 1
    assert row.seconds is not None and row.seconds > 4 and min(follow[2:]) > 0.85, "each time it follows again"
    assert objects[1] < objects[0] + 1000, objects
    assert all(row.says([message]) for message in messages[1:]) and len(messages) == 101


def _life(begin: float) -> Flow:
    return later(4.0, begin, channels=BAND.channels)


def test_another_rate(tmp_path: Path) -> None:
    heard = followed("other-rate", (BACK, np.inf, replace(AMP, samplerate=500.0), later(rate=500.0)), folder=tmp_path)
    assert heard.session.acquisition.generation == 2 and len(heard.eeg()) == 2
    assert sum(len(stream.samples) for stream in heard.eeg()) > 11 * 250 + 15 * 500
    alpha = [f.features["raw.alpha"] for f in heard.frames if f.time > 27]
    before = [f.features["raw.alpha"] for f in heard.frames if 3 < f.time < AWAY]
    assert abs(10 * np.log10(np.mean(alpha) / np.mean(before))) < 2, "10 Hz are 10 Hz still"


BAND = StreamInfo("band", ("AF7", "AF8", "TP9", "TP10"), 250.0, "band-2")


def test_other_channels(tmp_path: Path) -> None:
    heard = followed("other-channels", (BACK, np.inf, BAND, later(channels=BAND.channels)), folder=tmp_path)
    assert heard.frames[-1].features.channels == BAND.channels
    assert len(heard.eeg("band")) == len(heard.eeg("amp")) == 1


def test_another_order_of_channels(tmp_path: Path) -> None:
    names, flow = CYTON[::-1], later()
    turned = Flow(flow.samples[:, ::-1].copy(), flow.times, flow.arrivals, flow.numbers)
    heard = followed("other-order", (BACK, np.inf, replace(AMP, channels=names), turned), folder=tmp_path)
    same = followed("headset-dies-and-returns", (BACK, np.inf, AMP, flow), folder=tmp_path / "..")
    for name in ("raw.alpha.O1", "raw.alpha.occipital", "raw.beta.Fp1"):
        a, b = ([f.features[name] for f in run.frames if f.time > 25] for run in (heard, same))
        assert np.allclose(a, b, rtol=0.05), name


def test_another_device_of_the_same_make(tmp_path: Path) -> None:
    heard = followed("other-device", (BACK, np.inf, replace(AMP, uid="amp-8"), later()), folder=tmp_path)
    assert [stream.source_id for stream in heard.eeg()] == ["amp-7", "amp-8"]


@pytest.mark.parametrize("other", [StreamInfo("amp", ("X1", "X2"), 250.0, "x"), replace(AMP, samplerate=1e9)])
def test_a_wrong_headset_in_its_place(other: StreamInfo) -> None:
    row = find("wrong-headset-in-its-place")
    wrong = (13.0, BACK, other, later(4.0, 13.0, channels=CYTON[: len(other.channels)]))
    source = Wire(None, WORN, wrong, (BACK, np.inf, AMP, later()))
    heard = listen(source, LONG + 5, 'features.channels=["Fp1", "Fp2", "O1", "O2"]')
    assert row.says(heard.said), heard.said
    assert sum("waiting for the one before" in line for line in heard.said) == 1, "said once"
    assert heard.finite() and heard.frames[-1].features.state is State.GOOD
    late = [t for t, follow in zip(heard.times, heard.follow, strict=True) if t > BACK and follow < 0.99]
    assert row.seconds is not None and max(late) - BACK <= row.seconds


def test_a_useless_headset_in_its_place() -> None:
    row = find("useless-headset-in-its-place")
    flow = later(4.0, 13.0)
    slow = Flow(flow.samples[::125], flow.times[::125], flow.arrivals[::125], np.arange(8))
    source = Wire(None, WORN, (13.0, BACK, replace(AMP, samplerate=2.0), slow), (BACK, np.inf, AMP, later()))
    heard = listen(source, LONG + 5)
    assert row.says(heard.said) and heard.finite(), heard.said
    assert heard.frames[-1].features.state is State.GOOD
    late = [t for t, follow in zip(heard.times, heard.follow, strict=True) if t > BACK and follow < 0.99]
    assert row.seconds is not None and max(late) - BACK <= row.seconds


def test_ten_thousand_channels() -> None:
    names = tuple(f"X{i}" for i in range(10_000))
    info, flow = StreamInfo("crowd", names, 250.0), Flow.healthy(1.0)
    crowd = Flow(np.zeros((250, 10_000)), flow.times, flow.arrivals, flow.numbers)
    with pytest.raises(ConfigError) as refused:
        listen(Wire(None, (0.0, np.inf, info, crowd)), 0.5)
    assert find("ten-thousand-channels").says([str(refused.value)])
    chosen = Acquisition(
        Wire(None, (0.0, np.inf, info, crowd)), clock := VirtualClock(), window_s=1.0, channels=names[:4]
    )
    clock.wait_until(0.5)
    chosen.pump()
    assert chosen.info is not None and chosen.info.channels == names[:4]


@pytest.mark.parametrize("rate", [np.nan, np.inf, 0.0, -250.0])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(ConfigError) as refused:
        listen(Wire(None, (0.0, np.inf, replace(AMP, samplerate=rate), Flow.healthy(1.0))), 0.5)
    assert find("rate-that-is-none").says([str(refused.value)])


# --- over LSL, for real -----------------------------------------------------------------------------------------------


class Sender:
    """A headset's program on LSL; `silent` while it sends nothing, but stays."""

    def __init__(
        self, name: str, source_id: str, labels: tuple[str, ...] = ("Fp1", "Fp2", "O1", "O2"), rate: float = 250.0
    ):
        pylsl = liblsl.load()
        info = pylsl.StreamInfo(name, "EEG", len(labels), rate, "float32", source_id)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
        self._outlet, self._count = pylsl.StreamOutlet(info, max_buffered=1), len(labels)
        self.silent, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._push)
        self._thread.start()

    def _push(self) -> None:
        random, sent, begin = np.random.default_rng(0), 0, time.perf_counter()
        while not self._stop.wait(0.02):
            due = int((time.perf_counter() - begin) * 250) - sent
            sent += due
            if not self.silent.is_set() and due:
                self._outlet.push_chunk(random.normal(0, 20, (due, self._count)).tolist())

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._outlet = None


@contextmanager
def sending(*given: Any, **named: Any) -> Iterator[Sender]:
    made = Sender(*given, **named)
    try:
        yield made
    finally:
        made.end()


def state(daemon: Daemon) -> State | None:
    return daemon.session.frame.features.state if daemon.session.frame is not None else None


def unique(name: str) -> str:
    return f"{name} {time.monotonic_ns()}"


@pytest.mark.real
def test_an_open_stream_that_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    row, name = find("dead-stream"), unique("dead")
    settings = ("source.kind=lsl", f"source.stream={name}", "web.enabled=false")
    with (
        caplog.at_level(logging.INFO, "brainmusic_daemon"),
        sending(name, "dead-1") as sender,
        daemons.daemon(*settings, name="dead-stream") as daemon,
    ):
        wait_for(lambda: state(daemon) is not State.LOST)
        away, back = list[float](), list[float]()
        for silent_s in (1.5, 3.0, 1.5):
            sender.silent.set()
            begun = time.monotonic()
            wait_for(lambda: state(daemon) is State.LOST)
            away.append(time.monotonic() - begun)
            time.sleep(silent_s)
            assert state(daemon) is State.LOST, "an open stream is no living one"
            sender.silent.clear()
            begun = time.monotonic()
            wait_for(lambda: state(daemon) is not State.LOST)
            back.append(time.monotonic() - begun)
    assert sorted(away)[1] < 1.5, away  # 0.8 and a tick on a machine that does nothing else
    assert row.seconds is not None and sorted(back)[1] <= row.seconds, back
    assert row.says(caplog.messages)


@pytest.mark.real
def test_two_headsets_of_one_name(caplog: pytest.LogCaptureFixture) -> None:
    name = unique("twin")
    settings = ("source.kind=lsl", f"source.stream={name}", "web.enabled=false", "session.patience_s=inf")
    with caplog.at_level(logging.INFO, "brainmusic_daemon"):
        senders = {uid: Sender(name, uid) for uid in ("twin-a", "twin-b")}
        try:
            with daemons.daemon(*settings, name="twins") as daemon:
                acquisition = daemon.session.acquisition
                assert acquisition.info is not None
                first = acquisition.info.uid
                wait_for(lambda: find("two-of-one-name").says(caplog.messages))
                senders.pop(first).end()
                wait_for(lambda: any("another device than before" in line for line in caplog.messages))
                assert acquisition.info.uid in senders
        finally:
            for sender in senders.values():
                sender.end()


@pytest.mark.real
def test_hostile_names(caplog: pytest.LogCaptureFixture) -> None:
    name = "evil\nname\x1b[2J\"'<&>"
    labels = ("Fp1\nERROR the music is over", "<a>&b", 'O2"', "")
    uid = unique("hostile")
    with (
        caplog.at_level(logging.INFO, "brainmusic_daemon"),
        sending(name, uid, labels),
        daemons.daemon("source.kind=lsl", f"source.source_id={uid}", "web.enabled=false", name="hostile") as daemon,
    ):
        wait_for(lambda: state(daemon) not in (None, State.LOST))
        assert daemon.session.frame is not None
        channels = daemon.session.frame.features.channels
        assert daemon.ticker.failed == 0
    assert all(line.isprintable() for line in caplog.messages), caplog.messages
    assert len({*channels}) == 4 and all(channel.isprintable() and channel for channel in channels)
    assert find("hostile-names").says(caplog.messages), caplog.messages


@pytest.mark.real
def test_an_absurd_rate() -> None:
    with sending(unique("fast"), uid := unique("rate"), rate=1e6):
        source = Lsl(source_id=uid)
        with pytest.raises(ConfigError) as refused:
            source.open(WallClock())
        source.close()
    assert find("absurd-rate").says([str(refused.value)])

"""Devices and streams that do not fit, before one that fits was ever there: who waits goes on waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.performer import Performer
from brainmusic_daemon.acquisition.supervisor import Acquisition, SourceState
from brainmusic_daemon.api import Chunk, Clock, ConfigError, SourceLost, StreamInfo, Unfit
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.session import Session
from tests import parts
from tests.daemons import QUIET
from tests.faults import find
from tests.receivers import wait_for
from tests.signals import CYTON, pink

FS = 250.0
RIGHT_S = 20.0  # when the right device comes
WRONG = ("X1", "X2")


class Visitors:
    """A stranger's device until `RIGHT_S`, then the right one."""

    def __init__(self, wrong: tuple[str, ...] | Exception = WRONG) -> None:
        self.wrong, self.opens = wrong, list[float]()
        self.samples = pink(60 * 250, 8, FS)

    def open(self, clock: Clock) -> StreamInfo:
        self.clock, now = clock, clock.now()
        self.opens.append(now)
        self.channels = CYTON if now >= RIGHT_S else self.wrong
        if isinstance(self.channels, Exception):
            raise self.channels
        self.at = int(now * FS + 1e-6)
        return StreamInfo("visitor", self.channels, FS, uid=self.channels[0])

    def read(self, timeout: float) -> Chunk | None:
        first, self.at = self.at, int(self.clock.now() * FS + 1e-6)
        if self.at <= first:
            return None
        return Chunk(self.samples[first : self.at, : len(self.channels)], np.arange(first, self.at) / FS, first)

    def close(self) -> None:
        pass


class Choosing(Visitors):
    """One that can choose: the right device is there from the beginning, and the wrong one answers first."""

    passed: ClassVar[list[str]]

    def open(self, clock: Clock) -> StreamInfo:
        info = super().open(clock)
        if not self.passed:
            return info
        self.channels = CYTON
        return StreamInfo("visitor", CYTON, FS, uid=CYTON[0])

    def pass_over(self, why: str) -> None:
        self.passed.append(why)


def played(source: Any, *settings: str, until: float = RIGHT_S + 6) -> Session:
    """Play as a service does: it waits for its headset for ever."""
    clock = VirtualClock()
    config = configuration.load(None, ["output.audio.enabled=false", "session.patience_s=inf", *settings])
    session = Session(config, clock, source)
    for number in range(1, round(until / 0.02) + 1):
        clock.wait_until(number * 0.02)
        session.acquisition.pump()
        session.attach()
        session.tick(number * 0.02)
    return session


def test_a_device_without_the_chosen_channels_is_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    source = Visitors()
    with caplog.at_level(logging.INFO, "brainmusic_daemon"):
        session = played(source, 'features.channels=["O1", "O2"]')
    assert session.attached and session.acquisition.state is SourceState.STREAMING
    told = [message for message in caplog.messages if "waiting" in message]
    assert told == ["features.channels: the source has no channel 'O1'; there is X1, X2; waiting for another one"]
    assert all("no channel 'O1'" not in message or message in told for message in caplog.messages), "said once"
    before = [when for when in source.opens if when < RIGHT_S]
    assert 5 <= len(before) <= 12 and 3.5 < max(np.diff(before)) < 5.1, "tried again, with growing pauses"


def test_a_device_that_nothing_can_be_heard_of_is_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    """The reference is looked for when the analysis is prepared: the device is streaming by then."""
    Choosing.passed = []
    session = played(Choosing(), 'features.reference=["O1"]', until=6.0)
    told = [message for message in caplog.messages if "waiting" in message]
    assert len(told) == 1 and "'O1'" in told[0] and len(Choosing.passed) == 1
    assert session.attached and session.acquisition.state is SourceState.STREAMING
    assert session.acquisition.info is not None and session.acquisition.info.channels == CYTON


@pytest.mark.parametrize("patience", ["10", "inf"])
def test_a_setting_that_is_wrong_in_itself_ends_it_at_once(patience: str) -> None:
    with pytest.raises(ConfigError, match="no such board"):
        played(Visitors(ConfigError("no such board")), f"session.patience_s={patience}")
    for settings in (("source.kind=brainflow",), ("source.kind=simulator",)):
        with pytest.raises(ConfigError, match="no channel 'Nz9'"):
            played(None, *settings, 'features.channels=["Nz9"]', f"session.patience_s={patience}")


def test_who_started_it_on_a_terminal_is_told_at_once() -> None:
    for settings in ('features.channels=["O1"]', 'features.reference=["O1"]'):
        with pytest.raises(Unfit, match="O1"):
            played(Visitors(), settings, "session.patience_s=10", until=0.5)


def test_one_of_several_waits_for_the_right_device_while_the_others_play(caplog: pytest.LogCaptureFixture) -> None:
    config = configuration.resolve(
        {
            "source": [{"kind": "simulator", "person": "anna"}, {"kind": "simulator", "person": "ben", "seed": 2}],
            "features": {"channels": ["O1", "O2"]},
            "output": {"audio": {"enabled": False}},
        }
    )
    clock = VirtualClock()
    anna, ben = config.people
    session = Session(replace(config, people=(anna, replace(ben, source=Visitors()))), clock)
    for number in range(1, round((RIGHT_S + 8) / 0.02) + 1):
        clock.wait_until(number * 0.02)
        session.acquisition.pump()
        session.attach()
        frame = session.tick(number * 0.02)
        if number == round(RIGHT_S / 0.02) - 1:
            assert "anna.alpha" in frame.features and "ben.alpha" not in frame.features
    assert "ben.alpha" in frame.features
    assert sum("ben: features.channels" in message for message in caplog.messages) == 1


def test_strangers_that_are_ever_different_do_not_fill_the_memory() -> None:
    class Crowd(Visitors):
        def open(self, clock: Clock) -> StreamInfo:
            self.opens.append(clock.now())
            raise Unfit(f"stranger {len(self.opens)}")

    clock = VirtualClock()
    acquisition = Acquisition(Crowd(), clock, window_s=1.0, waits=True)
    for _ in range(40_000):
        clock.wait_until(clock.now() + 0.05)
        acquisition.pump()
    assert acquisition.state is SourceState.LOST and len(acquisition._said) <= 64


# --- over LSL, for real -----------------------------------------------------------------------------------------------


@contextmanager
def publishing(
    name: str, kind: str, labels: tuple[str, ...], count: int = 0, fmt: str = "float32", uid: str = ""
) -> Iterator[Any]:
    """Publish noise at 250 Hz."""
    pylsl, count = liblsl.load(), count or len(labels)
    info = pylsl.StreamInfo(name, kind, count, FS, fmt, uid or f"{name} {kind} {labels}")
    channels = info.desc().append_child("channels")
    for label in labels:
        channels.append_child("channel").append_child_value("label", label)
    outlet, stop = pylsl.StreamOutlet(info, max_buffered=1), threading.Event()

    def push() -> None:
        random, sent, begin = np.random.default_rng(0), 0, time.perf_counter()
        while not stop.wait(0.02):
            due = int((time.perf_counter() - begin) * FS) - sent
            sent += due
            if fmt == "float32" and count < 100 and due:
                outlet.push_chunk(random.normal(0, 20, (due, count)).tolist())

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield outlet
    finally:
        stop.set()
        thread.join()


@contextmanager
def service(*settings: str) -> Iterator[Daemon]:
    """Run a daemon that waits for ever; whatever it ends with is raised here."""
    osc = f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]'
    made = Daemon(configuration.load(None, [*QUIET, "session.name=waits", "session.patience_s=inf", osc, *settings]))
    stop, ended = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            made.run(stop)
        except Exception as error:  # noqa: BLE001 - told to the test
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(40)
    assert not thread.is_alive() and not ended, ended


@pytest.mark.real
@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        ({"labels": ("X1", "X2")}, "has no channel 'O1'"),
        ({"labels": ("O1",), "fmt": "string"}, "carries text"),
        ({"labels": ("O1",), "count": 8_193}, "8193 channels"),
    ],
)
def test_a_stream_that_is_found_first_and_does_not_fit_is_waited_out(
    stranger: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = find("stranger-before-the-headset")
    kind = f"EEG{time.monotonic_ns()}"
    settings = ("source.kind=lsl", f"source.type={kind}", 'features.channels=["O1", "O2"]')
    with (
        caplog.at_level(logging.WARNING, "brainmusic_daemon"),
        publishing("stranger", kind, **stranger),
        service(*settings) as daemon,
    ):
        acquisition = daemon.session.acquisition
        wait_for(lambda: why in acquisition.last_message, 20, "for the stranger to be told")
        time.sleep(2.0)  # of trying again
        assert acquisition.state is SourceState.LOST
        begun = time.monotonic()
        with publishing("headset", kind, CYTON):
            wait_for(lambda: daemon.session.attached, 20, "for the headset beside the stranger")
            assert row.seconds is not None and time.monotonic() - begun < row.seconds
            assert acquisition.info is not None and acquisition.info.name == "headset"
            told = [message for message in caplog.messages if why in message]
            assert len(told) == 1 and row.says(told), caplog.messages


@pytest.mark.real
def test_a_strangers_stream_of_a_performers_name_keeps_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    name = f"anna {time.monotonic_ns()} features"
    clock = WallClock()
    source = Performer(stream=name, wait_s=0.6)
    acquisition = Acquisition(source, clock, window_s=1.0, person="anna", waits=True)
    acquisition.start()
    try:
        with publishing(name, "EEG", ("alpha", "beta")):
            wait_for(lambda: "carries no features" in acquisition.last_message, 20, "for the stranger to be told")
            with publishing(name, "Features", ("alpha", "beta")):
                wait_for(lambda: acquisition.seen, 10, "for the performer")
    finally:
        acquisition.stop()
    assert sum("carries no features" in message for message in caplog.messages) == 1


def wait_longer(condition: Callable[[], bool], clock: VirtualClock, acquisition: Acquisition, limit: float) -> float:
    """Go on until the condition holds; return when it does, session seconds."""
    while clock.now() < limit and not condition():
        clock.wait_until(clock.now() + 0.02)
        acquisition.pump()
    return clock.now()


@pytest.mark.parametrize("away_s", [5.0, 300.0])
def test_a_performer_is_looked_for_again_soon_however_long_they_were_away(away_s: float) -> None:
    class Away(Visitors):
        """Plays a performer that goes for a while, and is looked for as often as the real one."""

        longest_pause_s = Performer.longest_pause_s

        def open(self, clock: Clock) -> StreamInfo:
            self.wrong = CYTON
            if 2.0 <= clock.now() < 2.0 + away_s:
                raise SourceLost("no performer's stream answers")
            return super().open(clock)

        def read(self, timeout: float) -> Chunk | None:
            if 2.0 <= self.clock.now() < 2.0 + away_s:
                raise SourceLost("has ended")
            self.at, last = int(self.clock.now() * FS + 1e-6), self.at
            k = np.arange(last, self.at)
            return Chunk(np.ones((len(k), 8)) * k[:, np.newaxis], k / FS, last) if len(k) else None

    clock = VirtualClock()
    acquisition = Acquisition(Away(), clock, window_s=1.0)
    wait_longer(lambda: acquisition.state is SourceState.LOST, clock, acquisition, 5.0)
    back = wait_longer(lambda: acquisition.alive(clock.now()), clock, acquisition, 2.0 + away_s + 10)
    assert back - (2.0 + away_s) < 0.4

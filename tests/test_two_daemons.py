"""Two daemons, of different names, on one headset: over LSL both play; at a serial port the second is told why not."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.brainflow import Brainflow
from brainmusic_daemon.acquisition.serial_claim import Claim
from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import SourceLost
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.service.daemon import Daemon
from tests import daemons
from tests.receivers import wait_for
from tests.signals import CYTON

FS = 250.0


class Dongle:
    """A Cyton behind a serial port of this machine's own: answers commands and sends packets while asked to."""

    def __init__(self) -> None:
        import tty

        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.port, self._theirs = os.ttyname(theirs), theirs
        self.heard = ""
        self._sends, self._stop = False, threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        random, sent, begin = np.random.default_rng(0), 0, 0.0
        while not self._stop.is_set():
            if select.select([self._ours], [], [], 0.01)[0]:
                for said in os.read(self._ours, 256).decode("ascii"):
                    self.heard += said
                    if said in "vd":
                        os.write(self._ours, b"OpenBCI V3 8-16 channel\r\nFirmware: v3.1.1\r\n$$$")
                    if said in "bsv":  # begin, stop; a reset stops, too
                        self._sends, sent, begin = said == "b", 0, time.perf_counter()
            while self._sends and sent < (time.perf_counter() - begin) * FS:
                values = random.normal(0, 900, 8).astype(">i4")  # about 20 µV
                packet = b"".join(value.tobytes()[1:] for value in values)
                os.write(self._ours, b"\xa0" + bytes([sent % 256]) + packet + bytes(6) + b"\xc0")
                sent += 1

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._theirs)
        os.close(self._ours)


@pytest.fixture
def dongle() -> Iterator[Dongle]:
    if sys.platform == "win32":
        pytest.skip("needs pseudo-terminals, which Windows has not; it lets one program only open a serial port")
    made = Dongle()
    yield made
    made.end()


def follows(daemon: Daemon) -> bool:
    acquisition = daemon.session.acquisition
    return daemon.session.attached and acquisition.alive(daemon.clock.now())


@pytest.mark.real
def test_a_second_daemon_at_one_serial_port_is_told_and_the_first_plays_on(dongle: Dongle) -> None:
    settings = ("source.kind=brainflow", "source.board=cyton", f"source.serial_port={dongle.port}")
    with daemons.daemon(*settings, name="first-of-two") as first:
        wait_for(lambda: follows(first))
        reconnects, asked = first.session.acquisition.counters()["reconnects"], dongle.heard
        second = daemons.Process(*settings, "session.patience_s=1", "output.osc.enabled=true", name="second-of-two")
        try:
            line = second.wait_for("another program, perhaps another daemon, listens at serial port")
            assert dongle.port in line and "brainmusic stop" in line and 'kind = "performer"' in line
            assert second.process.wait(60) == 3
        finally:
            second.end()
        told = [line for line in second.said if "listens at serial port" in line]
        assert len(told) <= 2, "once when it is noticed, once when it ends"
        assert not any("Traceback" in line for line in second.said)
        assert follows(first) and first.session.acquisition.counters()["reconnects"] == reconnects
        assert dongle.heard == asked, "the board heard nothing of the second"


@pytest.mark.real
def test_a_port_that_is_let_go_is_free_for_the_next(dongle: Dongle) -> None:
    first, second = (Brainflow(board="cyton", serial_port=dongle.port) for _ in range(2))
    first.open(WallClock())
    with pytest.raises(SourceLost, match="perhaps another daemon"):
        second.open(WallClock())
    first.close()
    assert second.open(WallClock()).name == "CYTON_BOARD"
    second.close()


def test_a_port_that_is_none_is_the_boards_to_tell() -> None:
    claim = Claim()
    for port in ("/dev/nothing", "COM3", "", "a\0b"):
        claim.take(port, "CYTON_BOARD")
    claim.leave()


@pytest.mark.real
def test_two_daemons_play_one_headset_over_lsl() -> None:
    pylsl, name = liblsl.load(), f"shared {time.monotonic_ns()}"
    info = pylsl.StreamInfo(name, "EEG", 8, FS, "float32", name)
    channels = info.desc().append_child("channels")
    for label in CYTON:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet, stop = pylsl.StreamOutlet(info), threading.Event()

    def push() -> None:
        random, sent, begin = np.random.default_rng(0), 0, time.perf_counter()
        while not stop.wait(0.01):
            due = int((time.perf_counter() - begin) * FS) - sent
            sent += due
            if due:
                outlet.push_chunk(random.normal(0, 20, (due, 8)).tolist())

    thread = threading.Thread(target=push)
    thread.start()
    settings = ("source.kind=lsl", f"source.stream={name}")
    try:
        with daemons.daemon(*settings, name="one-of-two") as one, daemons.daemon(*settings, name="two-of-two") as two:
            for each in (one, two):
                wait_for(lambda each=each: follows(each))  # type: ignore[misc]
            ticks = one.ticker.ticks, two.ticker.ticks
            wait_for(lambda: one.ticker.ticks > ticks[0] + 50 and two.ticker.ticks > ticks[1] + 50)
            for each in (one, two):
                assert each.session.acquisition.state is SourceState.STREAMING
                assert each.session.acquisition.counters()["reconnects"] == 0
                assert each.session.frame is not None and each.session.frame.features.names
    finally:
        stop.set()
        thread.join()

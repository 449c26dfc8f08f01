"""Outputs that hang, fail and vanish: the others play on, and each comes back by itself where its system lets it."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from brainmusic_daemon.api import Clock, StreamInfo
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.osc_target import Target
from brainmusic_daemon.service import client, run_file
from brainmusic_daemon.service import host as hosting
from brainmusic_daemon.service.host import OutputHost
from tests import daemons, parts
from tests.faults import find
from tests.frames import TICK_S, make_frame, make_info
from tests.heard import HELD_UP_S, heard
from tests.receivers import wait_for
from tests.test_session import Listener


class Hanging(Listener):
    """Comes back from opening only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def open(self, clock: Clock, info: StreamInfo) -> None:
        self.released.wait(60)
        super().open(clock, info)


def test_an_output_that_hangs_when_it_is_opened_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So the service manager hears READY, and the counters of the start end."""
    monkeypatch.setattr(hosting, "_HANGS_S", 0.2)
    stuck, good = Hanging(), Listener()
    opened: list[int] = []
    made = OutputHost({"stuck": stuck, "good": good}, WallClock(), make_info(), lambda some: opened.append(len(some)))
    made.start()
    try:
        wait_for(lambda: opened == [1])
        assert not made.all_tried
        wait_for(lambda: made.all_tried)
        assert made.all_lost is None and [*made.lost] == ["stuck"]
        assert len([m for m in caplog.messages if find("output-hangs-when-opened").says([m.replace("0.2", "30")])]) == 1
        stuck.released.set()
        wait_for(lambda: opened[-1] == 2)
        assert made.lost == {}
    finally:
        stuck.released.set()
        made.stop()


def test_a_full_queue_of_the_system_is_no_lost_network(caplog: pytest.LogCaptureFixture) -> None:
    """A Mac says so with a busy Wi-Fi: the next tick may be sent, and no second of them is lost."""

    class Full:
        def __init__(self, real: socket.socket) -> None:
            self.real, self.full = real, True

        def send(self, data: bytes) -> int:
            if self.full:
                raise OSError(errno.ENOBUFS, "No buffer space available")
            return self.real.send(data)

        def close(self) -> None:
            self.real.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        target = Target(f"127.0.0.1:{receiver.getsockname()[1]}")
        assert target._socket is not None
        full = target._socket = Full(target._socket)  # type: ignore[assignment]
        target.send([b"/a\0\0,\0\0\0"], 1.0)
        assert target.errors == 1 and target.sent == 0
        full.full = False  # type: ignore[attr-defined]
        target.send([b"/b\0\0,\0\0\0"], 1.0 + TICK_S)
        assert target.sent == 1 and receiver.recv(100).startswith(b"/b")
        row = find("osc-queue-full")
        assert row.seconds == TICK_S and "".join(caplog.messages) == row.message
        target.close()


def test_outlets_that_cannot_be_made_leave_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    """As when liblsl finds no free port, or no network at all."""
    from brainmusic_daemon.outputs.lsl import Lsl

    output = Lsl()
    output.open(WallClock(), make_info())
    try:
        real = output._pylsl.StreamOutlet

        def refused(*_: object) -> None:
            raise RuntimeError("could not create stream outlet.")

        class Without:
            StreamInfo, StreamOutlet = output._pylsl.StreamInfo, staticmethod(refused)
            local_clock = staticmethod(output._pylsl.local_clock)

        there, output._pylsl = output._pylsl, Without
        with caplog.at_level(logging.ERROR):
            for number in range(3):
                output.send(make_frame(number))
                wait_for(lambda: not any(thread.name == "lsl-outlets" for thread in threading.enumerate()))
        assert output.counters()["failed"] >= 1
        assert len([message for message in caplog.messages if find("lsl-outlets-fail").says([message])]) == 1
        output._pylsl = there
        assert real is there.StreamOutlet
        before = output.counters()["sent"]

        def sent() -> bool:
            output.send(make_frame(9))
            return output.counters()["sent"] > before

        wait_for(sent)
    finally:
        output.close()


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="jackd of Linux")
def test_a_jack_server_that_dies_takes_nothing_along() -> None:
    """PortAudio never lets go of a JACK server that has died, and ends the program where it is asked to."""
    name = f"brainmusic-dying-{os.getpid()}"
    env = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1"}
    command = [parts.program("jackd", "jackd2"), "-r", "-n", name, "-d", "dummy", "-r", "48000", "-p", "256"]
    with (
        subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server,
        heard() as osc,
    ):
        try:
            time.sleep(0.7)  # jackd says nothing when it is ready
            assert server.poll() is None
            settings = ("output.audio.device=system", *daemons.QUIET[1:])
            with daemons.process(osc.target, *settings, name="jack-dies", env=env, quiet=False) as running:
                run = run_file.read("jack-dies")
                assert run is not None
                wait_for(lambda: client.ask(run, "status", ()).data["outputs"].get("audio"), 120, "for sound")
                server.kill()
                server.wait(30)
                begin = time.monotonic()
                running.wait_for("the audio device is gone")
                wait_for(lambda: find("jack-dies").says(running.said), 30, "for a word")
                assert osc.longest_gap(begin) < HELD_UP_S and running.process.poll() is None
                running.process.send_signal(signal.SIGTERM)
                assert running.process.wait(30) == 0
        finally:
            server.kill()
            server.wait(30)
            # JACK has eight places for servers, and frees that of a dead one only when one of its name begins.
            again = [*command[:4], "-d", "alsa", "-d", "no such card"]
            subprocess.run(again, env=env, capture_output=True, timeout=30, check=False)
            for left in Path("/dev/shm").glob(f"jack*{name}*"):
                left.unlink()

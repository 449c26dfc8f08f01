"""A socket in the place of systemd's: what a daemon tells it, and that a tick that hangs feeds no watchdog."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brainmusic_daemon.service.notify import Heart, Notify
from tests import daemons, parts
from tests.receivers import wait_for

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no sockets in the file system")


class Manager:
    """Hears what a service manager would, with the time of each message."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.heard: list[tuple[float, str]] = []
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()

    def _hear(self) -> None:
        while data := self.socket.recv(65536):
            self.heard.append((time.monotonic(), data.decode()))

    def said(self, start: str) -> list[str]:
        return [text for _, text in list(self.heard) if text.startswith(start)]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    with Notify({"NOTIFY_SOCKET": str(tmp_path / "notify")}) as last:
        last._send("")  # an empty datagram ends the thread
    made.thread.join(20)
    made.socket.close()


def test_each_message_in_the_words_of_the_protocol(manager: Manager, tmp_path: Path) -> None:
    with Notify({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}) as told:
        assert told.listening and told.watchdog_s == 2.0
        told.ready()
        told.status("all\nis well")
        told.status("all is well")  # no news
        told.alive()
        told.stopping()
    wait_for(lambda: len(manager.heard) == 4)
    assert [text for _, text in manager.heard] == ["READY=1", "STATUS=all is well", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_an_abstract_socket() -> None:
    name = f"brainmusic-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind("\0" + name)
        there.settimeout(20)
        with Notify({"NOTIFY_SOCKET": "@" + name}) as told:
            told.ready()
        assert there.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "soon"},
    ],
)
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    with Notify(environ) as told:
        told.ready()
        told.status("well")
        assert told.watchdog_s == 0.0


def test_only_progress_feeds_the_watchdog(manager: Manager, tmp_path: Path) -> None:
    ticks = 0
    with Notify({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "80000"}) as told:
        heart = Heart(told, lambda: ticks)
        heart.start()

        def goes_on() -> bool:
            nonlocal ticks
            ticks += 1
            return len(manager.said("WATCHDOG")) >= 5

        wait_for(goes_on)
        time.sleep(0.3)  # the ticks hang; what was done before is told
        fed = len(manager.said("WATCHDOG"))
        time.sleep(0.5)
        assert len(manager.said("WATCHDOG")) <= fed + 1
        heart.stop()


def environment(tmp_path: Path, watchdog_s: float) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}"}


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="this system has no SIGTERM")
def test_a_daemon_from_start_to_end(manager: Manager, tmp_path: Path) -> None:
    port = parts.free_port()
    page = ("web.enabled=true", f"web.port={port}")
    with daemons.process(*page, name="notified", env=environment(tmp_path, 1.0)) as running:
        wait_for(lambda: manager.said("READY"), 60)
        wait_for(lambda: any("good" in text or "calibrating" in text for text in manager.said("STATUS")), 60)
        assert "mapper direct" in manager.said("STATUS")[-1]
        assert f"page http://127.0.0.1:{port}/" in manager.said("STATUS")[-1]
        before = len(manager.said("WATCHDOG"))
        wait_for(lambda: len(manager.said("WATCHDOG")) >= before + 2)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert len(manager.said("READY")) == len(manager.said("STOPPING")) == 1
        assert "Traceback" not in "".join(running.said)


def test_ready_comes_without_a_headset(manager: Manager, tmp_path: Path) -> None:
    lonely = ("source.kind=lsl", "source.stream=nobody", "session.patience_s=inf")
    with daemons.process(*lonely, name="lonely", env=environment(tmp_path, 1.0), ready="waiting"):
        wait_for(lambda: manager.said("READY"), 60)
        wait_for(lambda: any("nobody" in text for text in manager.said("STATUS")), 60)


HANGING = """
import sys, threading
from brainmusic_daemon import cli
from brainmusic_daemon.service import session
real = session.Session.tick
done = []
def tick(self, deadline):
    done.append(deadline)
    if len(done) > 100:
        threading.Event().wait()
    return real(self, deadline)
session.Session.tick = tick
sys.argv[1:] = sys.argv[1].split()
cli.main()
"""


def test_a_tick_that_hangs_is_not_fed_for(manager: Manager, tmp_path: Path) -> None:
    """All other threads are fine; it is as when an output's driver never comes back."""
    words = "run --set session.name=hanging --set session.status=false"
    words += "".join(f" --set {setting}" for setting in daemons.QUIET)
    env = {**os.environ, **environment(tmp_path, 0.6)}
    with subprocess.Popen([sys.executable, "-c", HANGING, words], env=env, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: manager.said("READY"), 60)
            wait_for(lambda: manager.said("WATCHDOG"), 60)
            limit = time.monotonic() + 60
            while time.monotonic() - max(at for at, text in manager.heard if text == "WATCHDOG=1") < 1.5:
                assert time.monotonic() < limit, "a daemon whose tick hangs goes on feeding the watchdog"
                time.sleep(0.05)
            assert process.poll() is None
        finally:
            process.kill()


FAILING = """
import sys
from brainmusic_daemon import cli
from brainmusic_daemon.features import bank
real = bank.FeatureBank.update
done = []
def update(self, *given, **named):
    done.append(None)
    if len(done) > 100:
        raise RuntimeError("a mistake of ours")
    return real(self, *given, **named)
bank.FeatureBank.update = update
sys.argv[1:] = sys.argv[1].split()
cli.main()
"""


def test_ticks_that_all_fail_are_not_fed_for(manager: Manager, tmp_path: Path) -> None:
    """They come on time, but no frame leaves: the music stands still as if they hung."""
    words = "run --set session.name=failing --set session.status=false"
    words += "".join(f" --set {setting}" for setting in daemons.QUIET)
    env = {**os.environ, **environment(tmp_path, 0.6)}
    with subprocess.Popen([sys.executable, "-c", FAILING, words], env=env, stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: manager.said("WATCHDOG"), 60)
            limit = time.monotonic() + 60
            while time.monotonic() - max(at for at, text in manager.heard if text == "WATCHDOG=1") < 1.5:
                assert time.monotonic() < limit, "a daemon whose ticks all fail goes on feeding the watchdog"
                time.sleep(0.05)
            assert process.poll() is None
        finally:
            process.kill()
        assert b"a tick failed" in process.communicate()[1]

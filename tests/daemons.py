"""A daemon that runs: in this process beside the test, or in one of its own, on the simulator and without a device."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from brainmusic_daemon import config as configuration
from brainmusic_daemon.service.daemon import Daemon
from tests import parts
from tests.receivers import wait_for

COMMAND = (sys.executable, "-m", "brainmusic_daemon")
QUIET = (
    *("output.audio.enabled=false", "web.enabled=false", "control.osc_port=0", "control.explain_hz=0"),
    "session.status=false",
)


@contextmanager
def daemon(*settings: str, config: str | Path | None = None, name: str = "in-a-test") -> Iterator[Daemon]:
    """Run a daemon in a thread, with ticks that follow the simulated person; ends it on leaving."""
    named = (f"session.name={name}", f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]')
    made = Daemon(configuration.load(config, [*QUIET, *named, *settings]))
    stop, failures = threading.Event(), []

    def run() -> None:
        try:
            made.run(stop)
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: failures or made.session.attached, 60, "for a headset")
        assert not failures, failures
        yield made
    finally:
        stop.set()
        thread.join(40)
    assert not thread.is_alive() and not failures, failures


class Process:
    """A daemon in a process of its own; `said` is what it has written so far."""

    def __init__(
        self,
        *settings: str,
        name: str,
        env: dict[str, str] | None = None,
        quiet: bool = True,
        config: str | Path | None = None,
        prefix: Sequence[str] = (),  # what starts it, e.g. on another machine
    ) -> None:
        command = [
            *prefix,
            *COMMAND,
            "run",
            *(["--config", str(config)] if config else []),
            "--set",
            f"session.name={name}",
        ]
        for setting in (*(QUIET[: 4 if quiet else 0]), *settings):
            command += ["--set", setting]
        self.name, self.said = name, list[str]()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def wait_for(self, text: str, timeout: float = 60) -> str:
        """Return the first line with `text`, as soon as there is one."""
        wait_for(lambda: any(text in line for line in list(self.said)), timeout, f"for {text!r}: {self.said[-5:]}")
        return next(line for line in self.said if text in line)

    @property
    def osc_port(self) -> int:
        return int(self.wait_for("OSC control listens at").rsplit(":", 1)[1])

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._reader.join(30)
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def process(
    *settings: str,
    name: str,
    env: dict[str, str] | None = None,
    quiet: bool = True,
    ready: str = "getting to know",
    config: str | Path | None = None,
) -> Iterator[Process]:
    """Run a daemon until the block is left; `ready` is what it says once the block may begin."""
    target = f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]'
    running = Process(target, *settings, name=name, env=env, quiet=quiet, config=config)
    try:
        running.wait_for(ready)
        yield running
    finally:
        running.end()


def shell(*words: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, and return what it said."""
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=timeout, check=False)


def packet(address: str, *arguments: object, types: str = "") -> bytes:
    """Return an OSC message, made by python-osc."""
    builder = OscMessageBuilder(address)
    for argument, kind in zip(arguments, types or [None] * len(arguments), strict=True):
        builder.add_arg(argument, kind)
    return builder.build().dgram


class Client:
    """An OSC program on this computer: sends to a port, and hears the replies."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(20)

    def send(self, address: str, *arguments: object) -> None:
        self.socket.send(packet(address, *arguments))

    def reply(self, timeout: float = 20) -> list[object]:
        """Return the arguments of the next reply."""
        self.socket.settimeout(timeout)
        message = OscMessage(self.socket.recv(65536))
        assert message.address == "/brainmusic/reply"
        return message.params

    def ask(self, address: str, *arguments: object) -> list[object]:
        self.send(address, *arguments)
        return self.reply()

    def silent(self, seconds: float = 0.3) -> bool:
        """Return whether nothing comes for a while."""
        try:
            self.reply(seconds)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.socket.close()


@contextmanager
def client(port: int) -> Iterator[Client]:
    made = Client(port)
    try:
        yield made
    finally:
        made.close()


def pace(rate: float, seconds: float) -> Iterator[int]:
    """Count calls at an even rate, in bursts of what is due; one that was held up gives up what it owes.

    Otherwise a busy sender makes bursts that no receiver's buffer holds.
    """
    begin, sent, due = time.perf_counter(), 0, 0
    while (now := time.perf_counter() - begin) < seconds:
        for _ in range(min(int(now * rate) - due, 50)):
            yield sent
            sent += 1
        due = int(now * rate)
        time.sleep(0.002)

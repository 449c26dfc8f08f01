"""Datagrams in, one receiver out: never blocks, never raises, counts."""

from __future__ import annotations

import contextlib
import errno
import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.outputs.osc_encoding import Packet

RECONNECT_S = 1.0
FULL = (errno.ENOBUFS, errno.ENOMEM)  # the system has no room at the moment, as a Mac says with a busy Wi-Fi
LOOK_S = (2.0, 30.0)  # first and longest pause between two looks for a host that is not known

_log = logging.getLogger(__name__)


def parse_target(target: str) -> tuple[str, int]:
    """Return (host, port) of `host:port` or `[IPv6]:port`.  Raises ConfigError."""
    host, separator, port = target.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    good = separator and host and (bracketed or ":" not in host) and not any(mark in host for mark in " /")
    if not good or not (port.isascii() and port.isdecimal()) or not 1 <= int(port) <= 65535:
        raise ConfigError(
            f"OSC target '{target}' is not host:port with a port from 1 to 65535, e.g. 127.0.0.1:57120 or [::1]:57120"
        )
    return host, int(port)


@dataclass(slots=True, eq=False)
class Target:
    """One receiver, behind a connected socket: only then does the system report that nobody listens."""

    name: str
    sent: int = field(default=0, init=False)
    bytes: int = field(default=0, init=False)
    errors: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)  # reports that nobody listens: no fault of ours, so no error
    listening: bool = field(default=True, init=False)  # as far as the newest tick could tell
    _family: int = field(init=False)
    _address: tuple[object, ...] = field(init=False)
    _socket: socket.socket | None = field(default=None, init=False)
    _retry: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        host, port = parse_target(self.name)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except UnicodeError as error:  # a label of a host name that is empty or too long
            raise OSError(str(error)) from error
        # `localhost` may be ::1 first, where sclang and older Pd don't listen: IPv4 wherever there is one
        self._family, _, _, _, self._address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        with contextlib.suppress(OSError):  # no network now is no reason to give up: `send` tries again
            self._connect()

    def send(self, datagrams: Sequence[Packet], now: float) -> None:
        """Send all of them, or as many as the system takes.  Never blocks, never raises."""
        refused = False
        try:
            if self._socket is None:
                if now < self._retry:
                    self.errors += 1
                    return
                self._connect()
            assert self._socket is not None
            for datagram in datagrams:
                try:
                    self._socket.send(datagram)
                except BlockingIOError:
                    self.errors += 1
                    continue
                except (ConnectionRefusedError, ConnectionResetError):
                    # The report on an *earlier* datagram, this one was not sent.  The receiver may be there by now, so
                    # once more; a second report means that nobody listens, and the rest of this tick can be saved.
                    self.refused += 1
                    if refused:
                        self.listening = False
                        return
                    refused = True
                    self._socket.send(datagram)
                self.sent += 1
                self.bytes += len(datagram)
            self.listening = not refused
        except (ConnectionRefusedError, ConnectionResetError):
            self.refused += 1
            self.listening = False
        except OSError as error:  # the network is away, its address has changed: a connected socket never recovers
            self.errors += 1
            if not refused and error.errno not in FULL:
                self.close()
                self._retry = now + RECONNECT_S

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        made = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            made.connect(self._address)
        except OSError:
            made.close()
            raise
        self._socket = made


def look_for(unknown: Sequence[str], closing: threading.Event, found: Callable[[Target], None]) -> None:
    """Ask, in a thread of its own, for hosts that were not known, until they are: a tablet may be switched on last."""

    def look() -> None:
        left, pause = [*unknown], LOOK_S[0]
        while left and not closing.wait(pause * random.uniform(0.8, 1.0)):
            pause = min(2.0 * pause, LOOK_S[1])
            for name in [*left]:
                try:
                    made = Target(name)
                except OSError:
                    continue
                left.remove(name)
                if closing.is_set():
                    made.close()
                    return
                found(made)
                _log.info("OSC target '%s' is known now", name)

    threading.Thread(target=look, name="osc-names", daemon=True).start()

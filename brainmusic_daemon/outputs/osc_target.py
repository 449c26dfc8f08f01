"""Datagrams in, one receiver out: never blocks, never raises, counts."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.outputs.osc_encoding import Packet
from brainmusic_daemon.outputs.quick_socket import QuickSocket

RECONNECT_S = 1.0
FULL = (errno.ENOBUFS, errno.ENOMEM)  # the system has no room at the moment, as a Mac says with a busy Wi-Fi
LOOK_S = (2.0, 30.0)  # first and longest pause between two looks for a host

_log = logging.getLogger(__name__)

Place = tuple[int, tuple[Any, ...]]  # family and address of a socket


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


def places(target: str) -> list[Place]:
    """Return where a target is, the best first.  Raises OSError where nobody knows; may block for seconds."""
    host, port = parse_target(target)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except UnicodeError as error:  # a label of a host name that is empty or too long
        raise OSError(str(error)) from error
    # `localhost` may be ::1 first, where sclang and older Pd don't listen: IPv4 wherever there is one
    return [(family, address) for family, _, _, _, address in sorted(found, key=lambda each: each[0] != socket.AF_INET)]


@dataclass(slots=True, eq=False)
class Target:
    """One receiver, behind a connected socket: only then does the system report that nobody listens."""

    name: str
    sent: int = field(default=0, init=False)
    bytes: int = field(default=0, init=False)
    errors: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)  # reports that nobody listens: no fault of ours, so no error
    listening: bool = field(default=True, init=False)  # as far as the newest tick could tell
    _place: Place = field(init=False)
    _moved: Place | None = field(default=None, init=False)  # found beside the tick, which takes it up
    _socket: socket.socket | None = field(default=None, init=False)
    _retry: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._place = places(self.name)[0]
        with contextlib.suppress(OSError):  # no network now is no reason to give up: `send` tries again
            self._connect()

    def send(self, datagrams: Sequence[Packet], now: float) -> None:
        """Send all of them, or as many as the system takes.  Never blocks, never raises."""
        refused = False
        try:
            if (moved := self._moved) is not None:
                self._place, self._moved, self._retry = moved, None, now
                self.close()
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

    @property
    def may_move(self) -> bool:
        """Return whether it is known by a name, which may stand for another address tomorrow."""
        host, _ = parse_target(self.name)
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return host.lower() != "localhost"
        return False

    def look(self) -> None:
        """Ask where it is now; where that is somewhere else, the next tick sends there.  Blocks: not from the tick."""
        try:
            found = places(self.name)
        except OSError:  # it may be off: where it was is as good as anything
            return
        if self._place not in found:
            _log.info("OSC target '%s' is at %s now", self.name, found[0][1][0])
            self._moved = found[0]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        family, address = self._place
        made = QuickSocket(family)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            made.connect(address)
        except OSError:
            made.close()
            raise
        self._socket = made


def look_for(
    known: Sequence[Target], unknown: Sequence[str], closing: threading.Event, found: Callable[[Target], None]
) -> None:
    """Ask, in a thread of its own, for hosts that are not known until they are, and where the known ones are now.

    A tablet may be switched on last, and is given another address after days.  It is asked at least every 30 s, and
    sooner when sending has begun to fail.
    """
    named, left = [target for target in known if target.may_move], [*unknown]

    def failures() -> int:
        return sum(target.errors + target.refused for target in named)

    def look() -> None:
        pause, since, before, failing = LOOK_S[0], 0.0, failures(), False
        while named or left:
            nap = LOOK_S[0] * random.uniform(0.8, 1.0)
            if closing.wait(nap):
                return
            since, now = since + nap, failures()
            if now > before and not failing:
                pause = 0.0
            before, failing = now, now > before
            if since < 0.8 * pause:
                continue
            since, pause = 0.0, min(max(2.0 * pause, LOOK_S[0]), LOOK_S[1])
            for target in named:
                target.look()
            for name in [*left]:
                try:
                    made = Target(name)
                except OSError:
                    continue
                left.remove(name)
                if closing.is_set():
                    made.close()
                    return
                if made.may_move:
                    named.append(made)
                found(made)
                _log.info("OSC target '%s' is known now", name)

    if named or left:
        threading.Thread(target=look, name="osc-names", daemon=True).start()

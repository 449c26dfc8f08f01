"""Frames in, OSC over UDP out, to any number of targets; one that is away never disturbs another."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from brainmusic_daemon.api import Clock, ConfigError, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.outputs.osc_dialects import SUMMARY, DialectName, Encoder, make_encoder
from brainmusic_daemon.outputs.osc_encoding import IMMEDIATELY, Packet, Packets, bundles, ntp

_log = logging.getLogger(__name__)

AHEAD_S = 0.05  # scsynth plays a bundle at its time tag: far enough ahead that a late tick is not late there
RECONNECT_S = 1.0


@plugin
class Osc:
    """Send features, controls, notes, quality and state as OSC over UDP.

    Everything is sent at every tick, absolute values: a datagram that gets lost does no harm.  See docs/osc.md for the
    addresses.
    """

    targets: Annotated[list[str], Field(min_length=1, description="receivers, each host:port or [IPv6]:port")] = field(
        default_factory=lambda: ["127.0.0.1:57120"]
    )
    features: Annotated[list[str], Field(description="features to send: names, wildcards, or 'summary'")] = field(
        default_factory=lambda: [SUMMARY]
    )
    controls: Annotated[list[str], Field(description="controls to send: names or wildcards")] = field(
        default_factory=lambda: ["*"]
    )
    mode: Annotated[Literal["messages", "bundle"], Field(description="plain messages, or one bundle per tick")] = (
        "messages"
    )
    timetag: Annotated[
        Literal["immediate", "scsynth"], Field(description="time tag of bundles; scsynth: 50 ms ahead, to the sample")
    ] = "immediate"
    dialect: Annotated[DialectName, Field(description="namespace: brainmusic, muse or wekinator")] = "brainmusic"
    rate_hz: Annotated[float, Field(ge=0, le=1000, description="at most so often, Hz; 0: every tick")] = 0.0
    heartbeat_s: Annotated[float, Field(gt=0, le=3600, description="period of heartbeat and state, s")] = 1.0

    _encoder: Encoder = field(init=False)
    _packets: Packets | None = field(default=None, init=False)
    _targets: list[_Target] = field(default_factory=list, init=False)
    _said: set[str] = field(default_factory=set, init=False)  # a headset that comes and goes is no news
    _is_open: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.timetag == "scsynth" and self.mode != "bundle":
            raise ConfigError('timetag = "scsynth" needs mode = "bundle": only bundles carry time tags')
        for target in self.targets:
            parse_target(target)
        self._encoder = make_encoder(self.dialect, self.features, self.controls, self.rate_hz, self.heartbeat_s)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Resolve the targets.  Raises OutputLost when none of them can be resolved; a single one is logged."""
        self.close()
        self._encoder = make_encoder(self.dialect, self.features, self.controls, self.rate_hz, self.heartbeat_s)
        self._packets = None
        found, problems = [], []
        for target in dict.fromkeys(self.targets):
            try:
                found.append(_Target(target))
            except OSError as error:
                host, _ = parse_target(target)
                problems.append(f"OSC target '{target}': the host '{host}' is not known ({error.strerror or error})")
        if not found:
            raise OutputLost("; ".join(problems) + "; check the name, or write its IP address")
        for problem in problems:
            _log.warning("%s; the other targets go on", problem)
        self._targets, self._is_open = found, True

    def send(self, frame: Frame) -> None:
        """Send this tick.  Errors are counted per target."""
        if not self._is_open:
            return
        batch = self._encoder.encode(frame)
        if self._packets is None or self._packets.layout is not batch.layout:
            self._packets = Packets(batch.layout)
            for remark in batch.layout.remarks:
                if remark not in self._said:
                    _log.warning("osc: %s", remark)
                    self._said.add(remark)
        datagrams: Sequence[Packet]
        if self.mode == "bundle":
            timetag = ntp(time.time() + AHEAD_S) if self.timetag == "scsynth" else IMMEDIATELY
            datagrams = bundles(self._packets.elements(batch), timetag)
        else:
            datagrams = self._packets.messages(batch)
        for target in self._targets:
            target.send(datagrams, frame.time)

    def close(self) -> None:
        """Close the sockets; the counters stay."""
        self._is_open = False
        for target in self._targets:
            target.close()

    def counters(self) -> Mapping[str, float]:
        """Datagrams and bytes sent, messages withheld because not finite, errors per target."""
        return {
            "sent": sum(target.sent for target in self._targets),
            "bytes": sum(target.bytes for target in self._targets),
            "withheld": self._encoder.withheld,
            **{f"errors.{target.name}": target.errors for target in self._targets},
        }


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
class _Target:
    """One receiver, behind a connected socket: only then does the system report that nobody listens."""

    name: str
    sent: int = field(default=0, init=False)
    bytes: int = field(default=0, init=False)
    errors: int = field(default=0, init=False)
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
                    self.errors += 1
                    if refused:
                        return
                    refused = True
                    self._socket.send(datagram)
                self.sent += 1
                self.bytes += len(datagram)
        except OSError:  # the network is away, or its address has changed: a connected socket never recovers from that
            self.errors += 1
            if not refused:
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

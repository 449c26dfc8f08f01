"""Frames in, OSC over UDP out, to any number of targets; one that is away never disturbs another."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from brainmusic_daemon.api import Clock, ConfigError, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.osc_dialects import SUMMARY
from brainmusic_daemon.outputs.osc_encoder import DialectName, Encoder, make_encoder
from brainmusic_daemon.outputs.osc_encoding import (
    IMMEDIATELY,
    Argument,
    Batch,
    Message,
    Packet,
    Packets,
    bundles,
    message,
    ntp,
)
from brainmusic_daemon.outputs.osc_target import Target, look_for, parse_target
from brainmusic_daemon.outputs.schedule import Schedule

_log = logging.getLogger(__name__)

STOPPED = "stopped"  # the state that is said last
REHEARSED_S = 0.002  # between two messages of a test
AHEAD_S = 0.05  # scsynth plays a bundle at its time tag: far enough ahead that a late tick is not late there


def unix_of_zero(clock: Clock) -> float:
    """Return the Unix time of session time 0: the closest of three looks, as a thread may lose the processor in one."""
    looks = []
    for _ in range(3):
        before, unix, after = clock.now(), time.time(), clock.now()
        looks.append((after - before, unix - (before + after) / 2))
    return min(looks)[1]


@plugin
class Osc:
    """Send features, controls, events, notes, quality and state as OSC over UDP.

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
    _targets: list[Target] = field(default_factory=list, init=False)
    _said: set[str] = field(default_factory=set, init=False)  # a headset that comes and goes is no news
    _silent: bool = field(default=False, init=False)
    _is_open: bool = field(default=False, init=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _clock: Clock | None = field(default=None, init=False)
    _unix: float = field(default=0.0, init=False)  # Unix time of session time 0, s
    _schedule: Schedule | None = field(default=None, init=False)  # made with the first note that is not due yet

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
        found, problems, unknown = [], [], []
        for target in dict.fromkeys(self.targets):
            try:
                found.append(Target(target))
            except OSError as error:
                unknown.append(target)
                host, _ = parse_target(target)
                problems.append(f"OSC target '{target}': the host '{host}' is not known ({error.strerror or error})")
        if not found:
            raise OutputLost("; ".join(problems) + "; check the name, or write its IP address")
        for problem in problems:
            _log.warning("%s; the other targets go on", problem)
        self._clock, self._unix = clock, unix_of_zero(clock)
        self._targets, self._is_open = found, True
        self._closing = threading.Event()
        if not isinstance(clock, VirtualClock):
            look_for(found, unknown, self._closing, self._add)

    def _add(self, target: Target) -> None:
        self._targets = [*self._targets, target]  # replaced as a whole: the tick reads it

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
        if batch.notes and not self._silent:
            self._send_notes(batch, frame.time)

    def _send_notes(self, batch: Batch, now: float) -> None:
        """Send notes so that they are heard on time: with their own time tag, or when their time has come."""
        for onset, text in batch.notes:
            body = message(*text)
            if self.timetag == "scsynth":
                element = len(body).to_bytes(4, "big") + body
                self._send_now(bundles([element], ntp(self._unix_of(onset) + AHEAD_S)), now)
            elif onset <= now or isinstance(self._clock, VirtualClock) or self._clock is None:
                self._send_now([body], now)
            else:
                if self._schedule is None:
                    self._schedule = Schedule(self._clock, "osc-notes")
                self._schedule.at(onset, partial(self._send_now, [body], onset))

    def _send_now(self, datagrams: Sequence[Packet], now: float) -> None:
        for target in self._targets:
            target.send(datagrams, now)

    def _unix_of(self, session: float) -> float:
        """Return the Unix time of a session time; their distance is smoothed, a clock set anew is taken."""
        assert self._clock is not None
        found = unix_of_zero(self._clock)
        self._unix += (found - self._unix) * (0.05 if abs(found - self._unix) < 0.01 else 1.0)
        return self._unix + session

    def panic(self) -> None:
        """Send no more notes, not even those that wait, until `mute(False)`.  From any thread."""
        self._silent = True
        schedule = self._schedule
        if schedule is not None:
            schedule.clear()

    def mute(self, on: bool) -> None:
        """Send no notes, or notes again.  From any thread."""
        self._silent = on

    def say(self, address: str, arguments: Sequence[Argument]) -> None:
        """Send one message that belongs to no tick, in our own dialect only.  From any thread but the tick's."""
        finite = all(math.isfinite(number) for number in arguments if isinstance(number, float))
        if self._is_open and self.dialect == "brainmusic" and finite:
            self._send_now([message(address, arguments)], -math.inf)  # -inf: whoever is away is the tick's business

    def rehearse(self, frame: Frame, notes: bool = False) -> Sequence[Message]:
        """Send what a frame that no tick has made has to say, each message once, or only its notes; return it.

        One message after the other, so that no receiver's buffer overflows.  Not from the tick.
        """
        if not self._is_open or (notes and self._silent):
            return []
        encoder = make_encoder(self.dialect, self.features, self.controls)
        batch = encoder.encode(frame)
        found = [text for _, text in batch.notes] if notes else replace(batch, notes=()).messages()
        for text in found:
            self._send_now([message(*text)], -math.inf)
            time.sleep(REHEARSED_S)
        return found

    def close(self) -> None:
        """Tell the receivers that nothing more will come, and close the sockets; the counters stay."""
        if self._schedule is not None:
            self._schedule.close()
            self._schedule = None
        self.say("/brainmusic/state", [STOPPED])  # what sounds there without an end can fall silent
        self._is_open = False
        self._closing.set()
        for target in self._targets:
            target.close()

    def counters(self) -> Mapping[str, float]:
        """Datagrams and bytes sent, messages withheld because not finite; per target errors, refusals, and 1 or 0 for
        whether somebody listens there."""
        return {
            "sent": sum(target.sent for target in self._targets),
            "bytes": sum(target.bytes for target in self._targets),
            "withheld": self._encoder.withheld,
            **{f"errors.{target.name}": target.errors for target in self._targets},
            **{f"refused.{target.name}": target.refused for target in self._targets},
            **{f"listening.{target.name}": target.listening for target in self._targets},
        }

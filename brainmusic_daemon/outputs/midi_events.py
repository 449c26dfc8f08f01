"""Frames in, MIDI messages with their times out: no port and no file in it; floods nobody, and every note ends."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from brainmusic_daemon.api import CONTROL, ConfigError, Frame

Bytes = tuple[int, int, int]

NOTE_OFF, NOTE_ON, CONTROL_CHANGE = 0x80, 0x90, 0xB0
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123
CONTROLS: Mapping[str, int] = {  # control → controller number, those that have a meaning in MIDI first
    "loudness": 7,
    "brightness": 74,
    "attack_time": 73,
    "reverb": 91,
    "noise_amount": 76,
    "fundamental_frequency": 20,
    "tempo": 21,
    "mode": 22,
    "complexity": 23,
    "density": 24,
}


def check(controls: Mapping[str, int]) -> None:
    """Raise ConfigError for a control that does not exist, or a controller number that is none or is taken."""
    from brainmusic_daemon.registry import did_you_mean

    taken: dict[int, str] = {}
    for name, number in controls.items():
        if name not in CONTROL:
            raise ConfigError(f"controls: there is no control '{name}'{did_you_mean(name, [*CONTROL])}")
        if not 0 <= number <= 119:
            raise ConfigError(f"controls: '{name}' has the controller number {number}: it is 0 to 119")
        if number in taken:
            raise ConfigError(f"controls: '{name}' and '{taken[number]}' share the controller number {number}")
        taken[number] = name


@dataclass(order=True, slots=True)
class _Waiting:
    time: float
    rank: int  # at one moment ends come before begins
    count: int
    message: Bytes = field(compare=False)


@dataclass(slots=True, eq=False)
class Events:
    """Holds what is to be sent, in order of time.  Not thread-safe: the owner locks.

    A note that begins while its own pitch still sounds on the channel ends that first, so that one end belongs to one
    begin.  A controller changes at most `rate_hz` times a second, and only when its value has changed.
    """

    channel: int = 0  # added to that of the notes
    controls: Mapping[str, int] = field(default_factory=lambda: dict(CONTROLS))
    rate_hz: float = 50.0
    limited: int = field(default=0, init=False)  # changes put off
    _heap: list[_Waiting] = field(default_factory=list, init=False)
    _count: Iterator[int] = field(default_factory=itertools.count, init=False)
    _ends: dict[tuple[int, int], int] = field(default_factory=dict, init=False)  # (channel, pitch) → its end's count
    _values: dict[str, int] = field(default_factory=dict, init=False)
    _sent: dict[str, float] = field(default_factory=dict, init=False)
    _used: set[int] = field(default_factory=set, init=False)

    def take(self, frame: Frame) -> None:
        """Take in one tick."""
        for name, number in self.controls.items():
            value = frame.controls.values.get(name, math.nan)
            if math.isfinite(value):
                self._control(frame.time, name, number, value)
        for note in frame.notes:
            if not (math.isfinite(note.pitch) and math.isfinite(note.velocity) and math.isfinite(note.duration)):
                continue
            channel, pitch = (note.channel + self.channel) % 16, min(max(round(note.pitch), 0), 127)
            velocity = min(max(round(127 * note.velocity), 1), 127)
            self._push(note.time, 1, (NOTE_ON | channel, pitch, velocity))
            self._push(note.time + max(note.duration, 0.01), 0, (NOTE_OFF | channel, pitch, 0))

    def next_time(self) -> float:
        """Return when the next message is due; infinity: none."""
        return self._heap[0].time if self._heap else math.inf

    def due(self, until: float) -> Iterator[tuple[float, Bytes]]:
        """Give the messages up to a session time, in order."""
        while self._heap and self._heap[0].time <= until:
            waiting = heapq.heappop(self._heap)
            status, pitch, _ = waiting.message
            channel, kind = status & 0x0F, status & 0xF0
            self._used.add(channel)
            if kind == NOTE_ON:
                if (channel, pitch) in self._ends:
                    yield waiting.time, (NOTE_OFF | channel, pitch, 0)
                self._ends[channel, pitch] = waiting.count + 1  # its end was pushed right behind it
            elif kind == NOTE_OFF:
                if self._ends.get((channel, pitch)) != waiting.count:
                    continue  # ended already, by the same pitch that began again
                del self._ends[channel, pitch]
            yield waiting.time, waiting.message

    def silence(self, time: float, hard: bool = False) -> Iterator[tuple[float, Bytes]]:
        """Forget all that waits, and end all that sounds; `hard` also cuts what rings on."""
        self._heap.clear()
        for channel, pitch in sorted(self._ends):
            yield time, (NOTE_OFF | channel, pitch, 0)
        self._ends.clear()
        for channel in sorted(self._used):
            for number in (ALL_SOUND_OFF,) * hard + (ALL_NOTES_OFF, RESET_CONTROLLERS):
                yield time, (CONTROL_CHANGE | channel, number, 0)
        self._values.clear()

    def _control(self, time: float, name: str, number: int, value: float) -> None:
        control = CONTROL[name]
        step = round(127 * (control.clip(value) - control.low) / (control.high - control.low))
        if self._values.get(name) == step:
            return
        if self.rate_hz * (time - self._sent.get(name, -math.inf)) < 1.0 - 1e-6:
            self.limited += 1
            return
        self._values[name], self._sent[name] = step, time
        self._push(time, 0, (CONTROL_CHANGE | self.channel, number, step))

    def _push(self, time: float, rank: int, message: Bytes) -> None:
        heapq.heappush(self._heap, _Waiting(time, rank, next(self._count), message))

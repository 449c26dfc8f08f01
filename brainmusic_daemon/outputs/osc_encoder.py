"""Frames in, batches of messages out: what is due at this tick, and only what is finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from brainmusic_daemon.api import ConfigError, Frame, State, Words
from brainmusic_daemon.outputs.osc_dialects import SUMMARY, Brainmusic, Dialect, Muse, Wekinator
from brainmusic_daemon.outputs.osc_encoding import Batch, Layout, Message

DialectName = Literal["brainmusic", "muse", "wekinator"]

_EMPTY = np.empty(0, dtype=np.float32)


def make_encoder(
    dialect: DialectName,
    features: Sequence[str] = (SUMMARY,),
    controls: Sequence[str] = ("*",),
    rate_hz: float = 0.0,
    heartbeat_s: float = 1.0,
) -> Encoder:
    """Return the encoder for these settings.  Raises ConfigError for a setting that the dialect has no use for."""
    if dialect == "muse" and [*features] != [SUMMARY]:
        raise ConfigError("dialect 'muse' has fixed addresses: leave 'features' out, or use dialect 'brainmusic'")
    if dialect != "brainmusic" and [*controls] != ["*"]:
        raise ConfigError(f"dialect '{dialect}' sends no controls: leave 'controls' out, or use dialect 'brainmusic'")
    made: Dialect
    if dialect == "muse":
        made = Muse()
    elif dialect == "wekinator":
        made = Wekinator(features)
    else:
        made = Brainmusic(features, controls)
    return Encoder(made, rate_hz, heartbeat_s)


@dataclass(slots=True, eq=False)
class Encoder:
    """Turns frames into batches: decides what is due, withholds what is not finite.  Knows no socket and no clock."""

    dialect: Dialect
    rate_hz: float = 0.0  # at most so many ticks a second; 0: every tick.  What happens once always passes
    heartbeat_s: float = 1.0
    withheld: int = field(default=0, init=False)  # messages that held a non-finite value
    remarks: tuple[str, ...] = field(default=(), init=False)  # of the newest layout
    _key: tuple[object, ...] = field(default=(), init=False)
    _layout: Layout | None = field(default=None, init=False)
    _states: tuple[State, ...] = field(default=(), init=False)  # of all, then of each
    _words: Words | None = field(default=None, init=False)  # as they were told last
    _next: float = field(default=-math.inf, init=False)
    _next_beat: float = field(default=-math.inf, init=False)

    def encode(self, frame: Frame) -> Batch:
        """Return what this tick has to say.  A new set of names gives a batch with a new layout."""
        layout = self._current(frame)
        period = 1 / self.rate_hz if self.rate_hz > 0 else 0.0
        due = frame.time >= self._next - 0.1 * period  # ticks jitter: a little early is in time
        if due and period > 0:
            self._next = _following(self._next, period, frame.time)
        beat = frame.time >= self._next_beat - 1e-9
        if beat:
            self._next_beat = _following(self._next_beat, self.heartbeat_s, frame.time)
        states = (frame.features.state, *(signal.state for signal in frame.features.people.values()))
        changed, self._states = states != self._states, states
        found = self.dialect.events(frame, due, changed, beat)
        if beat or (due and frame.words is not self._words):
            found += self.dialect.words(frame.words, self._words, beat)
            self._words = frame.words
        events = tuple(event for event in found if self._passes(event))
        notes = tuple(note for note in self.dialect.notes(frame) if self._passes(note[1])) if frame.notes else ()
        if not due:
            return Batch(layout, False, _EMPTY, None, events, notes)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and infinite is withheld
            values = layout.gather(frame).astype(np.float32)
        finite = np.isfinite(values)
        if finite.all():
            return Batch(layout, True, values, None, events, notes)
        starts = np.cumsum((0, *layout.counts[:-1]))
        kept = tuple(np.logical_and.reduceat(finite, starts).tolist())
        self.withheld += kept.count(False)
        return Batch(layout, True, values, kept, events, notes)

    def _current(self, frame: Frame) -> Layout:
        of = frame.features
        key = (of.names, of.channels, of.quality.size, *of.people, *frame.controls.values)
        if self._layout is None or key != self._key:
            self._layout, self._key = self.dialect.layout(frame), key
            self.remarks = self._layout.remarks
        return self._layout

    def _passes(self, event: Message) -> bool:
        if all(math.isfinite(argument) for argument in event[1] if isinstance(argument, float)):
            return True
        self.withheld += 1
        return False


def _following(planned: float, period: float, now: float) -> float:
    """Return the next point of an even grid, without catching up on what was missed."""
    planned += period
    return planned if planned > now else now + period

"""Frames in, messages out, in one of three namespaces: our own, Mind Monitor's (`muse`) and Wekinator's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, Protocol

import numpy as np

from brainmusic_daemon.api import ConfigError, Features, FloatArray, Frame, State
from brainmusic_daemon.outputs.osc_encoding import Batch, Layout, Message, escape, floats_in, int32, unique

DialectName = Literal["brainmusic", "muse", "wekinator"]

SUMMARY = "summary"  # the word that stands for every feature that is neither raw nor of a single channel
MUSE_BANDS = ("delta", "theta", "alpha", "beta", "gamma")
MUSE_CHANNELS = ("TP9", "AF7", "AF8", "TP10")
MUSE_FLOOR_UV2 = 1e-3  # an electrode in the air can have no power at all; below this there is only amplifier noise

_EMPTY = np.empty(0, dtype=np.float32)


class Dialect(Protocol):
    """One namespace."""

    def layout(self, frame: Frame) -> Layout:
        """Return the float messages for this frame's names."""

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        """Return what is no state in floats; `changed` and `beat`: the state is to be told, the second is over."""


def select(features: Features, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the feature names that any pattern chooses, by pattern and then by name, and the patterns without a match.

    A pattern is an exact name, shell wildcards, or the word `summary`.
    """
    chosen: dict[str, None] = {}
    idle = []
    for pattern in patterns:
        if pattern == SUMMARY:
            found = [name for name in features.names if _is_summary(name, features.channels)]
        else:
            found = [name for name in features.names if name == pattern or fnmatchcase(name, pattern)]
        chosen |= dict.fromkeys(sorted(found))
        if not found and pattern != SUMMARY and features.names:  # before there is a headset nothing is amiss
            idle.append(pattern)
    return list(chosen), idle


def _is_summary(name: str, channels: Sequence[str]) -> bool:
    head, _, tail = name.partition(".")
    return head != "raw" and tail not in channels


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)]


def _fit(counts: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Cut every message to what one datagram holds; say so."""
    kept, remarks = {}, []
    for address, count in counts.items():
        kept[address] = min(count, floats_in(address))
        if kept[address] < count:
            remarks.append(f"{address[:80]}: only the first {kept[address]} of {count} values fit in one datagram")
    return kept, remarks


@dataclass(frozen=True, slots=True)
class Brainmusic:
    """Our own namespace: one address per value."""

    features: Sequence[str]
    controls: Sequence[str]

    def layout(self, frame: Frame) -> Layout:
        features = frame.features
        chosen, idle = select(features, self.features)
        places = np.array(sorted(features.index[name] for name in chosen), dtype=np.intp)
        controls = _matching([*frame.controls.values], self.controls)
        latents = [name for name in controls if name.startswith("z.")]
        wanted = [f"/brainmusic/feature/{features.names[place]}" for place in places]
        wanted += [f"/brainmusic/control/{name}" for name in controls]
        safe = [_safe(address) for address in wanted]
        addresses = unique(safe)
        remarks = [f"no feature matches {pattern!r}" for pattern in idle]
        remarks += [f"'{a}' is sent as '{b}'" for a, b in zip(wanted, addresses, strict=True) if a != b]
        counts = dict.fromkeys(addresses, 1)
        if latents:
            counts["/brainmusic/latent"] = len(latents)
        if features.quality.size:
            counts["/brainmusic/quality"] = int(features.quality.size)
        kept, cut = _fit(counts)
        mask = np.concatenate([np.arange(counts[a]) < kept[a] for a in counts] or [np.empty(0, bool)])
        whole = bool(mask.all())

        def gather(frame: Frame) -> FloatArray:
            values = frame.controls.values
            every = np.concatenate(
                (
                    frame.features.values[places],
                    [values[name] for name in controls],
                    [values[name] for name in latents],
                    frame.features.quality,
                )
            )
            return every if whole else every[mask]

        sent = {address: count for address, count in kept.items() if count}
        return Layout(tuple(sent), tuple(sent.values()), gather, tuple(remarks + cut))

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        found: list[Message] = []
        for note in frame.notes:
            pitch = round(min(max(note.pitch, 0.0), 127.0)) if math.isfinite(note.pitch) else note.pitch
            found.append(("/brainmusic/note", (pitch, _float32(note.velocity), _float32(note.duration))))
        if changed or beat:
            found.append(("/brainmusic/state", (str(frame.features.state),)))
        if beat:
            found.append(("/brainmusic/heartbeat", (int32(frame.number),)))
        return found


def _float32(number: float) -> float:
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and infinite is withheld
        return float(np.float32(number))


def _safe(address: str) -> str:
    return "/" + "/".join(escape(part) for part in address.split("/", 3)[1:])


@dataclass(frozen=True, slots=True)
class Muse:
    """Mind Monitor's addresses: band powers as log10 µV² (Bels), of the four electrodes if there, else the mean."""

    def layout(self, frame: Frame) -> Layout:
        features = frame.features
        four = all(channel in features.channels for channel in MUSE_CHANNELS)
        counts: dict[str, int] = {}
        places: list[int] = []
        for band in MUSE_BANDS:
            names = [f"raw.{band}.{channel}" for channel in MUSE_CHANNELS] if four else [f"raw.{band}"]
            if all(name in features for name in names):
                counts[f"/muse/elements/{band}_absolute"] = len(names)
                places += [features.index[name] for name in names]
        electrodes = [features.channels.index(channel) for channel in MUSE_CHANNELS] if four else []
        if electrodes:
            counts["/muse/elements/horseshoe"] = 4

        def gather(frame: Frame) -> FloatArray:
            power = np.maximum(frame.features.values[places], MUSE_FLOOR_UV2)
            quality = frame.features.quality[electrodes]
            horseshoe = np.select([quality >= 0.7, quality >= 0.3], [1.0, 2.0], 4.0)
            return np.concatenate((np.log10(power), horseshoe))

        remarks = []
        if counts and not four:
            remarks.append(f"no {', '.join(MUSE_CHANNELS)}: /muse/elements/… carry the mean of all good channels")
        if features.names and not counts:
            remarks.append("no band has a name that Mind Monitor knows: nothing will be sent")
        return Layout(tuple(counts), tuple(counts.values()), gather, tuple(remarks))

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        if not due:
            return []
        worn = frame.features.state not in (State.LOST, State.RESTING)
        return [("/muse/elements/touching_forehead", (int(worn),))]


@dataclass(frozen=True, slots=True)
class Wekinator:
    """One message with the chosen features: in the order of the patterns, by name within one."""

    features: Sequence[str]

    def layout(self, frame: Frame) -> Layout:
        features = frame.features
        chosen, idle = select(features, self.features)
        places = [features.index[name] for name in chosen]
        kept, cut = _fit({"/wek/inputs": len(places)})
        count = kept["/wek/inputs"]
        remarks = [f"no feature matches {pattern!r}" for pattern in idle] + cut
        if features.names:
            remarks.append(f"/wek/inputs has {count} values: {', '.join(chosen[:count])}")

        def gather(frame: Frame) -> FloatArray:
            return frame.features.values[places[:count]]

        return Layout(("/wek/inputs",) if count else (), (count,) if count else (), gather, tuple(remarks))

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        return []


@dataclass(slots=True, eq=False)
class Encoder:
    """Turns frames into batches: decides what is due, withholds what is not finite.  Knows no socket and no clock."""

    dialect: Dialect
    rate_hz: float = 0.0  # at most so many ticks a second; 0: every tick.  Notes and changes of state always pass
    heartbeat_s: float = 1.0
    withheld: int = field(default=0, init=False)  # messages that held a non-finite value
    remarks: tuple[str, ...] = field(default=(), init=False)  # of the newest layout
    _key: tuple[object, ...] = field(default=(), init=False)
    _layout: Layout | None = field(default=None, init=False)
    _state: State | None = field(default=None, init=False)
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
        changed = frame.features.state != self._state
        self._state = frame.features.state
        events = tuple(e for e in self.dialect.events(frame, due, changed, beat) if self._passes(e))
        if not due:
            return Batch(layout, False, _EMPTY, None, events)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and infinite is withheld
            values = layout.gather(frame).astype(np.float32)
        finite = np.isfinite(values)
        if finite.all():
            return Batch(layout, True, values, None, events)
        starts = np.cumsum((0, *layout.counts[:-1]))
        kept = tuple(np.logical_and.reduceat(finite, starts).tolist())
        self.withheld += kept.count(False)
        return Batch(layout, True, values, kept, events)

    def _current(self, frame: Frame) -> Layout:
        key = (frame.features.names, frame.features.channels, frame.features.quality.size, *frame.controls.values)
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

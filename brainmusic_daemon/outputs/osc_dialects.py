"""Names in, messages out, in one of three namespaces: our own, Mind Monitor's (`muse`) and Wekinator's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np

from brainmusic_daemon.api import CONTROL, Features, FloatArray, Frame, State, Words
from brainmusic_daemon.outputs import osc_words
from brainmusic_daemon.outputs.osc_encoding import Layout, Message, escape, floats_in, int32, unique

SUMMARY = "summary"  # the word that stands for every feature that is neither raw nor of a single channel
MUSE_BANDS = ("delta", "theta", "alpha", "beta", "gamma")
MUSE_CHANNELS = ("TP9", "AF7", "AF8", "TP10")
MUSE_EVENTS = {"blink": "/muse/elements/blink", "jaw": "/muse/elements/jaw_clench"}
MUSE_FLOOR_UV2 = 1e-3  # an electrode in the air can have no power at all; below this there is only amplifier noise


class Dialect(Protocol):
    """One namespace."""

    def layout(self, frame: Frame) -> Layout:
        """Return the float messages for this frame's names."""

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        """Return what is no state in floats; `changed` and `beat`: the state is to be told, the second is over."""

    def words(self, words: Words | None, before: Words | None, whole: bool) -> list[Message]:
        """Return what is said now, as far as it is news against `before`; all of it where `whole`."""

    def notes(self, frame: Frame) -> list[tuple[float, Message]]:
        """Return the notes with their onsets in session seconds, in order."""


def select(features: Features, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the feature names that any pattern chooses, by pattern and then by name, and the patterns without a match.

    A pattern is an exact name, shell wildcards, or the word `summary`.
    """
    chosen: dict[str, None] = {}
    idle = []
    for pattern in patterns:
        if pattern == SUMMARY:
            found = _summary(features)
        else:
            found = [name for name in features.names if name == pattern or fnmatchcase(name, pattern)]
        chosen |= dict.fromkeys(sorted(found))
        if not found and pattern != SUMMARY and features.names:  # before there is a headset nothing is amiss
            idle.append(pattern)
    return list(chosen), idle


def _summary(features: Features) -> list[str]:
    """Return all features that are neither raw, nor of a single channel, nor of a place on one of several heads."""
    several = [channel.partition(".") for channel in features.channels]
    people = {person for person, dot, _ in several if dot}
    places = {*features.channels, *(channel for _, dot, channel in several if dot)}
    found = []
    for name in features.names:
        head, _, tail = name.partition(".")
        if head != "raw" and tail not in places and not (head in people and "." in tail):
            found.append(name)
    return found


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that any pattern chooses, in their order."""
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
        controls = matching([*frame.controls.values], self.controls)
        latents = _latents(controls)
        wanted = [f"/brainmusic/feature/{features.names[place]}" for place in places]
        wanted += [f"/brainmusic/control/{name}" for name in controls]
        safe = [_safe(address) for address in wanted]
        addresses = unique(safe)
        remarks = [f"no feature matches {pattern!r}" for pattern in idle]
        remarks += [f"'{a}' is sent as '{b}'" for a, b in zip(wanted, addresses, strict=True) if a != b]
        counts = dict.fromkeys(addresses, 1)
        if latents:
            counts["/brainmusic/latent"] = len(latents)
        steady = bool(controls)
        if steady:
            counts["/brainmusic/drone"] = 4
        people = (*features.people,)
        counts |= dict.fromkeys((person_address(who, "follow") for who in people), 1)
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
                    _drone(frame) if steady else (),
                    [frame.features.people[who].follow for who in people],
                    frame.features.quality,
                )
            )
            return every if whole else every[mask]

        sent = {address: count for address, count in kept.items() if count}
        return Layout(tuple(sent), tuple(sent.values()), gather, tuple(remarks + cut))

    def events(self, frame: Frame, due: bool, changed: bool, beat: bool) -> list[Message]:
        found: list[Message] = [
            (f"/brainmusic/event/{escape(event.name)}", (_float32(event.strength),)) for event in frame.features.events
        ]
        if changed or beat:
            found.append(("/brainmusic/state", (str(frame.features.state),)))
            for who, signal in frame.features.people.items():
                found.append((person_address(who, "state"), (str(signal.state),)))
        if beat:
            found.append(("/brainmusic/heartbeat", (int32(frame.number),)))
        return found

    def words(self, words: Words | None, before: Words | None, whole: bool) -> list[Message]:
        return osc_words.messages(words, before, whole)

    def notes(self, frame: Frame) -> list[tuple[float, Message]]:
        found: list[tuple[float, Message]] = []
        for note in frame.notes:
            pitch = round(min(max(note.pitch, 0.0), 127.0)) if math.isfinite(note.pitch) else note.pitch
            found.append((note.time, ("/brainmusic/note", (pitch, _float32(note.velocity), _float32(note.duration)))))
            shape = note.pitch, note.velocity, note.duration, note.pan, note.attack, note.decay, note.release
            found.append((note.time, ("/brainmusic/tone", (*map(_float32, shape), int32(note.channel)))))
        return found


def person_address(who: str, what: str) -> str:
    """Return the address of what is told of one of several persons."""
    return f"/brainmusic/person/{escape(who)}/{what}"


def _drone(frame: Frame) -> tuple[float, float, float, float]:
    """Return root in Hz, number, level and breath of the steady tones; 8 tones: the whole chord of the controls."""
    drone = frame.drone
    if drone is None:
        root = frame.controls.values.get("fundamental_frequency", CONTROL["fundamental_frequency"].rest)
        return root, 8.0, 1.0, 1.0
    return drone.root_hz, float(drone.tones), drone.level, drone.breath


def _latents(controls: Sequence[str]) -> list[str]:
    """Return the latents in order of their numbers: an outside model's where there are any, else the synth's own."""
    for head in ("latent.", "z."):
        found = [name for name in controls if name.startswith(head) and name[len(head) :].isdecimal()]
        if found:
            return sorted(found, key=lambda name: int(name.partition(".")[2]))
    return []


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
        happened = {event.name for event in frame.features.events}
        found: list[Message] = [(address, (1,)) for name, address in MUSE_EVENTS.items() if name in happened]
        if due:
            worn = frame.features.state not in (State.LOST, State.RESTING)
            found.append(("/muse/elements/touching_forehead", (int(worn),)))
        return found

    def words(self, words: Words | None, before: Words | None, whole: bool) -> list[Message]:
        return []

    def notes(self, frame: Frame) -> list[tuple[float, Message]]:
        return []


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

    def words(self, words: Words | None, before: Words | None, whole: bool) -> list[Message]:
        return []

    def notes(self, frame: Frame) -> list[tuple[float, Message]]:
        return []

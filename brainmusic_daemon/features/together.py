"""Several persons' windows in, one `Features` out: each person's, the group's, and what is between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from brainmusic_daemon.api import Features, FloatArray, State, Window
from brainmusic_daemon.features.baseline import Baseline
from brainmusic_daemon.features.interbrain import MEMORY_S, Interbrain, Moment

GROUP = "interbrain"
FOLLOWED = (State.GOOD, State.CALIBRATING)
_BEST_FIRST = (State.GOOD, State.CALIBRATING, State.HELD, State.RESTING, State.LOST)
_SPREAD = 0.15  # of phase locking
_LEARN_EVERY_S = 0.1  # it changes within seconds: its ranges need not be looked at in every tick
_ALONE = 1e-3  # who follows less than this is not there


class Bank(Protocol):
    """What turns one person's window into features, and one headset's into music; `FeatureBank`, for one."""

    names: tuple[str, ...]
    remarks: list[str]  # for people: whoever reads them takes them out

    @property
    def follow(self) -> float:
        """Return the share by which the music follows, 0..1."""

    @property
    def delays(self) -> Mapping[str, float]:
        """Return the analysis delay of every band, s."""

    def improve(self) -> None:
        """Take up what was learned meanwhile; beside the tick."""

    def faults(self) -> dict[str, str]:
        """Return what is wrong with each channel that has something, in one word; beside the tick."""

    def update(self, time: float, window: Any, *, alive: Any) -> Features:
        """Return the features of the tick at `time`; of several persons, a window and a sign of life for each."""


class Member(Bank, Protocol):
    """The bank of one person."""

    phased: bool  # whether its `moment` is ever known

    @property
    def n_taps(self) -> int:
        """Return the length of the window that a tick needs, in samples."""

    @property
    def moment(self) -> Moment | None:
        """Return when alpha was what, as an analytic signal; None where there is none."""


class Together:
    """The persons who play together.  Pure, like their banks.

    Of every feature `<name>` there is `<person>.<name>`, which glides to 0.5 when the person drops out, and under the
    plain name the mean over those who have it, each weighted by how far the music follows them: who comes glides into
    it, who drops out glides out of it, and mappings made for one person play for all.  `interbrain.<a>.<b>` is the
    phase locking of two persons' alpha, `interbrain` its mean over the pairs that are there, both within the range of
    this group.  `raw.` values of who is away stay what they were.
    """

    def __init__(self, members: Mapping[str, Member], tick: float, memory_s: float) -> None:
        self.members = dict(members)
        self.remarks: list[str] = []
        self.states: Mapping[str, State] = {}  # person → state, as of the last tick; replaced as a whole
        self._tick = tick
        everyone = list(members)
        plain = tuple(dict.fromkeys(name for bank in members.values() for name in bank.names))
        base = [name for name in plain if not name.startswith("raw.")]
        raw = [name for name in plain if name.startswith("raw.")]
        self._phased = [number for number, bank in enumerate(members.values()) if bank.phased]
        self._between = Interbrain(len(self._phased), tick) if len(self._phased) > 1 else None
        self._pairs = [(self._phased[i], self._phased[j]) for i, j in self._between.pairs] if self._between else []
        between = [GROUP, *(f"{GROUP}.{everyone[i]}.{everyone[j]}" for i, j in self._pairs)] if self._pairs else []
        own = [f"{who}.{name}" for who, bank in members.items() for name in bank.names if not name.startswith("raw.")]
        own_raw = [
            f"raw.{who}.{name[4:]}" for who, bank in members.items() for name in bank.names if name.startswith("raw.")
        ]
        self.names = (*base, *between, *own, *raw, *(f"raw.{name}" for name in between), *own_raw)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.channels: tuple[str, ...] = ()
        # where a person's features stand: among the plain ones, and under the person's own name
        column = {name: i for i, name in enumerate(plain)}
        self._columns = [np.array([column[name] for name in bank.names], np.intp) for bank in members.values()]
        self._own = [
            np.array([self.index[_named(who, name)] for name in bank.names], np.intp) for who, bank in members.items()
        ]
        self._plain = np.array([self.index[name] for name in plain], np.intp)
        self._places = np.array([self.index[name] for name in between], np.intp)
        self._raw_places = np.array([self.index[f"raw.{name}"] for name in between], np.intp)
        self._is_raw = [np.array([name.startswith("raw.") for name in bank.names]) for bank in members.values()]
        self._base, self._between_names = tuple(plain), tuple(between)
        self._has = np.zeros((len(members), len(plain)))
        for row, columns in zip(self._has, self._columns, strict=True):
            row[columns] = 1.0
        self._held = np.where([name.startswith("raw.") for name in plain], 0.0, 0.5) * self._has  # (n, n_plain)
        self._values: FloatArray = np.full(len(self.names), 0.5)
        self._ranges = [Baseline(0, np.array([_SPREAD]), memory_s) for _ in between]
        self._locking = np.zeros(len(between))
        self._learn_every, self._ticks = max(1, round(_LEARN_EVERY_S / tick)), 0
        self._together_s = 0.0  # that two or more were there
        self._follows = np.array([bank.follow for bank in members.values()])

    def go_on(self, before: Together) -> None:
        """Keep what was known before a headset came or changed."""
        self.states = before.states
        known = dict(zip(before._between_names, before._ranges, strict=True))
        self._ranges = [known.get(name, new) for name, new in zip(self._between_names, self._ranges, strict=True)]
        both = [name for name in self.names if name in before.index]
        self._values[[self.index[name] for name in both]] = before._values[[before.index[name] for name in both]]
        for number, who in enumerate(self.members):
            if who in before.members:
                then = dict(zip(before._base, before._held[list(before.members).index(who)], strict=True))
                self._held[number] = [
                    then.get(name, now) for name, now in zip(self._base, self._held[number], strict=True)
                ]

    @property
    def follow(self) -> float:
        """Return how far the music follows whoever it follows most."""
        return float(self._follows.max())

    @property
    def delays(self) -> Mapping[str, float]:
        """Return the greatest delay of each band."""
        found: dict[str, float] = {}
        for bank in self.members.values():
            for band, delay in bank.delays.items():
                found[band] = max(delay, found.get(band, 0.0))
        return found

    def improve(self) -> None:
        """Take up what was learned about each person."""
        for who, bank in self.members.items():
            bank.improve()
            self.remarks += [f"{who}: {remark}" for remark in bank.remarks]
            bank.remarks = []

    def faults(self) -> dict[str, str]:
        """Return what is wrong with each channel that has something."""
        return {f"{who}.{name}": why for who, bank in self.members.items() for name, why in bank.faults().items()}

    def update(self, time: float, window: Sequence[Window], *, alive: Sequence[bool]) -> Features:
        """Return everybody's features; `window` and `alive` in the order of the members."""
        values = self._values.copy()
        parts = [
            bank.update(time, heard, alive=lives)
            for bank, heard, lives in zip(self.members.values(), window, alive, strict=True)
        ]
        moments: list[Moment | None] = []
        for number, (part, bank) in enumerate(zip(parts, self.members.values(), strict=True)):
            self._follows[number] = follow = bank.follow
            held = self._held[number]
            if part.state in FOLLOWED:
                held[self._columns[number]] = part.values
            own = held[self._columns[number]]
            values[self._own[number]] = np.where(self._is_raw[number], own, 0.5 + follow * (own - 0.5))
            moments.append(bank.moment if part.state in FOLLOWED else None)
        weights = self._follows @ self._has
        here = weights > _ALONE
        values[self._plain[here]] = (self._follows @ self._held)[here] / weights[here]
        if self._between is not None:
            self._update_pairs(self._between, moments, values)
        self._ticks += 1
        self._values = values
        self.states = {who: part.state for who, part in zip(self.members, parts, strict=True)}
        return self._joined(time, parts, values)

    def _update_pairs(self, between: Interbrain, moments: Sequence[Moment | None], values: FloatArray) -> None:
        locking, follows = between.update([moments[number] for number in self._phased]), self._follows
        weights = np.array([follows[i] * follows[j] for i, j in self._pairs])
        total = float(weights.sum())
        if total > _ALONE:
            self._locking[0] = float(weights @ locking) / total
            self._together_s += self._tick
        self._locking[1:] = np.where(weights > _ALONE, locking, self._locking[1:])
        values[self._raw_places] = self._locking
        if self._ticks % self._learn_every == 0 and self._together_s > MEMORY_S:  # before, it is mostly chance
            shares = [float(weights.max()), *weights.tolist()]
            for number, (share, known) in enumerate(zip(shares, self._ranges, strict=True)):
                if share > _ALONE:
                    found = np.empty(1)
                    known.update(self._locking[number : number + 1], self._learn_every * self._tick, True, found)
                    values[self._places[number]] = 0.5 + share * (found[0] - 0.5)

    def _joined(self, time: float, parts: Sequence[Features], values: FloatArray) -> Features:
        everyone = list(zip(self.members, parts, strict=True))
        channels = tuple(f"{who}.{channel}" for who, part in everyone for channel in part.channels)
        if channels != self.channels:
            self.channels = channels  # the same object every tick: whoever compares is soon done
        heard = [part.sample_time for part in parts if part.state is not State.LOST]
        return Features(
            time=time,
            sample_time=min(heard) if heard else max((part.sample_time for part in parts), default=-math.inf),
            names=self.names,
            values=values,
            index=self.index,
            channels=self.channels,
            quality=np.concatenate([part.quality for part in parts]),
            state=min((part.state for part in parts), key=_BEST_FIRST.index),
            events=tuple(replace(one, name=f"{who}.{one.name}") for who, part in everyone for one in part.events),
        )


def _named(who: str, name: str) -> str:
    return f"raw.{who}.{name[4:]}" if name.startswith("raw.") else f"{who}.{name}"

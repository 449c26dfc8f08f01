"""Several persons' windows in, one `Features` out: each person's, the group's, and what is between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from brainmusic_daemon.api import Features, FloatArray, Signal, State, Window
from brainmusic_daemon.features.interbrain import Moment
from brainmusic_daemon.features.pairs import Pairs

FOLLOWED = (State.GOOD, State.CALIBRATING)
_BEST_FIRST = (State.GOOD, State.CALIBRATING, State.HELD, State.RESTING, State.LOST)
_ALONE = 1e-3  # features that nobody is followed in by more than this stay as they are


class Bank(Protocol):
    """What makes features of windows: `FeatureBank` for one person, `Together` for several."""

    names: tuple[str, ...]
    channels: tuple[str, ...]
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
    it, who drops out glides out of it, and mappings made for one person play for all.  `raw.` values of who is away
    stay what they were.  What is between two persons: see `Pairs`.
    """

    def __init__(self, members: Mapping[str, Member], tick: float, memory_s: float) -> None:
        """`members`: person → bank, one or more; `tick` in seconds, `memory_s` of the pairs' ranges."""
        self.members = dict(members)
        self.remarks: list[str] = []
        self.states: Mapping[str, State] = {}  # person → state, as of the last tick; replaced as a whole
        self.channels = tuple(f"{who}.{channel}" for who, bank in members.items() for channel in bank.channels)
        self._phased = [number for number, bank in enumerate(members.values()) if bank.phased]
        whose = [[*members][number] for number in self._phased]
        self._pairs = Pairs(whose, tick, memory_s) if len(whose) > 1 else None
        between = self._pairs.names if self._pairs is not None else ()
        plain = tuple(dict.fromkeys(name for bank in members.values() for name in bank.names))
        own = [_own(who, name) for who, bank in members.items() for name in bank.names]
        every = [*plain, *between, *own, *(f"raw.{name}" for name in between)]
        self.names = tuple(sorted(every, key=_is_raw))  # first all that is 0..1, in order
        self.index = {name: i for i, name in enumerate(self.names)}
        # where things stand among all names; a person's also among the plain ones
        self._plain, self._between = self._at(plain), self._at(between)
        self._raw_between = self._at(f"raw.{name}" for name in between)
        self._own = [self._at(_own(who, name) for name in bank.names) for who, bank in members.items()]
        column = {name: i for i, name in enumerate(plain)}
        self._columns = [np.array([column[name] for name in bank.names], np.intp) for bank in members.values()]
        self._raw = [np.array([_is_raw(name) for name in bank.names]) for bank in members.values()]
        self._has = np.zeros((len(members), len(plain)))  # 1 where a person has a feature
        for row, columns in zip(self._has, self._columns, strict=True):
            row[columns] = 1.0
        self._held = 0.5 * self._has  # each person's values, as of when they were followed last
        self._held[:, [_is_raw(name) for name in plain]] = 0.0
        self._follows = np.array([bank.follow for bank in members.values()])
        self._values: FloatArray = np.array([0.0 if _is_raw(name) else 0.5 for name in self.names])

    def _at(self, names: Iterable[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
        return np.array([self.index[name] for name in names], np.intp)

    def go_on(self, before: Together) -> None:
        """Keep what was known before a headset came or changed."""
        self.states = before.states
        if self._pairs is not None and before._pairs is not None:
            self._pairs.go_on(before._pairs)
        both = [name for name in self.names if name in before.index]
        self._values[self._at(both)] = before._values[before._at(both)]
        for number, (who, bank) in enumerate(self.members.items()):
            if bank is before.members.get(who):
                then = [*before.members].index(who)
                self._held[number, self._columns[number]] = before._held[then, before._columns[then]]

    @property
    def follow(self) -> float:
        """Return how far the music follows whoever it follows most."""
        return float(self._follows.max())

    @property
    def delays(self) -> Mapping[str, float]:
        """Return the greatest delay of each band."""
        every = [pair for bank in self.members.values() for pair in bank.delays.items()]
        return {band: max(delay for of, delay in every if of == band) for band, _ in every}

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
        banks = [*self.members.values()]
        parts = [bank.update(time, heard, alive=here) for bank, heard, here in zip(banks, window, alive, strict=True)]
        values = self._values.copy()
        for number, (bank, part) in enumerate(zip(banks, parts, strict=True)):
            columns, self._follows[number] = self._columns[number], bank.follow
            if part.state in FOLLOWED:
                self._held[number, columns] = part.values
            held = self._held[number, columns]
            values[self._own[number]] = np.where(self._raw[number], held, 0.5 + bank.follow * (held - 0.5))
        weights = self._follows @ self._has
        here = weights > _ALONE
        values[self._plain[here]] = (self._follows @ self._held)[here] / weights[here]
        if self._pairs is not None:
            of = self._phased
            moments = [banks[number].moment if parts[number].state in FOLLOWED else None for number in of]
            self._pairs.update(moments, self._follows[of])
            values[self._between], values[self._raw_between] = self._pairs.values, self._pairs.raw
        self._values = values
        self.states = {who: part.state for who, part in zip(self.members, parts, strict=True)}
        return self._joined(time, parts)

    def _joined(self, time: float, parts: Sequence[Features]) -> Features:
        heard = [part.sample_time for part in parts if part.state is not State.LOST]
        whose = zip(self.members, parts, strict=True)
        return Features(
            time=time,
            sample_time=min(heard) if heard else max(part.sample_time for part in parts),
            names=self.names,
            values=self._values,
            index=self.index,
            channels=self.channels,
            quality=np.concatenate([part.quality for part in parts]),
            state=min((part.state for part in parts), key=_BEST_FIRST.index),
            events=tuple(replace(event, name=f"{who}.{event.name}") for who, part in whose for event in part.events),
            people={who: Signal(self.states[who], bank.follow) for who, bank in self.members.items()},
        )


def _is_raw(name: str) -> bool:
    return name.startswith("raw.")


def _own(who: str, name: str) -> str:
    return f"raw.{who}.{name[4:]}" if _is_raw(name) else f"{who}.{name}"

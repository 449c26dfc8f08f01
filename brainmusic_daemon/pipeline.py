"""Window → Features → Controls: one tick, pure; it knows no thread, clock, file or device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from brainmusic_daemon import registry
from brainmusic_daemon.api import Controls, Features, Frame, State, StreamInfo
from brainmusic_daemon.choice import Choice
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import bank
from brainmusic_daemon.features.together import Bank
from brainmusic_daemon.mapping.adjust import Adjustments
from brainmusic_daemon.mapping.host import Host
from brainmusic_daemon.mapping.seat import Budget, Seat
from brainmusic_daemon.music.bell import Bell
from brainmusic_daemon.music.preset import Preset
from brainmusic_daemon.music.score import Score
from brainmusic_daemon.music.score import follow as follow_on
from brainmusic_daemon.sections import FeaturesConfig


def derived(chosen: FeaturesConfig) -> dict[str, bank.Feature]:
    """Make the derived features that are wanted, anew: they hold the state of one headset."""
    return {
        name: registry.build("feature", name, chosen.settings.get(name, {}), f"features.settings.{name}")
        for name in chosen.derived or registry.names("feature")
    }


def _nothing(time: float) -> Features:
    empty = np.zeros(0)
    return Features(time, -math.inf, (), empty, {}, (), empty, State.LOST)


def listening(info: StreamInfo, config: Config) -> bank.FeatureBank:
    """Return the bank for one headset: designs its kernels.  Some ms; not for the tick."""
    return bank.build(info, config, derived(config.features))


class Pipeline:
    """Turns the newest window into what the outputs are handed.

    Made once per session; `prepare` is called for every headset that comes (other channels, another rate), for what
    several persons share too.  The same windows at the same times give the same frames, to the last bit.
    """

    def __init__(self, config: Config, live: bool = False) -> None:
        """`live` False: no mapper is timed, so that the same input gives the same output."""
        self.config = config
        self.budget = Budget(config.swap.budget_ms / 1000, watch=live)
        fallback = Seat("the fallback", config.fallback, Adjustments(), Budget(watch=False))
        self.host = Host(self.seat(config.choice), fallback, config.tick)
        self.score = Score(config.preset, config.music.seed, config.tick)
        self.bank: Bank | None = None
        self._next: deque[tuple[Preset, int]] = deque(maxlen=1)  # to be played from the next tick on
        self._bell = Bell()
        self._number = 0
        self.heard: Callable[[], None] = lambda: None  # told in each tick when the features are there

    def seat(self, choice: Choice) -> Seat:
        """Return a mapper's seat, to be prepared, tried, and installed in `host`."""
        return Seat(choice.name, choice.mapper, choice.adjustments, self.budget)

    def prepare(self, heard: StreamInfo | Bank) -> None:
        """Get ready for a headset, or for what listens to it: prepare the mappers.  Some ms; not for the tick."""
        made = listening(heard, self.config) if isinstance(heard, StreamInfo) else heard
        self.host.prepare(made.names)
        made.remarks += self.host.playing.remarks
        self.bank = made  # last: from here on a tick uses it

    def improve(self) -> None:
        """Take up what was learned about the person meanwhile, if there is anything new.  Some ms; not for the tick."""
        if self.bank is not None:
            self.bank.improve()

    def remarks(self) -> list[str]:
        """Return what the user should hear about this person and headset, each once; not for the tick."""
        if self.bank is None:
            return []
        remarks, self.bank.remarks = self.bank.remarks, []
        return remarks

    def tick(self, time: float, window: Any, *, alive: Any) -> Frame:
        """Return the frame that leaves at `time` (session seconds); `alive` False: the source is silent.

        Of several persons, `window` and `alive` are sequences.
        """
        bank = self.bank  # once: another one may come at any moment
        assert bank is not None
        features = bank.update(time, window, alive=alive)
        self.heard()
        return self._frame(features, bank.follow)

    def hold(self, time: float, before: Frame) -> Frame:
        """Return a frame that goes on as `before`: the others play while one more headset is being prepared for."""
        features = replace(before.features, time=time, state=State.HELD, events=())
        return self._frame(features, 0.0 if self.bank is None else self.bank.follow, idle=True)

    def idle(self, time: float) -> Frame:
        """Return a frame at rest, without features: no headset has come yet."""
        return self._frame(_nothing(time), follow=0.0)

    def play(self, preset: Preset, seed: int) -> None:
        """Let another preset go on where this one stands, from the next tick on.  From any thread."""
        self._next.append((preset, seed))

    def ring(self, call: str) -> None:
        """Let a bell call somebody, beside the score and from the next tick on.  From any thread."""
        self._bell.ring(call)

    def _frame(self, features: Features, follow: float, idle: bool = False) -> Frame:
        """Map, glide towards rest by what the gate says, smooth, and play; `idle`: the mappers are being prepared."""
        if self._next:
            self.score = follow_on(self.score, *self._next.pop())
        held = features.state in (State.HELD, State.LOST, State.RESTING)
        asked = _nothing(features.time) if idle else features
        controls = Controls(features.time, self.host.step(asked, follow, held))
        notes = self.score.advance(features.time, controls.values, follow)
        drone = self.score.drone(controls.values)
        if self._bell.rings:
            notes, drone = self._bell.step(features.time, notes, drone, controls.values)
        host = self.host
        says = host.words, host.playing.name, follow
        frame = Frame(features.time, self._number, features, controls, notes, drone, *says)
        self._number += 1
        return frame

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return (feature, control) → share of the control's range by which the feature moves it now."""
        return self.host.explain(features)

"""Features that another daemon computed in, one performer's `Features` out, followed as far as that daemon follows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from brainmusic_daemon import signals
from brainmusic_daemon.api import Features, FloatArray, State, StreamInfo, Window
from brainmusic_daemon.features.gate import Gate

_FOLLOWED = (State.GOOD, State.CALIBRATING)


class Performed:
    """The place of a feature bank for whoever's brain is analysed elsewhere.  Pure.

    The other daemon says how its signal is: its state is the state here, and the share by which its own music follows
    the brain is the share here, times what the way to it allows (a stream that ends, or falls silent, glides to rest).
    One that does not say so publishes the same values again and again while its headset is away: values that stand
    still for `still_s` are as good as none.  Whatever comes over a network is taken for what it may be: features stay
    within 0..1, and what is no number leaves the last one.
    """

    n_taps = 1  # the newest features are all there is to know
    channels: tuple[str, ...] = ()
    phased = False  # they have no phase

    def __init__(self, info: StreamInfo, gate: Gate, tick: float, still_s: float) -> None:
        self.names = tuple(name for name in info.channels if not name.startswith(signals.HEAD))
        self._places = np.array([info.channels.index(name) for name in self.names], np.intp)
        at = {name: number for number, name in enumerate(info.channels)}
        told = (signals.STATE, signals.FOLLOW)
        self._told = tuple(at[name] for name in told) if all(name in at for name in told) else ()
        self._age_at = at.get(signals.AGE)
        self._raw = np.array([name.startswith("raw.") for name in self.names], bool)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.remarks: list[str] = []
        self._gate, self._tick, self._still_s = gate, tick, still_s
        self._values: FloatArray = np.where(self._raw, 0.0, 0.5)
        self._stood_s = 0.0
        self._there = 0.0 if self._told else 1.0  # the share by which the other daemon's own music follows
        self._age_s = 0.0  # of the newest sample, when it sent

    @property
    def follow(self) -> float:
        """Return the share by which the music follows, 0..1."""
        return self._gate.follow * self._there

    @property
    def delays(self) -> Mapping[str, float]:
        """Return nothing: the other daemon knows."""
        return {}

    @property
    def moment(self) -> None:
        """Return nothing."""
        return

    def improve(self) -> None:
        """Do nothing: the other daemon learns."""

    def faults(self) -> dict[str, str]:
        """Return nothing: the other daemon sees the electrodes."""
        return {}

    def update(self, time: float, window: Window, *, alive: bool) -> Features:
        """Return the features of the tick at `time`; `window` (1, n_channels)."""
        state = State.GOOD
        if alive:
            row = (window.samples[-1] + window.offset).astype(np.float64)
            values = self._sane(row[self._places])
            self._stood_s = self._stood_s + self._tick if np.array_equal(values, self._values) else 0.0
            self._values = values
            if self._told:
                state, self._there = self._heard(row)
        alive = alive and (bool(self._told) or self._stood_s < self._still_s)
        own = self._gate.update(alive=alive, share=1.0, filled=window.filled > 0, learned_s=np.inf)
        state = state if own in _FOLLOWED else own
        when = window.time - self._age_s
        return Features(time, when, self.names, self._values, self.index, (), np.zeros(0), state)

    def _sane(self, values: FloatArray) -> FloatArray:
        finite = np.where(np.isfinite(values), values, self._values)
        return np.where(self._raw, finite, np.clip(finite, 0.0, 1.0))

    def _heard(self, row: FloatArray) -> tuple[State, float]:
        """Return the state that the other daemon is in, and the share by which its own music follows."""
        code, share = (float(row[place]) for place in self._told)
        age = float(row[self._age_at]) if self._age_at is not None else 0.0
        self._age_s = age if 0.0 <= age < signals.OLDEST_S else 0.0
        return signals.state_of(code), min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


def build(info: StreamInfo, config: object) -> Performed:
    """Make it from the configuration's sections `session`, `quality` and `baseline`."""
    session, quality, tick = config.session, config.quality, config.tick  # type: ignore[attr-defined]
    gate = Gate(good_share=quality.good_share, hold_s=quality.hold_s, glide_s=quality.glide_s, settle_s=0.0, tick=tick)
    return Performed(info, gate, tick, session.silence_s)

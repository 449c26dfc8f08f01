"""Features that another daemon computed in, one performer's `Features` out: gated as a headset's are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from brainmusic_daemon.api import Features, FloatArray, StreamInfo, Window
from brainmusic_daemon.features.gate import Gate


class Performed:
    """The place of a feature bank for whoever's brain is analysed elsewhere.  Pure.

    The other daemon says nothing of its signal, but it publishes the same values again and again while its headset is
    away: values that stand still for `still_s` are as good as none.
    """

    n_taps = 1  # the newest features are all there is to know
    channels: tuple[str, ...] = ()
    phased = False  # they have no phase

    def __init__(self, info: StreamInfo, gate: Gate, tick: float, still_s: float) -> None:
        self.names = info.channels
        self.index = {name: i for i, name in enumerate(self.names)}
        self.remarks: list[str] = []
        self._gate, self._tick, self._still_s = gate, tick, still_s
        self._values: FloatArray = np.array([0.0 if name.startswith("raw.") else 0.5 for name in self.names])
        self._stood_s = 0.0

    @property
    def follow(self) -> float:
        """Return the share by which the music follows, 0..1."""
        return self._gate.follow

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
        """Return the features of the tick at `time`; `window` (1, n_features)."""
        if alive:
            values = (window.samples[-1] + window.offset).astype(np.float64)
            self._stood_s = self._stood_s + self._tick if np.array_equal(values, self._values) else 0.0
            self._values = values
        alive = alive and self._stood_s < self._still_s
        state = self._gate.update(alive=alive, share=1.0, filled=window.filled > 0, learned_s=np.inf)
        return Features(time, window.time, self.names, self._values, self.index, (), np.zeros(0), state)


def build(info: StreamInfo, config: object) -> Performed:
    """Make it from the configuration's sections `session`, `quality` and `baseline`."""
    session, quality, tick = config.session, config.quality, config.tick  # type: ignore[attr-defined]
    gate = Gate(good_share=quality.good_share, hold_s=quality.hold_s, glide_s=quality.glide_s, settle_s=0.0, tick=tick)
    return Performed(info, gate, tick, session.silence_s)

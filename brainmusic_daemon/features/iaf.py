"""Analytic alpha signals in, the person's own alpha frequency out, live."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from brainmusic_daemon.api import plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis

_PLACES = ("occipital", "parietal")  # where alpha is the person's clock rather than the eyes' or the hands'
_PERIOD_S = 0.06
_LAG = 0.6  # of the inverse bandwidth


@plugin
class Iaf:
    """Individual alpha frequency, Hz: how fast the phase of alpha runs, power-weighted, behind if there are electrodes.

    The phase is compared with itself about 0.6/bandwidth earlier (120 ms for 8 to 13 Hz): a rhythm is still coherent
    then, while noise of the band's width hardly is, so that the estimate is drawn to the rhythm and not to the middle
    of the band; and a phase that runs as slow or as fast as the band's edges is not yet ambiguous.

    It falls with fatigue and age, and rises with effort: Klimesch (1999), Brain Res. Rev. 29:169-195.
    """

    memory_s: Annotated[float, Field(ge=0.5, le=600, description="averaging time constant, s")] = 3.0

    scale = "linear"
    spread = 0.4

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs."""
        column = setup.band("alpha")
        if column is None:
            return False
        from brainmusic_daemon.features import coupling

        self._advance = coupling.advance
        fs, (low, high) = setup.samplerate, setup.bands["alpha"]
        place = next((name for name in _PLACES if name in setup.pools), "")
        self._mask = np.zeros(len(setup.channels))
        self._mask[setup.pools[place]] = 1.0
        self._fs, self._column, self._middle = fs, column, (low + high) / 2
        self._lag = max(_LAG / (high - low), setup.tick) * fs - 0.5
        self._every = max(1, round(_PERIOD_S / setup.tick))
        self._keep = math.exp(-self._every * setup.tick / self.memory_s)
        n_past = math.ceil(self._lag / fs / (self._every * setup.tick)) + 2
        self._past = np.zeros((n_past, len(setup.channels), 2), np.float32)
        self._state = np.zeros(5 + n_past)
        self._n_taps = setup.n_taps
        self._ticks, self._value = -1, self._middle
        self.settle_s = min(1.5 * self.memory_s, 8.0)
        return True

    def compute(self, analysis: Analysis) -> float:
        self._ticks += 1
        state, window = self._state, analysis.window
        end = window.end
        if self._ticks % self._every == 0 and end != state[4 + int(state[3])] and window.filled >= self._n_taps:
            state[:3] *= self._keep
            state[-1] *= self._keep
            shares = self._mask * analysis.weights
            turn = 2 * math.pi * self._middle / self._fs
            self._advance(analysis.products, self._column, shares, self._past, state, end, self._lag, turn)
            real, imag, lags, weight = state[0], state[1], state[2], state[-1]
            if weight > 0.0:
                self._value = self._middle + math.atan2(imag, real) * self._fs * weight / (2 * math.pi * lags)
        return self._value

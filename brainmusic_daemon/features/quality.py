"""A window in, one number per channel out: 0 unusable … 1 good, and why."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, Window
from brainmusic_daemon.features import contact

PERIOD_S = 0.1  # how often contact is judged: electrodes don't come and go faster
_RETURN_S = 0.5  # time constant with which a channel leaves and rejoins the averages: no step in the music
_BRIDGED_S = 8.0  # the same for one that was touched and stands on its past: it may soon be back
_ENOUGH_HZ = 250  # contact shows at any sampling rate: about so many samples per second are enough to judge it by
_LINES_HZ = (50.0, 60.0, 100.0, 120.0)
_WORDS = ("flat", "railed", "saturated", "nan", "loose", "noisy")  # as the rows of flags
TOUCHED = ("", "popped", "moved", "dropout", "nan")  # why a channel is held, by number

Flags = npt.NDArray[np.bool_]


class Quality:
    """Judges flat, railed, saturated, noisy and loose channels over the newest second."""

    def __init__(
        self, n_channels: int, samplerate: float, *, flat_uv: float, rail_uv: float, noise_uv: float, mains_ratio: float
    ) -> None:
        """Thresholds as in the configuration's section `quality`; `samplerate` in Hz."""
        self._every = max(1, int(samplerate // _ENOUGH_HZ))
        self._rate = samplerate / self._every
        steps = [1 - math.exp(-PERIOD_S / time_s) for time_s in (_RETURN_S, _BRIDGED_S)]
        self._limits = np.array([flat_uv, rail_uv, noise_uv, mains_ratio, PERIOD_S, *steps])
        self.score = np.ones(n_channels)  # newest judgement, 0..1
        self.weights = np.ones(n_channels)  # the same, moving smoothly
        self.flags: Flags = np.zeros((len(_WORDS), n_channels), bool)
        self.held: FloatArray = np.zeros(n_channels)
        self._nobody: Flags = np.zeros(n_channels, bool)
        self._basis: FloatArray = np.zeros((0, 0), np.float32)
        self._eeg_power, self._held_s = np.zeros(n_channels), np.zeros(n_channels)

    def judge(
        self,
        window: Window,
        eeg_power: FloatArray,
        *,
        at_once: bool,
        held: FloatArray | None = None,
        excused: Flags | None = None,
    ) -> None:
        """Update `score` and `weights` from a window and the power of 4 to 45 Hz (n_channels,), µV².

        `at_once` lets the weights jump: right after the start there is no music yet that could step.  `held`
        (n_channels,): why each channel is held, a number of `TOUCHED`; the noise of those `excused` is a blink or a
        clench, no bad contact.  The kernels are deaf to drift and mains, so neither is noise: a straight line and the
        sines of mains are fitted and taken out; only too much of mains shows a loose electrode.
        """
        x = window.samples
        n = len(range(0, len(x), self._every))
        if len(self._basis) != n:
            self._basis = _basis(n, self._rate)
        self.held = np.zeros(len(self.score)) if held is None else held
        score, weights = np.empty_like(self.score), self.weights.copy()  # the old ones were handed over
        contact.judge(
            x, self._every, self._basis.T @ x[:: self._every], window.offset, window.repaired, self.held,
            self._nobody if excused is None else excused, eeg_power, at_once, self._limits, self._eeg_power,
            self._held_s, self.flags, score, weights,
        )  # fmt: skip
        self.score, self.weights = score, weights

    def reason(self, channel: int) -> str:
        """Return what is wrong with a channel, in one word; empty: nothing."""
        flags = dict(zip(_WORDS, self.flags[:, channel].tolist(), strict=True))
        plain = next((word for word in ("nan", "flat", "railed") if flags[word]), "")
        touched = TOUCHED[int(self.held[channel])]
        return plain or touched or next((word for word in ("saturated", "loose", "noisy") if flags[word]), "")


def _basis(n: int, rate: float) -> FloatArray:
    """Return (n, n_columns) float32, orthonormal and without mean: a straight line, then the sines of mains."""
    t = (np.arange(n) - (n - 1) / 2) / rate
    lines = [line for line in _LINES_HZ if line < rate / 2 - 1]
    waves = [wave(2 * np.pi * line * t) for line in lines for wave in (np.cos, np.sin)]
    columns = np.column_stack([t, *waves])
    return np.asarray(np.linalg.qr(columns - columns.mean(axis=0))[0], np.float32)

"""A window in, one number per channel out: 0 unusable … 1 good, and why."""

from __future__ import annotations

import math

import numpy as np

from brainmusic_daemon.api import FloatArray, Window

PERIOD_S = 0.1  # how often contact is judged: electrodes don't come and go faster
_RETURN_S = 0.5  # time constant with which a channel leaves and rejoins the averages: no step in the music


class Quality:
    """Judges flat, railed, noisy and loose channels over the newest second."""

    def __init__(self, n_channels: int, *, flat_uv: float, rail_uv: float, noise_uv: float, mains_ratio: float) -> None:
        """Thresholds as in the configuration's section `quality`."""
        self._flat_uv, self._rail_uv, self._noise_uv, self._mains_ratio = flat_uv, rail_uv, noise_uv, mains_ratio
        self.score = np.ones(n_channels)  # newest judgement, 0..1
        self.weights = np.ones(n_channels)  # the same, moving smoothly
        self.flat = np.zeros(n_channels, bool)
        self.railed = np.zeros(n_channels, bool)
        self.noisy = np.zeros(n_channels, bool)
        self.loose = np.zeros(n_channels, bool)
        self._step = 1 - math.exp(-PERIOD_S / _RETURN_S)
        self._trend: FloatArray = np.zeros(0)
        self._eeg_power: FloatArray = np.zeros(n_channels)

    def judge(self, window: Window, eeg_power: FloatArray, mains_power: FloatArray, *, at_once: bool) -> None:
        """Update `score` and `weights` from a window and the powers (n_channels,) of 4 to 45 Hz and of mains, µV².

        `at_once` lets the weights jump: right after the start there is no music yet that could step.
        """
        # Contact shows at any sampling rate: some 250 samples per second are enough to judge it by.
        x = window.samples[:: max(1, len(window.samples) // 250)]
        low, high = x.min(axis=0), x.max(axis=0)
        self.flat = (high - low) < self._flat_uv
        self.railed = np.maximum(high + window.offset, -(low + window.offset)) >= self._rail_uv
        # The kernels are deaf to mains, so mains alone is no noise: only too much of it, as of a loose electrode.
        noise = np.sqrt(np.maximum(self._detrended_variance(x) - mains_power, 0)) / self._noise_uv
        self.noisy = noise > 1
        if at_once:
            self._eeg_power = eeg_power
        self._eeg_power = self._eeg_power + PERIOD_S * (eeg_power - self._eeg_power)  # over ~1 s
        mains = np.sqrt(mains_power / (self._eeg_power + 1e-9)) / self._mains_ratio
        self.loose = mains > 1
        score = np.minimum(1.0, np.minimum(2 - noise, 2 - mains))  # good up to the threshold, nothing at its double
        score[self.flat | self.railed | window.repaired] = 0
        self.score = np.maximum(score, 0)
        self.weights = self.score if at_once else self.weights + self._step * (self.score - self.weights)

    def _detrended_variance(self, x: FloatArray) -> FloatArray:
        """Return each channel's variance about its straight line: an electrode's drift is no noise."""
        if len(self._trend) != len(x):
            line = np.arange(len(x), dtype=np.float32) - (len(x) - 1) / 2
            self._trend = line / np.sqrt(line @ line)
        x = x - x.mean(axis=0)
        slope = self._trend @ x
        return np.asarray(np.maximum((np.einsum("ij,ij->j", x, x) - slope * slope) / len(x), 0))

"""A window in, one number per channel out: 0 unusable … 1 good, and why."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, Window

PERIOD_S = 0.1  # how often contact is judged: electrodes don't come and go faster
_RETURN_S = 0.5  # time constant with which a channel leaves and rejoins the averages: no step in the music
_ENOUGH_HZ = 250  # contact shows at any sampling rate: about so many samples per second are enough to judge it by
_LINES_HZ = (50.0, 60.0, 100.0, 120.0)
_BRIDGED_S = 8.0  # a touched channel stands on its past, so it need not hurry to leave: it may soon be back …
_BRIEF_S = 2.5  # … but not for longer than this
TOUCHED = ("", "popped", "moved", "dropout", "nan")  # why a channel is held, by number
_OTHERS = 10.0  # times the mains of the others: no room hums at one electrode only …
_AUDIBLE_UV = 30.0  # … but what is below this amplitude does no harm
_CLIPPED = 0.04  # share of samples that stay at the window's very extremes
_CLIPPED_FLAT = 20.0  # in a window whose range is so many times that of a flat one: small signals repeat themselves

Flags = npt.NDArray[np.bool_]


class Quality:
    """Judges flat, railed, saturated, noisy and loose channels over the newest second."""

    def __init__(
        self, n_channels: int, samplerate: float, *, flat_uv: float, rail_uv: float, noise_uv: float, mains_ratio: float
    ) -> None:
        """Thresholds as in the configuration's section `quality`; `samplerate` in Hz."""
        self._flat_uv, self._rail_uv, self._noise_uv, self._mains_ratio = flat_uv, rail_uv, noise_uv, mains_ratio
        self._samplerate = samplerate
        self.score = np.ones(n_channels)  # newest judgement, 0..1
        self.weights = np.ones(n_channels)  # the same, moving smoothly
        self.flat, self.railed, self.saturated, self.noisy, self.loose, self.nan = (
            np.zeros(n_channels, bool) for _ in range(6)
        )
        self.held: FloatArray = np.zeros(n_channels)
        self._held_s: FloatArray = np.zeros(n_channels)
        self._bridged_step = 1 - math.exp(-PERIOD_S / _BRIDGED_S)
        self._step = 1 - math.exp(-PERIOD_S / _RETURN_S)
        self._basis: FloatArray = np.zeros((0, 0), np.float32)  # trend, then two columns per line
        self._eeg_power: FloatArray = np.zeros(n_channels)

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
        clench, no bad contact.
        """
        every = max(1, int(self._samplerate // _ENOUGH_HZ))
        x = window.samples[::every]
        low, high = x.min(axis=0), x.max(axis=0)
        self.flat = (high - low) < self._flat_uv
        self.railed = np.maximum(high + window.offset, -(low + window.offset)) >= self._rail_uv
        stays = x[1:] == x[:-1]
        clipped = (stays & ((x[1:] == high) | (x[1:] == low))).mean(axis=0)
        self.saturated = (clipped > _CLIPPED) & (high - low > _CLIPPED_FLAT * self._flat_uv)
        self.nan = window.repaired
        variance, mains_power = self._split(x, self._samplerate / every)
        deviation = np.sqrt(variance)
        # a person whose alpha is that large has it on most channels
        noise = deviation / min(max(self._noise_uv, 3 * float(np.median(deviation))), 2 * self._noise_uv)
        if excused is not None:
            noise[excused] = np.minimum(noise[excused], 1.0)
        if at_once:
            self._eeg_power = eeg_power
        self._eeg_power = self._eeg_power + PERIOD_S * (eeg_power - self._eeg_power)  # over ~1 s
        mains = np.sqrt(mains_power / (self._eeg_power + 1e-9)) / self._mains_ratio
        amplitude = np.sqrt(2 * mains_power)
        if len(amplitude) > 2:
            usual = np.maximum(_OTHERS * np.median(amplitude), _AUDIBLE_UV)
            mains = np.maximum(mains, amplitude / usual)
        self.noisy, self.loose = noise > 1, mains > 1
        score = np.minimum(1.0, np.minimum(2 - noise, 2 - mains))  # good up to the threshold, nothing at its double
        self.held = np.zeros(len(noise)) if held is None else held
        unusable = self.flat | self.railed | self.saturated | self.nan
        score[unusable | (self.held > 0)] = 0
        self._held_s = np.where(self.held > 0, self._held_s + PERIOD_S, 0.0)
        brief = (self._held_s > 0) & (self._held_s < _BRIEF_S) & ~unusable
        self.score = np.maximum(score, 0)
        step = np.where(brief, self._bridged_step, self._step)
        self.weights = self.score if at_once else self.weights + step * (self.score - self.weights)

    def _split(self, x: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
        """Return each channel's variance without drift and mains, and the power of mains, µV².

        The kernels are deaf to both, so neither is noise: a straight line and the lines' sines are fitted and taken
        out.  Only too much of mains shows a loose electrode.
        """
        n = len(x)
        if len(self._basis) != n:
            self._basis = _basis(n, rate)
        x = x - x.mean(axis=0)
        fitted = self._basis.T @ x
        explained = np.einsum("ij,ij->j", fitted, fitted)
        variance = np.maximum(np.einsum("ij,ij->j", x, x) - explained, 0) / n
        return np.asarray(variance), np.asarray((explained - fitted[0] ** 2) / n)

    def reason(self, channel: int) -> str:
        """Return what is wrong with a channel, in one word; empty: nothing."""
        for word in ("nan", "flat", "railed"):
            if getattr(self, word)[channel]:
                return word
        if self.held[channel] > 0:
            return TOUCHED[int(self.held[channel])]
        return next((word for word in ("saturated", "loose", "noisy") if getattr(self, word)[channel]), "")


def _basis(n: int, rate: float) -> FloatArray:
    """Return (n, n_columns) float32, orthonormal and without mean: a straight line, then the sines of mains."""
    t = (np.arange(n) - (n - 1) / 2) / rate
    lines = [line for line in _LINES_HZ if line < rate / 2 - 1]
    waves = [wave(2 * np.pi * line * t) for line in lines for wave in (np.cos, np.sin)]
    columns = np.column_stack([t, *waves])
    return np.asarray(np.linalg.qr(columns - columns.mean(axis=0))[0], np.float32)

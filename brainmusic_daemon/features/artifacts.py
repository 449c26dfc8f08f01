"""A tick's analysis in, the same without blinks, glances, muscle and cables out; blinks and clenches as events."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Event, FloatArray, Window
from brainmusic_daemon.features import mending
from brainmusic_daemon.features.eyes import Eyes, eyes
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.muscle import muscle_kernels
from brainmusic_daemon.features.spectral import Analysis, SpectralBank

_SMOOTH_S = 0.05  # a Hann window this long shows a deflection: deaf to mains, 25 ms behind
_LEVEL_S = 0.4  # time constant of the level that deflections are measured from
_LONGEST_S = 0.8  # what stays away from its level for longer is a new level
_CLEAN_S = 20.0  # memory of what the brain does at the eyes' channels
_MEAN_S = 1.0  # memory of the power that bridges
_USUAL_S = 10.0  # memory of a channel's usual muscle tone
_FADE_S = 0.12  # muscle is in the kernels for so long after it has ended
_PRIOR_UV = 30.0  # deflection that the expected spread counts for against those seen
_DOUBT = 0.3  # expected error of a spread before it was seen, as a share of it
_RESERVE = 7.0  # times its usual power: what of the eyes' component may be brain
_LEARN_EVERY = 5


class Movement:
    """One movement of the eyes on its way through the window."""

    __slots__ = ("peak", "ticks", "which")

    def __init__(self, which: int) -> None:
        self.which, self.peak, self.ticks = which, 0.0, 0


def movement_powers(setup: Setup, kernels: FloatArray) -> FloatArray:
    """Return |z|² (2, n_ticks, n_bands) of a blink and of a glance of 1 µV, by ticks since they could be noticed."""
    fs, n_taps = setup.samplerate, len(kernels)
    lead = 0.06  # s from the beginning to being noticed
    n_ticks = math.ceil((n_taps / fs + 0.6) / setup.tick)
    t = np.arange(-n_taps, round((n_taps / fs + 0.7) * fs)) / fs
    powers = np.zeros((2, n_ticks, kernels.shape[1]))
    shapes = [(0, np.where((t > 0) & (t < width), np.sin(np.pi * t / width) ** 2, 0.0)) for width in (0.2, 0.3, 0.45)]
    shapes += [(1, np.clip(t / 0.04, 0, 1) * np.exp(-np.maximum(t, 0) / 3))]
    for which, shape in shapes:
        z = np.array([np.convolve(shape, kernel[::-1])[: len(t)] for kernel in kernels.T])
        size = np.abs(z) ** 2
        for shift in (-1, 0, 1, 2):
            at = n_taps + np.round((lead + (np.arange(n_ticks) + shift) * setup.tick) * fs).astype(int)
            powers[which] = np.maximum(powers[which], size[:, np.minimum(at, len(t) - 1)].T)
    return powers


class Artifacts:
    """Follows eyes, muscles and cables of one headset; `mend` is called once per tick, between channels and pools."""

    def __init__(
        self, spectral: SpectralBank, *, blink_uv: float, muscle_ratio: float, pop_uv: float, moved_uv: float
    ) -> None:
        """Thresholds as in the configuration's section `artifacts`."""
        setup = spectral.setup
        self._setup, self._fs, n = setup, setup.samplerate, len(setup.channels)
        self._blink_uv, self._muscle_ratio, self._pop_uv, self._moved_uv = blink_uv, muscle_ratio, pop_uv, moved_uv
        self._spectral, self._gain = spectral, spectral.gain
        self._scale = 0.5 / self._gain
        self._n_taps = spectral.n_taps
        self.eyes: Eyes = eyes(setup)
        self._spread = self.eyes.spread.copy()
        self._prior_doubt = (
            np.square(_DOUBT * np.maximum(np.abs(self._spread), 0.1)) * self._spread.any(axis=1)[:, None]
        )
        self._doubt = self._prior_doubt.copy()
        self._weight_seen = np.zeros(2)
        self._product_seen = np.zeros((2, n))
        self._V, self._leak = muscle_kernels(setup, spectral.kernels, self._scale)
        k = max(3, round(_SMOOTH_S * self._fs))
        hann = np.hanning(k + 2)[1:-1]
        self._smooth = hann / hann.sum()
        n_bands, m = len(setup.bands), len(self.eyes.members)
        self._cross = np.zeros((n_bands + 1, m, m))
        self._root = np.zeros((m, m))
        self._weights = np.zeros((2, n_bands + 1, m))
        self._usual = np.zeros((2, n_bands + 1))
        self.mean = np.zeros((n, n_bands))  # µV²: the power of late, which bridges
        self.state = np.zeros((n, mending.N_COLUMNS))
        tick = setup.tick
        self._hold_ticks = math.ceil(self._n_taps / self._fs / tick) + 1
        dropout = max(8.0, 0.06 * self._fs)
        self._options = np.array([0.0, pop_uv, tick / _FADE_S, tick / _USUAL_S, self._hold_ticks, dropout])
        self._moving = np.zeros(2)  # s since a movement of the eyes began; 0: none
        self._remembered = np.zeros(2)  # s for which the kernels still hold one
        self._spread_uv = np.array([10.0, 10.0])  # usual size of the eyes' component
        self._peak = 0.0
        self._told = False
        self._clench = 0.0
        self._end = -1
        self._clean_ticks, self._unlearned = 0, 0.0
        self._ticks = 0
        self.busy = False  # something that is no brain is in the window
        self.bridged = 0.0  # share of channels and bands that stand on their past
        self._v = np.zeros(2)
        self._shapes = movement_powers(setup, spectral.kernels)
        self._movements: list[Movement] = []
        self._last: list[Movement | None] = [None, None]
        self._expected = np.zeros((2, n_bands))

    def mend(self, window: Window, analysis: Analysis, trusted: npt.NDArray[np.bool_]) -> None:
        """Mend `analysis` in place, and add what happened to its events."""
        n_samples, tick = len(window.samples), self._setup.tick
        fresh = min(max(window.end - self._end, 1), n_samples - 1) if self._end >= 0 else 1
        begun = self._end >= 0 and window.filled > fresh
        self._end = window.end
        x = window.samples
        muscle = x[-len(self._V) :].T @ self._V
        state = self.state
        if not begun:
            state[:, mending.BASE] = x[-1]
            state[:, mending.HOLD] = 0.0
            fresh = 1
        self._options[0] = tick / _LEVEL_S
        mending.watch(x, fresh, self._smooth, muscle, state, self._options)
        if window.filled < n_samples:
            self.busy = False
            return
        self._ticks += 1
        if self._ticks == 1:
            self.mean[:] = analysis.power
            state[:, mending.USUAL] = state[:, mending.MUSCLE]
        self._options[3] = max(tick / _USUAL_S, 1 / (self._ticks + 1))
        if window.repaired.any():
            state[window.repaired, mending.HOLD] = self._hold_ticks
        self._follow_eyes(window.time, analysis, trusted)
        self._follow_muscle(window.time, analysis)
        held = state[:, mending.HOLD]
        usable = trusted & (held <= 0)
        if self._ticks % _LEARN_EVERY == 1 or self._remembered.any():
            mending.factor(self._cross, self.eyes.members, self._spread, usable, self._root, self._weights, self._usual)
        # what never ends is no movement but this person's (alpha in front): it is learned after all
        self._unlearned = self._unlearned + tick if self._remembered.any() else 0.0
        if (not self._remembered.any() or self._clean_ticks < 50 or self._unlearned > 3.0) and not held.any():
            self._clean_ticks += 1
            rate = max(tick / _CLEAN_S, 1 / self._clean_ticks)
            mending.learn(analysis.products, len(self._setup.bands), self.eyes.members, state, self._cross, rate)
        self._expect()
        reserve = _RESERVE if self._clean_ticks > 25 else math.inf
        self.bridged = mending.mend(
            analysis.products, len(self._setup.bands), self._scale, analysis.power, self.mean, self.eyes.members,
            self._weights, self._usual, self._spread, self._doubt, self._leak, state, self._expected, reserve, min(tick / _MEAN_S, 1.0),
        )  # fmt: skip
        np.maximum(held - 1.0, 0.0, out=held)
        self.busy = bool(self._remembered.any()) or self.bridged > 0.1

    def _follow_eyes(self, time: float, analysis: Analysis, trusted: npt.NDArray[np.bool_]) -> None:
        tick, deflection = self._setup.tick, self.state[:, mending.DEFLECTION]
        known = self._clean_ticks > 25
        v = self._weights[:, -1] @ deflection[self.eyes.members] if known else self.eyes.reference @ deflection
        if known:
            np.sqrt(self._usual[:, -1], out=self._spread_uv)
        self._v = v
        np.maximum(self._remembered - tick, 0.0, out=self._remembered)
        for e in range(2):
            size = abs(v[e])
            threshold = max(self._blink_uv, 4.0 * self._spread_uv[e])
            if size > threshold or (self._moving[e] and size > threshold / 2):
                if not self._moving[e] and e == 0:
                    self._peak, self._told = 0.0, False
                last = self._last[e]
                if not self._moving[e] or last is None or last.ticks * tick > 0.4:
                    last = self._last[e] = Movement(e)
                    self._movements.append(last)
                last.peak = max(last.peak, size)
                self._moving[e] += tick
                self._remembered[e] = self._n_taps / self._fs
                if known:
                    self._learn_spread(e, v[e], deflection)
            else:
                self._moving[e] = 0.0
        if self._moving[0]:
            self._peak = max(self._peak, abs(v[0]))
            if not self._told and abs(v[0]) < 0.8 * self._peak and self._moving[0] < 0.4:
                self._told = True
                analysis.events.append(Event("blink", time - 0.06, min(1.0, self._peak / 300.0)))

    def _expect(self) -> None:
        """Say how much of each movement the kernels still see, µV² per band."""
        self._expected[:] = 0.0
        length = self._shapes.shape[1]
        for movement in self._movements:
            self._expected[movement.which] += movement.peak**2 * self._shapes[movement.which, movement.ticks]
            movement.ticks += 1
        if self._movements and self._movements[0].ticks >= length:
            self._movements = [movement for movement in self._movements if movement.ticks < length]

    def _learn_spread(self, e: int, v: float, deflection: FloatArray) -> None:
        """Learn which share of a movement each channel gets."""
        dt = self._setup.tick / 0.2  # a movement's ticks say much the same
        if self._moving[e] <= self._setup.tick:
            self._weight_seen[e] *= 0.8
            self._product_seen[e] *= 0.8
        self._weight_seen[e] += dt * v * v
        self._product_seen[e] += dt * v * deflection
        prior = _PRIOR_UV**2
        self._spread[e] = (prior * self.eyes.spread[e] + self._product_seen[e]) / (prior + self._weight_seen[e])
        self._doubt[e] = self._prior_doubt[e] * prior / (prior + self._weight_seen[e])

    def _follow_muscle(self, time: float, analysis: Analysis) -> None:
        state = self.state
        limit = self._muscle_ratio * (state[:, mending.USUAL] + 0.5)
        excess = state[:, mending.MUSCLE] - 2.5 * state[:, mending.USUAL]
        np.maximum(excess, 0.0, out=state[:, mending.EXCESS])
        loud = state[:, mending.MUSCLE] > limit
        tick = self._setup.tick
        if loud.sum() >= min(2, max(1, len(loud) // 3)):
            before, self._clench = self._clench, max(self._clench, 0.0) + tick
            if before < 3 * tick <= self._clench:
                rms = math.sqrt(float(state[:, mending.MUSCLE].max()))
                analysis.events.append(Event("jaw", time - 3 * tick, min(1.0, rms / 100.0)))
        else:
            self._clench = min(self._clench, 0.3) - tick if self._clench > 0 else 0.0

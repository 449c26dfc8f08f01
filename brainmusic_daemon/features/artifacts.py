"""A tick's analysis in, the same without blinks, glances, muscles and cables out; blinks and clenches as events."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Event, FloatArray, Window
from brainmusic_daemon.features import artifact_memory as at
from brainmusic_daemon.features import mending
from brainmusic_daemon.features.eyes import Eyes, eyes, movement_powers
from brainmusic_daemon.features.muscle import muscle_kernel, muscle_leak
from brainmusic_daemon.features.spectral import Analysis, Kernels, SpectralBank

_SMOOTH_S = 0.05  # a Hann window this long shows a deflection: deaf to mains, 25 ms behind
_DROPOUT_S = 0.06  # not one sample differs from the one before for so long: nothing arrives
_DOUBT = 0.3  # expected error of a spread before it was seen, as a share of it
_FULL_BLINK_UV, _FULL_CLENCH_UV = 300.0, 100.0  # that are told with strength 1
_BLINK_PEAK_S = 0.06  # a blink is told when it has fallen by a fifth; its peak was so long ago
_BRIEF_S = 3.0  # what lasts longer is no clench but a bad contact

Appearance = tuple[Kernels, FloatArray, FloatArray]  # what muscles leak, and movements look like, through kernels


class Artifacts:
    """Follows eyes, muscles and cables of one headset; `mend` is called once per tick, between channels and pools.

    Eyes: how blinks and glances spread over the head is expected from the electrodes' places and learned from each
    movement; a spatial filter that sees them, and as little brain as possible, says how much of them is in each band's
    product, and that is subtracted.  Muscles and doubt: what a product must be expected to hold of them is weighed
    against what the channel had of late.  Cables: the channel stands on what it had of late until they have left the
    window.  Nothing waits for anything: there is no delay, and a clean signal is left as it is.
    """

    def __init__(
        self, spectral: SpectralBank, *, blink_uv: float, muscle_ratio: float, pop_uv: float, moved_uv: float
    ) -> None:
        """Thresholds as in the configuration's section `artifacts`."""
        setup = spectral.setup
        self._setup, self._spectral, n = setup, spectral, len(setup.channels)
        seen = eyes(setup)
        self.sees_blinks = bool(seen.reference[0].any())
        n_bands, m, fs, tick = len(setup.bands), len(seen.members), setup.samplerate, setup.tick
        kernel_s = spectral.n_taps / fs
        self.channels: FloatArray = np.zeros((at.MEAN + n_bands, n))
        if spectral.reference is not None:
            # the products are re-referenced: so is what is expected of them
            spread = seen.spread - seen.spread[:, spectral.reference].mean(axis=1, keepdims=True)
            scale = (seen.reference * spread).sum(axis=1, keepdims=True)
            seen = Eyes(seen.reference, np.divide(spread, scale, out=0 * spread, where=scale > 0), seen.members)
        for e in range(2):
            doubt = np.square(_DOUBT * np.maximum(np.abs(seen.spread[e]), 0.1)) * seen.spread[e].any()
            self.channels[at.REFERENCE + e] = seen.reference[e]
            self.channels[[at.PRIOR + e, at.SPREAD + e]] = seen.spread[e]
            self.channels[[at.PRIOR_DOUBT + e, at.DOUBT + e]] = doubt
        self._members = seen.members
        self._filters = np.zeros((n_bands + 2, m, m + 2))
        self._bands = np.zeros((n_bands + 1, at.N_BAND_COLUMNS))
        self._movements = np.full((at.N_MOVEMENTS, 3), -1.0)  # which, its peak in µV, its age in ticks
        self._memo = np.zeros(at.N_MEMOS)
        self._options = np.zeros(at.N_OPTIONS)
        self._options[at.TICK] = tick
        self._options[at.BLINK_UV : at.MOVED_UV + 1] = blink_uv, muscle_ratio, pop_uv, moved_uv
        self._options[at.HOLD_TICKS] = math.ceil(kernel_s / tick) + 1
        self._options[at.DROPOUT] = max(8.0, _DROPOUT_S * fs)
        self._options[at.KERNEL_S] = kernel_s
        hann = np.hanning(max(3, round(_SMOOTH_S * fs)) + 2)[1:-1]
        self._smooth: FloatArray = hann / hann.sum()
        self._muscle = muscle_kernel(fs)
        self._muscle_taps = self._muscle.astype(np.float32)
        self._made, self._bands[:-1, at.LEAK], self._shapes = self._seen_through(spectral.made)
        self._expected: Appearance | None = None
        self._end = -1

    def _seen_through(self, made: Kernels) -> Appearance:
        leak = muscle_leak(self._muscle, made.bands, made.scale, self._setup.samplerate)
        return made, leak, movement_powers(self._setup, made.bands)

    def expect(self, made: Kernels) -> None:
        """Get ready for kernels that the bank is about to move over to.  Some ms; from any thread but the tick's."""
        self._expected = self._seen_through(made)

    def mend(self, window: Window, analysis: Analysis, weights: FloatArray) -> None:
        """Mend `analysis` in place, and add what happened to its events; `weights` (n_channels,): who is trusted."""
        expected = self._expected
        if expected is not None and expected[0] is self._spectral.made:
            self._made, self._bands[:-1, at.LEAK], self._shapes = expected
            self._expected = None
        x = window.samples
        fresh = min(max(window.end - self._end, 1), len(x) - 1)
        begun = self._end >= 0 and window.filled > fresh and window.filled >= len(x)
        self._end = window.end
        if self._spectral.reference is not None:
            self.channels[at.SHARE] = self._spectral.reference_shares
        if np.count_nonzero(window.repaired):  # faster than any()
            self.channels[at.HOLD, window.repaired] = self._options[at.HOLD_TICKS]
            self.channels[at.REASON, window.repaired] = at.REPAIRED
        muscle = x[-len(self._muscle_taps) :].T @ self._muscle_taps
        memo = self._memo
        self._bands[:-1, at.SCALE] = self._spectral.scale  # they may be on the way to others
        mending.step(
            x, fresh, begun, muscle, analysis.products, analysis.power, weights, self.channels, self._members,
            self._filters, self._bands, self._shapes, self._smooth, self._movements, memo, self._options,
        )  # fmt: skip
        if memo[at.BLINK] > 0:
            strength = min(1.0, float(memo[at.BLINK]) / _FULL_BLINK_UV)
            analysis.events.append(Event("blink", window.time - _BLINK_PEAK_S, strength))
        if memo[at.JAW] > 0:
            strength = min(1.0, float(memo[at.JAW]) / _FULL_CLENCH_UV)
            analysis.events.append(Event("jaw", window.time - 3 * self._setup.tick, strength))

    @property
    def busy(self) -> bool:
        """Return whether the window holds something that is no brain: nothing should be learned from it."""
        memo = self._memo
        return bool(memo[at.REMEMBERED] + memo[at.REMEMBERED + 1] > 0 or memo[at.BRIDGED] > 0.1)

    @property
    def held(self) -> FloatArray:
        """Return (n_channels,) why each stands on its past, a number of `quality.TOUCHED`; 0: it does not."""
        return np.where(self.channels[at.HOLD] > 0, self.channels[at.REASON], 0.0)

    @property
    def excused(self) -> npt.NDArray[np.bool_]:
        """Return (n_channels,) whose noise is explained by a short artifact: no bad contact."""
        loud, memo = self.channels[at.LOUD], self._memo
        excused = (loud > 0) & (loud < _BRIEF_S)
        for e in range(2):
            if memo[at.REMEMBERED + e] > 0 and memo[at.UNLEARNED] < _BRIEF_S:
                excused |= np.abs(self.channels[at.SPREAD + e]) > 0.2
        return np.asarray(excused)

"""The newest second in, the slope of the spectrum behind all rhythms out, and how far the rhythms rise above it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from brainmusic_daemon.api import ConfigError, FloatArray, plugin
from brainmusic_daemon.features.montage import Setup

if TYPE_CHECKING:
    from brainmusic_daemon.features.spectral import Analysis

_BANDS = ("theta", "alpha", "beta")  # those that lie within the fit
_LENGTH_S = 1.0
_PERIOD_S = 0.5  # half-overlapping, as Welch does
_SAMPLES = 4000  # of all channels in one look: what a tick may pay for; the channels take turns
_TURNS = 16  # but each has had its turn after so many
_SPAN = 4.0  # least ratio of the ends of the fit
_SMALL = 1e-6  # µV²
_LOG_BIAS = 0.2507  # a periodogram's mean logarithm lies so much below the logarithm of its mean: γ/ln 10


@plugin
class Aperiodic:
    """`aperiodic_exponent` and `aperiodic_offset`: the 1/f background, log10 P(f) = offset − exponent·log10 f.

    The exponent is steeper (larger) in sleep and with inhibition, flatter with arousal and age.  `<band>_periodic` is
    log10 of the band's power over the background's in the same band: what a rhythm adds, in the units of Donoghue et
    al. (2020), Nat. Neurosci. 23:1655-1665; it is as fast as the band itself, only the background is slow.

    The background is a straight line in logarithms from 3 to 40 Hz, fitted to averaged log periodograms (Hann, 1 s,
    every half second, the channels in turn) of the good channels, with peaks weighted down.
    """

    memory_s: Annotated[float, Field(ge=1, le=600, description="averaging time constant of the background, s")] = 5.0
    low_hz: Annotated[float, Field(ge=1, le=20, description="lower end of the fit, Hz")] = 3.0
    high_hz: Annotated[float, Field(ge=15, le=200, description="upper end of the fit, below mains, Hz")] = 40.0

    names: ClassVar[tuple[str, ...]] = ("aperiodic_exponent", "aperiodic_offset", *(f"{b}_periodic" for b in _BANDS))
    scale = "linear"
    spread: ClassVar[tuple[float, ...]] = (0.2, 0.2, 0.25, 0.3, 0.15)

    def __post_init__(self) -> None:
        if self.high_hz < _SPAN * self.low_hz:
            raise ConfigError(
                f"low_hz is {self.low_hz:g} and high_hz {self.high_hz:g}: too little for a line; "
                f"make high_hz at least {_SPAN:g} times low_hz"
            )

    def prepare(self, setup: Setup) -> bool:
        """Return whether this set-up has what the feature needs: a window of almost a second, and the frequencies."""
        fs, n_channels = setup.samplerate, len(setup.channels)
        n = min(setup.n_taps, round(_LENGTH_S * fs))
        f = np.arange(math.ceil(self.low_hz), min(self.high_hz, 0.4 * fs) + 1e-9)
        if n < 0.8 * _LENGTH_S * fs or len(f) < 10 or f[-1] < _SPAN * f[0]:
            return False
        from brainmusic_daemon.features import coupling

        self._note, self._fit = coupling.note, coupling.background
        bands = {name: edges for name, edges in setup.bands.items() if name in _BANDS and edges[1] <= 1.5 * f[-1]}
        self._edges = [(setup.band(name) or 0, *edges) for name, edges in bands.items()]
        self.names = (*type(self).names[:2], *(f"{name}_periodic" for name in bands))  # type: ignore[misc]
        spread = dict(zip(type(self).names, type(self).spread, strict=True))
        self.spread = tuple(spread[name] for name in self.names)  # type: ignore[misc]
        self._x = np.log10(f)
        self._M, self._scale = _periodogram(n, fs, f)
        size = max(1, _SAMPLES // n, math.ceil(n_channels / _TURNS))
        listened = setup.pools[""]
        self._turns = np.array_split(listened, math.ceil(len(listened) / size))
        self._listened, self._n, self._n_f = listened, n, len(f)
        self._every = max(1, round(_PERIOD_S / setup.tick))
        self._ticks, self._turn, self._begun = -1, 0, False
        self._seen = np.zeros(n_channels)  # looks at each channel
        self._step = 1 - math.exp(-len(self._turns) * self._every * setup.tick / self.memory_s)
        self._logs: FloatArray = np.zeros((n_channels, len(f)))  # log10 µV²/Hz
        self._levels: FloatArray = np.zeros(n_channels)  # their means over frequency
        self._y, self._line = np.zeros(len(f)), np.zeros(3)
        self._values = [1.0, 0.0]
        self._rhythms = [(column, 0.0) for column, _, _ in self._edges]  # and log10 µV² of the background
        self.settle_s = min(1.5 * self.memory_s, 8.0)
        return True

    def compute(self, analysis: Analysis) -> list[float]:
        self._ticks += 1
        if self._ticks % self._every == 0 or not self._begun:
            self._look(analysis)
        log10, overall = math.log10, analysis.overall
        return self._values + [log10(overall[column] + _SMALL) - behind for column, behind in self._rhythms]

    def _look(self, analysis: Analysis) -> None:
        """Take the periodograms of the channels whose turn it is (of all, the first time), and fit anew."""
        window = analysis.window
        if window.filled < self._n or (self._begun and not analysis.clean):
            return
        samples, reference = window.samples[-self._n :], analysis.reference
        subtracted = (samples @ reference) @ self._M if reference is not None else None
        for _ in range(1 if self._begun else len(self._turns)):
            members = self._turns[self._turn]
            self._turn = (self._turn + 1) % len(self._turns)
            products = samples[:, members].T @ self._M
            if subtracted is not None:
                products -= subtracted
            self._note(products, self._scale, _LOG_BIAS, members, self._seen, self._step, self._logs, self._levels)
        self._begun = True
        weights, line = analysis.weights, self._line
        if self._fit(self._x, self._logs, self._levels, self._listened, self._seen, weights, self._y, line):
            offset, slope, above = line.tolist()
            self._values = [-slope, offset]
            # the bands' powers are means over the channels, the fit is to a mean of logarithms
            self._rhythms = [
                (column, math.log10(_integral(low, high, offset + above, slope) + _SMALL))
                for column, low, high in self._edges
            ]


def _integral(low: float, high: float, offset: float, slope: float) -> float:
    """Return the power of 10^offset · f^slope between two frequencies."""
    k = slope + 1.0
    area = math.log(high / low) if abs(k) < 1e-6 else (high**k - low**k) / k
    return float(10.0**offset * area)


def _periodogram(n: int, samplerate: float, f: FloatArray) -> tuple[FloatArray, float]:
    """Return (M, scale): |window.T @ M|² · scale is the density in µV²/Hz at `f`, trend removed, Hann-weighted.

    M (n, 2·len(f)) float32, real parts, then imaginary parts.
    """
    taper = np.hanning(n + 2)[1:-1]
    turn = 2 * np.pi * np.outer(np.arange(n) / samplerate, f)
    M = taper[:, None] * np.hstack([np.cos(turn), -np.sin(turn)])
    trend = np.linalg.qr(np.column_stack([np.ones(n), np.arange(n) - (n - 1) / 2]))[0]
    M -= trend @ (trend.T @ M)  # removing the trend from the samples or from the kernels is the same
    return np.ascontiguousarray(M, np.float32), float(2 / (samplerate * (taper**2).sum()))

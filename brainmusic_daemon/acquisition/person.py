"""Settings and a sample number in, the EEG of a person who opens and closes the eyes out, with the truth behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brainmusic_daemon.acquisition.scalp import position, spread
from brainmusic_daemon.api import ConfigError

Array = npt.NDArray[np.float64]
CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
BLOCK_S = 1.0  # generated at once; slower things are functions of time
CLOSING_S = 0.5  # alpha rises and falls over this long
BLINK_S, JAW_S = 0.3, 0.8
DRIFTS_S = (13.0, 31.0)  # periods
BLINK, JAW, BODY = 1, 2, 3  # streams of random numbers beside the blocks' own, 0

# name, centre, spread (chord), carrier Hz (0: the person's alpha), bandwidth Hz (one sigma), amplitude µV
RHYTHMS: tuple[tuple[str, str, float, float, float, float], ...] = (
    ("alpha", "Oz", 0.75, 0.0, 0.5, 1.0),
    ("left alpha", "F3", 0.45, 0.0, 0.6, 3.0),
    ("right alpha", "F4", 0.45, 0.0, 0.6, 3.0),
    ("left mu", "C3", 0.3, 11.0, 0.6, 2.0),
    ("right mu", "C4", 0.3, 11.0, 0.6, 2.0),
    ("theta", "Fz", 0.6, 6.0, 0.7, 4.0),
    ("beta", "FCz", 0.9, 19.0, 2.5, 3.0),
)


@dataclass(kw_only=True, eq=False)
class Person:
    """A head with electrodes: a pure function of settings and sample number, made in blocks.

    Block j is the sum of two overlapping random segments, each seeded by its own number, under the halves of a sine
    window whose squares add up to one: stationary noise of any spectrum, from any block on, in any order.
    """

    samplerate: Annotated[float, Field(ge=20, le=20_000, description="samples per second, Hz")] = 250.0
    channels: Annotated[tuple[str, ...], Field(min_length=1, description="electrodes by their 10-20 names")] = CYTON
    seed: Annotated[int, Field(ge=0, description="another number is another person")] = 1
    period_s: Annotated[float, Field(ge=1, description="eyes stay open, then closed, for this long each, s")] = 15.0
    alpha_hz: Annotated[float, Field(ge=4, le=20, description="the person's own alpha frequency, Hz")] = 10.0
    alpha_uv: Annotated[float, Field(ge=0, description="mean alpha amplitude at Oz, eyes closed, µV")] = 20.0
    reactivity: Annotated[float, Field(gt=0, description="alpha amplitude, eyes closed over open")] = 4.0
    background_uv: Annotated[float, Field(ge=0, description="1/f background, µV RMS")] = 8.0
    exponent: Annotated[float, Field(ge=0, le=4, description="steepness of the background: power ~ 1/f^exponent")] = 1.0
    blinks_per_min: Annotated[float, Field(ge=0, le=60, description="blinks per minute of open eyes")] = 12.0
    blink_uv: Annotated[float, Field(ge=0, description="blink at Fp1 and Fp2, µV")] = 150.0
    jaw_per_min: Annotated[float, Field(ge=0, le=20, description="jaw clenches per minute")] = 1.0
    jaw_uv: Annotated[float, Field(ge=0, description="jaw clench at the temples, µV RMS")] = 40.0
    mains_hz: Annotated[float, Field(ge=40, le=70, description="mains frequency, Hz")] = 50.0
    mains_uv: Annotated[float, Field(ge=0, description="mains hum, µV")] = 2.0
    drift_uv: Annotated[float, Field(ge=0, description="slow drift of the electrodes, µV")] = 20.0
    offset_uv: Annotated[float, Field(ge=0, description="DC offset of the electrodes, at most, µV")] = 0.0
    effort: Annotated[
        float, Field(ge=0, lt=1, description="how far alpha follows a cue to raise or lower the music, as a share")
    ] = 0.4

    alpha_gain: Mapping[str, float] = field(init=False, repr=False)  # channel → its share of the alpha envelope
    block_size: int = field(init=False, repr=False)
    wishes: list[tuple[float, float]] = field(init=False, repr=False, default_factory=list)  # (s, -1 … 1), from then on

    def __post_init__(self) -> None:
        try:
            at = np.array([position(name) for name in self.channels])
        except KeyError as error:
            raise ConfigError(
                f"channels: {error} is not an electrode of the 10-20 system; "
                f"use names like {', '.join(CYTON)}, TP9, AF7"
            ) from error
        if len({name.casefold() for name in self.channels}) < len(self.channels):
            raise ConfigError(f"channels: a name comes twice in {', '.join(self.channels)}")
        n, fs = len(self.channels), self.samplerate
        self.block_size = size = max(16, round(BLOCK_S * fs))
        self._window = np.sin(np.pi * (np.arange(2 * size) + 0.5) / (2 * size))[:, np.newaxis]
        self._segments: dict[int, tuple[npt.NDArray[np.complex128], Array]] = {}
        self._set_rhythms(at)
        self._set_background(at)
        rng = np.random.default_rng((self.seed, BODY))
        self._phases = rng.uniform(0, 2 * np.pi, 8)
        self._offset = self.offset_uv * rng.uniform(0.5, 1.0, n) * rng.choice([-1.0, 1.0], n)
        hum = self.mains_uv * rng.uniform(0.5, 1.0, n) * (self.mains_hz < fs / 2)
        sizes = np.stack([hum, *[np.full(n, 0.5 * self.drift_uv)] * len(DRIFTS_S)])
        lags = rng.uniform(0, 2 * np.pi, sizes.shape)
        blink = spread(at, "Fpz", 0.5) / spread(position("Fp1")[np.newaxis], "Fpz", 0.5)
        # what reaches each electrode of: the rhythms, the blink, and sine and cosine of hum and drifts
        self._gains = np.vstack([self._topography, blink, sizes * np.cos(lags), sizes * np.sin(lags)])
        self._jaw_gain = np.maximum(spread(at, "T7", 0.7), spread(at, "T8", 0.7))

    def _set_rhythms(self, at: Array) -> None:
        most = min(20, self.block_size - 1)
        self._bins = np.arange(-most, most + 1)  # bins of the Fourier transform around the carrier
        f = self._bins * (self.samplerate / (2 * self.block_size))
        shape = np.array([np.exp(-0.5 * (f / width) ** 2) for *_, width, _ in RHYTHMS]).T
        self._shape = shape * np.sqrt(2 / np.pi / (shape**2).sum(axis=0))  # so that the mean envelope is 1
        self._carriers = np.array([carrier or self.alpha_hz for *_, carrier, _, _ in RHYTHMS])
        topography = np.array([spread(at, centre, width) for _, centre, width, *_ in RHYTHMS])
        self._topography = topography * np.array([[amplitude] for *_, amplitude in RHYTHMS])
        self.alpha_gain = dict(zip(self.channels, topography[0].tolist(), strict=True))

    def _set_background(self, at: Array) -> None:
        """Neighbours share most of their background, as volume conduction has it."""
        n = len(at)
        distance = np.linalg.norm(at[:, np.newaxis] - at, axis=2)
        self._mixing = np.linalg.cholesky(0.9 * np.exp(-((distance / 0.7) ** 2)) + 0.1 * np.eye(n)).T
        f = np.fft.rfftfreq(2 * self.block_size, 1 / self.samplerate)
        amplitude = np.zeros(len(f))
        amplitude[1:] = f[1:] ** (-self.exponent / 2)
        amplitude *= self.background_uv * self.block_size / np.sqrt((amplitude**2).sum())
        self._amplitude = amplitude[:, np.newaxis]

    # --- the signal -----------------------------------------------------------------------------------------------

    def block(self, j: int) -> Array:
        """Return block j ≥ 0: samples j·block_size … of shape (block_size, n_channels), µV.  Not written again."""
        n = np.arange(j * self.block_size, (j + 1) * self.block_size)
        t = n / self.samplerate
        z, background = self._noise(j)
        carrier = np.exp(2j * np.pi * (np.outer(n, self._carriers / self.samplerate) % 1.0))
        turns = 2 * np.pi * (np.outer(t, [self.mains_hz, *(1 / period for period in DRIFTS_S)]) % 1.0)
        rhythms = (z * carrier).real * self._amplitudes(t)
        parts = np.hstack([rhythms, self._blinks(t)[:, np.newaxis], np.sin(turns), np.cos(turns)])
        samples: Array = background @ self._mixing + parts @ self._gains + self._offset
        for first, burst in self._jaws(t):
            here = slice(max(first, n[0]), min(first + len(burst), n[-1] + 1))
            if here.start < here.stop:
                samples[here.start - n[0] : here.stop - n[0]] += burst[here.start - first : here.stop - first]
        samples.setflags(write=False)
        return samples

    def truth_at(self, n: npt.NDArray[np.integer[Any]]) -> dict[str, Array]:
        """Return what the samples of number `n` ≥ 0 were made of; see `Simulator.truth`."""
        t = n / self.samplerate
        envelope = np.empty(len(n))
        blocks = n // self.block_size
        for j in np.unique(blocks):
            here = blocks == j
            envelope[here] = np.abs(self._noise(int(j))[0][n[here] - j * self.block_size, 0])
        jaw = np.zeros(len(n))
        for first, burst in self._jaws(t):
            jaw[(n >= first) & (n < first + len(burst))] = 1.0
        moods = {name: self._mood(i, t) for i, name in enumerate(("engagement", "asymmetry", "theta", "activation"))}
        return {
            "eyes_closed": (t // self.period_s) % 2,
            "alpha_envelope": envelope * self._amplitudes(t)[:, 0],
            "blink": (self._blinks(t) > 1e-9).astype(np.float64),
            "jaw": jaw,
            **moods,
        }

    def _noise(self, j: int) -> tuple[npt.NDArray[np.complex128], Array]:
        """Return the rhythms' complex envelopes (mean magnitude 1) and the background of block j, before mixing."""
        (z0, x0), (z1, x1), size = self._segment(j), self._segment(j + 1), self.block_size
        return z0[size:] + z1[:size], x0[size:] + x1[:size]

    def _segment(self, i: int) -> tuple[npt.NDArray[np.complex128], Array]:
        if i not in self._segments:
            rng = np.random.default_rng((self.seed, 0, i))
            z = rng.standard_normal((2, *self._shape.shape))
            x = rng.standard_normal((2, len(self._amplitude), len(self.channels)))
            spectrum = np.zeros((2 * self.block_size, len(RHYTHMS)), dtype=np.complex128)
            spectrum[self._bins] = (z[0] + 1j * z[1]) * self._shape
            made = (
                np.fft.ifft(spectrum, axis=0, norm="forward") * self._window,
                np.fft.irfft((x[0] + 1j * x[1]) * self._amplitude, 2 * self.block_size, axis=0) * self._window,
            )
            if len(self._segments) >= 3:
                self._segments.pop(next(iter(self._segments)))
            self._segments[i] = made
        return self._segments[i]

    def _mood(self, i: int, t: Array) -> Array:
        """Return a slow change, −1..1 (asymmetry) or 0..1, of two periods without a common measure."""
        slow, fast = ((37.0, 23.0), (41.0, 29.0), (31.0, 19.0), (47.0, 27.0))[i]
        a, b = self._phases[2 * i : 2 * i + 2]
        wave: Array = 0.5 * np.sin(2 * np.pi * t / slow + a) + 0.5 * np.sin(2 * np.pi * t / fast + b)
        return wave if i == 1 else 0.5 + 0.5 * wave

    def _amplitudes(self, t: Array) -> Array:
        """Return (len(t), len(RHYTHMS)): what eyes and moods make of each rhythm."""
        engagement, asymmetry, theta, activation = (self._mood(i, t) for i in range(4))
        phase, period = t % (2 * self.period_s), self.period_s
        rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((phase % period) / CLOSING_S, 0, 1))
        closed = np.where(phase >= period, rise, np.where(t < period, 0.0, 1.0 - rise))
        alpha = self.alpha_uv * (1 / self.reactivity + (1 - 1 / self.reactivity) * closed)
        if self.wishes:
            alpha = alpha * (1 + self.effort * self._wish(t))
        whole = 0.75 + 0.5 * activation
        return np.stack(
            [
                alpha,
                whole * (1 - 0.6 * asymmetry),
                whole * (1 + 0.6 * asymmetry),
                whole,
                whole,
                whole * (0.4 + 1.2 * theta),
                whole * (0.4 + 1.2 * engagement),
            ],
            axis=1,
        )

    def _wish(self, t: Array) -> Array:
        """Return what the person tries to do, −1 lower … 1 raise; it takes a second to change."""
        when, what = np.array([(0.0, 0.0), *self.wishes]).T
        later = np.searchsorted(when, t, side="right") - 1
        earlier = np.searchsorted(when, t - 1.0, side="right") - 1
        share = np.clip(t - when[later], 0.0, 1.0)
        wish: Array = what[earlier] + share * (what[later] - what[earlier])
        return wish

    def _blinks(self, t: Array) -> Array:
        """Return the blink's wave at Fp1, µV: one in each stretch of 60/blinks_per_min s in which the eyes are open."""
        wave = np.zeros(len(t))
        if self.blinks_per_min and len(t):
            cell = 60.0 / self.blinks_per_min
            for c in range(int(t.min() // cell), int(t.max() // cell) + 1):
                when, size = np.random.default_rng((self.seed, BLINK, c)).uniform(0, 1, 2)
                onset = c * cell + when * (cell - BLINK_S)
                if (onset // self.period_s) % 2 == 0:
                    share = np.clip((t - onset) / BLINK_S, 0, 1)
                    wave += self.blink_uv * (0.8 + 0.4 * size) * np.sin(np.pi * share**0.7) ** 2
        return wave

    def _jaws(self, t: Array) -> list[tuple[int, Array]]:
        """Return (first sample, burst) of the jaw clenches near `t`: muscle noise of 20 to 200 Hz."""
        bursts: list[tuple[int, Array]] = []
        if self.jaw_per_min and len(t):
            cell, fs = 60.0 / self.jaw_per_min, self.samplerate
            length = math.ceil(JAW_S * fs)
            f = np.fft.rfftfreq(length, 1 / fs)
            band = (f >= 20) & (f <= min(200.0, 0.45 * fs))
            for c in range(max(0, int((t.min() - JAW_S) // cell)), int(t.max() // cell) + 1):
                rng = np.random.default_rng((self.seed, JAW, c))
                first = math.ceil((c + rng.uniform()) * cell * fs)
                if first + length < t.min() * fs or first > t.max() * fs:
                    continue
                noise = np.fft.irfft(
                    np.fft.rfft(rng.standard_normal((length, len(self.channels))), axis=0) * band[:, np.newaxis],
                    length,
                    axis=0,
                )
                noise *= self.jaw_uv / math.sqrt(max(1, 2 * band.sum()) / length) * self._jaw_gain
                bursts.append((first, noise * np.sin(np.pi * (np.arange(length) + 0.5) / length)[:, np.newaxis]))
        return bursts

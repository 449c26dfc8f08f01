"""Physical models of instruments in, the steady spectrum and the noise of a random member of each family out.

A spectrum is a *source*, an amplitude per partial that moves with the pitch, times a *body*, a gain per frequency that
stays where it is (source and filter, after Fant, "Acoustic Theory of Speech Production", 1960).  Everything in dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

K = np.arange(1, 101, dtype=np.float64)
FLOOR_DB = -70.0


@dataclass(frozen=True, slots=True)
class Tone:
    """One member of a family."""

    source: Array  # (100,) dB per partial
    body: Array  # (n_body,) dB at the frequencies that were asked for
    noise: Array  # (n_noise,) dB of noise power density at the frequencies that were asked for


Model = Callable[[np.random.Generator, Array, Array], Tone]


def db(amplitude: Array) -> Array:
    return np.asarray(20 * np.log10(np.maximum(np.abs(amplitude), 10 ** (FLOOR_DB / 20))))


def resonances(hz: Array, centres: Array, widths: Array, gains_db: Array) -> Array:
    """Return 20·log10 of a sum of second-order resonances over a flat floor of 0 dB."""
    x = hz[:, None]
    bell = (widths * x) ** 2 / ((x * x - centres**2) ** 2 + (widths * x) ** 2)
    return np.asarray(10 * np.log10(1 + bell @ (10 ** (gains_db / 10) - 1)))


def low_pass(hz: Array, cutoff: float, order: float) -> Array:
    return np.asarray(-10 * np.log10(1 + (hz / cutoff) ** (2 * order)))


def bump(hz: Array, centre: float, octaves: float) -> Array:
    """Return a bell over log frequency whose half width is `octaves`, 0 dB at its top, −30 dB at least."""
    return np.asarray(np.maximum(-0.5 * (np.log2(hz / centre) / octaves) ** 2 * 8.686, -30.0))


def plucked(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """A string released from a triangle at β of its length, seen by a pickup at p: sin(kπβ)/k · sin(kπp) · losses.

    Fletcher & Rossing, "The Physics of Musical Instruments", chapter 2.
    """
    place, pickup = rng.uniform(0.05, 0.5), rng.uniform(0.02, 0.3)
    width, loss = rng.uniform(0.002, 0.02), rng.uniform(0.0, 0.06)
    pointed = np.sinc(K * width)
    source = np.sin(np.pi * K * place) / K * np.sin(np.pi * K * pickup) * pointed * np.exp(-loss * K)
    centres = np.array([rng.uniform(90, 130), rng.uniform(180, 260), rng.uniform(380, 900)])
    body = resonances(body_hz, centres, centres * 0.25, rng.uniform(3, 10, 3)) + low_pass(body_hz, 4_500.0, 1.0)
    return Tone(soften(source, rng), body, bump(noise_hz, rng.uniform(1_500, 4_000), 1.0))


def bowed(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """Helmholtz motion: 1/k, a corner rounded at k_c, the bow's place β; bridge hill at 2 to 3 kHz (Cremer 1984)."""
    place, corner = rng.uniform(0.04, 0.2), rng.uniform(15, 80)
    comb = 0.4 + 0.6 * np.abs(np.sin(np.pi * K * place)) / np.minimum(1.0, np.pi * place * 2)
    source = comb / K * np.exp(-((K / corner) ** 2))
    centres = np.array([rng.uniform(250, 300), rng.uniform(430, 560), rng.uniform(2_000, 3_000)])
    gains = np.array([rng.uniform(3, 9), rng.uniform(3, 9), rng.uniform(4, 12)])
    body = resonances(body_hz, centres, centres * np.array([0.12, 0.15, 0.4]), gains) + low_pass(body_hz, 4_000, 1.5)
    return Tone(db(source), body, bump(noise_hz, rng.uniform(1_000, 5_000), 1.5))


def closed_tube(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """A cylinder closed at the reed: odd modes; even partials come back above the tone-hole cut-off (Benade 1976)."""
    weak, returns = rng.uniform(12, 35), rng.uniform(4, 16)
    even = np.where(K % 2 == 0, -weak * np.exp(-(K - 2) / returns), 0.0)
    source = db(K ** -rng.uniform(0.8, 1.6)) + even
    body = low_pass(body_hz, rng.uniform(1_200, 2_500), rng.uniform(1.0, 2.0))
    return Tone(source, body, bump(noise_hz, rng.uniform(600, 2_500), 1.2))


def open_tube(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """A jet on an open tube: all modes, few of them strong, the more the jet is off its centre (Verge 1997)."""
    steep, offset = rng.uniform(1.8, 3.5), rng.uniform(0.02, 0.5)
    even = np.where(K % 2 == 0, 20 * np.log10(offset + 0.3), 0.0)
    source = db(K**-steep) + even
    body = low_pass(body_hz, rng.uniform(1_500, 4_000), 1.0)
    return Tone(source, body, bump(noise_hz, rng.uniform(800, 6_000), 1.8))


def brass(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """Lips on a flared tube: flat up to the bell's cut-off, which is a formant, and steep above it (Beauchamp 1975)."""
    source = db(K ** -rng.uniform(0.0, 0.6))
    cutoff = rng.uniform(400, 1_600)
    body = resonances(body_hz, np.array([cutoff]), np.array([cutoff * 0.8]), np.array([rng.uniform(3, 9)]))
    body += low_pass(body_hz, cutoff * 1.3, rng.uniform(0.9, 2.0))
    return Tone(source, body, bump(noise_hz, rng.uniform(500, 2_000), 1.0))


_STRUCK = (
    np.array([1.0, 2.756, 5.404, 8.933, 13.34, 18.64, 24.82]),  # free bar: ((2n+1)/3.011)²
    np.array([1.0, 4.0, 9.2, 16.2, 24.2]),  # tuned bar (marimba)
    np.array([1.0, 3.0, 6.1, 10.0, 15.0]),  # tuned bar (xylophone)
    np.array([1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.5, 3.6, 4.06, 4.15, 4.6, 4.9, 5.13]),  # ideal membrane
    np.array([1.0, 1.5, 1.98, 2.44, 2.9, 3.35, 3.8]),  # kettledrum, air-loaded
)


def struck(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """A bar or membrane: its modes' energy goes to the nearest partials, as this synth is harmonic (Rossing 2000)."""
    modes = _STRUCK[rng.integers(len(_STRUCK))]
    hardness, place = rng.uniform(2, 14), rng.uniform(0.1, 0.5)
    level = np.exp(-modes / hardness) * (0.25 + np.abs(np.sin(np.pi * place * np.arange(1, len(modes) + 1))))
    power = np.full(100, 1e-5 * float(level[0] ** 2))
    for ratio, amount in zip(modes, level, strict=True):
        low, part = int(ratio) - 1, ratio % 1.0
        power[low] += (1 - part) * amount**2
        power[low + 1] += part * amount**2
    falling = power * np.minimum(1.0, (30.0 / K) ** 2)
    body = resonances(body_hz, *(np.array([x]) for x in (rng.uniform(300, 1_200), 400.0, rng.uniform(0, 6))))
    return Tone(db(np.sqrt(falling)), body, bump(noise_hz, rng.uniform(300, 6_000), 0.8))


_VOWELS = np.array(  # first three formants of a man's voice, Hz (Peterson & Barney, JASA 24, 1952)
    [
        [270, 2290, 3010],
        [390, 1990, 2550],
        [530, 1840, 2480],
        [660, 1720, 2410],
        [730, 1090, 2440],
        [570, 840, 2410],
        [440, 1020, 2240],
        [300, 870, 2240],
        [640, 1190, 2390],
        [490, 1350, 1690],
    ],
    dtype=np.float64,
)


def voice(rng: np.random.Generator, body_hz: Array, noise_hz: Array) -> Tone:
    """A glottal source of −6 to −15 dB per octave through the formants of a vowel, on a tract of any usual length."""
    source = db(K ** -rng.uniform(1.0, 2.2))
    tract = rng.uniform(0.9, 1.25)
    centres = np.append(_VOWELS[rng.integers(len(_VOWELS))], 3_500.0) * tract
    widths, gains = np.array([90.0, 120.0, 180.0, 250.0]), rng.uniform(14, 24) + np.array([0.0, -2.0, -5.0, -8.0])
    body = resonances(body_hz, centres, widths * rng.uniform(1.0, 2.0), gains)
    return Tone(source, body, np.maximum(resonances(noise_hz, centres, widths * 2.0, gains * 0.7) - 15.0, -30.0))


def soften(amplitude: Array, rng: np.random.Generator) -> Array:
    """Fill the deepest holes: no real pickup or pluck is a point."""
    around = np.convolve(np.abs(amplitude), [0.25, 0.5, 0.25], mode="same")
    return db(np.sqrt(amplitude**2 + (rng.uniform(0.05, 0.2) * around) ** 2))


FAMILIES: Mapping[str, Model] = {
    "plucked string": plucked,
    "bowed string": bowed,
    "closed tube": closed_tube,
    "open tube": open_tube,
    "brass": brass,
    "bar or membrane": struck,
    "voice": voice,
}

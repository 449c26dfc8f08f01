"""Bands and a wanted delay in; every band's delay, and what can be expected of its kernel, out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features import kernels
from brainmusic_daemon.features.kernels import ComplexArray, Density, Prior

LONGEST_S = 0.5  # no band is made to wait longer for its fidelity
_STEP_S = 0.005
TOLERANCE = 0.01  # a correlation so near to what is wanted, or to the best there is, will do: it is foretold no better
_SETTLED = 0.01  # of a step


@dataclass(frozen=True, slots=True)
class Promise:
    """What a band's kernel is good for, by its design: nothing of it is measured."""

    delay: float  # s
    correlation: float  # expected, of its envelope with the true one `delay` ago
    settling: float  # s after a step at an electrode until less than 1 % of it is in the output
    mains_db: float  # what the worst mains line, or harmonic, is weakened by, ± 0.1 Hz
    noise_db: float  # white noise that comes through, over what an ideal band-pass lets through
    drift_db: float  # the same for a sine at 0.1 Hz, over one in mid-band
    leakage: float  # share of the expected output power that comes from outside the band


def expected(bands: Mapping[str, tuple[float, float]]) -> Prior:
    """Return the spectrum that is expected of anybody with these bands: alpha's peak is where the alpha band is."""
    low, high = bands.get("alpha", (8.0, 13.0))
    # A narrow band was put around a peak that is known; the usual one has to hold the peaks of all people.
    return Prior(alpha_hz=math.sqrt(low * high), alpha_width_hz=min(max((high - low) / 2 - 1, 0.5), 1.5))


def configured(features: Any, bands: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return each band's delay in seconds from the configuration's section `features`."""
    wanted = {name: ms / 1000 for name, ms in features.delays_ms.items() if name in bands}
    return choose(
        bands, features.delay_ms / 1000, kernel_s=features.kernel_s, fidelity=features.fidelity, wanted=wanted
    )


def choose(
    bands: Mapping[str, tuple[float, float]],
    delay: float,
    *,
    kernel_s: float,
    fidelity: float = 0.9,
    wanted: Mapping[str, float] | None = None,
    prior: Density | None = None,
) -> dict[str, float]:
    """Return each band's delay in seconds.

    `wanted` are delays set for single bands; all others get `delay`, or where that falls short of `fidelity`, the
    shortest delay that reaches it, within half a second and half a kernel.  A fidelity of 0 leaves all at `delay`.
    It follows from the settings and the expected spectrum alone, so that a set-up has the same delays on every head.
    """
    prior = prior or expected(bands)
    chosen = {}
    for name, (low, high) in bands.items():
        chosen[name] = (wanted or {}).get(name, delay)
        if fidelity > 0 and name not in (wanted or {}):
            chosen[name] = _shortest((low, high), delay, kernel_s, fidelity, prior)
    return chosen


def _shortest(band: tuple[float, float], delay: float, kernel_s: float, fidelity: float, prior: Density) -> float:
    # Four samples per cycle are plenty to tell what a delay costs: the rate of the headset makes no difference.
    # What lies further back than a few times the band's own memory, 1/width, adds nothing.
    samplerate = max(128.0, 4 * band[1])
    n_taps = round(min(kernel_s, max(1.0, 16 / (band[1] - band[0]))) * samplerate)
    longest = max(delay, min(LONGEST_S, kernel_s / 2))
    candidates = np.round(np.append(np.arange(delay, longest, _STEP_S), longest), 4)
    found = np.zeros(len(candidates))
    for start in range(0, len(candidates), 16):  # in stretches: most bands need the first alone
        these = slice(start, start + 16)
        bands, delays = [band] * len(candidates[these]), candidates[these]
        made = kernels.design(bands, samplerate, n_taps, delays.tolist(), prior)
        found[these] = expected_correlation(made, bands, delays, samplerate, prior)
        if found.max() >= fidelity - TOLERANCE:
            break
    best = float(found.max())
    enough = (fidelity if best >= fidelity - TOLERANCE else best) - TOLERANCE
    return float(candidates[int(np.argmax(found >= enough))])


def expected_correlation(
    made: ComplexArray, bands: list[tuple[float, float]], delays: FloatArray, samplerate: float, prior: Density
) -> FloatArray:
    """Return the expected correlation (n_bands,) of each kernel's envelope with the true one `delays` seconds ago.

    The output and the ideal analytic signal are jointly Gaussian with coherence ρ = Σ P·B·H* / √(Σ P|B|² · Σ P|H|²).
    Their squared envelopes correlate by |ρ|²; the envelopes, which are Rayleigh, by (F(|ρ|²) − 1) / (4/π − 1) with
    F = ₂F₁(−½, −½; 1; ·) (Middleton, Introduction to Statistical Communication Theory, 1960, §9.1), a little less.
    """
    from scipy.special import hyp2f1

    n_grid = max(int(np.ceil(samplerate / kernels.GRID_HZ)), 2 * len(made))
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    density = prior.density(f)[:, None]
    B = np.fft.fft(made[::-1], n_grid, axis=0)
    H = np.stack([kernels.ideal(f, *band, delay) for band, delay in zip(bands, delays, strict=True)], axis=1)
    cross = np.abs((density * B * H.conj()).sum(axis=0)) ** 2
    square = cross / ((density * np.abs(B) ** 2).sum(axis=0) * (density * np.abs(H) ** 2).sum(axis=0))
    return np.asarray((hyp2f1(-0.5, -0.5, 1.0, np.minimum(square, 1.0)) - 1) / (4 / math.pi - 1))


def promises(
    made: ComplexArray,
    bands: Mapping[str, tuple[float, float]],
    delays: Mapping[str, float],
    samplerate: float,
    prior: Density,
) -> dict[str, Promise]:
    """Return what each kernel (n_taps, n_bands) promises, by band."""
    edges = [(low, min(high, samplerate / 2 - kernels.GRID_HZ)) for low, high in bands.values()]
    correlation = expected_correlation(made, edges, np.array([delays[name] for name in bands]), samplerate, prior)
    lines = np.array([n * line for line in prior.mains_hz for n in range(1, math.ceil(samplerate / 2 / line))])
    near = (lines[:, None] + np.array([-0.1, 0.0, 0.1])).ravel()
    near = near[near < samplerate / 2]
    step = np.abs(np.cumsum(made[::-1], axis=0))  # the answer to a step: b[0] is the newest sample's
    n_grid = max(int(np.ceil(samplerate / kernels.GRID_HZ)), 2 * len(made))
    f = np.fft.fftfreq(n_grid, 1 / samplerate)
    output = prior.density(f)[:, None] * np.abs(np.fft.fft(made[::-1], n_grid, axis=0)) ** 2
    found = {}
    for column, (name, (low, high)) in enumerate(zip(bands, edges, strict=True)):
        kernel = made[:, column : column + 1]
        late = np.flatnonzero(step[:, column] > _SETTLED)
        outside = (f < low) | (f > high)
        found[name] = Promise(
            delay=delays[name],
            correlation=float(correlation[column]),
            settling=float(late[-1] + 1) / samplerate if len(late) else 0.0,
            mains_db=-_db(kernels.response(kernel, samplerate, near), 2.0) if len(near) else math.inf,
            noise_db=10 * math.log10((np.abs(kernel) ** 2).sum() / (4 * (high - low) / samplerate)),
            drift_db=_db(kernels.response(kernel, samplerate, np.array([0.1])), 2.0),
            leakage=float(output[outside, column].sum() / output[:, column].sum()),
        )
    return found


def _db(response: ComplexArray, over: float) -> float:
    return 20 * math.log10(max(float(np.abs(response).max()) / over, 1e-9))

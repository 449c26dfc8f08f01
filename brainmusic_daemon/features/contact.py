"""A window in, what speaks against each channel's contact out: the compiled loops of `quality`."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

import numpy as np

from brainmusic_daemon.jit import compiled

FLAT, RAILED, SATURATED, NAN, LOOSE, NOISY = range(6)  # rows of flags; from LOOSE on the score falls bit by bit
FLAT_UV, RAIL_UV, NOISE_UV, MAINS_RATIO, PERIOD, RETURN_STEP, BRIDGED_STEP = range(7)  # entries of limits

OTHERS = 10.0  # times the mains of the others: no room hums at one electrode only …
AUDIBLE_UV = 30.0  # … but what is below this amplitude does no harm
CLIPPED = 0.04  # share of samples that stay at the window's very extremes
CLIPPED_FLAT = 20.0  # in a window whose range is so many times that of a flat one: small signals repeat themselves
USUAL_NOISE = 3.0  # times the others' deviation: a person whose alpha is that large has it on most channels
BRIEF_S = 2.5  # a touched channel stands on its past and need not hurry to leave the averages, for so long


@compiled
def judge(
    x, every, fitted, offset, repaired, held, excused, eeg_power, at_once, limits, eeg, held_s, flags, score, weights
):
    """Judge each channel; writes `flags` (6, n), `score` (n,) and `weights` (n,), keeps `eeg` and `held_s` (n,).

    x (n_samples, n) µV relative to `offset`, of which each `every`-th counts; `fitted` (n_columns, n): what a straight
    line (first) and mains (the others) explain of it, by columns that are orthonormal and have no mean.
    """
    n = x.shape[1]
    low, high = np.empty(n), np.empty(n)
    total, squares, clipped = np.zeros(n), np.zeros(n), np.zeros(n)
    for c in range(n):
        low[c] = high[c] = x[0, c]
    count = 0
    for i in range(0, x.shape[0], every):
        count += 1
        for c in range(n):
            value = float(x[i, c])
            low[c], high[c] = min(low[c], value), max(high[c], value)
            total[c] += value
            squares[c] += value * value
    for i in range(every, x.shape[0], every):
        for c in range(n):
            value = x[i, c]
            if value == x[i - every, c] and (value == low[c] or value == high[c]):
                clipped[c] += 1.0
    deviation, mains = np.empty(n), np.empty(n)
    for c in range(n):
        explained = 0.0
        for k in range(fitted.shape[0]):
            explained += fitted[k, c] * fitted[k, c]
        variance = squares[c] - total[c] * total[c] / count - explained
        deviation[c] = math.sqrt(max(variance, 0.0) / count)
        mains[c] = max(explained - fitted[0, c] * fitted[0, c], 0.0) / count
    noise_uv = min(max(limits[NOISE_UV], USUAL_NOISE * np.median(deviation)), 2.0 * limits[NOISE_UV])
    usual_mains = max(OTHERS * math.sqrt(2.0 * np.median(mains)), AUDIBLE_UV) if n > 2 else np.inf
    for c in range(n):
        if at_once:
            eeg[c] = eeg_power[c]
        eeg[c] += limits[PERIOD] * (eeg_power[c] - eeg[c])  # over about a second
        noise = deviation[c] / noise_uv
        if excused[c]:
            noise = min(noise, 1.0)
        hum = max(math.sqrt(mains[c] / (eeg[c] + 1e-9)) / limits[MAINS_RATIO], math.sqrt(2.0 * mains[c]) / usual_mains)
        span = high[c] - low[c]
        flags[FLAT, c] = span < limits[FLAT_UV]
        flags[RAILED, c] = max(high[c] + offset[c], -low[c] - offset[c]) >= limits[RAIL_UV]
        stays = clipped[c] > CLIPPED * count and span > CLIPPED_FLAT * limits[FLAT_UV]
        flags[SATURATED, c] = stays and not at_once  # while the window fills, its padding stays where it is
        flags[NAN, c] = repaired[c]
        flags[LOOSE, c], flags[NOISY, c] = hum > 1.0, noise > 1.0
        unusable = flags[FLAT, c] or flags[RAILED, c] or flags[SATURATED, c] or flags[NAN, c]
        # good up to the threshold, nothing at its double
        score[c] = 0.0 if unusable or held[c] > 0.0 else max(min(1.0, 2.0 - noise, 2.0 - hum), 0.0)
        held_s[c] = held_s[c] + limits[PERIOD] if held[c] > 0.0 else 0.0
        brief = 0.0 < held_s[c] < BRIEF_S and not unusable
        step = 1.0 if at_once else limits[BRIDGED_STEP] if brief else limits[RETURN_STEP]
        weights[c] += step * (score[c] - weights[c])

"""A balanced random order of cues out; what a control did under each of them in, whether it was steered out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features.profile import Ability

RAISE, LOWER, REST = 1, -1, 0
WORDS = {RAISE: "raise", LOWER: "lower", REST: "rest"}
SURE = 0.05  # chance that any control at all is called steered although none is
BLOCK = (RAISE, RAISE, LOWER, LOWER, REST)
_DRAWS = 1999
_NUISANCE = 3  # columns that are no cue: level, drift, its bend
FEWEST = 4  # trials of each direction


@dataclass(frozen=True, slots=True)
class Trial:
    """What one control did under one cue."""

    time: float  # session seconds of the cue
    cue: int
    value: float  # mean of the control over the later part, in its unit
    block: int  # of cues that are balanced among themselves


def order(trials: int, rng: np.random.Generator) -> list[int]:
    """Return cues in random order: `trials` of each direction, half as many rests, balanced in blocks of five.

    So neither tiredness nor a drift of the electrodes falls on one direction more than on the other.
    """
    cues: list[int] = []
    for _ in range(trials // 2):
        cues += rng.permutation(BLOCK).tolist()
    if trials % 2:
        cues += rng.permutation((RAISE, LOWER)).tolist()
    return cues


def judge(found: Mapping[str, Sequence[Trial]], seed: int = 0) -> dict[str, Ability]:
    """Return what the trials of each control show; the more controls are asked about, the more each must show.

    The effect is Cohen's d, raise against lower: the difference that is left when level, drift and its bend over the
    block are taken out by least squares, over the standard deviation of what is left.  Its interval is exact for
    normal residuals (by the noncentral t distribution) and simultaneous: with 95 %, all of them hold (Bonferroni).
    The chance is that of a randomisation test, whose orders are drawn as the cues were, so that slow waves in the
    signal cannot feign an effect; Holm's correction over the controls.
    """
    rng = np.random.default_rng(seed)
    single = {name: _one(trials, rng, max(1, len(found))) for name, trials in found.items()}
    ranked = sorted(single, key=lambda name: single[name].chance)
    chance = 0.0
    for i, name in enumerate(ranked):
        chance = max(chance, min(1.0, single[name].chance * (len(ranked) - i)))
        single[name] = single[name].corrected(chance)
    return single


def _one(trials: Sequence[Trial], rng: np.random.Generator, family: int) -> Ability:
    cue = np.array([trial.cue for trial in trials], float)
    values = np.array([trial.value for trial in trials], float)
    n_up, n_down = int((cue > 0).sum()), int((cue < 0).sum())
    if min(n_up, n_down) < FEWEST:
        return Ability.unknown(n_up + n_down, "too few trials with a good signal")
    if np.ptp(values) <= 1e-9 * max(1e-9, float(np.abs(values).max())):
        return Ability.unknown(n_up + n_down, "it did not move at all")
    t = np.array([trial.time for trial in trials], float)
    t = 2.0 * (t - t.min()) / max(float(np.ptp(t)), 1e-9) - 1.0
    basis, _ = np.linalg.qr(np.stack([np.ones_like(t), t, t * t], axis=1))
    rest: FloatArray = values - basis @ (basis.T @ values)  # without level, drift and its bend
    free = len(trials) - _NUISANCE - 1

    lone = cue - basis @ (basis.T @ cue)
    slope = float(lone @ rest / (lone @ lone))  # of the control, per step of the cue from -1 to 0 to 1
    spread = math.sqrt(max(float(((rest - slope * lone) ** 2).sum()) / free, 1e-30))
    unit = 2.0 / math.sqrt(float(lone @ lone))  # standard error of d, per unit of t
    low, high = _interval(2 * slope / spread / unit, free, SURE / family)
    drawn = _drawn(cue, np.array([trial.block for trial in trials]), rng)
    drawn -= drawn @ basis @ basis.T
    theirs = np.abs(drawn @ rest) / np.sqrt((drawn**2).sum(axis=1))
    own = abs(float(lone @ rest)) / math.sqrt(float(lone @ lone))
    chance = (1 + int((theirs >= own * (1 - 1e-12)).sum())) / (1 + len(drawn))
    up, down = rest[cue > 0][:, np.newaxis], rest[cue < 0]
    return Ability(
        effect=2 * slope / spread,
        low=low * unit,
        high=high * unit,
        auc=float(((up > down) + 0.5 * (up == down)).mean()),
        difference=2 * slope,
        chance=chance,
        trials=n_up + n_down,
    )


def _drawn(cue: FloatArray, blocks: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return other orders (n_draws, n_trials): the cues of each block shuffled, as they were at first."""
    keys = rng.random((_DRAWS, len(cue))) + blocks  # sorting them shuffles within blocks only
    return np.asarray(cue[np.argsort(keys, axis=1)], np.float64)


def _interval(t: float, free: int, missed: float) -> tuple[float, float]:
    """Return the noncentralities that `t` leaves possible, with probability 1 - missed."""
    from scipy.special import nctdtrinc

    bounds = [float(nctdtrinc(free, 1 - missed / 2, t)), float(nctdtrinc(free, missed / 2, t))]
    half = abs(t) + 6.0
    low, high = (x if math.isfinite(x) else sign * half for x, sign in zip(bounds, (-1, 1), strict=True))
    return low, high

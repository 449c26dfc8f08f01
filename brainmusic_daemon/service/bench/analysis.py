"""Times at which samples were sent, read, analysed, received and heard in; ages and delays out.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.service.bench.stimulus import Stimulus, amplitude, steps

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_LOOK_S = 2.0  # a sample is looked for among those pushed within so long before it was seen
_ALIKE_UV = 0.02  # in three channels at once: float32 and back
_QUIET = 1e-4  # of full scale, −80 dB
_QUIET_FRAMES = 480  # 10 ms
_HEARD_S = 0.6  # a switch that was not heard within so long was not heard
_BEFORE_S, _AFTER_S, _GRID_S = 0.2, 0.7, 0.002  # around a step


def which(values: Array, seen: Array, pushed: Array, stimulus: Stimulus) -> Numbers:
    """Return the numbers of the samples whose first three values are `values` (n, 3); −1 where there is none.

    The values say it, no clock and no counter is believed: `seen` (n,) and `pushed` only bound where to look.
    """
    sent = stimulus.samples(np.arange(len(pushed)))[:, :3].astype(np.float64)
    first = np.searchsorted(pushed, seen - _LOOK_S)
    last = np.searchsorted(pushed, seen)
    found = np.full(len(values), -1)
    for i, (row, low, high) in enumerate(zip(values, first, last, strict=True)):
        if high > low:
            apart = np.abs(sent[low:high] - row).max(axis=1)
            at = int(apart.argmin())
            found[i] = low + at if apart[at] < _ALIKE_UV else -1
    return found


def first_seen(newest: Numbers, when: Array, count: int) -> Array:
    """Return when each of `count` samples was first covered by a window whose newest sample is `newest`; NaN: never.

    Those before the first window's newest one were sent before anybody looked: NaN.
    """
    found = np.full(count, np.nan)
    known = newest >= 0
    newest, when = newest[known], when[known]
    done = int(newest[0]) if len(newest) else 0
    for last, at in zip(newest.tolist(), when.tolist(), strict=True):
        if last > done:
            found[done + 1 : last + 1] = at
            done = last
    return found


@dataclass(frozen=True, slots=True)
class Rise:
    """How an answer follows a step."""

    half_s: float  # from the step to half of the way
    count: int  # steps


def half_rise(times: Array, values: Array, at: Array, up: npt.NDArray[np.bool_], *, held: bool = False) -> Rise | None:
    """Return when the mean answer to the steps at `at` is half-way between its levels before and after.

    `values` (n,) at `times`; falls are turned over, so that rises and falls count alike: an answer that is squared or
    lazy in one direction shows in neither alone.  `held`: a value stays until the next one comes, as it does
    where it is received; else what is between two is on the line between them.  None where there is no step with enough
    around it.
    """
    grid = np.arange(-_BEFORE_S, _AFTER_S, _GRID_S)
    inside = (at - _BEFORE_S > times[0]) & (at + _AFTER_S < times[-1]) if len(times) else np.zeros(len(at), dtype=bool)
    if not inside.any():
        return None
    answers = []
    for step, rise in zip(at[inside].tolist(), up[inside].tolist(), strict=True):
        newest = values[np.searchsorted(times, step + grid, side="right") - 1]
        answers.append((newest if held else np.interp(step + grid, times, values)) * (1 if rise else -1))
    each = np.array(answers)
    each -= each[:, grid < -0.1].mean(axis=1, keepdims=True)
    mean = each.mean(axis=0)
    level = mean[grid > _AFTER_S - 0.3].mean()
    if level <= 0:
        return None
    past = np.flatnonzero((grid > 0) & (mean >= 0.5 * level))
    if not len(past):
        return None
    j = int(past[0])
    share = (0.5 * level - mean[j - 1]) / (mean[j] - mean[j - 1]) if mean[j] > mean[j - 1] else 1.0
    return Rise(float(grid[j - 1] + min(max(share, 0.0), 1.0) * _GRID_S), len(each))


def likeness(newest: Numbers, values: Array, delay_samples: int) -> float:
    """Return the correlation of what was delivered with the truth so many samples before; NaN where undefined."""
    n = newest - delay_samples
    use = (n >= 0) & np.isfinite(values)
    truth = amplitude(n[use])
    if use.sum() < 10 or np.ptp(truth) == 0 or np.ptp(values[use]) == 0:
        return float("nan")
    return float(np.corrcoef(values[use], truth)[0, 1])


def steps_of(pushed: Array, first: int, last: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return when each step within samples first … last was sent, and whether it went up."""
    at, up = steps(first, last)
    return pushed[at], up


def heard(gates: Sequence[tuple[float, bool]], loudness: Array, begin: float, samplerate: int) -> Array:
    """Return for every switch (when, opened) the seconds until it was heard; those that were not are left out."""
    delays = []
    loud = loudness > _QUIET
    for when, opened in gates:
        at = round((when - begin) * samplerate)
        span = loud[max(at, 0) : at + round(_HEARD_S * samplerate)]
        if at < _QUIET_FRAMES or len(span) < round(_HEARD_S * samplerate):
            continue
        if opened and not loud[at - _QUIET_FRAMES : at].any() and span.any():
            delays.append(int(span.argmax()) / samplerate)
        if not opened and loud[at - _QUIET_FRAMES : at].any():
            edges = np.flatnonzero(np.diff(np.concatenate([[True], span, [True]]).astype(np.int8)))
            quiet = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b - a >= _QUIET_FRAMES]
            if quiet:
                delays.append(float(quiet[0][0]) / samplerate)
    return np.array(delays)


def sums(a: Array, b: Array, most: int = 400) -> Array:
    """Return sums of every value of `a` with every one of `b`, thinned by quantiles: the two are independent."""
    if not len(a) or not len(b):
        return np.zeros(0)
    thin = [np.sort(x)[np.linspace(0, len(x) - 1, min(len(x), most)).round().astype(int)] for x in (a, b)]
    return np.asarray(np.add.outer(*thin)).ravel()


def percentiles(seconds: Array) -> dict[str, float]:
    """Return 50th, 95th and 99th percentile, maximum and mean in ms, and the count; nothing where nothing came."""
    values = 1e3 * seconds[np.isfinite(seconds)]
    if not len(values):
        return {}
    found = {f"p{q}_ms": round(float(np.percentile(values, q)), 3) for q in (50, 95, 99)}
    return {**found, "max_ms": round(float(values.max()), 3), "mean_ms": float(values.mean()), "count": len(values)}

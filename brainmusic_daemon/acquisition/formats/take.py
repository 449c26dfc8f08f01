"""Samples and raw time stamps in; a `Take` of evenly spaced runs out, with the gaps between them kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from brainmusic_daemon.api import FloatArray

STEP_S = 3600.0  # nobody waits for an hour of silence in a recording
_LINE = 16  # time stamps at least that a line is drawn through


@dataclass(frozen=True, slots=True)
class Run:
    """Samples `start`..`stop` without a gap: sample i lies at `time + (i - start) * step` seconds."""

    start: int
    stop: int
    time: float  # seconds since the recording's first EEG sample
    step: float
    number: int  # of the first sample, lost samples counted

    @property
    def end(self) -> float:
        """Time at which the sample after the last would lie."""
        return self.time + (self.stop - self.start) * self.step


@dataclass(frozen=True, slots=True)
class Take:
    """One recording's EEG in memory."""

    name: str
    channels: tuple[str, ...]
    samplerate: float
    samples: FloatArray  # (n_samples, n_channels) float64 µV, contiguous; never written again
    runs: tuple[Run, ...]
    uid: str = ""
    rail_uv: float | None = None
    details: Mapping[str, str] = field(default_factory=dict)


def even(n_samples: int, samplerate: float) -> tuple[Run, ...]:
    """Return the one run of a recording without time stamps."""
    return (Run(0, n_samples, 0.0, 1 / samplerate, 0),)


def cut(runs: Sequence[Run], start_s: float, duration_s: float) -> tuple[Run, ...]:
    """Return the runs between two times, the first of them at time 0 and number 0; empty when nothing lies there.

    `duration_s` 0 means up to the end.
    """
    stop_s = start_s + duration_s if duration_s > 0 else np.inf
    kept: list[Run] = []
    for run in runs:
        first = max(0, int(np.ceil((start_s - run.time) / run.step - 1e-6)))
        beyond = (stop_s - run.time) / run.step - 1e-6
        last = run.stop - run.start if beyond >= run.stop - run.start else max(0, int(np.ceil(beyond)))
        if first < last:
            kept.append(
                Run(run.start + first, run.start + last, run.time + first * run.step, run.step, run.number + first)
            )
    if not kept:
        return ()
    time, number = kept[0].time, kept[0].number
    return tuple(Run(run.start, run.stop, run.time - time, run.step, run.number - number) for run in kept)


def estimate_rate(times: FloatArray, nominal: float) -> tuple[float, str]:
    """Return the sample rate (Hz) that time stamps (n_samples,) tell, 0 when they don't, and a remark if not `nominal`.

    Pauses of more than a second are not counted.  A stated rate that is right within 0.2 % is kept; so is one that the
    usual step between samples confirms while the total does not: then samples are missing, and the clock is right.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # stamps may be infinite
        steps = np.diff(times)
    steps = steps[np.isfinite(steps)]
    inside = steps[np.abs(steps) <= max(1.0, 3 / nominal if nominal > 0 else 1.0)]
    total, slope = float(inside.sum()), 0.0
    if total > 0:  # a fitted line: first and last sample alone mislead where samples come in bursts
        slope = float(np.polyfit(np.arange(len(inside)), np.cumsum(inside), 1)[0]) if len(inside) > _LINE else 0.0
        slope = slope if slope > 0 else total / len(inside)
    counted = 1 / slope if slope > 0 else 0.0
    usual = float(np.median(steps)) if steps.size else 0.0
    if usual > 0:
        regular = steps[np.abs(steps - usual) < 0.1 * usual]
        if len(regular) > 0.8 * len(steps):
            counted = 1 / float(regular.mean()) if nominal <= 0 or abs(usual * nominal - 1) < 0.02 else counted
    if nominal <= 0:
        return counted, f"{counted:.2f} Hz estimated from the time stamps: no rate is stated" if counted else ""
    if (
        not counted
        or abs(counted / nominal - 1) <= 0.002
        or (counted < 0.9 * nominal and abs(usual * nominal - 1) < 0.02)
    ):
        return nominal, ""
    return counted, f"{counted:.2f} Hz estimated from the time stamps, where {nominal:g} Hz is stated"


def runs_of(times: FloatArray, samplerate: float) -> tuple[tuple[Run, ...], str]:
    """Return evenly spaced runs for jittery time stamps (n_samples,), starting at time 0, and a remark about gaps.

    A step over 0.1 s is a gap only if it lasts: a radio that stalls and then delivers everything in a burst leaves the
    line through the time stamps where it was.  A step back that lasts, or forward by more than STEP_S, is a clock that
    was set: the run follows on.
    """
    n = len(times)
    position = np.arange(n) / samplerate
    late = times - position
    limit = max(0.1, 2.5 / samplerate)
    steps = np.diff(times) - 1 / samplerate
    window = max(1, int(samplerate))
    edges = [0, *(np.flatnonzero(np.abs(steps) > limit) + 1), n]
    starts = [0]
    for before, at, after in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        left = np.median(late[max(before, at - window) : at])
        right = np.median(late[at : min(after, at + window)])
        if abs(right - left) > 0.5 * abs(steps[at - 1]) and abs(right - left) > 1.5 / samplerate:
            starts.append(int(at))
    runs: list[Run] = []
    gaps, backward, forward, lost, origin = 0, 0, 0, 0.0, 0.0
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        step, time = 1 / samplerate, float(np.median(late[start:stop]) + position[start])
        if stop - start > max(10 * samplerate, _LINE):
            slope, time = np.polyfit(np.arange(stop - start), times[start:stop], 1)
            step = float(slope) if abs(slope * samplerate - 1) < 0.05 else step
        number = 0
        if not runs:
            origin = float(time)
        time = float(time) - origin  # at once: beside a stamp of 1e20, seconds would be nothing
        if runs:
            missing = (time - runs[-1].end) * samplerate
            if missing < 0.5 or missing > STEP_S * samplerate:
                backward += missing < -0.5
                forward += missing > 0.5
                time, missing = runs[-1].end, 0.0
            else:
                gaps, lost = gaps + 1, lost + missing / samplerate
            number = runs[-1].number + runs[-1].stop - runs[-1].start + round(missing)
        runs.append(Run(start, stop, time, step, number))
    remarks = [f"{gaps} gaps, {lost:.1f} s in all"] if gaps else []
    remarks += [f"the clock was set back {backward} times"] if backward else []
    remarks += [f"the clock was set forward {forward} times"] if forward else []
    return tuple(runs), "; ".join(remarks)

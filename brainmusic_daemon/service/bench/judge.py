"""All that was noted in the processes in; ages per stage, delays and counts out.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainmusic_daemon.service.bench import analysis
from brainmusic_daemon.service.bench.receiver import SAMPLERATE
from brainmusic_daemon.service.bench.stimulus import TRUE_RATE_HZ, Stimulus

_SLACK_S = 0.1  # what was sent just before the end may not have come


def judge(measured: Mapping[str, Any], speed: Mapping[str, float]) -> dict[str, Any]:
    """Return percentiles by name, single figures, and how the sound was found."""
    inside, pushed, stimulus = measured["inside"], measured["pushed"], Stimulus()
    begin, end = measured["span"]
    chunks = np.array(inside["chunks"]).reshape(-1, 5)
    passed = np.array(inside["passed"]).reshape(-1, 7)
    in_chunk = analysis.which(chunks[:, 2:], chunks[:, 0], pushed, stimulus)
    in_tick = analysis.which(passed[:, 4:], passed[:, 1], pushed, stimulus)
    number = passed[:, 0].astype(np.int64)
    arrived = {int(frame): when for frame, when, _ in measured["seen"]}
    value = {int(frame): alpha for frame, _, alpha in measured["seen"]}
    received = np.array([arrived.get(int(frame), np.nan) for frame in number])
    alpha = np.sqrt(np.array([value.get(int(frame), np.nan) for frame in number]))

    count = len(pushed)
    read = analysis.first_seen(in_chunk, chunks[:, 0], count)
    begun, analysed, mapped, out = (
        analysis.first_seen(in_tick, when, count) for when in (passed[:, 1], passed[:, 2], passed[:, 3], received)
    )
    counts = (pushed >= begin) & (pushed < end - _SLACK_S)
    age = (out - pushed)[counts]
    stages = {
        "source": read - pushed,
        "ring": begun - read,
        "features": analysed - begun,
        "mapper": mapped - analysed,
        "output": out - mapped,
    }
    good = (in_tick >= 0) & np.isfinite(received) & np.isfinite(alpha) & (received >= begin) & (received < end)
    steps, up = analysis.steps_of(pushed, *_range(pushed, begin, end))
    newest = in_tick[good]
    inner = analysis.half_rise(pushed[newest], alpha[good], steps, up)
    whole = analysis.half_rise(received[good], alpha[good], steps, up, held=True)
    designed = float(inside["delay_s"])
    sound, delays, how = _sound(measured, age)
    answers = _answers(inside["gates"], steps)
    ticks = inside["ticks"]
    single: dict[str, float | None] = {
        "analysis.designed": 1e3 * designed,
        "analysis.measured": 1e3 * inner.half_s if inner else None,
        "analysis.likeness": _number(analysis.likeness(newest, alpha[good], round(designed * TRUE_RATE_HZ))),
        "total.datagram": 1e3 * whole.half_s if whole else None,
        "total.sound": 1e3 * float(np.median(answers) + np.median(delays)) if len(answers) and len(delays) else None,
        "ticks.missed": ticks["missed"],
        "ticks.late": ticks["late"],
        "cpu": 100 * inside["cpu"],
        "memory": inside["bytes"] / 1e6 if inside["bytes"] else None,
        "startup.datagram": measured["first"] - measured["started"] if measured["first"] else None,
        "startup.sound": _first_sound(measured),
        "render.silent": speed.get("silent"),
        "render.sounding": speed.get("sounding"),
    }
    if "audio" in inside["outputs"]:
        before = inside["before"].get("audio", {}).get("underflows", 0.0)
        single["underflows"] = inside["outputs"]["audio"]["underflows"] - before
    timed = {name: analysis.percentiles(values[counts]) for name, values in stages.items()}
    timed["sound"] = analysis.percentiles(delays)  # from the tick that has it, which is when it is handed over
    raw = {
        "steps": inner.count if inner else 0,
        "samples": {"sent": int(counts.sum()), "received": int(np.isfinite(age).sum())},
        "unrecognised": int((in_tick < 0).sum()),
        "counters": {"ticks": ticks, "source": inside["source"], "outputs": inside["outputs"], "lost": inside["lost"]},
        "work_per_tick": inside["duration"],
        "due": round((end - begin) / inside["tick_s"]),
    }
    return {
        "datagram": analysis.percentiles(age),
        "sound": analysis.percentiles(sound),
        "sound_how": how,
        "jitter": inside["lateness"],
        "stages": timed,
        "shares": shares({"analysis": 1e3 * designed, **_means(timed)}),
        "delay_ms": 1e3 * designed,
        "single": single,
        "raw": raw,
    }


def _means(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {name: each["mean_ms"] for name, each in found.items() if "mean_ms" in each}


def shares(means: Mapping[str, float]) -> dict[str, float]:
    """Return what part of the whole way each stage takes, percent.  Means add up, percentiles do not."""
    whole = sum(means.values())
    return {name: 100 * mean / whole for name, mean in means.items()} if whole > 0 else {}


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _range(pushed: Any, begin: float, end: float) -> tuple[int, int]:
    first, last = np.searchsorted(pushed, [begin, end]).tolist()
    return first, max(first, min(last, len(pushed)) - 1)


def _sound(measured: Mapping[str, Any], age: Any) -> tuple[Any, Any, str]:
    """Return ages of samples when they were heard, seconds from the switch to the ear, and how that is known."""
    inside = measured["inside"]
    audio = inside["outputs"].get("audio")
    if audio is None:
        return np.zeros(0), np.zeros(0), f"not measured: {inside['lost'].get('audio', 'there is no sound output')}"
    gates = [(when, opened) for when, opened, _ in inside["gates"]]
    delays = analysis.heard(gates, measured["loudness"], measured["origin"], SAMPLERATE)
    if len(delays):
        said = f"found {len(delays)} of {len(gates)} switches of the sound by alpha in the monitor's recording"
        return analysis.sums(age[np.isfinite(age)], delays), delays, f"{said} (its own buffer of some 5 ms is in it)"
    why = measured["why"] or "the monitor of the default output does not hear this sound"
    block = audio["frames"] / audio["samplerate"]
    waits = np.linspace(0.0, block, 51) + audio["latency_s"]  # until the next block is asked for, until it is played
    return (
        analysis.sums(age[np.isfinite(age)], waits),
        waits,
        f"reckoned from the latency that PortAudio reports: {why}",
    )


def _answers(gates: Any, steps: Any) -> Any:
    """Return the seconds from each step to the switch that it caused."""
    switched = np.array([when for when, _, _ in gates])
    at = np.searchsorted(steps, switched) - 1
    return (switched - steps[at])[at >= 0] if len(steps) else np.zeros(0)


def _first_sound(measured: Mapping[str, Any]) -> float | None:
    loudness = measured["loudness"]
    at = round((measured["started"] - measured["origin"]) * SAMPLERATE)
    if not len(loudness) or at < 0 or "audio" not in measured["inside"]["outputs"]:
        return None
    loud = np.flatnonzero(loudness[at:] > 1e-4)
    return float(loud[0]) / SAMPLERATE if len(loud) else None

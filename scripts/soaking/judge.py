"""What a day on the virtual clock came to in; verdicts, one for each promise, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from soaking.measure import Look, Verdict, leaks, memory

_WARM = 12  # a share of the day: before that, what is loaded on first use comes
_BRIEF_H = 0.2  # the headset goes away every ten minutes
_LONG_H = 2.0  # a shorter day is no day: hours cannot be compared, and the pace before leans into the end


def day(found: Mapping[str, Any]) -> list[Verdict]:
    """Judge all of it."""
    return [*_held(found), *_counted(found), *_timed(found), *_heard(found)]


def _held(found: Mapping[str, Any]) -> list[Verdict]:
    looks = [Look(*each) for each in found["looks"]]
    warm = looks[len(looks) // _WARM :]
    objects = found["objects"][len(looks) // _WARM :]
    before, after = np.median(objects[: len(objects) // 4 or 1]), np.median(objects[-(len(objects) // 4 or 1) :])
    return [
        *memory(warm, _LONG_H * 3000),
        *leaks(warm),
        Verdict(
            "objects that Python holds",
            "grow by < 1 %",
            f"{before:.0f} → {after:.0f} ({100 * (after / before - 1):+.2f} %)",
            bool(after < 1.01 * before + 500),
        ),
    ]


def _counted(found: Mapping[str, Any]) -> list[Verdict]:
    counters, ticks = found["counters"], found["ticks"]
    wrong = {name: counters[name] for name in ("gaps", "lost", "filled", "backward", "duplicates", "nonfinite")}
    wrong["clock_steps"] = counters["clock_steps"]
    kept = counters["samples"] == found["delivered"]
    back = counters["reconnects"] == found["births"] - 1 == counters["restarts"]
    brief = found["hours"] < _BRIEF_H
    lost = {name: found["engine"][name] for name in ("notes_lost", "controls_lost", "frames_repaired")}
    frames = found["frames"], found["frames_due"]
    beat = ticks - 1 - 1.1 / 0.02 <= found["heartbeat"] <= ticks - 1
    swapped = found["swaps"] >= 0.95 * found["asked"] and not found["faults"] and not found["failures"]
    return [
        Verdict("samples", "each counted once", f"{counters['samples']:,} of {found['delivered']:,}", kept),
        Verdict(
            "repairs to a headset 200 ppm off",
            "none",
            ", ".join(f"{name} {n:g}" for name, n in wrong.items() if n) or "none",
            not any(wrong.values()),
        ),
        Verdict(
            "headset gone and back",
            "each counted",
            f"{counters['reconnects']:g} times" if counters["reconnects"] or not brief else "too short: it never went",
            back and (counters["reconnects"] > 0 or brief),
        ),
        Verdict(
            "ticks",
            "number and time exact, every one",
            f"{ticks:,}; {found['wrong_times']} wrong; the last at {found['time']!r} s",
            not found["wrong_times"] and found["number"] == ticks - 1,
        ),
        Verdict("heartbeat over OSC", "the newest tick", f"{found['heartbeat']:,}", bool(beat)),
        Verdict("frames of the card", "exact beyond 2³²", f"{frames[0]:,}", frames[0] == frames[1] > 2**32),
        Verdict(
            "queues of the synth",
            "nothing lost, nothing piles up",
            f"at most {found['events_waiting']} notes wait; {', '.join(f'{k} {v:g}' for k, v in lost.items())}",
            found["events_waiting"] < 128 and not any(lost.values()),
        ),
        Verdict(
            "mappers swapped",
            "all, no fault",
            f"{found['swaps']} of {found['asked']}, {found['faults']} faults, {found['failures']} failed outputs",
            bool(swapped),
        ),
    ]


def _timed(found: Mapping[str, Any]) -> list[Verdict]:
    late = [1e3 * hour[1] for hour in found["card"][1:] if hour]  # in the first the card is still being learned
    drift = late[-1] - late[0] if late else float("nan")
    spread = 1e3 * max((hour[2] - hour[0] for hour in found["card"][1:] if hour), default=float("nan"))
    allowed = 1e-6 if found["hours"] >= _LONG_H else 1e-3
    return [
        Verdict(
            "time of the newest sample",
            "within 1 ms of the truth",
            f"furthest {1e3 * found['worst_clock_s']:.2f} ms; age at most {1e3 * found['worst_age_s']:.1f} ms",
            found["worst_clock_s"] < 1e-3 and found["worst_age_s"] < 0.025,
        ),
        Verdict(
            "note onsets at the end",
            f"on an even grid, to {1e6 * allowed:g} µs",
            f"{found['onsets']} notes {found['pace_s']:.9f} s apart, furthest off {1e6 * found['grid_error_s']:.3f} µs",
            bool(found["grid_error_s"] < allowed and abs(found["pace_s"] * 3 - 1) < allowed and found["onsets"] > 30),
        ),
        Verdict(
            "notes handed over",
            "none late, none early",
            f"{found['notes']:,} notes, {found['notes_out_of_time']} out of time, {found['score_late']} late",
            not found["notes_out_of_time"] and not found["score_late"],
        ),
        Verdict(
            "notes on a card 200 ppm off",
            "no drift: < 0.5 ms",
            f"{late[0]:.2f} ms after their time in the second hour, {drift:+.3f} in the last; 80 % within {spread:.2f}",
            bool(abs(drift) < 0.5 and spread < 5.4),
            values={"late_ms": late},
        ),
    ]


def _heard(found: Mapping[str, Any]) -> list[Verdict]:
    alpha, raw = _whole(found["alpha"]), [[10**power for power in hour] for hour in _whole(found["raw"])]
    level = abs(raw[-1][1] / raw[1][1] - 1)
    apart = abs(alpha[-1][1] - alpha[1][1])
    span = alpha[-1][2] - alpha[-1][0]
    sound = found["sound"]
    return [
        Verdict(
            "alpha of the same minute",
            "the same in the last hour: within 2 %",
            f"median {raw[1][1]:.4f} → {raw[-1][1]:.4f} µV² ({100 * level:.2f} %)",
            bool(level < 0.02 or found["hours"] < _LONG_H),
        ),
        Verdict(
            "its adaptive range",
            "as wide, in the same place",
            f"10, 50, 90 %: {_three(alpha[1])} → {_three(alpha[-1])}",
            bool((apart < 0.1 or found["hours"] < _LONG_H) and span > 0.3 and 0.02 < alpha[-1][1] < 0.98),
        ),
        Verdict(
            "sound",
            "finite, never beyond full level",
            f"loudest {sound['loudest']:.2f}",
            bool(sound["finite"] and 0.01 < sound["loudest"] <= 1.0),
        ),
    ]


def _three(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def _whole(hours: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    return [hour for hour in hours if hour]

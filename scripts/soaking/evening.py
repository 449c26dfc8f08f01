"""What was noted of an evening on the wall clock in; verdicts, one for each promise, out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from soaking.ears import Array, delays
from soaking.measure import Verdict, growth, leaks, memory

if TYPE_CHECKING:
    from soaking.wall import Evening

TICK = 0.02
WARM_S = 270.0  # or nearly half of the whole: by then all is loaded, and the three minutes that are remembered are full
LONG_S = 240.0
BRIEF_S = 60.0  # in less there may be no time to go away and come back
ASKED_MISSED = 1e-5
_BLOCK_MS = 5.4  # of the sound


def judge(found: Evening) -> list[Verdict]:
    """Judge all of it."""
    warm = [each for each in found.looks if each.time > min(WARM_S, 0.45 * found.seconds)]
    return [*memory(warm, LONG_S), *leaks(warm), *_behaved(found), *_in_time(found), *_quick(found)]


def _behaved(found: Evening) -> list[Verdict]:
    status, busy, recorded = found.status, found.busy, found.recorded
    traces = [line for line in found.said if "Traceback" in line or " ERROR " in line]
    audio = status.get("outputs", {}).get("audio", {})
    osc = {name: n for name, n in status.get("outputs", {}).get("osc", {}).items() if name.startswith("errors")}
    lost = {name: audio.get(name, math.nan) for name in ("notes_lost", "controls_lost", "failed")}
    reborn, failed = status.get("source_counters", {}).get("reconnects", -1), status.get("ticks", {}).get("failed", -1)
    away = int(recorded.get("lost", -1))
    asked = sum(busy.done.values()) + sum(busy.failed.values())
    said = (
        f"{asked} of {len(busy.done)} kinds, {sum(busy.failed.values())} failed, {busy.refused} refused with a reason"
    )
    if busy.failed:
        said += f": {'; '.join(f'{what} ({n})' for what, n in busy.failed.most_common(3))}"
    return [
        Verdict("requests: swaps, scenes, page, metrics …", "all answered", said, not busy.failed),
        Verdict(
            "headset gone and back",
            "each time",
            f"{reborn:g} times, sent away {busy.births}"
            if busy.births
            else "too short to judge: it was never sent away",
            reborn >= busy.births and (busy.births > 0 or found.seconds < BRIEF_S),
        ),
        Verdict(
            "ticks that raised, tracebacks, errors in the log",
            "none",
            f"{failed:g}, {len(traces)}",
            failed == 0 and not traces,
        ),
        Verdict(
            "queues of the sound, OSC",
            "nothing lost",
            f"{', '.join(f'{k} {v:g}' for k, v in lost.items())}; OSC errors {sum(osc.values()):g}",
            not any(lost.values()) and not any(osc.values()),
        ),
        Verdict(
            "recording",
            "nothing lost, times rise",
            f"{sum(found.recording.values()):,} samples in {len(found.recording)} streams, {away} lost",
            away == 0 and found.times_in_order and not recorded.get("trouble"),
        ),
        Verdict("order of ticks over OSC", "rising", *_order(found)),
        Verdict(
            "end",
            "exit code 0, no run file left",
            f"code {found.exit_code} after {found.stop_s:.1f} s, {found.files_left} left",
            found.exit_code == 0 and not found.files_left,
        ),
    ]


def _order(found: Evening) -> tuple[str, bool]:
    steps = np.diff(found.numbers)
    return f"{len(found.numbers):,} heartbeats, {int((steps <= 0).sum())} out of order", bool((steps > 0).all())


def _in_time(found: Evening) -> list[Verdict]:
    drift, worst = tick_drift(found.ticks)
    sent = [delays(found.note_arrivals, _within(found.played, span)) for span in found.spans]
    heard = [
        delays(onsets, _within(found.played, span), least=-0.02)
        for onsets, span in zip(found.heard, found.spans, strict=True)
    ]
    gaps = found.status.get("outputs", {}).get("audio", {}).get("underflows", 0)  # each moves all that comes behind it
    rows = [
        Verdict(
            "tick against the monotonic clock",
            "no drift: < 1 ms",
            f"{1e3 * drift:+.3f} ms over {found.seconds:.0f} s; a datagram up to {1e3 * worst:.1f} ms late",
            abs(drift) < 1e-3,
        )
    ]
    for name, pair, most in (("received over OSC", sent, 1.0), ("heard", heard, _BLOCK_MS + 1.0)):
        counts = [len(_within(found.played, span)) for span in found.spans]
        if min(map(len, pair)) < 8:
            said = f"only {', '.join(str(len(each)) for each in pair)} of {counts} notes were {name}"
            rows.append(Verdict(f"notes {name}", "all", said, False, timing=name == "heard" and gaps > 0))
            continue
        before, after = (1e3 * float(np.median(each)) for each in pair)
        spread = 1e3 * float(np.median(np.abs(pair[1] - np.median(pair[1]))))
        share = min(len(each) / count for each, count in zip(pair, counts, strict=True))
        rows.append(
            Verdict(
                f"notes {name}, beside the score's times",
                f"as at first, to {most:g} ms",
                f"{before:.2f} ms after them at first, {after:.2f} at the end (± {spread:.2f}); {share:.0%} of "
                f"{', '.join(map(str, counts))}",
                abs(after - before) < most and share > 0.9,
                timing=name == "heard" and gaps > 0,
                values={"before_ms": before, "after_ms": after},
            )
        )
    return rows


def _within(times: Array, span: tuple[float, float]) -> Array:
    return times[(times > span[0]) & (times < span[1])]


def tick_drift(arrivals: Array) -> tuple[float, float]:
    """Return by how much the ticks' phase moved over the whole time, and the latest datagram after its tick, s.

    The earliest of each stretch count: a datagram may be late, but never early.
    """
    if len(arrivals) < 100:
        return 0.0, 0.0
    phase = (arrivals - arrivals[0] + TICK / 2) % TICK
    late = (phase - np.median(phase) + TICK / 2) % TICK - TICK / 2
    stretches = np.array_split(np.arange(len(arrivals)), 20)
    earliest = np.array([np.percentile(late[s], 5) for s in stretches])
    rise, _ = growth((float(arrivals[s].mean()) for s in stretches), earliest)
    return rise, float(late.max() - earliest.min())


def _moments(found: Evening) -> str:
    """Tell when ticks were missing, and what had been asked just before."""
    told = []
    for at in found.ticks[1:][np.diff(found.ticks) > 1.75 * TICK]:
        before = [(at - when, what) for when, what in found.busy.asked if 0 <= at - when < 1.0]
        after = f" ({before[-1][0]:.2f} s after {before[-1][1]})" if before else ""
        told.append(f"{at - found.ticks[0]:.1f} s{after}")
    return f", at {', '.join(told[:5])}{' …' if len(told) > 5 else ''}" if told else ""


def _quick(found: Evening) -> list[Verdict]:
    ticks, latency = found.status.get("ticks", {}), found.status.get("latency", {})
    audio = found.status.get("outputs", {}).get("audio", {})
    missed, every = ticks.get("missed", math.nan), ticks.get("ticks", math.nan)
    share = missed / max(every, 1)
    under, reopened = audio.get("underflows", math.nan), audio.get("reopened", math.nan)
    p99 = latency.get("p99_ms", math.nan)
    return [
        Verdict(
            "missed ticks",
            "< 1 in 100,000",
            f"{missed:g} of {every:,.0f} ({ticks.get('late', 0):g} late){_moments(found)}; "
            f"{found.asleep} by a program that only sleeps; load {found.load:.1f}",
            share < ASKED_MISSED,
            timing=True,
        ),
        Verdict("newest sample → outputs, 99 %", "< tick + 3 ms", f"{p99:.1f} ms", p99 < 23.0, timing=True),
        Verdict(
            "gaps in the sound",
            "none",
            f"{under:g}; the device was opened again {reopened:g} times",
            under == reopened == 0,
            timing=True,
        ),
    ]

"""What a source says about itself in; the same fit for people and memory out, or what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import replace

from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.api import StreamInfo, Unfit

MOST_HZ = 20_000.0  # the kernels of a second take half a minute to design there, and the time grows with the square
MOST_CHANNELS = 2_048  # a tick's analysis takes longer than a tick beyond
SETTLE_S, WATCH_S = 2.0, 10.0  # so long after the beginning the arrivals are counted, for so long
OFF = 0.05  # nearer than this to the stated rate the line through the time stamps follows
PAUSE = 0.02  # a pause of a larger share of the watch is no even flow


def plain(text: str) -> str:
    """Return a name on one line: without line breaks, escape sequences and the like, which terminals obey."""
    return text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())


def sound(info: StreamInfo, source: str) -> StreamInfo:
    """Return `info` with names that can be shown; raises Unfit where nobody can work with it."""
    rate = info.samplerate
    if not (math.isfinite(rate) and rate > 0):
        raise Unfit(f"source '{source}' states a rate of {rate} Hz; it must be above 0")
    refuse_haste(rate, source)
    named = replace(info, name=plain(info.name))
    if all(channel.isprintable() for channel in info.channels):
        return named
    return replace(named, channels=labels.unique([plain(channel) for channel in info.channels]))


def refuse_haste(rate: float, source: str) -> None:
    """Raise Unfit for a stated rate that there is no time and no memory for: before anybody makes room for it."""
    if rate > MOST_HZ:
        raise Unfit(f"source '{source}' states a rate of {rate:g} Hz; {MOST_HZ:g} Hz is the most: set a lower one")


def refuse_crowd(count: int, source: str) -> None:
    """Raise Unfit where more channels are listened to than a tick has time for."""
    if count > MOST_CHANNELS:
        raise Unfit(
            f"source '{source}' has {count} channels; {MOST_CHANNELS} is the most: choose some with features.channels"
        )


def another(old: StreamInfo | None, new: StreamInfo) -> str:
    """Return that `new` is another device than `old`, as words to append; "" where it is not, or nobody knows."""
    if old is None or not old.uid or not new.uid or old.uid == new.uid:
        return ""
    return f", another device than before ('{plain(new.uid)}', not '{plain(old.uid)}')"


class Pace:
    """Counts what really arrives in a second, once after each opening; the acquisition thread only."""

    def __init__(self, samplerate: float, now: float) -> None:
        self._rate, self._begin = samplerate, now + SETTLE_S
        self._first = self._last = -math.inf
        self._count = 0
        self._over = False

    def took(self, count: int, now: float) -> str:
        """Take `count` samples (lost ones included) that arrived at `now`; return what is wrong, if that is clear."""
        if self._over or now < self._begin:
            return ""
        if now - self._last > PAUSE * WATCH_S:  # no even flow: from here anew
            self._first, self._count = now, 0
        else:
            self._count += count
        self._last = now
        if now - self._first < WATCH_S:
            return ""
        self._over = True
        found = self._count / (now - self._first)
        share = found / self._rate
        if abs(share - 1) <= OFF:
            return ""
        says = f"states {self._rate:g} Hz, but {found:.0f} samples a second arrive: "
        says += f"either {1 - share:.0%} of them are lost on the way, or " if share < 1 else ""
        return f"{says}10 Hz are taken for {10 / share:.1f} Hz until the rate is set right in its program"

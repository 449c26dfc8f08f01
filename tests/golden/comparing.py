"""What is kept and what was taken in; what differs first, in words, out: nothing where nothing does."""

from __future__ import annotations

from typing import TypeVar

from tests.golden.fingerprint import CENTRES_HZ, Exact, Fingerprint
from tests.golden.taking import TICK_S

T = TypeVar("T")

COMMAND = 'scripts/golden --update "why"'
_PER_SECOND = round(1 / TICK_S)
_ABSOLUTE, _SHARE = 0.01, 0.02  # of a mean, between two machines
_COUNT, _COUNT_SHARE = 2, 0.1  # of messages in a second
_AUDIBLE_DB, _HEARD_DB = 1.0, -70.0  # between two machines; what is below is not heard beside the rest


def exactly(name: str, kept: Exact, now: Exact, before: Fingerprint, after: Fingerprint) -> str:
    """Return how a session differs on a machine of the same kind."""
    said = []
    if now.osc != kept.osc:
        said.append(_messages(kept, now, before, after))
    if now.sound != kept.sound:
        said.append(_sound(kept, now, before, after))
    return _told(name, said)


def nearly(name: str, kept: Fingerprint, now: Fingerprint) -> str:
    """Return how a session differs on another kind of machine, beyond what its arithmetic may change."""
    said = []
    for address in sorted({*kept.counts, *now.counts}):
        if address not in now.counts or address not in kept.counts:
            said.append(f"{address} is {'new' if address not in kept.counts else 'no longer sent'}")
            continue
        for second, (a, b) in enumerate(zip(kept.counts[address], now.counts[address], strict=False)):
            if abs(a - b) > _COUNT + _COUNT_SHARE * a:
                said.append(f"{address} comes {b} times in second {second}, {a} times before")
                break
        for second, (x, y) in enumerate(zip(kept.means[address], now.means[address], strict=False)):
            if abs(x - y) > _ABSOLUTE + _SHARE * abs(x) and kept.counts[address][second] > _COUNT:
                said.append(f"{address}: {_mean(second, x, y)}")
                break
    said = said[:5]
    size, second, hz, louder = _loudest_change(kept, now)
    if size > _AUDIBLE_DB:
        said.append(f"the sound: {louder:+.1f} dB around {hz} Hz in second {second}")
    return _told(name, said)


def _told(name: str, said: list[str]) -> str:
    if not said:
        return ""
    return f"session '{name}' is no longer what it was:\n  " + "\n  ".join(said) + f"\nIf that is meant: {COMMAND}"


def _messages(kept: Exact, now: Exact, before: Fingerprint, after: Fingerprint) -> str:
    """Name the first tick that differs, and there the address whose change is largest."""
    first = next((i for i, (a, b) in enumerate(zip(kept.ticks, now.ticks, strict=False)) if a != b), None)
    if first is None:
        return f"OSC: {len(now.ticks)} ticks instead of {len(kept.ticks)}, else the same"
    second = min(first // _PER_SECOND, len(next(iter(before.means.values()), (0,))) - 1)
    every = sorted({*kept.addresses, *now.addresses})
    changed = [a for a in every if kept.addresses.get(a) != now.addresses.get(a)]
    here = [a for a in changed if _at(kept.addresses.get(a), second) != _at(now.addresses.get(a), second)]

    def size(address: str) -> float:
        x, y = (_at(each.means.get(address), second) or 0.0 for each in (before, after))
        return abs(y - x) / max(abs(x), 1e-3)

    where = f"OSC: first at tick {first} ({first * TICK_S:.2f} s)"
    if not here:
        return f"{where}: the same messages, in another order"
    worst = max(here, key=size)
    x, y = (_at(each.means.get(worst), second) for each in (before, after))
    about = "is new" if x is None else "is no longer sent"
    if x is not None and y is not None:
        about = _mean(second, x, y)
    return f"{where}: {worst} {about}; {len(here)} of {len(every)} addresses there, {len(changed)} in all"


def _mean(second: int, before: float, after: float) -> str:
    change = after - before
    size = f"by {change:+.4g}" if change else "by less than can be seen in 4 digits"
    return f"mean of second {second}: {before:g} → {after:g}, {size}"


def _sound(kept: Exact, now: Exact, before: Fingerprint, after: Fingerprint) -> str:
    first = next((i for i, (a, b) in enumerate(zip(kept.blocks, now.blocks, strict=False)) if a != b), None)
    if first is None:
        return f"sound: {len(now.blocks)} blocks instead of {len(kept.blocks)}, else the same"
    size, second, hz, louder = _loudest_change(before, after)
    about = f"at most {louder:+.1f} dB, around {hz} Hz in second {second}" if size else "levels as before, to 0.1 dB"
    return f"sound: first at tick {first} ({first * TICK_S:.2f} s); {about}"


def _loudest_change(kept: Fingerprint, now: Fingerprint) -> tuple[float, int, int, float]:
    """Return the largest change of level, its second, its octave, and its sign with it; what is not heard left out."""
    worst = (0.0, 0, CENTRES_HZ[0], 0.0)
    for second, (x, y) in enumerate(zip(kept.bands, now.bands, strict=False)):
        for hz, a, b in zip(CENTRES_HZ, x, y, strict=True):
            change = max(b, _HEARD_DB) - max(a, _HEARD_DB)
            if abs(change) > worst[0] + 1e-9:
                worst = (round(abs(change), 1), second, hz, round(change, 1))
    return worst


def _at(row: tuple[T, ...] | None, second: int) -> T | None:
    return row[second] if row is not None and second < len(row) else None

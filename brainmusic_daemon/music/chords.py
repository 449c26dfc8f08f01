"""A scale, a degree and a size in, a chord out, led from the chord before with as little movement as there can be."""

from __future__ import annotations

from collections.abc import Sequence

from brainmusic_daemon.music.scales import Scale, pitch_of

STACK = (0, 2, 4, 6, 8, 10)  # thirds upon each other: triad, seventh, ninth, eleventh


def tones(scale: Scale, degree: int, size: int) -> tuple[int, ...]:
    """Return the semitones above the root of the scale of a chord of `size` tones on a degree, from below."""
    return tuple(pitch_of(scale, degree + step) for step in STACK[:size])


def size_for(complexity: float, low: int, high: int) -> int:
    """Return how many tones the chords have: more with complexity."""
    return low + min(int(complexity * (high - low + 1)), high - low)


def place(pitches: Sequence[int], low: int, high: int) -> tuple[int, ...]:
    """Return the first chord of a piece: its tones from `low` upwards, each the nearest above the one before."""
    found: list[int] = []
    floor = low
    for pitch in pitches:
        at = floor + (pitch - floor) % 12
        if at > high:
            at = low + (pitch - low) % 12
        found.append(at)
        floor = at + 1
    return tuple(sorted(found))


def lead(before: Sequence[int], pitches: Sequence[int], low: int, high: int) -> tuple[int, ...]:
    """Return the chord `pitches` in the octaves nearest to `before`: every tone of the chord once, within low..high.

    The order of the tones is kept cyclic, so voices don't cross: of all rotations of the chord against the voices,
    the one that moves least in sum (Tymoczko, "The Geometry of Musical Chords", Science 313, 2006).
    """
    if not before:
        return place(pitches, low, high)
    classes = sorted({pitch % 12 for pitch in pitches})
    voices = _resized(sorted(before), len(classes))
    best: tuple[int, tuple[int, ...]] | None = None
    for turn in range(len(classes)):
        led = []
        for voice, target in zip(voices, classes[turn:] + classes[:turn], strict=True):
            at = voice + (target - voice + 6) % 12 - 6
            while at < low:
                at += 12
            while at > high:
                at -= 12
            led.append(at)
        cost = sum(abs(a - b) for a, b in zip(led, voices, strict=True)) + 24 * (len(led) - len({*led}))
        if best is None or cost < best[0]:
            best = (cost, tuple(sorted(led)))
    assert best is not None
    return best[1]


def opened(chord: Sequence[int]) -> tuple[int, ...]:
    """Return a close chord with every second tone an octave higher: wide, and without seconds in the depth."""
    return tuple(sorted(pitch + 12 * (number % 2) for number, pitch in enumerate(chord)))


def _resized(voices: Sequence[int], size: int) -> list[int]:
    """Return as many voices as wanted: the highest ones leave; who joins begins a third above the top."""
    found = [*voices[:size]]
    while len(found) < size:
        found.append(found[-1] + 3)
    return found


def fold(pitch: float, low: float, high: float) -> float:
    """Return the pitch in the octave that lies in low..high, the lowest such; high - low is an octave or more."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch

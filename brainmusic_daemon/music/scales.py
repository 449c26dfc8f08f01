"""Names in, scales out, and the ladder from dark to bright that the control `mode` climbs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

Scale = tuple[int, ...]

SCALES: Mapping[str, Scale] = {  # semitones above the root
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic_minor": (0, 2, 3, 5, 7, 9, 11),
    "hirajoshi": (0, 2, 3, 7, 8),
    "in_sen": (0, 1, 5, 7, 10),
    "minor_pentatonic": (0, 3, 5, 7, 10),
    "egyptian": (0, 2, 5, 7, 10),
    "yo": (0, 2, 5, 7, 9),
    "major_pentatonic": (0, 2, 4, 7, 9),
    "whole_tone": (0, 2, 4, 6, 8, 10),
}


def brightness(scale: Scale) -> float:
    """Return the mean place of a scale's tones on the line of fifths from its root: flats darken, sharps brighten.

    Persichetti orders the modes so ("Twentieth-Century Harmony", 1961); it holds for scales of any size.
    """
    flat_fifth = 5 in scale  # beside a fourth the tritone is a fifth lowered, else a fourth raised
    fifths = [-6 if tone == 6 and flat_fifth else (tone * 7 + 5) % 12 - 5 for tone in scale]
    return sum(fifths) / len(scale)


def ladder_problem(names: Sequence[str]) -> str:
    """Return what is wrong with a ladder of known scales; empty: every rung is brighter than the one below."""
    for lower, upper in itertools.pairwise(names):
        if len(SCALES[lower]) != len(SCALES[upper]):
            sizes = f"'{lower}' has {len(SCALES[lower])} tones and '{upper}' {len(SCALES[upper])}"
            return f"{sizes}: choose scales of one size"
        if not brightness(SCALES[lower]) < brightness(SCALES[upper]):
            return f"'{upper}' is not brighter than '{lower}': write the scales from dark to bright"
    return ""


def pitch_of(scale: Scale, step: int) -> int:
    """Return the semitones above the root of a scale step; step 7 of a scale of seven is the octave."""
    octave, place = divmod(step, len(scale))
    return 12 * octave + scale[place]


def rung_like(names: Sequence[str], before: Sequence[str], rung_before: int) -> int:
    """Return the rung of a ladder that goes on from a rung of another: the same scale, else the one as far up."""
    if before[rung_before] in names:
        return names.index(before[rung_before])
    share = rung_before / (len(before) - 1) if len(before) > 1 else 0.5
    return round(share * (len(names) - 1))


def rung(mode: float, count: int, now: int) -> int:
    """Return the rung for `mode` (0..1): at most one from where it is, and not before the middle is well passed."""
    wanted = mode * (count - 1)
    if abs(wanted - now) < 0.65:  # half way is 0.5: the rest is hysteresis, so that a mode does not flutter
        return now
    return now + int(math.copysign(1, wanted - now))

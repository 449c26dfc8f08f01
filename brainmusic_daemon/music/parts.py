"""A step of the rhythm and the harmony in, the pitches of one part out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from brainmusic_daemon.music import chords, rhythm, scales
from brainmusic_daemon.music.dice import throw
from brainmusic_daemon.music.preset import Layer


@dataclass(slots=True)
class Harmony:
    """What the piece stands in now."""

    root: int  # MIDI, of the tonal centre
    scale: scales.Scale
    degree: int
    size: int
    number: int  # chords so far
    beats: float  # how long it will last

    def tones(self) -> tuple[int, ...]:
        """Return the chord's pitches above the tonal centre's octave, from below."""
        return tuple(self.root + tone for tone in chords.tones(self.scale, self.degree, self.size))


@dataclass(slots=True)
class Part:
    """One layer at work: where it is in its rhythm, and what it played last."""

    layer: Layer
    beats: int  # in a bar
    key: tuple[int, int]  # seed, number of the part
    step: int = 0  # the next one, counted from the begin
    hits: int = 0
    run: int = 0  # notes of the arpeggio so far
    place: int = 0  # of the melody, in steps of the scale above the root
    _walked: int = -(1 << 30)  # step at which the present figure began
    voicing: tuple[int, ...] = ()  # as it is played
    _close: tuple[int, ...] = ()  # as it is led
    chord_number: int = field(default=-1)

    def next_beat(self) -> float:
        """Return when the next step is, in beats from the begin."""
        late = self.layer.swing if self.step % 2 else 0.0
        return (self.step + late) * self.beats / self.layer.steps

    def dice(self, what: int, *key: int) -> float:
        return throw(*self.key, what, *key)

    def is_hit(self, density: float, presence: float) -> bool:
        """Tell whether the step that has come is played; how many are is settled anew at every bar."""
        layer = self.layer
        place = self.step % layer.steps
        if place == 0:
            self.hits = rhythm.hits_for(density, *layer.density, layer.steps)
        pattern = rhythm.euclid if layer.rhythm == "euclid" else rhythm.metric
        if not pattern(self.hits, layer.steps)[(place + layer.turn) % layer.steps]:
            return False
        return self.dice(0, self.step) < layer.chance * (0.2 + 0.8 * presence)

    def take_over(self, others: Sequence[Part]) -> None:
        """Lead the first chord from where a part of the piece before stood: one of the same kind, if there is one."""
        led = [other for other in others if other._close]
        alike = [other for other in led if other.layer.plays == self.layer.plays]
        if led:
            self._close = (alike or led)[0]._close

    def follow(self, harmony: Harmony) -> bool:
        """Lead the part's chord to the present harmony; return whether that is new."""
        if harmony.number == self.chord_number:
            return False
        low, high = (round(pitch) for pitch in self.layer.range)
        self._close = chords.lead(self._close, harmony.tones(), low, high - 12 if self.layer.open else high)
        self.voicing = chords.opened(self._close) if self.layer.open else self._close
        self.chord_number = harmony.number
        return True

    def pitches(self, harmony: Harmony) -> tuple[int, ...]:
        """Return what is played on this step; empty: nothing."""
        layer = self.layer
        new = self.follow(harmony)
        if layer.plays == "pad":
            return self.voicing if new else ()
        if layer.plays == "chord":
            return self.voicing
        if layer.plays == "bass":
            return (self._bass(harmony),)
        if layer.plays == "arpeggio":
            return (self._arpeggio(),)
        return self._melody(harmony)

    def accent(self) -> float:
        """Return the velocity of this step: strong steps are louder, and no two are quite alike."""
        low, high = self.layer.velocity
        strong = rhythm.weight(self.step % self.layer.steps, self.layer.steps)
        strong = 0.75 * strong + 0.25 * self.dice(1, self.step)
        return low + (high - low) * strong

    def pan(self, pitch: int) -> float:
        """Return where a pitch lies, -1 … 1: the same pitch at the same place, neighbours apart."""
        golden = (pitch * 0.618034 + 0.37 * self.key[1]) % 1.0
        return self.layer.spread * (2.0 * golden - 1.0)

    def _bass(self, harmony: Harmony) -> int:
        low, high = self.layer.range
        tones = harmony.tones()
        fifth = self.step % self.layer.steps != 0 and len(tones) > 2 and self.dice(2, self._figure()) < 0.35
        return int(chords.fold(tones[2 if fifth else 0], low, high))

    def _arpeggio(self) -> int:
        """Run through the voicing and its octaves that the range has room for."""
        layer = self.layer
        ladder = [
            p + 12 * k for k in range(-4, 5) for p in self.voicing if layer.range[0] <= p + 12 * k <= layer.range[1]
        ]
        ladder = sorted({*ladder})
        count = len(ladder)
        if layer.order == "random":
            if self.step - self._walked >= layer.steps * layer.repeat:  # a figure begins
                self._walked = self.step // (layer.steps * layer.repeat) * layer.steps * layer.repeat
                self.run = int(self.dice(3, self._figure()) * count)
            move = (-4, -3, -2, -1, 1, 2, 3, 4)[int(self.dice(7, self._figure()) * 8)]
            at = self.run + move
            at = at if 0 <= at < count else self.run - move  # turn back at the ends
            self.run = at = min(max(at, 0), count - 1)
            return ladder[at]
        if layer.order == "updown" and count > 1:
            at = self.run % (2 * count - 2)
            at = min(at, 2 * count - 2 - at)
        else:
            at = self.run % count
        self.run += 1
        return ladder[count - 1 - at if layer.order == "down" else at]

    def _melody(self, harmony: Harmony) -> tuple[int, ...]:
        """Walk on the scale in figures that come back; strong steps stand on tones of the chord."""
        layer = self.layer
        figure = self._figure()
        bar = self.step // layer.steps
        if self.dice(4, bar // layer.repeat // layer.times, bar % layer.repeat) < layer.rest:
            return ()
        low, high = layer.range
        base = harmony.root + 12 * math.floor((0.5 * (low + high) - harmony.root) / 12)
        if self.step % (layer.steps * layer.repeat) == 0:
            self.place = int(self.dice(5, figure) * len(harmony.scale))
        move = (-2, -1, -1, 1, 1, 2, 0, 3)[int(self.dice(6, figure) * 8)]
        place = self.place + move
        if rhythm.weight(self.step % layer.steps, layer.steps) >= 0.6:
            place = nearest(place, harmony)
        pitch = base + scales.pitch_of(harmony.scale, place)
        if not low <= pitch <= high:
            place -= (2 if pitch > high else -2) * abs(move or 1)
            pitch = base + scales.pitch_of(harmony.scale, place)
        self.place = place
        return (int(chords.fold(pitch, low, high)),)

    def _figure(self) -> int:
        """Return a number that is the same at the same step of a figure that comes back."""
        layer = self.layer
        bar, step = divmod(self.step, layer.steps)
        age = bar // (layer.repeat * layer.times)
        return (age * layer.repeat + bar % layer.repeat) * layer.steps + step


def nearest(place: int, harmony: Harmony) -> int:
    """Return the scale step nearest to `place` that belongs to the chord."""
    count = len(harmony.scale)
    classes = {(harmony.degree + step) % count for step in chords.STACK[: min(harmony.size, 4)]}
    return min((place + d for d in (0, -1, 1, -2, 2, -3, 3) if (place + d) % count in classes), default=place)


def chosen(progression: Sequence[int], number: int, wander: float, seed: int) -> int:
    """Return the degree of a chord."""
    usual = progression[number % len(progression)]
    if number and throw(seed, 101, number) < wander:
        return progression[int(throw(seed, 102, number) * len(progression))]
    return usual

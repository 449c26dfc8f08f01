"""Session time and controls in, the notes that begin a little later out: deterministic, seeded, no sound in it.

A note is handed over `lookahead` (two ticks) before its onset at the earliest, one tick at the latest, so that every
output has the time to place it exactly; the drone and everything that is continuous do not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from brainmusic_daemon.api import CONTROL, Drone, Note
from brainmusic_daemon.music import chords, parts, scales
from brainmusic_daemon.music.preset import Preset
from brainmusic_daemon.music.pulse import Pulse
from brainmusic_daemon.music.steady import Steady

LOOKAHEAD_TICKS = 2
ASLEEP_S = 60.0  # after a hole as long as this (a computer that slept) the piece goes on where it stood
USED = ("fundamental_frequency", "attack_time", "tempo", "mode", "complexity", "density")
CONSONANT = (5, -5, 7, -7, 4, -4, 3, -3, 12, -12)  # steps of the tonal centre, semitones, the nearest kin first


class Score:
    """A piece being played.  The same calls give the same notes, to the last bit."""

    def __init__(self, preset: Preset, seed: int, tick: float) -> None:
        self.preset, self.seed = preset, seed
        self.lookahead = LOOKAHEAD_TICKS * tick
        self.tick = tick
        self._pulse: Pulse | None = None
        self._bar = 0  # the next one
        self._number = 0  # chords so far
        self._rung = (len(preset.scales) - 1) // 2
        self._centre = math.nan  # of the tonal centre, MIDI; whole where it steps
        self._steady = Steady(preset, tick)
        self._harmony: parts.Harmony | None = None
        self._parts = [
            parts.Part(layer, preset.beats, (seed, number)) for number, layer in enumerate(preset.layer.values())
        ]
        self._before: Score | None = None
        self.late = 0  # notes whose onset had passed when their tick came: ticks were missed

    def advance(self, time: float, controls: Mapping[str, float], presence: float = 1.0) -> tuple[Note, ...]:
        """Return the notes that begin up to `time` + `lookahead` and were not returned before, in order of onset.

        `presence` 1: somebody is there … 0: no usable signal; the music thins out.
        """
        preset = self.preset
        self._take_over()
        if self._pulse is None:
            self._pulse = Pulse(time + self.lookahead - self.tick)
        pulse = self._pulse
        controls = {name: CONTROL[name].clip(controls[name]) for name in USED}
        if time + self.lookahead - pulse.time > ASLEEP_S:
            pulse.time = time + self.lookahead - self.tick
        low, high = CONTROL["tempo"].low, CONTROL["tempo"].high
        at = (controls["tempo"] - low) / (high - low)
        pulse.advance(time + self.lookahead, preset.tempo[0] + (preset.tempo[1] - preset.tempo[0]) * at)
        if not preset.layer:
            return ()
        found: list[Note] = []
        while True:
            bar_beat = float(self._bar * preset.beats)
            part = min(self._parts, key=parts.Part.next_beat)
            beat = min(bar_beat, part.next_beat())
            if beat > pulse.beat:
                break
            if bar_beat <= beat:
                self._begin_bar(controls)
                continue
            assert self._harmony is not None
            self._play(part, pulse, controls, presence, found)
            part.step += 1
        on_time = [note for note in found if note.time >= time - 1e-9]
        self.late += len(found) - len(on_time)
        return tuple(sorted(on_time, key=lambda note: note.time))

    def drone(self, controls: Mapping[str, float]) -> Drone | None:
        """Return what the synth's steady tones do at this tick; None: what the controls say."""
        self._take_over()
        return self._steady.step(self._wanted(controls), self._centre)

    def _take_over(self) -> None:
        """Go on from where the score before stands now, on the first call of this one."""
        old, self._before = self._before, None
        if old is None:
            return
        old._take_over()
        self.late = old.late
        self._pulse = old._pulse.follow() if old._pulse is not None else None
        self._steady.take_over(old._steady)
        if self.preset.layer and not math.isnan(old._centre):
            octaves = round((self.preset.transpose - old.preset.transpose) / 12)
            self._centre = round(old._centre) + 12.0 * octaves
            self._rung = scales.rung_like(self.preset.scales, old.preset.scales, old._rung)
        for part in self._parts:
            part.take_over(old._parts)

    def _wanted(self, controls: Mapping[str, float]) -> float:
        hz = CONTROL["fundamental_frequency"].clip(controls["fundamental_frequency"])
        return 69.0 + 12.0 * math.log2(hz / 440.0) + self.preset.transpose

    def _begin_bar(self, controls: Mapping[str, float]) -> None:
        preset, bar = self.preset, self._bar
        self._bar += 1
        if bar % preset.chord_bars and self._harmony is not None:
            return
        if math.isnan(self._centre):
            self._centre = round(self._wanted(controls))
        elif preset.root == "glide":
            self._centre = self._centre if math.isnan(self._steady.heard) else self._steady.heard
        elif bar and bar % preset.root_bars == 0:
            self._centre = stepped(self._centre, self._wanted(controls))
        ladder = preset.scales
        self._rung = scales.rung(controls["mode"], len(ladder), self._rung)
        self._harmony = parts.Harmony(
            root=round(self._centre),
            scale=scales.SCALES[ladder[self._rung]],
            degree=parts.chosen(preset.progression, self._number, preset.wander, self.seed),
            size=chords.size_for(controls["complexity"], *preset.chord),
            number=self._number,
            beats=float(preset.chord_bars * preset.beats),
        )
        self._number += 1

    def _play(
        self, part: parts.Part, pulse: Pulse, controls: Mapping[str, float], presence: float, found: list[Note]
    ) -> None:
        """Append what a part plays on its step."""
        layer, harmony = part.layer, self._harmony
        assert harmony is not None
        pad = layer.plays == "pad"
        if not pad and not part.is_hit(controls["density"], presence):
            return
        beats = harmony.beats if pad else self.preset.beats / layer.steps
        duration = max(pulse.seconds(layer.length * beats), 0.02)
        velocity = part.accent() * (0.6 + 0.4 * presence)
        heard = self._steady.heard
        bend = heard - round(self._centre) if self.preset.root == "glide" and not math.isnan(heard) else 0.0
        onset = pulse.time_of(part.next_beat())
        attack = layer.attack + layer.follow * controls["attack_time"]
        shape = attack, layer.decay, layer.release
        found += [
            Note(onset, pitch + bend, velocity, duration, layer.channel, part.pan(pitch), *shape)
            for pitch in part.pitches(harmony)
        ]


def follow(old: Score, preset: Preset, seed: int) -> Score:
    """Return a score that goes on from where `old` stands when it is first asked: make it anywhere, install it at once.

    Pulse and tempo go on, and the first bar begins at the next beat; tonal centre, scale and chord are those that were
    heard; notes that sound end by themselves, steady tones glide.  `old` is to be left alone from the first call on.
    """
    score = Score(preset, seed, old.tick)
    score._before = old
    return score


def stepped(centre: float, wanted: float) -> float:
    """Return the tonal centre after at most one consonant step towards `wanted`; near enough, it stays."""
    move = min(CONSONANT, key=lambda step: abs(wanted - centre - step))
    return centre + move if abs(wanted - centre - move) < abs(wanted - centre) - 1.0 else centre

"""The tonal centre and the pitch that is wanted in, the synth's steady tones out: they glide, or fade and come back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from brainmusic_daemon.api import Drone
from brainmusic_daemon.music.preset import Preset

APPROACH_S = 0.4  # how long steady tones take to the pitch of a plain piece that follows
NEAR = 0.05  # semitones: that pitch has been reached


@dataclass(slots=True)
class Steady:
    """Where the steady tones of a piece are.  Pitches are MIDI, fractions allowed."""

    preset: Preset
    tick: float
    heard: float = math.nan
    swell: float = 1.0  # how loud they are, as the piece's share
    before: Preset | None = None  # a plain piece: whose tones glide to its pitch first
    _patience: float = 0.0

    def take_over(self, other: Steady) -> None:
        """Go on from where another piece's tones are, unless it has none."""
        sounding = other.before if other.preset.plain else other.preset
        if sounding is None or sounding.drone == 0 or math.isnan(other.heard):
            return
        self.heard, self.swell = other.heard, other.swell
        if self.preset.plain:
            self.before, self._patience = sounding, 3.0 * APPROACH_S

    def step(self, wanted: float, centre: float) -> Drone | None:
        """Return what they do at this tick; None: what the controls say.  A `centre` of NaN: there is none yet."""
        preset = self.preset
        if preset.plain:
            return self._approach(wanted)
        if math.isnan(self.heard):
            self.heard = wanted if math.isnan(centre) else centre
        share = 1.0 - math.exp(-3.0 * self.tick / preset.glide) if preset.glide > 0 else 1.0
        if preset.root == "glide" or math.isnan(centre):
            self.heard += (wanted - self.heard) * share
        else:  # they fade, and come back elsewhere: a glide would be out of tune all the way
            moved = abs(centre - self.heard) > 0.01
            self.swell += ((0.0 if moved else 1.0) - self.swell) * share
            if moved and self.swell < 0.06:
                self.heard = centre
        return self._drone(preset)

    def _approach(self, wanted: float) -> Drone | None:
        """Glide from the tones of the piece before to the pitch of a plain one, then leave all to the controls."""
        if self.before is None:
            return None
        self.heard += (wanted - self.heard) * (1.0 - math.exp(-3.0 * self.tick / APPROACH_S))
        self._patience -= self.tick
        if abs(wanted - self.heard) < NEAR or self._patience < 0:
            self.before, self.heard = None, math.nan
            return None
        return self._drone(self.before)

    def _drone(self, preset: Preset) -> Drone:
        hz = 440.0 * 2.0 ** ((self.heard - 69.0) / 12.0)
        return Drone(hz, preset.drone, preset.drone_level * self.swell, preset.breath, 10 ** (preset.level_db / 20))

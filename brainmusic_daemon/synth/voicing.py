"""Controls in, the synth's targets out: a chord whose tones, colour, pulse and room follow the ten controls.

Everything musical and everything about level is decided here, at control rate; the kernels trust it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL, CONTROLS, Drone
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth import timbre_space
from brainmusic_daemon.synth.timbre import k_weight, spectra

Array = npt.NDArray[np.float64]

#        ratio to the root, pan, pulse depth share, pulses per beat
TONES: tuple[tuple[float, float, float, float], ...] = (
    (1.0, 0.0, 0.45, 1.0),  # root
    (0.5, 0.0, 0.2, 0.5),  # octave below
    (3 / 2, -0.35, 0.7, 1.0),  # fifth
    (12 / 5, 0.45, 0.9, 1.0),  # minor third, an octave up: clear rather than muddy
    (5 / 2, 0.45, 0.9, 1.0),  # major third
    (2.0, -0.15, 1.0, 2.0),  # octave
    (9 / 5, -0.6, 1.0, 0.5),  # seventh (bends to 15/8 with a bright mode)
    (9 / 4, 0.65, 1.0, 2.0),  # ninth
)
ROOT, SUB, FIFTH, MINOR, MAJOR, OCTAVE, SEVENTH, NINTH = range(8)
QUIET_LUFS, LOUD_LUFS = -38.0, -16.0
OVERLAP = 2.9  # power of a row of noise bands over the sum of their own powers, measured
_TABLE = np.array(TONES)
_LATENTS = tuple(f"z.{i}" for i in range(timbre_space.LATENTS))
_PLAIN = np.zeros((0, 0))
_EVEN = np.zeros(at.NOISE_BANDS)
_FAINT = 10 ** (-timbre_space.REACH_DB / 20)  # a band that is fainter than this could not be called up by any colour


def smooth(x: float, low: float, high: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a curve without corners between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


class Voicing:
    """Keep the last good value of each control, and turn them into targets."""

    def __init__(self, space: timbre_space.TimbreSpace | None = None) -> None:
        self.values: dict[str, float] = {control.name: control.rest for control in CONTROLS}
        self.repaired = 0  # values that were not finite or out of range
        self.drone: Drone | None = None  # None: the chord of TONES; else a few of them, the other voices play notes
        self.note_hz = np.full(at.MAX_VOICES, 440.0)  # newest note of each voice that plays notes
        self.heard_hz = np.full(at.MAX_VOICES, 440.0)  # of each voice, in the newest targets
        self._space = space or timbre_space.load()
        self._noise_hz = 75.0 * 2.0 ** (np.arange(at.NOISE_BANDS) / 2)
        self._noise_power = np.array([k_weight(hz) * hz for hz in self._noise_hz])

    def accept(self, controls: Mapping[str, float]) -> None:
        """Take what is usable: not finite or missing keeps the old value, out of range is clamped."""
        for name, value in controls.items():
            known = CONTROL.get(name)
            if known is None:
                continue
            if not math.isfinite(value):
                self.repaired += 1
                continue
            clipped = known.clip(value)
            self.repaired += clipped != value
            self.values[name] = float(clipped)

    def write(self, controls: Mapping[str, float], out: Array) -> None:
        """Write the targets (layout.TARGETS values) for these controls."""
        self.accept(controls)
        v = self.values
        drone = self.drone
        f0, brightness, mode = v["fundamental_frequency"], v["brightness"], v["mode"]
        f0 = f0 if drone is None else drone.root_hz
        frequency = tone_frequencies(f0, mode)
        level = tone_levels(mode, v["complexity"], v["density"], f0)
        if drone is not None:
            frequency[drone.tones :] = self.note_hz[drone.tones :]
            level[drone.tones :] = 0.0
        self.heard_hz[:] = frequency
        slope, cutoff = 1.9 - 1.0 * brightness, 600.0 * 2.0 ** (4.0 * brightness)
        colour, noise_db = self._colour(frequency)
        spectra(frequency, slope, cutoff, 0.35 - 0.3 * mode, colour, out[at.SPECTRUM : at.TARGETS])
        noise, share = self._breath(f0, brightness, v["noise_amount"], noise_db)
        total = float(level @ level)
        loud = QUIET_LUFS + (LOUD_LUFS - QUIET_LUFS) * (v["loudness"] - 0.1) / 0.9
        if drone is not None:
            share *= drone.breath
        tonal = math.sqrt(1 - share * share)
        out[at.LEVEL] = 10 ** ((loud + 0.691) / 20)
        level *= tonal / math.sqrt(total) if total > 0 else 0.0
        out[at.NOISE : at.VOICE_FREQUENCY] = noise * share
        room = v["reverb"]
        out[at.T60] = 0.7 * 12.0**room
        out[at.WET] = 0.06 + 0.64 * room
        out[at.DAMPING] = 1800.0 * 4.0**brightness
        out[at.CHORUS] = 0.22
        out[at.PULSE] = v["tempo"] / 60.0
        out[at.ATTACK] = v["attack_time"]
        out[at.DRIFT] = 2.5
        out[at.VOICE_FREQUENCY : at.VOICE_LEVEL] = frequency
        out[at.VOICE_LEVEL : at.VOICE_PAN] = level if drone is None else level * drone.level
        out[at.VOICE_PAN : at.VOICE_DEPTH] = _TABLE[:, 1]
        depth = 0.1 + 0.85 * v["density"] if drone is None else 0.0  # the score has a pulse of its own
        out[at.VOICE_DEPTH : at.VOICE_RATIO] = _TABLE[:, 2] * depth
        out[at.VOICE_RATIO : at.SPECTRUM] = _TABLE[:, 3]

    def _colour(self, frequency: Array) -> tuple[Array, Array]:
        """Return the latents' gain for every partial of every tone, and the dB for every noise band."""
        z = np.array([self.values[name] for name in _LATENTS])
        if not z.any():  # nobody drives them: no cost, and the plain sound to the last bit
            return _PLAIN, _EVEN
        source, body, noise = self._space.decode(z)
        return timbre_space.harmonic_gains(frequency, source, body), noise

    def _breath(self, f0: float, brightness: float, amount: float, colour_db: Array) -> tuple[Array, float]:
        """Return the band amplitudes at unit loudness, and the breath's share of the whole."""
        centre = f0 * 3.0 * 2.0 ** (2.2 * brightness)
        shape = np.exp(-0.5 * (np.log2(self._noise_hz / centre) / (0.7 + 0.5 * brightness)) ** 2)
        if colour_db is not _EVEN:
            shape = np.maximum(shape, _FAINT) * 10.0 ** (colour_db / 20)
        # two sides, white noise in ±1 (variance 1/3) through bands of Q 2.2 at 48 kHz; neighbours overlap and add up
        power = OVERLAP * 2 / 3 * float((shape * shape * self._noise_power).sum()) / 24_000 * math.pi / 2 / 2.2
        return np.asarray(shape / math.sqrt(power)), 1.3 * amount  # 0.5 → 0.65 of the amplitude


def tone_frequencies(f0: float, mode: float) -> Array:
    """Return the frequency of each tone in Hz; the seventh slides from minor to major as the mode brightens."""
    frequency = _TABLE[:, 0] * f0
    frequency[SEVENTH] = f0 * (9 / 5) * ((15 / 8) / (9 / 5)) ** smooth(mode, 0.45, 0.75)
    frequency[NINTH] = f0 * (32 / 15) * ((9 / 4) / (32 / 15)) ** smooth(mode, 0.05, 0.3)
    return np.asarray(frequency)


def tone_levels(mode: float, complexity: float, density: float, f0: float) -> Array:
    """Return the loudness of each tone (relative amplitude): more tones with complexity, the third's colour by mode."""
    major = smooth(mode, 0.35, 0.65)
    third = 0.25 + 0.75 * smooth(complexity, 0.0, 0.35)
    high = 147.0 / f0
    level = np.zeros(at.MAX_VOICES)
    level[ROOT] = 1.0
    level[SUB] = 0.3 * smooth(f0, 100.0, 180.0) + 0.12
    level[FIFTH] = 0.30 + 0.35 * smooth(complexity, 0.0, 0.3)
    level[MINOR] = 0.6 * third * math.cos(major * math.pi / 2)
    level[MAJOR] = 0.6 * third * math.sin(major * math.pi / 2)
    level[OCTAVE] = (0.25 + 0.35 * density) * (0.6 + 0.4 * mode) * high**0.3
    level[SEVENTH] = 0.5 * smooth(complexity, 0.35, 0.7) * high**0.3
    level[NINTH] = 0.45 * smooth(complexity, 0.65, 1.0) * high**0.3
    level[np.abs(level) < 1e-6] = 0.0
    return level

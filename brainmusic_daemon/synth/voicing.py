"""Controls in, the synth's targets out: a chord whose tones, colour, pulse and room follow the ten controls.

Everything musical and everything about level is decided here, at control rate; the kernels trust it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL, CONTROLS
from brainmusic_daemon.synth import layout as at

Array = npt.NDArray[np.float64]

#        ratio to the root, pan, pulse depth share, pulses per beat
TONES: tuple[tuple[float, float, float, float], ...] = (
    (1.0, 0.0, 0.0, 1.0),  # root
    (0.5, 0.0, 0.0, 1.0),  # octave below
    (3 / 2, -0.35, 0.5, 1.0),  # fifth
    (12 / 5, 0.45, 0.8, 1.0),  # minor third, an octave up: clear rather than muddy
    (5 / 2, 0.45, 0.8, 1.0),  # major third
    (2.0, -0.15, 0.9, 2.0),  # octave
    (9 / 5, -0.6, 1.0, 0.5),  # seventh (bends to 15/8 with a bright mode)
    (9 / 4, 0.65, 1.0, 2.0),  # ninth
)
ROOT, SUB, FIFTH, MINOR, MAJOR, OCTAVE, SEVENTH, NINTH = range(8)
QUIET_LUFS, LOUD_LUFS = -40.0, -18.0
_PARTIAL = np.arange(1, at.MAX_PARTIALS + 1, dtype=np.float64)
_EVEN = (np.arange(1, at.MAX_PARTIALS + 1) % 2 == 0).astype(np.float64)


def smooth(x: float, low: float, high: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a curve without corners between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def k_weight(hz: Array) -> Array:
    """Return about the power weight of ITU-R BS.1770 at a frequency: a 60 Hz low cut and +4 dB above 1.5 kHz."""
    x = (hz / 60.0) ** 4
    y = (hz / 1500.0) ** 2
    return np.asarray(x / (1 + x) * (1 + 2.51 * y) / (1 + y))


class Voicing:
    """Keep the last good value of each control, and turn the ten into targets."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {control.name: control.rest for control in CONTROLS}
        self.repaired = 0  # values that were not finite or out of range
        self._noise_hz = 75.0 * 2.0 ** (np.arange(at.NOISE_BANDS) / 2)
        self._noise_power = k_weight(self._noise_hz) * self._noise_hz

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
        f0, brightness, mode = v["fundamental_frequency"], v["brightness"], v["mode"]
        out[:] = 0.0
        frequency = tone_frequencies(f0, mode)
        level = tone_levels(mode, v["complexity"], v["density"], f0)
        spectrum = spectra(frequency, brightness, mode)
        noise, share = self._breath(f0, brightness, v["noise_amount"])
        power = (spectrum * spectrum * k_weight(frequency[:, None] * _PARTIAL)).sum(axis=1) / 2
        level /= np.sqrt(np.maximum(power, 1e-12))  # now a tone's level is its loudness
        total = float((level * level * power).sum())
        loud = QUIET_LUFS + (LOUD_LUFS - QUIET_LUFS) * (v["loudness"] - 0.1) / 0.9
        tonal = math.sqrt(1 - share * share)
        out[at.LEVEL] = 10 ** ((loud + 0.691) / 20)
        level *= tonal / math.sqrt(total)
        out[at.NOISE : at.VOICE_FREQUENCY] = noise * share
        room = v["reverb"]
        out[at.T60] = 0.7 * 12.0**room
        out[at.WET] = 0.06 + 0.64 * room
        out[at.DAMPING] = 1800.0 * 4.0**brightness
        out[at.CHORUS] = 0.35
        out[at.PULSE] = v["tempo"] / 60.0
        out[at.ATTACK] = v["attack_time"]
        out[at.DRIFT] = 3.0
        out[at.VOICE_FREQUENCY : at.VOICE_LEVEL] = frequency
        out[at.VOICE_LEVEL : at.VOICE_PAN] = level
        table = np.asarray(TONES)
        out[at.VOICE_PAN : at.VOICE_DEPTH] = table[:, 1]
        out[at.VOICE_DEPTH : at.VOICE_RATIO] = table[:, 2] * (0.25 + 0.7 * v["density"])
        out[at.VOICE_RATIO : at.SPECTRUM] = table[:, 3]
        out[at.SPECTRUM : at.TARGETS] = spectrum.ravel()

    def _breath(self, f0: float, brightness: float, amount: float) -> tuple[Array, float]:
        """Return the band amplitudes at unit loudness, and the breath's share of the whole."""
        centre = f0 * 3.0 * 2.0 ** (2.2 * brightness)
        shape = np.exp(-0.5 * (np.log2(self._noise_hz / centre) / (0.7 + 0.5 * brightness)) ** 2)
        # power of a band of white noise in ±1 (variance 1/3), Q 2.2, at 48 kHz; close enough at other rates
        power = float((shape * shape * self._noise_power).sum()) / 3 / 24_000 * 1.5 / 2.2
        return np.asarray(shape / math.sqrt(power)), 1.3 * amount  # 0.5 → 0.65 of the amplitude


def tone_frequencies(f0: float, mode: float) -> Array:
    """Return the frequency of each tone in Hz; the seventh slides from minor to major as the mode brightens."""
    frequency = np.array([tone[0] for tone in TONES]) * f0
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
    level[SUB] = 0.55 * smooth(f0, 100.0, 180.0) + 0.12
    level[FIFTH] = 0.30 + 0.35 * smooth(complexity, 0.0, 0.3)
    level[MINOR] = 0.6 * third * math.cos(major * math.pi / 2)
    level[MAJOR] = 0.6 * third * math.sin(major * math.pi / 2)
    level[OCTAVE] = (0.25 + 0.35 * density) * (0.6 + 0.4 * mode) * high**0.3
    level[SEVENTH] = 0.5 * smooth(complexity, 0.35, 0.7) * high**0.3
    level[NINTH] = 0.45 * smooth(complexity, 0.65, 1.0) * high**0.3
    level[np.abs(level) < 1e-6] = 0.0
    return level


def spectra(frequency: Array, brightness: float, mode: float) -> Array:
    """Return the partials of each tone, (MAX_VOICES, MAX_PARTIALS).

    A power law whose slope opens with brightness, a soft low-pass in Hz so that high tones don't shriek, and even
    partials a little weaker in dark modes.
    """
    slope = 1.9 - 1.0 * brightness
    cutoff = 600.0 * 2.0 ** (4.0 * brightness)
    shape = _PARTIAL**-slope * (1.0 - _EVEN * (0.35 - 0.3 * mode))
    hz = frequency[:, None] * _PARTIAL
    amplitude = shape / (1.0 + (hz / cutoff) ** 2)
    return np.where(amplitude > 2e-5, amplitude, 0.0)

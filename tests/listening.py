"""Sound in, numbers out: what the tests of the synth judge by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.synth.engine import Engine

RATE = 48_000
TICK = 960
PLAIN: Mapping[str, float] = {
    "fundamental_frequency": 220.0,
    "loudness": 0.7,
    "brightness": 0.5,
    "noise_amount": 0.0,
    "reverb": 0.0,
    "attack_time": 0.05,
    "tempo": 80.0,
    "mode": 0.5,
    "complexity": 0.5,
    "density": 0.0,
}

Sound = npt.NDArray[np.float64]


def play(seconds: float, samplerate: float = RATE, gain_db: float = 0.0, **controls: float) -> Sound:
    """Return the steady sound of these controls (beside PLAIN), (frames, 2), its first second left out."""
    engine = Engine(samplerate, gain_db)
    engine.control({**PLAIN, **controls})
    engine.render(int(samplerate))
    return engine.render(int(seconds * samplerate)).astype(np.float64)


def spectrum(sound: Sound, samplerate: float = RATE) -> tuple[Sound, Sound]:
    """Return frequencies in Hz and the power density of both sides together, Blackman-Harris window, no averaging."""
    n = len(sound)
    t = 2 * np.pi * np.arange(n) / n
    window = 0.35875 - 0.48829 * np.cos(t) + 0.14128 * np.cos(2 * t) - 0.01168 * np.cos(3 * t)
    power = (np.abs(np.fft.rfft(sound * window[:, None], axis=0)) ** 2).sum(axis=1)
    return np.fft.rfftfreq(n, 1 / samplerate), power / (window @ window)


def share(sound: Sound, low: float, high: float) -> float:
    """Return which share of the power lies between two frequencies."""
    hz, power = spectrum(sound)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


def tone(sound: Sound, hz: float) -> float:
    """Return the share of the power within 1 % of a frequency."""
    return share(sound, hz * 0.99, hz * 1.01)


def centroid(sound: Sound) -> float:
    hz, power = spectrum(sound)
    return float(hz @ power / power.sum())


def level_db(sound: Sound) -> float:
    """Return the mean power of both sides in dB."""
    return float(10 * np.log10((sound**2).sum(axis=1).mean() + 1e-30))


def lufs(sound: Sound) -> float:
    """Return the loudness of 48 kHz stereo after ITU-R BS.1770 (its two filters, no gate)."""
    from scipy.signal import lfilter

    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]
    cut = [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]
    weighted = lfilter(*cut, lfilter(*shelf, sound, axis=0), axis=0)
    return float(-0.691 + 10 * np.log10((weighted**2).mean(axis=0).sum()))


def envelope(sound: Sound, hop: int = 1_920) -> Sound:
    """Return the magnitude of each hop (40 ms: longer than any period)."""
    frames = len(sound) // hop * hop
    return np.asarray(np.sqrt((sound[:frames] ** 2).sum(axis=1).reshape(-1, hop).mean(axis=1)))


def bend(sound: Sound) -> float:
    """Return the largest second difference: a click shows here before anywhere else."""
    return float(np.abs(np.diff(sound, n=2, axis=0)).max())

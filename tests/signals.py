"""Signals of known content, and windows of them, for the tests of features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import StreamInfo, Window
from brainmusic_daemon.features import bank
from brainmusic_daemon.registry import build, names
from brainmusic_daemon.sections import ArtifactsConfig, BaselineConfig, FeaturesConfig, QualityConfig

CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
Samples = npt.NDArray[np.float64]


def pink(n: int, n_channels: int, samplerate: float, seed: int = 0, rms_uv: float = 10.0) -> Samples:
    """Return 1/f noise (n, n_channels), µV."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((n, n_channels)), axis=0)
    f = np.fft.rfftfreq(n, 1 / samplerate)
    spectrum /= np.sqrt(np.maximum(f, 0.5))[:, None]
    x = np.fft.irfft(spectrum, n, axis=0)
    return np.asarray(x / x.std(axis=0) * rms_uv)


def sine(n: int, samplerate: float, hz: float, amplitude_uv: float = 1.0, phase: float = 0.0) -> Samples:
    """Return (n,) of a sine, µV."""
    return np.asarray(amplitude_uv * np.sin(2 * np.pi * hz * np.arange(n) / samplerate + phase))


def window(x: Samples, end: int, n: int, samplerate: float, offset: float = 0.0) -> Window:
    """Return the n samples of x that end before `end`, as the ring would."""
    return Window(
        samples=np.ascontiguousarray(x[end - n : end] - offset, dtype=np.float32),
        offset=np.full(x.shape[1], float(offset)),
        end=end,
        time=(end - 1) / samplerate,
        filled=min(end, n),
        repaired=np.zeros(x.shape[1], bool),
    )


class Sections:
    """The configuration's sections that a feature bank reads, with its defaults."""

    def __init__(self, tick: float = 0.02, **features: object) -> None:
        self.features = FeaturesConfig.model_validate(features)
        self.quality = QualityConfig()
        self.artifacts = ArtifactsConfig()
        self.baseline = BaselineConfig()
        self.profile = None
        self.tick = tick


def feature_bank(
    channels: tuple[str, ...] = CYTON, samplerate: float = 250.0, sections: Sections | None = None
) -> bank.FeatureBank:
    """Return a bank with every derived feature there is."""
    info = StreamInfo("test", channels, samplerate)
    return bank.build(
        info, sections or Sections(), {name: build("feature", name, {}, name) for name in names("feature")}
    )


def play(made: bank.FeatureBank, x: Samples, samplerate: float, tick: float = 0.02, offset: float = 0.0) -> list:
    """Return the features of every tick of x, from the first full window on."""
    n = made.spectral.n_taps
    ends = range(n, len(x) + 1, round(tick * samplerate))
    return [made.update(end / samplerate, window(x, end, n, samplerate, offset), alive=True) for end in ends]

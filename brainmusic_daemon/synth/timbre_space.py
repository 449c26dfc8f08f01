"""Eight latents in, the colour of the sound out: dB per partial, dB per frequency, dB per noise band.

A small decoder in the manner of DDSP's (Engel et al., ICLR 2020): latents to harmonic distribution and noise
magnitudes.  The harmonic part is a source, which moves with the pitch, and a body, which stays where it is.  The space
is trained by scripts/train_timbre.py; docs/sound.md tells how, and what it reaches.
"""

from __future__ import annotations

import itertools
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.synth.layout import MAX_PARTIALS, NOISE_BANDS
from brainmusic_daemon.there import expanded, is_file

Array = npt.NDArray[np.float64]

LATENTS = 8
BODY_HZ: Array = 60.0 * 2.0 ** np.linspace(0.0, 8.0, 33)  # where the body is given: a quarter of an octave apart
BODY_OCTAVES: Array = np.log2(BODY_HZ)
REACH_DB = 48.0  # no colour is further than this from the plain sound
DEFAULT = Path(__file__).parent / "timbre_space.npz"
LARGEST = 16_000_000  # bytes of a file's arrays
_OUT = MAX_PARTIALS + len(BODY_HZ) + NOISE_BANDS


class TimbreSpace:
    """A decoder of three layers; `decode` of zeros is the plain sound exactly."""

    def __init__(self, weights: list[Array], biases: list[Array]) -> None:
        shapes = [w.shape for w in weights]
        if not shapes or any(len(shape) != 2 for shape in shapes):
            raise ValueError(f"{len(shapes)} layers of the shapes {shapes}: matrices w0, w1 … are wanted")
        inner = all(a[1] == b[0] for a, b in itertools.pairwise(shapes))
        fits = [b.shape == (w.shape[1],) for w, b in zip(weights, biases, strict=True)]
        if not (inner and all(fits) and shapes[0][0] == LATENTS and shapes[-1][1] == _OUT):
            raise ValueError(f"layers {shapes} do not lead from {LATENTS} latents to {_OUT} values")
        if not all(np.isfinite(x).all() for x in (*weights, *biases)):
            raise ValueError("a weight is not finite")
        self._weights, self._biases = weights, biases
        self._zero = self._forward(np.zeros(LATENTS))

    def _forward(self, z: Array) -> Array:
        x = z
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            x = np.tanh(x @ weight + bias)
        return np.asarray(x @ self._weights[-1] + self._biases[-1])

    def decode(self, z: Array) -> tuple[Array, Array, Array]:
        """Return dB beside the plain sound: (100,) per partial, (33,) at BODY_HZ, (16,) per noise band.

        z: (8,) in ±1.  Level is of no meaning: the loudness is set afterwards.
        """
        y = REACH_DB * np.tanh((self._forward(z) - self._zero) / REACH_DB)
        return y[:MAX_PARTIALS], y[MAX_PARTIALS:-NOISE_BANDS], y[-NOISE_BANDS:]


def load(path: Path | None = None) -> TimbreSpace:
    """Read a space (.npz with w0, b0, w1, …; nothing in it is run), or that of the project.  Raises ConfigError."""
    path = DEFAULT if path is None else expanded(path)
    if not is_file(path):
        raise ConfigError(f"'{path}' is not a timbre space (scripts/train_timbre.py makes one): there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:  # what it will be once unpacked
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it holds {size / 1e6:.0f} MB, {LARGEST / 1e6:.0f} at most are allowed")
        with np.load(path, allow_pickle=False) as file:
            layers = range(len(file.files) // 2)
            weights = [file[f"w{i}"].astype(np.float64) for i in layers]
            biases = [file[f"b{i}"].astype(np.float64) for i in layers]
        return TimbreSpace(weights, biases)
    except (OSError, ValueError, LookupError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        said = f"there is no array {error}" if isinstance(error, KeyError) else error
        raise ConfigError(f"'{path}' is not a timbre space (scripts/train_timbre.py makes one): {said}") from error


def harmonic_gains(frequency: Array, source_db: Array, body_db: Array) -> Array:
    """Return the gain of every partial of every tone, (tones, 100); frequency: (tones,) Hz."""
    octaves = np.log2(np.maximum(frequency, 1.0))[:, None] + _PARTIAL_OCTAVES
    decibels = source_db + np.interp(octaves, BODY_OCTAVES, body_db)
    return np.asarray(10.0 ** (decibels / 20.0))


_PARTIAL_OCTAVES: Array = np.log2(np.arange(1, MAX_PARTIALS + 1))

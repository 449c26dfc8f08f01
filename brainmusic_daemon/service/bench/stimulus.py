"""A sample number in, a simulated person's EEG with steps of alpha at known samples out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.acquisition.person import CYTON, Array, Person

RATE_HZ = 250.0  # stated
TRUE_RATE_HZ = 250.25  # sent: samples and ticks meet in every phase, as they do with real headsets
ALPHA_HZ = 10.0
LOW_UV, HIGH_UV = 4.0, 24.0  # amplitude at the back of the head
HALF_PERIOD = 231  # samples: 0.92 s, no multiple of alpha's period, so that steps come at every phase of it
_BLOCKS = 64  # of a second: the background comes round after so many

Numbers = npt.NDArray[np.int64]


class Stimulus:
    """Pure: sender and judge make the same samples, each for itself.

    The step is instantaneous, which no brain is: what is not instantaneous in the answer is the analysis.
    """

    channels = CYTON

    def __init__(self) -> None:
        person = Person(alpha_uv=0.0, blinks_per_min=0, jaw_per_min=0, samplerate=RATE_HZ)
        self._background = np.concatenate([person.block(j) for j in range(_BLOCKS)])
        self._gain = np.array([person.alpha_gain[name] for name in self.channels])

    def samples(self, n: Numbers) -> npt.NDArray[np.float32]:
        """Return (len(n), n_channels) µV of the samples of number `n` ≥ 0."""
        alpha = amplitude(n) * np.sin(2 * np.pi * (ALPHA_HZ / TRUE_RATE_HZ * n % 1.0))
        samples = self._background[n % len(self._background)] + alpha[:, np.newaxis] * self._gain
        return np.asarray(samples, dtype=np.float32)


def amplitude(n: Numbers) -> Array:
    """Return the true amplitude of alpha at the samples of number `n`, µV."""
    return np.where((n // HALF_PERIOD) % 2 == 1, HIGH_UV, LOW_UV)


def steps(first: int, last: int) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the numbers of the first samples behind each step within first … last, and whether it went up."""
    k = np.arange(first // HALF_PERIOD + 1, last // HALF_PERIOD + 1)
    return k * HALF_PERIOD, k % 2 == 1

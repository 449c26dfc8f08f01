"""The ring buffer in, the newest samples thinned out for a screen out."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.acquisition.supervisor import Setup

POINTS_HZ = 125.0  # more than this no screen shows
MOST_CHANNELS = 32


def thinning(samplerate: float) -> int:
    """Return how many samples become one point."""
    return max(1, round(samplerate / POINTS_HZ))


class Traces:
    """Follows the newest ring; for one thread."""

    def __init__(self) -> None:
        self._generation = -1
        self._next = 0  # number of the first sample that was not shown yet

    def take(self, setup: Setup) -> tuple[int, list[list[int]]] | None:
        """Return (number of the first point, points per channel in 0.1 µV) since the last call; None: nothing new.

        Points are means of neighbours and numbered from the start of the ring: where a number is not the one that is
        due, points are missing.  They are relative to the first sample ever.
        """
        generation, info, ring = setup
        if ring is None or info is None:
            return None
        step = thinning(info.samplerate)
        window = ring.newest(ring.window)
        if generation != self._generation:
            self._generation, self._next = generation, window.end // step * step
        oldest = window.end - len(window.samples)
        first = max(self._next, -(-(window.end - window.filled) // step) * step)
        n_points = (window.end - first) // step
        if n_points < 1:
            return None
        rows = window.samples[first - oldest : first - oldest + n_points * step, :MOST_CHANNELS]
        means = rows.reshape(n_points, step, -1).mean(axis=1)
        self._next = first + n_points * step
        return first // step, np.clip(np.rint(means * 10.0), -2e9, 2e9).astype(np.int64).T.tolist()

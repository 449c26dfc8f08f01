"""Evenly spaced, finite samples in, the newest window out as one contiguous view, without a copy and without a lock."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, Window

Float64 = npt.NDArray[np.float64]
AHEAD_S, BEHIND_S = 0.5, 60.0  # stamps this far from their arrival are of another clock: a reader gets the arrival
Published = tuple[int, int, float, float, Float64, npt.NDArray[np.bool_]]


class Ring:
    """One writer thread, any number of readers; nobody waits.

    Every sample is written twice, `capacity` rows apart, so the newest n samples always lie in one piece.  Rows are
    written first; then one assignment of one tuple publishes them (end, first measured sample, times, offset, repaired
    channels), so a reader never sees a mixture of before and after.  A view stays intact while less than
    `capacity − window` further samples are written (a restart counts as `window`), far longer than a tick.

    Rows are float32 relative to `offset`, the first sample ever: a DC offset of 140 mV costs no precision.
    """

    def __init__(self, n_channels: int, capacity: int, window: int | None = None) -> None:
        """`window` is the greatest n that `newest` will be asked for; by default a quarter of `capacity`."""
        self.n_channels = n_channels
        self.window = max(1, capacity // 4) if window is None else window
        if capacity < 2 * self.window:
            raise ValueError(f"a ring of {capacity} samples is too small for windows of {self.window}")
        self.capacity = capacity
        self._rows = np.zeros((2, capacity, n_channels), dtype=np.float32)
        self._flat = self._rows.reshape(2 * capacity, n_channels)
        self._clean = np.zeros(n_channels, dtype=np.bool_)
        self._clean.setflags(write=False)
        # end, first measured sample, time of the newest, its arrival, offset, repaired
        self._published: Published = (0, 0, 0.0, -np.inf, np.zeros(n_channels), self._clean)

    @property
    def end(self) -> int:
        """Number of samples written so far, the padding of restarts included."""
        return self._published[0]

    @property
    def time(self) -> float:
        """Session seconds of the newest sample."""
        return self._published[2]

    @property
    def arrival(self) -> float:
        """Session seconds at which the newest sample arrived; −inf before the first."""
        return self._published[3]

    @property
    def offset(self) -> Float64:
        """(n_channels,) µV: what rows are relative to.  Zeros before the first sample."""
        return self._published[4]

    def newest(self, n: int) -> Window:
        """Return the newest `n` ≤ `window` samples, padded at the front with the hold of the first one.  Any thread."""
        if n > self.window:
            raise ValueError(f"a window of {n} samples from a ring made for {self.window}")
        end, origin, time, arrival, offset, repaired = self._published
        if not -BEHIND_S < time - arrival < AHEAD_S:
            time = arrival
        start = (end - n) % self.capacity
        filled = end - origin
        return Window(self._flat[start : start + n], offset, end, time, filled if filled < n else n, repaired)

    def past(self) -> Window:
        """Return a copy of all that is still there for sure, three windows and more once it is full.  Any thread."""
        end, origin, time, _, offset, repaired = self._published
        n = min(end - origin, self.capacity - self.window)
        start = (end - n) % self.capacity
        return Window(self._flat[start : start + n].copy(), offset, end, time, n, repaired)

    def write(
        self,
        samples: FloatArray,
        time: float,
        arrival: float,
        *,
        restart: bool = False,
        offset: Float64 | None = None,
        repaired: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Append and publish `samples` (n ≥ 1, n_channels) µV, finite; the writer thread only.

        `time` and `arrival` (session seconds) are those of the last row.  `restart` forgets what was there: a window's
        length of the first row goes in ahead, unpublished until the new samples are, and `filled` starts again at 0.
        `offset` replaces the offset: only for channels that held nothing but zeros so far.
        `repaired` (n_channels,) is handed over and not written again.
        """
        end, origin, *_, known, _ = self._published
        if offset is None:
            offset = samples[0].astype(np.float64) if end == 0 else known
        if restart and end > 0:
            self._put(np.broadcast_to(samples[:1], (self.window, self.n_channels)), end, offset)
            origin = end = end + self.window
        step = self.capacity - self.window  # a longer stretch would run over the view that it is being read from
        for at in range(0, len(samples), step) if len(samples) > step else (0,):
            self._put(samples[at : at + step], end + at, offset)
        flags = self._clean if repaired is None else repaired
        self._published = (end + len(samples), origin, time, arrival, offset, flags)

    def _put(self, samples: npt.NDArray[Any], end: int, offset: Float64) -> None:
        at, n = end % self.capacity, len(samples)
        fits = self.capacity - at
        if n <= fits:
            np.subtract(samples, offset, out=self._rows[:, at : at + n], casting="same_kind")
        else:
            np.subtract(samples[:fits], offset, out=self._rows[:, at:], casting="same_kind")
            np.subtract(samples[fits:], offset, out=self._rows[:, : n - fits], casting="same_kind")

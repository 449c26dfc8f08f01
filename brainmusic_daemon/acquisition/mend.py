"""Samples in their right order in, finite and without gaps into the ring: bad values are held, short gaps bridged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.acquisition.ring import Ring

Float64 = npt.NDArray[np.float64]
GREATEST_UV = 1e10  # nothing measured is as large as 10 kV; it would overflow float32 further on
REPAIRED_S = 1.0  # a channel counts as repaired until this long after its last repaired sample


class Mend:
    """The last step before the ring; writer thread only.  What it does depends on samples, never on their chunks."""

    def __init__(self, ring: Ring, samplerate: float, counts: dict[str, int]) -> None:
        """`counts`: its entries samples, filled, restarts and nonfinite are kept here."""
        self._ring, self._counts = ring, counts
        self._remember = round(REPAIRED_S * samplerate)
        self._last: npt.NDArray[Any] = np.zeros(ring.n_channels)  # newest row, finite
        self._seen = np.zeros(ring.n_channels, dtype=np.bool_)  # channels that had a value at least once
        self._whole = False  # all of them
        self._bad_until = np.zeros(ring.n_channels, dtype=np.int64)  # end of the ring up to which a channel is repaired
        self._any_bad_until = 0

    def write(
        self, samples: npt.NDArray[Any], time: float, arrival: float, *, bridge: int = 0, restart: bool = False
    ) -> None:
        """Write `samples` (n ≥ 1, n_channels) µV, `bridge` interpolated ones ahead of them, or a new beginning."""
        ring, counts, offset, repaired = self._ring, self._counts, None, None
        restart = restart and ring.end > 0
        start = ring.end + bridge + (ring.window if restart else 0)
        counts["samples"] += len(samples)
        counts["filled"] += bridge
        counts["restarts"] += restart
        flat = samples.ravel()
        with np.errstate(over="ignore"):  # one product sees NaN, infinities and absurd values alike
            fine = self._whole and flat.dot(flat) < GREATEST_UV**2
        if not fine:
            samples, offset = self._repair(samples, start)
        end = start + len(samples)
        if bridge:
            share = np.arange(1, bridge + 1)[:, np.newaxis] / (bridge + 1)
            samples = np.concatenate([self._last + share * (samples[0] - self._last), samples])
        if end < self._any_bad_until:
            repaired = self._bad_until > end
        ring.write(samples, time, arrival, restart=restart, offset=offset, repaired=repaired)
        self._last = samples[-1]

    def _repair(self, samples: npt.NDArray[Any], start: int) -> tuple[npt.NDArray[Any], Float64 | None]:
        """Hold each channel's last good value; return the repaired samples, and the offset where it must change.

        A channel that has never given a value is silent at its offset, which is its first value once that comes.
        `start` is the ring's end just before these samples.
        """
        good = np.abs(samples) < GREATEST_UV  # False for NaN
        bad = ~good
        came = good.any(axis=0) & ~self._seen
        offset = None
        if came.any():
            firsts = samples[good.argmax(axis=0), np.arange(samples.shape[1])]
            self._last = np.where(came, firsts, self._last)
            offset = np.where(came, firsts, self._ring.offset)
            self._seen = self._seen | came
            self._whole = bool(self._seen.all())
        if not bad.any():
            return samples, offset
        self._counts["nonfinite"] += int(bad.sum())
        rows = np.arange(len(samples))[:, np.newaxis]
        newest = np.maximum.accumulate(np.where(good, rows, -1), axis=0)
        held = np.take_along_axis(samples, np.maximum(newest, 0), axis=0)
        last_bad = np.where(bad, rows, -1).max(axis=0)
        self._bad_until = np.where(last_bad >= 0, start + last_bad + 1 + self._remember, self._bad_until)
        self._any_bad_until = int(self._bad_until.max())
        return np.where(newest >= 0, held, self._last), offset

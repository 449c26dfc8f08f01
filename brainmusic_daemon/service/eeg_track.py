"""Chunks as a source delivered them in, the EEG streams of an XDF recording out; what is missing is marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Chunk, StreamInfo
from brainmusic_daemon.outputs import xdf_chunks as chunks
from brainmusic_daemon.outputs.xdf_file import XdfFile

GAP_S = 0.25  # a pause from here on is marked where the source does not number its samples
SAME_RATE = 2e-3  # estimated rates differ by this much from one opening to the next


class EegTrack:
    """All headsets of one recording.  One thread; times that come in are session seconds, `origin` is added to each.

    Every sample is written with the time that the source gave it, neither mended nor smoothed.  A headset with other
    channels, another rate, name or uid begins another stream.
    """

    def __init__(self, file: XdfFile, origin: float, mark: Callable[[float, str], None]) -> None:
        """`mark` is told (session seconds, text) of every new stream and every gap."""
        self._file, self._origin, self._mark = file, origin, mark
        self._info = StreamInfo("", (), 0.0)  # of the newest headset
        self._number = 0  # of its stream
        self._last = -origin  # time of its newest sample
        self._next: int | None = None  # number of its next sample, where the source counts
        self.count = 0  # samples so far

    def delivered(self, items: Sequence[tuple[StreamInfo, Chunk]]) -> None:
        """Take chunks in the order in which they came."""
        for _, group in groupby(items, key=lambda item: id(item[0])):
            same = list(group)
            info = same[0][0]
            if not self._is_known(info):
                self._begin(info, float(same[0][1].times[0]))
            times = [self._stamped(chunk) for _, chunk in same]
            stamps = np.concatenate(times) + self._origin
            values = np.concatenate([chunk.samples for _, chunk in same])
            rows = chunks.rows(stamps, values, "double64")
            self._file.write(self._number, rows, len(stamps), float(stamps[0]), float(stamps[-1]))
            self.count += len(stamps)

    def _is_known(self, info: StreamInfo) -> bool:
        old = self._info
        same = (old.name, old.uid, old.channels) == (info.name, info.uid, info.channels)
        return same and math.isclose(old.samplerate, info.samplerate, rel_tol=SAME_RATE)

    def _begin(self, info: StreamInfo, time: float) -> None:
        count = len(info.channels)
        details = [{"name": name, "value": value} for name, value in info.details.items() if value]
        stream = chunks.Stream(
            name=info.name or "EEG",
            type="EEG",
            source_id=info.uid or info.name or "EEG",
            channels=info.channels,
            units=("microvolts",) * count,
            kinds=("EEG",) * count,
            rate=info.samplerate,
            format="double64",
            desc={"device": {"detail": details}} if details else {},
        )
        self._info, self._number = info, self._file.add(stream)
        self._last, self._next = math.nan, None
        self._mark(time, f"source {stream.name}")

    def _stamped(self, chunk: Chunk) -> npt.NDArray[np.float64]:
        """Return a chunk's times, those that the source did not know continued from the one before; mark gaps."""
        period, times = 1 / self._info.samplerate, chunk.times.astype(np.float64)
        if not np.isfinite(times).all():
            for i in np.flatnonzero(~np.isfinite(times)):
                before = times[i - 1] if i else self._last
                times[i] = before + period if math.isfinite(before) else 0.0
        missing = 0 if chunk.first is None or self._next is None else chunk.first - self._next
        if missing > 0:
            self._mark(self._last, f"gap {missing * period:.3f} s")
        elif chunk.first is None or missing < 0:  # it does not count, or began to count anew
            steps = np.diff(times, prepend=self._last if math.isfinite(self._last) else times[0])
            for i in np.flatnonzero(steps > max(GAP_S, 2.5 * period)):
                self._mark(float(times[i] - steps[i]), f"gap {steps[i] - period:.3f} s")
        self._last = float(times[-1])
        self._next = None if chunk.first is None else chunk.first + len(times)
        return times

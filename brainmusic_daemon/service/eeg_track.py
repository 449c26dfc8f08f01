"""Chunks as a source delivered them in, the EEG streams of an XDF recording out; what is missing is marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Chunk, StreamInfo
from brainmusic_daemon.outputs import xdf_chunks as chunks
from brainmusic_daemon.outputs.xdf_file import XdfFile

GAP_S = 0.25  # a pause from here on is marked where the source does not number its samples
SAME_RATE = 2e-3  # estimated rates differ by this much from one opening to the next


@dataclass(slots=True, eq=False)
class _Worn:
    """One headset and its stream in the file."""

    info: StreamInfo
    number: int  # of the stream
    last: float = math.nan  # time of its newest sample
    next: int | None = None  # number of its next sample, where the source counts

    def is_same(self, info: StreamInfo) -> bool:
        old = self.info
        same = (old.name, old.uid, old.channels) == (info.name, info.uid, info.channels)
        return same and math.isclose(old.samplerate, info.samplerate, rel_tol=SAME_RATE)


class EegTrack:
    """All headsets of one recording.  One thread; times that come in are session seconds, `origin` is added to each.

    Every sample is written with the time that the source gave it, neither mended nor smoothed.  A headset with other
    channels, another rate, name or uid begins another stream, and each of several persons has their own.
    """

    def __init__(self, file: XdfFile, origin: float, mark: Callable[[float, str], None]) -> None:
        """`mark` is told (session seconds, text) of every new stream and every gap."""
        self._file, self._origin, self._mark = file, origin, mark
        self._worn: dict[str, _Worn] = {}  # person ("": the only one) → the newest headset
        self.count = 0  # samples so far

    def delivered(self, items: Sequence[tuple[StreamInfo, Chunk]]) -> None:
        """Take chunks in the order in which they came."""
        for _, group in groupby(items, key=lambda item: id(item[0])):
            same = list(group)
            info = same[0][0]
            person = info.details.get("person", "")
            worn = self._worn.get(person)
            if worn is None or not worn.is_same(info):
                worn = self._worn[person] = self._begun(info, float(same[0][1].times[0]))
            times = [self._stamped(worn, chunk) for _, chunk in same]
            stamps = np.concatenate(times) + self._origin
            values = np.concatenate([chunk.samples for _, chunk in same])
            rows = chunks.rows(stamps, values, "double64")
            self._file.write(worn.number, rows, len(stamps), float(stamps[0]), float(stamps[-1]))
            self.count += len(stamps)

    def _begun(self, info: StreamInfo, time: float) -> _Worn:
        count, person = len(info.channels), info.details.get("person", "")
        name = " ".join(filter(None, (person, info.name))) or "EEG"
        signals = info.details.get("delivers") != "features"  # else of a performer, who was analysed elsewhere
        details = [{"name": name, "value": value} for name, value in info.details.items() if value]
        stream = chunks.Stream(
            name=name,
            type="EEG" if signals else "Features",
            source_id=info.uid or info.name or "EEG",
            channels=info.channels,
            units=("microvolts" if signals else "",) * count,
            kinds=("EEG" if signals else "Features",) * count,
            rate=info.samplerate,
            format="double64",
            desc={"device": {"detail": details}} if details else {},
        )
        self._mark(time, f"source {stream.name}")
        return _Worn(info, self._file.add(stream))

    def _stamped(self, worn: _Worn, chunk: Chunk) -> npt.NDArray[np.float64]:
        """Return a chunk's times, those that the source did not know continued from the one before; mark gaps."""
        period, times = 1 / worn.info.samplerate, chunk.times.astype(np.float64)
        if not np.isfinite(times).all():
            for i in np.flatnonzero(~np.isfinite(times)):
                before = times[i - 1] if i else worn.last
                times[i] = before + period if math.isfinite(before) else 0.0
        missing = 0 if chunk.first is None or worn.next is None else chunk.first - worn.next
        whose = worn.info.details.get("person", "")
        gap = f"gap {whose} " if whose else "gap "
        if missing > 0:
            self._mark(worn.last, f"{gap}{missing * period:.3f} s")
        elif chunk.first is None or missing < 0:  # it does not count, or began to count anew
            steps = np.diff(times, prepend=worn.last if math.isfinite(worn.last) else times[0])
            for i in np.flatnonzero(steps > max(GAP_S, 2.5 * period)):
                self._mark(float(times[i] - steps[i]), f"{gap}{steps[i] - period:.3f} s")
        worn.last = float(times[-1])
        worn.next = None if chunk.first is None else chunk.first + len(times)
        return times

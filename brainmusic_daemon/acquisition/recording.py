"""A recording's file in; its EEG out as a source, paced by the clock as if it were live."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from brainmusic_daemon.acquisition import formats, labels
from brainmusic_daemon.api import Chunk, Clock, ConfigError, EndOfStream, FloatArray, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock

_NAP_S = 0.002  # samples that become due within this are waited for together: a read per sample would burn the core


@plugin
class Recording:
    """A file: XDF, EDF, BDF, FIF, BrainVision, EEGLAB, OpenBCI GUI text or BrainFlow CSV, played in its own time."""

    reopen_on_silence: ClassVar[bool] = False  # a gap in a recording is played as one; it would begin anew

    path: Annotated[str, Field(min_length=1, description="the recording")]
    start_s: Annotated[float, Field(ge=0, description="begin here, s after the first EEG sample")] = 0.0
    duration_s: Annotated[float, Field(ge=0, description="play this long, s; 0: to the end")] = 0.0
    loop: Annotated[bool, Field(description="begin again at the end")] = False
    stream: Annotated[str, Field(description="name, type, source id or number of the XDF stream; empty: the EEG")] = ""
    board: Annotated[str, Field(description="BrainFlow board whose rows a BrainFlow CSV holds")] = ""
    names: Annotated[list[str], Field(description="channel names, where the file has none or others")] = field(
        default_factory=list
    )

    _clock: Clock | None = field(default=None, init=False, repr=False)
    _samples: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), init=False, repr=False)
    _times: FloatArray = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _runs: tuple[formats.Run, ...] = field(default=(), init=False, repr=False)
    _lap_s: float = field(default=0.0, init=False, repr=False)

    def open(self, clock: Clock) -> StreamInfo:
        """Read the file into memory; its first sample is due now.  Raises ConfigError."""
        take = formats.load(self.path, self.stream, self.board)
        runs = formats.cut(take.runs, self.start_s, self.duration_s)
        if not runs:
            length = take.runs[-1].end if take.runs else 0.0
            raise ConfigError(
                f"the recording {self.path} has no sample between start_s = {self.start_s:g} and the end "
                f"(duration_s = {self.duration_s:g}): it is {length:.1f} s long"
            )
        origin = clock.now()
        times = np.empty(runs[-1].stop)
        for run in runs:
            times[run.start : run.stop] = origin + (run.time + np.arange(run.stop - run.start) * run.step)
        self._clock, self._samples, self._times, self._runs = clock, take.samples, times, runs
        self._lap_s = runs[-1].end
        self._lap_count = runs[-1].number + runs[-1].stop - runs[-1].start
        self._laps, self._waits = 0, not isinstance(clock, VirtualClock)
        self._enter(0)
        channels = labels.renamed(take.channels, self.names)
        return StreamInfo(take.name, channels, take.samplerate, take.uid, take.rail_uv, take.details)

    @property
    def length_s(self) -> float:
        """How long it plays, gaps included; 0 while it is not open, or where it never ends."""
        return 0.0 if self.loop else self._lap_s

    def _enter(self, index: int) -> None:
        run = self._runs[index]
        self._run_index, self._run = index, run
        self._at = run.start
        self._shift = self._laps * self._lap_s
        self._number = run.number - run.start + self._laps * self._lap_count
        self._due = float(self._times[run.start]) + self._shift
        self._rate = 1 / run.step
        self._base = self._due - run.start * run.step

    def read(self, timeout: float) -> Chunk | None:
        """Return the samples that are due, up to the next gap; the arrays are views of the recording.

        Raises EndOfStream once everything has been read.
        """
        clock = self._clock
        if clock is None:
            raise EndOfStream
        limit = clock.now() + 1e-9
        if self._due > limit:
            if timeout <= 0 or not self._waits:
                return None
            clock.wait_until(min(max(self._due, limit + _NAP_S), limit + timeout))
            limit = clock.now() + 1e-9
            if self._due > limit:
                return None
        start, stop, times, shift = self._at, self._run.stop, self._times, self._shift
        end = min(max(int((limit - self._base) * self._rate) + 1, start + 1), stop)
        while end < stop and times[end] + shift <= limit:  # rounding of the line above: at most one step either way
            end += 1
        while end > start + 1 and times[end - 1] + shift > limit:
            end -= 1
        stamps = times[start:end]
        chunk = Chunk(self._samples[start:end], stamps + shift if shift else stamps, start + self._number)
        if end < stop:
            self._at, self._due = end, float(times[end]) + shift
        elif self._run_index + 1 < len(self._runs):
            self._enter(self._run_index + 1)
        elif self.loop:
            self._laps += 1
            self._enter(0)
        else:
            self._clock = None  # the next read says that this was the end
        return chunk

    def close(self) -> None:
        """Let go of the samples."""
        self._clock, self._samples, self._times, self._runs = None, np.zeros((0, 0)), np.zeros(0), ()

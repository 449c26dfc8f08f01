"""The features that another daemon publishes over LSL in; the same, as a source whose channels are features, out."""

from __future__ import annotations

import statistics
from dataclasses import field
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.lsl_known import Known
from brainmusic_daemon.acquisition.lsl_streams import FORMATS, bounded, described, quoted
from brainmusic_daemon.api import Chunk, Clock, SourceLost, StreamInfo, Unfit, plugin

_PULL = 256  # samples at most per read
_LISTEN_S = 1.0  # where no rate is stated
_FEWEST = 5  # samples that tell it


@plugin
class Performer:
    """Another daemon whose brain plays here too: its `[output.lsl]`, found by name on this network.

    Its features are taken as they are; nothing is analysed here.
    """

    performs: ClassVar[bool] = True
    longest_pause_s: ClassVar[float] = (
        0.3  # looking costs a few datagrams, and who comes back wants to be heard at once
    )

    stream: Annotated[str, Field(min_length=1, description="name of its stream: `<name> features`")]
    host: Annotated[str, Field(description="its computer's name, where two publish under one name")] = ""
    wait_s: Annotated[float, Field(ge=0.6, le=60, description="look for the stream this long at each attempt, s")] = 1.0

    _inlet: Any = field(default=None, init=False, repr=False)
    _known: Known = field(default_factory=Known, init=False, repr=False)

    def open(self, clock: Clock) -> StreamInfo:
        """Find the stream and connect.  Raises SourceLost naming what is there, Unfit for what is no features."""
        self.close()
        pylsl = liblsl.load()
        self._known.begin()
        info = self._known.begin(self._resolved(pylsl))
        label = f"LSL stream '{self.stream}' (type {info.type() or 'none'})"
        if info.type() != "Features" or info.channel_format() not in FORMATS:
            raise Unfit(f'{label} carries no features of a daemon; for a headset, kind = "lsl"')
        bounded(info)
        self._lost, self._label = pylsl.util.LostError, label
        try:
            self._inlet = pylsl.StreamInlet(
                info, max_buflen=2, max_chunklen=1, recover=False, processing_flags=pylsl.proc_clocksync
            )
            self._inlet.open_stream(timeout=2.0)
            names = [name for name, _, _ in described(self._inlet.info(timeout=2.0).as_xml(), info.channel_count())]
            self._inlet.time_correction(timeout=2.0)
        except (pylsl.util.TimeoutError, pylsl.util.LostError) as error:
            self.close()
            raise SourceLost(f"{label} on {info.hostname()} does not answer: {error}") from error
        if not all(names) or len(set(names)) < len(names):
            raise Unfit(f"{label} does not name its features, each once")
        self._buffer = np.empty((_PULL, len(names)), dtype=FORMATS[info.channel_format()])
        self._offset = statistics.median(clock.now() - pylsl.local_clock() for _ in range(9))
        rate = float(info.nominal_srate()) or self._rate(pylsl)
        uid = f"{info.source_id()}@{info.hostname()}"
        return StreamInfo(self.stream, tuple(names), rate, uid, None, {"host": info.hostname(), "delivers": "features"})

    def _resolved(self, pylsl: Any) -> Any:
        """Return the stream, a daemon's rather than a stranger's.  Raises SourceLost naming what there is."""
        known = self._known
        terms = {"name": self.stream, "hostname": self.host}
        wanted = " and ".join(f"{key}={quoted(value)}" for key, value in terms.items() if value)
        found = pylsl.resolve_bypred(wanted, 1, self.wait_s)
        good = [info for info in found if info.type() == "Features" and not known.is_useless(info)]
        if good:
            return good[0]
        every = pylsl.resolve_streams(0.6)  # the first to ask is not always answered
        called = [info for info in every if info.name() == self.stream and self.host in ("", info.hostname())]
        called = sorted(known.useful(called), key=lambda info: info.type() != "Features")
        if called:
            return called[0]
        others = [info for info in every if info.type() == "Features"]
        there = ", ".join(f"'{info.name()}' on {info.hostname()}" for info in others) or "none"
        raise SourceLost(
            f"no performer's stream '{self.stream}'{f' on {self.host}' if self.host else ''} answers; of other daemons "
            f"there is: {there}. A performer publishes with [output.lsl]"
        )

    def _rate(self, pylsl: Any) -> float:
        """Return how often it sends, by listening."""
        stamps: list[float] = []
        until = pylsl.local_clock() + _LISTEN_S
        while (left := until - pylsl.local_clock()) > 0:
            chunk = self.read(left)
            stamps += [] if chunk is None else chunk.times.tolist()
        if len(stamps) < _FEWEST or stamps[-1] <= stamps[0]:
            raise SourceLost(f"{self._label} sent {len(stamps)} samples in {_LISTEN_S:g} s")
        return 1.0 / float(np.median(np.diff(stamps)))

    def read(self, timeout: float) -> Chunk | None:
        """Return all samples that are there, waiting for the first; raises SourceLost when the sender is gone."""
        if self._inlet is None:
            raise SourceLost("the performer's stream is closed")
        try:
            row, stamp = self._inlet.pull_sample(max(timeout, 0.0))
            if row is None:
                return None
            _, stamps = self._inlet.pull_chunk(0.0, max_samples=_PULL - 1, dest_obj=self._buffer[1:])
        except self._lost as error:
            raise SourceLost(f"{self._label} has ended") from error
        self._buffer[0] = row
        times = np.array([stamp, *stamps]) + self._offset
        return Chunk(self._buffer[: len(times)].astype(np.float64), times)

    def pass_over(self, why: str) -> None:
        """Take any other stream of this name than the one that was opened last, which is of no use."""
        self._known.pass_over(why)

    def close(self) -> None:
        """Disconnect."""
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            inlet.close_stream()

"""An LSL stream of the network in; its EEG channels out as a source, in session time, sample by sample."""

from __future__ import annotations

import statistics
from dataclasses import field
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.acquisition.formats.choose import best
from brainmusic_daemon.acquisition.formats.take import estimate_rate
from brainmusic_daemon.acquisition.lsl_known import Known
from brainmusic_daemon.acquisition.lsl_streams import FORMATS, bounded, candidate, described, found_from, quoted, rivals
from brainmusic_daemon.acquisition.scrutiny import refuse_haste
from brainmusic_daemon.api import Chunk, Clock, FloatArray, SourceLost, StreamInfo, Unfit, plugin
from brainmusic_daemon.harmless import harmless

_COMPANY_S = 0.6  # wait so long for further matches: a headset's streams share a name, and liblsl's first query (the
# second goes out after 0.5 s) finds just one of the streams of one machine
_PULL = 1024  # samples at most per read
_USUAL_HZ = (100, 125, 128, 160, 200, 220, 250, 256, 300, 400, 500, 512, 600, 1000, 1024, 1200, 2000, 2048, 2400)


@plugin
class Lsl:
    """A live stream of the lab streaming layer: any headset that an LSL program publishes on this network."""

    stream: Annotated[str, Field(description="name of the stream")] = ""
    name: Annotated[str, Field(description="the same as `stream`")] = ""
    type: Annotated[str, Field(description="type of the stream; where no property at all is given: EEG")] = ""
    source_id: Annotated[str, Field(description="the device's own id, the surest way to find it again")] = ""
    predicate: Annotated[str, Field(description="XPath over the description, e.g. starts-with(name,'Muse')")] = ""
    names: Annotated[list[str], Field(description="channel names, where the stream has none or others")] = field(
        default_factory=list
    )
    wait_s: Annotated[float, Field(ge=0.6, le=60, description="look for the stream this long at each attempt, s")] = 1.0
    buffer_s: Annotated[int, Field(ge=1, le=360, description="keep samples that are not fetched this long, s")] = 10
    dejitter: Annotated[bool, Field(description="smooth time stamps in liblsl already, which hides short gaps")] = False

    longest_pause_s = 0.3  # looking costs a few datagrams, and whoever comes back wants to be heard at once

    _inlet: Any = field(default=None, init=False, repr=False)
    _choice: str = field(default="", init=False, repr=False)  # what else there was to take
    _known: Known = field(default_factory=Known, init=False, repr=False)

    def open(self, clock: Clock) -> StreamInfo:
        """Find the stream and connect.  Raises SourceLost naming what is there, Unfit for a stream of text."""
        self.close()
        pylsl = liblsl.load()
        self._known.begin()
        info = self._known.begin(self._resolve(pylsl))
        label = f"LSL stream '{info.name()}'"
        if info.channel_format() not in FORMATS:
            raise Unfit(f"{label} (type {info.type() or 'none'}) carries text, not signals: name the EEG stream")
        refuse_haste(info.nominal_srate(), "lsl")
        bounded(info)
        try:
            self._connect(pylsl, info)
            channels = described(self._inlet.info(timeout=2.0).as_xml(), info.channel_count())
            self._inlet.time_correction(timeout=2.0)  # the first one takes a while: not in the first read
        except (pylsl.util.TimeoutError, pylsl.util.LostError) as error:
            self.close()
            raise SourceLost(f"{label} on {info.hostname()} does not answer: {error}") from error
        given = [name for name, _, _ in channels]
        keep = labels.eeg_columns(given, [kind for _, _, kind in channels])
        names = labels.renamed(labels.unique([labels.tidy(given[i]) for i in keep]), self.names)
        factors = [labels.microvolts(channels[i][1]) for i in keep]
        self._label, self._lost = label, pylsl.util.LostError
        self._keep = keep if keep != list(range(len(channels))) else None
        self._factors = np.array([1.0 if factor is None else factor for factor in factors])
        self._buffer = np.empty((_PULL, len(channels)), dtype=FORMATS[info.channel_format()])
        self._offset = statistics.median(clock.now() - pylsl.local_clock() for _ in range(9))
        self._ahead: list[Chunk] = []
        stated = None not in factors
        rate, details = info.nominal_srate(), {"host": info.hostname(), "type": info.type()}
        unknown = {channels[i][1] for i, factor in zip(keep, factors, strict=True) if factor is None} - {""}
        if rate <= 0 or any(factor != 1.0 for factor in factors):  # volts are often stated where µV are sent
            rate, scale, said = self._listen(rate, stated)
            self._factors = self._factors * scale
            details |= said
            if unknown and scale == 1:
                details["units"] = f"unknown unit {', '.join(sorted(unknown))}, taken as µV"
        left = [given[i] or f"channel {i + 1}" for i in range(len(given)) if i not in set(keep)]
        if left:
            details["left out"] = ", ".join(left)
        if self._choice:
            details["choice"] = self._choice
        return StreamInfo(harmless(info.name()), names, rate, self._known.opened(), None, details)

    def read(self, timeout: float) -> Chunk | None:
        """Return all samples that are there, waiting for the first; raises SourceLost when the sender is gone."""
        if self._ahead:
            return self._ahead.pop(0)
        if self._inlet is None:
            raise SourceLost("the LSL stream is closed")
        try:
            return self._pull(timeout)
        except self._lost as error:
            raise SourceLost(f"{self._label} has ended") from error

    def pass_over(self, why: str) -> None:
        """Take any other stream than the one that was opened last, which is of no use."""
        self._known.pass_over(why)

    def close(self) -> None:
        """Disconnect."""
        inlet, self._inlet, self._ahead = self._inlet, None, []
        if inlet is not None:
            inlet.close_stream()

    def _predicate(self) -> str:
        wanted = {"name": self.name or self.stream, "type": self.type, "source_id": self.source_id}
        terms = [f"{key}={quoted(value)}" for key, value in wanted.items() if value]
        return " and ".join([*terms, *([f"({self.predicate})"] if self.predicate else [])])

    def _resolve(self, pylsl: Any) -> Any:
        """Return the best match; among equals the stream that was open before, of useless ones none."""
        predicate, known = self._predicate(), self._known
        found = pylsl.resolve_bypred(predicate or "type='EEG'", 1, self.wait_s)
        if found and known.is_back(found[0]):  # whoever wears it waits
            return found[0]
        if found and (not (self.source_id and self.type) or known.is_useless(found[0])):
            found = pylsl.resolve_bypred(predicate or "type='EEG'", 64, _COMPANY_S) or found
        if not found and predicate and known.uid:  # what else is there was told when it was looked for first
            raise SourceLost(f"no LSL stream with {predicate} answers any more")
        if not predicate and all(map(known.is_useless, found)):
            found = []
        every = found or pylsl.resolve_streams(_COMPANY_S)
        found = known.useful(found)
        again = [info for info in found if known.was_open(info)]
        others = [] if predicate else [info for info in every if not known.is_useless(info)]
        pool = again or found or others  # no property given: EEG under any type, by evidence
        at = best([candidate(info) for info in pool], anything=bool(again or found))
        if at is not None:
            self._choice = rivals(pool, at)
            return pool[at]
        if not predicate:  # said again, where there is one
            known.useful(filter(known.is_useless, every))
        there = "; ".join(
            f"'{f.name}' (type {f.type or 'none'}, {f.channels} × {f.format}, on {f.host})"
            for f in map(found_from, every)
        )
        there = there or "no stream on this network: is the headset's program running?"
        raise SourceLost(f"no LSL stream with {predicate or 'type EEG'} answers; there is {there}")

    def _connect(self, pylsl: Any, info: Any) -> None:
        """Open an inlet that gives each sample at once, and that says when the sender is gone.

        liblsl's own recovery is off: it would wait in silence where the supervisor wants to tell, and look again.
        Its dejittering (recursive least squares, half-life 90 s, no notion of gaps) draws out a lost second over
        minutes, and `monotonize` makes equal stamps of backward ones: both hide what the timeline counts and repairs.
        """
        flags = pylsl.proc_clocksync | (pylsl.proc_dejitter if self.dejitter else 0)
        self._inlet = pylsl.StreamInlet(
            info, max_buflen=self.buffer_s, max_chunklen=1, recover=False, processing_flags=flags
        )
        self._inlet.open_stream(timeout=2.0)

    def _pull(self, timeout: float) -> Chunk | None:
        """Wait for one sample, then fetch what else is there: waiting for a chunk would wait for all of it."""
        row, stamp = self._inlet.pull_sample(max(timeout, 0.0))
        if row is None:
            return None
        buffer = self._buffer
        _, stamps = self._inlet.pull_chunk(0.0, max_samples=_PULL - 1, dest_obj=buffer[1:])
        buffer[0] = row
        count = 1 + len(stamps)
        samples = buffer[:count] if self._keep is None else buffer[:count, self._keep]
        times: FloatArray = np.empty(count)
        times[0], times[1:] = stamp, stamps
        return Chunk(samples * self._factors, times + self._offset)

    def _listen(self, rate: float, stated: bool) -> tuple[float, float, dict[str, str]]:
        """Learn rate and scale from the first samples, which the first reads then return.

        Returns (rate, factor, remarks); raises SourceLost when the stream states no rate and sends nothing.
        """
        pylsl = liblsl.load()
        begin, need_s = pylsl.local_clock(), 0.5 if rate > 0 else 2.0
        while (passed := pylsl.local_clock() - begin) < need_s:
            try:
                chunk = self._pull(need_s - passed)
            except self._lost as error:
                raise SourceLost(f"{self._label} has ended") from error
            if chunk is not None:
                self._ahead.append(chunk)
        said: dict[str, str] = {}
        factor = 1.0
        if self._ahead:
            factor, units = labels.scale(np.concatenate([chunk.samples for chunk in self._ahead]), stated)
            self._ahead = [Chunk(chunk.samples * factor, chunk.times) for chunk in self._ahead]
            said |= {"units": units} if units else {}
        if rate <= 0:
            times = np.concatenate([chunk.times for chunk in self._ahead]) if self._ahead else np.zeros(0)
            rate, remark = estimate_rate(times, 0.0)
            if rate <= 0 or len(times) < 16:
                raise SourceLost(f"{self._label} states no rate and sent {len(times)} samples in {need_s:g} s")
            near = min(_USUAL_HZ, key=lambda usual: abs(usual / rate - 1))
            rate = float(near) if abs(near / rate - 1) < 0.01 else rate
            said["rate"] = f"{remark}; taken as {rate:g} Hz"
        return rate, factor, said

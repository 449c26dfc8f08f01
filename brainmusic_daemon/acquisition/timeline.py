"""Raw chunks of one source in, evenly spaced finite samples into the ring out; every repair is counted."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.acquisition.linefit import LineFit
from brainmusic_daemon.acquisition.mend import Mend
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.api import Chunk, FloatArray

FILL_S = 0.25  # gaps up to this long are bridged, longer ones restart the window
STEP_S = 600.0  # a longer jump is a stepped clock or counter rather than that many lost samples
REWIND_S = 2.0  # sample numbers that fall back further than this were restarted by the device
HOLD_S, HOLD_CLEAN = 0.2, 3  # a step in time is believed when it lasts this long (jittering times), this many (exact)
RECENT = 64  # an exact duplicate is looked for among this many samples

COUNTERS = (
    "samples",  # measured samples that went into the ring
    "gaps",  # places where samples are missing
    "lost",  # samples that are missing there
    "filled",  # of those, bridged by interpolation
    "restarts",  # of the window: after gaps too long to bridge, stepped clocks, reconnections
    "backward",  # steps back of sample numbers or times
    "duplicates",  # samples dropped because they had come before
    "nonfinite",  # NaN, infinite and absurd values (and times) repaired
    "clock_steps",  # jumps of the source's clock or counter
)


class Timeline:
    """One per ring; called by the acquisition thread only, `counts` may be read by any.

    Where the source numbers its samples, the numbers alone decide what is missing.  Elsewhere a lasting deviation from
    the fitted line does; while it is not known yet whether a deviation lasts, samples are held back (at most HOLD_S).
    The decision is taken sample by sample, so chunking cannot change the result.
    """

    def __init__(
        self, ring: Ring, samplerate: float, counts: dict[str, int] | None = None, *, fill_s: float = FILL_S
    ) -> None:
        """`counts` are carried on from an earlier ring; gaps up to `fill_s` are bridged."""
        self._fill_s = fill_s
        self.counts = dict.fromkeys(COUNTERS, 0) if counts is None else counts
        self._ring, self._rate, self._fit = ring, samplerate, LineFit(samplerate)
        self._mend = Mend(ring, samplerate, self.counts)
        self._next: int | None = None  # number of the next sample, where the source counts
        self._fallen: int | None = None  # while numbers repeat: the one after the newest of those dropped
        self._last_time = -math.inf
        self._restart = False
        self._gap = 0  # samples to bridge ahead of the next ones
        self._off: list[float] = []  # times off the line: a step of the clock, or jitter
        self._held: list[npt.NDArray[Any]] = []  # their samples, where that decides what is missing
        self._recent: deque[tuple[float, npt.NDArray[Any]]] = deque(maxlen=RECENT)

    def resume(self) -> None:
        """Expect a new beginning: the source was reopened.  Samples held back are let in first."""
        self.flush()
        self._next, self._fallen, self._last_time = None, None, -math.inf
        self._recent.clear()
        self._fit.line = None
        self._restart, self._gap = True, 0

    def flush(self) -> None:
        """Let in what is held back: nothing more will come to decide by."""
        if self._off:
            self._settle(self._fit.ahead(1))
        if self._held:
            self._release(self._ring.arrival)

    def push(self, chunk: Chunk, arrival: float) -> int:
        """Take a chunk that arrived at `arrival`; return how many of its samples were new."""
        samples, times, first = chunk.samples, chunk.times.tolist(), chunk.first
        if not times:
            return 0
        if first is None:
            return self._by_time(samples, times, arrival)
        if first == self._next:
            self._next, self._fallen = first + len(times), None
            self._numbered(samples, times, arrival)
            return len(times)
        return self._by_number(samples, times, first, arrival)

    # --- sources that number their samples ------------------------------------------------------------------------

    def _by_number(self, samples: FloatArray, times: list[float], first: int, arrival: float) -> int:
        """Numbers jumped, fell back, or are the first ones."""
        counts, step = self.counts, 0 if self._next is None else first - self._next
        if step and self._off:
            self._settle(self._fit.ahead(1))
        if step > 0:
            self._missing(step, step / self._rate)
        elif step < -REWIND_S * self._rate:
            counts["clock_steps"] += 1
            self._anew()
        elif step < 0:
            counts["backward"] += self._fallen is None or first < self._fallen
            known = min(-step, len(times))
            counts["duplicates"] += known
            if known == len(times):
                self._fallen = first + known
                return 0
            samples, times, first = samples[known:], times[known:], first + known
        self._fallen = None
        self._next = first + len(times)
        self._numbered(samples, times, arrival)
        return len(times)

    def _numbered(self, samples: FloatArray, times: list[float], arrival: float) -> None:
        """Nothing is missing between these samples whatever their times say; follow the times."""
        fit, at, n = self._fit, 0, len(times)
        while at < n:
            if not self._off:
                on = fit.advance(times, at, self._last_time)
                if on > at:
                    self._last_time, at = times[on - 1], on
                    continue
            time = self._finite(times[at], arrival)
            self.counts["backward"] += time < self._last_time
            self._last_time, at = time, at + 1
            step = self._judge(time)
            if step:
                self.counts["clock_steps"] += 1
            if step is not None:
                self._settle(fit.ahead(1) + step)
        self._emit(samples, arrival)

    # --- sources that only give times -----------------------------------------------------------------------------

    def _by_time(self, samples: FloatArray, times: list[float], arrival: float) -> int:
        fit, at, n, new = self._fit, 0, len(times), len(times)
        while at < n:
            if not self._off:
                on = fit.advance(times, at, self._last_time)
                if on > at:
                    self._recent.extend(zip(times[at:on], samples[at:on], strict=True))
                    self._last_time = times[on - 1]
                    self._emit(samples[at:on], arrival)
                    at = on
                    continue
            new -= not self._hold(times[at], samples[at], arrival)
            at += 1
        return new

    def _hold(self, time: float, row: npt.NDArray[Any], arrival: float) -> bool:
        """Take a sample whose time is off the line, or not later than the one before; return whether it is new."""
        fit, counts = self._fit, self.counts
        time = self._finite(time, arrival)
        if time <= self._last_time:
            if self._is_known(time, row):
                counts["duplicates"] += 1
                return False
            counts["backward"] += time < self._last_time
        self._recent.append((time, row))
        self._last_time = time
        self._held.append(row)
        step = self._judge(time)
        if step is None:
            return True
        anchor = fit.ahead(1) + step
        if 0 < step <= STEP_S:
            self._missing(round(step / fit.period), step)
        elif step:
            counts["clock_steps"] += 1
            if abs(step) > self._fill_s:
                self._anew()
        self._settle(anchor)
        self._release(arrival)
        return True

    def _is_known(self, time: float, row: npt.NDArray[Any]) -> bool:
        """Whether this very sample came before.  A flat signal says nothing: its samples are all alike."""
        mine, recent, found = row.tobytes(), self._recent, False
        for i in range(len(recent) - 1, 0, -1):
            if recent[i][0] != time:
                if found:
                    break  # equal times lie together
                continue
            found = True
            if recent[i][1].tobytes() == mine:
                return recent[i - 1][1].tobytes() != mine
        return False

    def _release(self, arrival: float) -> None:
        rows, self._held = np.array(self._held), []
        self._emit(rows, arrival)

    # --- both -----------------------------------------------------------------------------------------------------

    def _judge(self, time: float) -> float | None:
        """Take a time off the line; return the step of the clock, s, or 0 where it was jitter, or None: not known yet.

        Back within the tolerance, or off to the other side, it was jitter; off for long enough, it is a step.
        """
        fit, off = self._fit, self._off
        off.append(time)
        if fit.line is None:
            fit.anchor(time)
        deviation, first = time - fit.ahead(len(off)), off[0] - fit.ahead(1)
        if abs(deviation) <= fit.tolerance or (deviation > 0) != (first > 0):
            return 0.0
        patience = HOLD_CLEAN if fit.clean else max(HOLD_CLEAN, round(HOLD_S * self._rate))
        if len(off) < patience:
            return None
        return sum(late - fit.ahead(i + 1) for i, late in enumerate(off)) / len(off)

    def _settle(self, anchor: float) -> None:
        """Let the line go through `anchor` at the first time that was off, and follow them all."""
        self._fit.anchor(anchor)
        for time in self._off:
            self._fit.accept(time)
        self._off.clear()

    def _finite(self, time: float, arrival: float) -> float:
        """Return `time`, or what the line says where the source gave none."""
        if math.isfinite(time):
            return time
        self.counts["nonfinite"] += 1
        return arrival if self._fit.line is None else self._fit.ahead(len(self._off) + 1)

    def _missing(self, n: int, seconds: float) -> None:
        """Note that `n` samples are missing ahead of the next one."""
        if seconds > STEP_S:
            self.counts["clock_steps"] += 1
            self._anew()
            return
        self.counts["gaps"] += 1
        self.counts["lost"] += n
        if seconds > self._fill_s:
            self._anew()
        else:
            self._gap += n
            self._fit.skip(n)

    def _anew(self) -> None:
        """Begin a new stretch: the samples to come have nothing to do with those before."""
        self._restart, self._gap, self._fit.line = True, 0, None

    def _emit(self, samples: npt.NDArray[Any], arrival: float) -> None:
        """Pass on what is known to lie behind the gap or the new beginning, if any."""
        time = self._fit.ahead(len(self._off)) if self._off else self._fit.time
        self._mend.write(samples, time, arrival, bridge=self._gap, restart=self._restart)
        self._gap, self._restart = 0, False

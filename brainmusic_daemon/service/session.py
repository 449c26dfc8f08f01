"""A source, a pipeline and outputs in, one tick at a time out: the part that live and offline runs share."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from brainmusic_daemon import config as configuration
from brainmusic_daemon import features
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.api import Chunk, Clock, ConfigError, Features, Frame, Output, Source, State, StreamInfo, Unfit
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import bank
from brainmusic_daemon.features.together import Bank
from brainmusic_daemon.jit import fill_cache
from brainmusic_daemon.mapping.host import Report
from brainmusic_daemon.pipeline import Pipeline, derived
from brainmusic_daemon.service import head
from brainmusic_daemon.service.ages import Ages
from brainmusic_daemon.service.journal import Journal
from brainmusic_daemon.service.metrics import Histogram

_log = logging.getLogger(__name__)

Tap = Callable[[StreamInfo, Chunk], None]

_KEPT_S = 0.5  # of frames
_LOOK_S = 0.25  # how often it is asked whether something was learned about the person


class Session:
    """Joins acquisition, pipeline and outputs.  `attach` is slow and called beside the tick; `tick` is the tick."""

    def __init__(self, config: Config, clock: Clock, source: Source | None = None) -> None:
        self.config, self.clock = config, clock
        self.head = head.made(config, clock, source)  # who is listened to: one person, or several
        self.acquisition = self.head.acquisition
        self.journal = Journal(clock)
        self.pipeline = Pipeline(config, live=not isinstance(clock, VirtualClock))
        self.outputs: Sequence[Output] = ()  # open ones; replaced as a whole
        self.output_failures = 0
        self.ages: Ages | None = None  # of the samples, stage by stage; None: on the virtual clock nothing takes time
        self._failing: set[str] = set()  # outputs whose failure was told
        self.latency = Histogram()  # newest sample → all outputs were handed the frame
        self.frame: Frame | None = None  # newest
        self.tap: Callable[[Frame], None] | None = None  # hears every frame, in the tick: must neither block nor raise
        self.frames: deque[Frame] = deque(maxlen=math.ceil(_KEPT_S / config.tick))  # for who looks now and then
        self.recent: deque[Features] = deque(maxlen=round(config.swap.try_s / config.tick))  # to try mappers on
        self.reported: Callable[[Report], None] = lambda report: None  # whoever wants to know too
        self.attached = False  # whether ticks follow a headset
        self._ticking = False
        self._look_at = 0.0
        self._heard_to = 0  # number of samples of the newest window
        self.begin_counting()
        self.preparing = threading.Lock()  # held by whoever replaces what listens
        self._listening = threading.Lock()
        self._taps: tuple[Tap, ...] = ()

    def listen(self, tap: Tap) -> Callable[[], None]:
        """Tell `tap` of every chunk as the sources delivered it; return what takes it off again.

        It hears them in the threads of the sources: append and go.
        """
        with self._listening:
            self._tap((*self._taps, tap))

        def leave() -> None:
            with self._listening:
                self._tap(tuple(known for known in self._taps if known is not tap))

        return leave

    def _tap(self, taps: tuple[Tap, ...]) -> None:
        def tell(info: StreamInfo, chunk: Chunk) -> None:
            for tap in taps:
                tap(info, chunk)

        self._taps = taps
        self.acquisition.tap = tell if len(taps) > 1 else taps[0] if taps else None

    def begin_counting(self) -> None:
        """Forget what was timed so far: the start is over."""
        self.latency = Histogram()
        if not isinstance(self.clock, VirtualClock):
            self.ages = ages = Ages(self.clock)
            self.pipeline.heard = ages.hear

    def attach(self) -> bool:
        """Prepare the pipeline for a headset that is new or has changed; return whether it did."""
        if self.pipeline.host.reports or self.pipeline.host.dropped:
            self._hear()
        if not self.head.changed:
            if self.acquisition.arrival >= self._look_at:  # a few times a second is soon enough
                self._look_at = self.acquisition.arrival + _LOOK_S
                if not self.preparing.locked():
                    self.pipeline.improve()
                    self._say()
            return False
        if not self.preparing.acquire(blocking=False):
            return False
        try:
            return self._attach()
        finally:
            self.preparing.release()

    def _attach(self) -> bool:
        try:
            bank = self.head.design()
        except ConfigError as error:
            if not self.head.attached and not (self.head.waits and isinstance(error, Unfit)):
                raise
            self.head.refuse(error)  # the show goes on: whoever changed headsets may change them back
            return False
        self.prepare(bank)
        self.head.install()
        self.attached = True
        self._say()
        return True

    def prepare(self, bank: Bank) -> None:
        """Have the mappers prepared for other features: the tick idles until `attached` is true again."""
        self.attached = False
        limit = time.perf_counter() + 1.0
        while self._ticking and time.perf_counter() < limit:  # at work with what is to be prepared anew
            time.sleep(0.0005)
        self.pipeline.prepare(bank)

    def _hear(self) -> None:
        """Tell what became of the mappers, and write it down."""
        reports, dropped = self.pipeline.host.reports, self.pipeline.host.dropped
        while dropped:
            dropped.popleft().leave()
        while reports:
            report = reports.popleft()
            if report.seat.quiet and not report.fault:
                continue
            _log.log(logging.WARNING if report.fault else logging.INFO, "%s", report)
            time = report.time if report.time > -math.inf else None
            self.journal.note("mapper", report.plays, text=report.fault, time=time)
            if report.fault:
                report.seat.leave()
            self.reported(report)

    def _say(self) -> None:
        for remark in self.pipeline.remarks():
            _log.warning("%s", remark)

    def tick(self, deadline: float) -> Frame:
        """Make the frame that leaves at `deadline` (session seconds) and hand it to every output."""
        self._ticking = True
        ages = self.ages
        if ages is not None:
            ages.begin(self.acquisition.arrival)
        try:
            frame = self._make_frame(deadline)
        finally:
            self._ticking = False
        if ages is not None:
            ages.make()
        for output in self.outputs:
            try:
                output.send(frame)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - one that breaks its promise must not stop others
                self.output_failures += 1
                if (name := type(output).__name__.lower()) not in self._failing:
                    self._failing.add(name)
                    _log.warning("output '%s' failed: %r; further failures are only counted", name, error)
        tap = self.tap
        if tap is not None:
            tap(frame)
        if frame.features.names:
            self.recent.append(frame.features)
        if frame.features.state is not State.LOST:
            self.latency.add(self.clock.now() - frame.features.sample_time)
            if ages is not None:
                info, count = self.acquisition.info, self._heard_to
                ages.end(
                    frame.features.sample_time, count, 1.0 / info.samplerate if info is not None and count else 0.0
                )
        self.frame = frame
        self.frames.append(frame)
        return frame

    def _make_frame(self, deadline: float) -> Frame:
        if self.attached:
            window, alive = self.head.hear(deadline)
            self._heard_to = getattr(window, "end", 0)  # several have each their own
            return self.pipeline.tick(deadline, window, alive=alive)
        before = self.frame
        if before is not None and self.head.attached:  # what is there is being prepared for anew, some ms long
            return self.pipeline.hold(deadline, before)
        return self.pipeline.idle(deadline)

    def counters(self) -> dict[str, float]:
        """Return what went wrong between source and outputs."""
        return {**self.acquisition.counters(), "output_failures": self.output_failures}


def warm_up() -> None:
    """Load what a tick calls from the cache, filled in a process of its own where it is not, so that no tick has to."""
    fill_cache(Path(features.__file__).parent, f"{__name__}:load", "the features", _log.info)
    load()


def load() -> None:
    """Do one tick's analysis on a headset of no account, compiling here what is not in the cache."""
    plain = configuration.resolve({"source": {"kind": "simulator"}})
    info = StreamInfo("", ("Fp1", "Fp2", "O1", "O2"), 250.0)
    made = bank.build(info, plain, derived(plain.features))
    n = made.spectral.n_taps
    ring = Ring(len(info.channels), 4 * n, n)
    ring.write(np.zeros((n, len(info.channels))), 0.0, 0.0)
    made.update(0.0, ring.newest(n), alive=True)

"""A scripted headset in front of the real chain on the virtual clock: what was heard, said and recorded comes out."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.formats.xdf_file import Stream, streams
from brainmusic_daemon.api import Chunk, Clock, EndOfStream, Frame, SourceLost, State, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.service.announcer import Announcer
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.session import Session
from tests import artifacts
from tests.faults import find
from tests.signals import CYTON

Array = npt.NDArray[Any]

FS, TICK = 250.0, 0.02
BLOCK = 5  # samples that a headset sends at a time
AIR_S = 0.004  # from the last of them to their arrival
SETTINGS = ("output.audio.enabled=false", "baseline.settle_s=3")
BEGIN, END, LONG = 15.0, 16.0, 30.0  # usual first and last second of a trouble, and of the session
AMP = StreamInfo("amp", CYTON, FS, "amp-7", 187_500.0)


@dataclass
class Flow:
    """What a headset sends, sample by sample; a trouble changes it."""

    samples: Array  # (n, n_channels) µV
    times: Array  # (n,) as the device states them, s
    arrivals: Array  # (n,) session seconds
    numbers: Array | None  # (n,) as the device counts; None: it does not

    @classmethod
    def healthy(
        cls, seconds: float = LONG, numbered: bool = True, channels: tuple[str, ...] = CYTON, rate: float = FS
    ) -> Flow:
        n = round(seconds * rate)
        k = np.arange(n)
        arrivals = ((k // BLOCK + 1) * BLOCK - 1) / rate + AIR_S
        return cls(_eeg(n, channels, rate).copy(), k / rate, arrivals, k if numbered else None)

    def between(self, begin: float = BEGIN, end: float = END) -> slice:
        """Return which samples are of these seconds."""
        return slice(round(begin * FS), round(end * FS))

    def take(self, order: Array) -> Flow:
        """Return the samples `order`, each as it is; what comes later in it arrives no sooner."""
        arrivals = np.maximum.accumulate(self.arrivals[order])
        numbers = None if self.numbers is None else self.numbers[order]
        return Flow(self.samples[order], self.times[order], arrivals, numbers)

    def chunks(self) -> Iterator[tuple[float, Chunk]]:
        """Return (arrival, chunk): what arrives together and is numbered in a row."""
        cut = np.diff(self.arrivals) > 0
        if self.numbers is not None:
            cut |= np.diff(self.numbers) != 1
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(self.times)]
        for a, b in itertools.pairwise(edges):
            first = None if self.numbers is None else int(self.numbers[a])
            yield float(self.arrivals[a]), Chunk(self.samples[a:b], self.times[a:b], first)


@cache
def _eeg(n: int, channels: tuple[str, ...], rate: float) -> Array:
    return artifacts.eeg(n, channels, rate)


class Wire:
    """A source that hands on what has arrived; what comes while it is closed is not heard.

    One headset after the other may be worn: (first second, last second, what it says about itself, what it sends).
    """

    def __init__(self, flow: Flow | None, *worn: tuple[float, float, StreamInfo, Flow]) -> None:
        """`flow`: of the usual headset, always there; None: there are those that are `worn`."""
        self._worn = [(0.0, np.inf, AMP, flow)] if flow is not None else [*worn]
        self.delivered: list[Chunk] = []
        self.openings: list[float] = []

    def open(self, clock: Clock) -> StreamInfo:
        self._clock = clock
        self.openings.append(clock.now())
        here = [entry for entry in self._worn if entry[0] <= clock.now() < entry[1]]
        if not here:
            raise SourceLost("the headset is away")
        _, self._until, info, flow = here[0]
        self._coming = list(flow.chunks())
        self._at = next((i for i, (at, _) in enumerate(self._coming) if at >= clock.now() - TICK), len(self._coming))
        return info

    def read(self, timeout: float) -> Chunk | None:
        if self._clock.now() >= self._until:
            raise SourceLost("the headset went away")
        if self._at < len(self._coming) and self._coming[self._at][0] <= self._clock.now() + 1e-9:
            self._at += 1
            self.delivered.append(self._coming[self._at - 1][1])
            return self.delivered[-1]
        return None

    def close(self) -> None:
        pass


@dataclass
class Heard:
    """What came out of a session."""

    frames: list[Frame]
    session: Session
    said: list[str] = field(default_factory=list)
    follow: list[float] = field(default_factory=list)  # the share by which the music follows, per frame
    file: tuple[Stream, ...] = ()

    def __post_init__(self) -> None:
        self.times = np.array([frame.time for frame in self.frames])

    @property
    def counts(self) -> dict[str, float]:
        """Return what was counted, zeros left out."""
        return {name: n for name, n in self.session.counters().items() if n and name != "samples"}

    def states(self, begin: float = 0.0, end: float = np.inf) -> list[str]:
        """Return the states between two seconds, in their order, each once in a row."""
        found = [str(f.features.state) for f in self.frames if begin <= f.time < end]
        return [state for i, state in enumerate(found) if i == 0 or found[i - 1] != state]

    def values(self, control: str) -> Array:
        return np.array([frame.controls[control] for frame in self.frames])

    def finite(self) -> bool:
        """Return whether nothing but numbers in their ranges came out, and no control jumped."""
        for control in self.session.pipeline.host.controls:
            x = self.values(control.name)
            steps = np.abs(np.diff(x)) <= control.slew * TICK + 1e-9
            if not (np.isfinite(x).all() and steps.all() and x.min() >= control.low and x.max() <= control.high):
                return False
        return all(np.isfinite(frame.features.values).all() for frame in self.frames)

    def eeg(self, name: str = "amp") -> list[Stream]:
        """Return the recorded streams of a headset."""
        return [stream for stream in self.file if stream.name == name]


def listen(
    source: Any,
    seconds: float = LONG,
    *settings: str,
    record: Path | None = None,
    each: Callable[[Session, float], None] = lambda session, time: None,
) -> Heard:
    """Run a session as the daemon does, tick by tick; `record`: write all of it to this file and read it again."""
    clock, announcer = VirtualClock(), Announcer()
    session = Session(configuration.load(None, [*SETTINGS, *settings]), clock, source)
    recorder = Recorder(session)
    if record is not None:
        recorder.start(record)
    frames, follow, lines = list[Frame](), list[float](), _Lines()
    log = logging.getLogger("brainmusic_daemon")
    level = log.level
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    try:
        for number in range(1, round(seconds / TICK) + 1):
            clock.wait_until(number * TICK)
            try:
                session.acquisition.pump()
            except EndOfStream:
                break
            session.attach()
            frames.append(session.tick(number * TICK))
            follow.append(session.pipeline.bank.follow if session.pipeline.bank is not None else 0.0)
            announcer.look(frames[-1].features.state, session.pipeline.bank)
            each(session, number * TICK)
    finally:
        done = recorder.stop()
        log.removeHandler(lines)
        log.setLevel(level)
    file = ()
    if record is not None:
        assert done is not None and done.lost == 0
        file = tuple(streams(record)[0])
    return Heard(frames, session, lines.said, follow, file)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@cache
def undisturbed(seconds: float = LONG) -> Heard:
    """Return the same session without a trouble."""
    return listen(Wire(Flow.healthy(seconds)), seconds)


def back_after(heard: Heard, over: float, beside: Heard | None = None, ages: bool = True) -> float:
    """Return how long after second `over` the music is as it is without the trouble, from then on: session seconds.

    As it is: it follows altogether, the state is good, and band powers are within 1 dB and the signal's age within a
    tick of the undisturbed session's.  Infinite where it never is.  `ages` False: never mind the age, where
    the headset's clock is off.
    """
    beside = beside or undisturbed()
    last = over
    for mine, others, follow in zip(heard.frames, beside.frames, heard.follow, strict=False):
        if mine.time > last and not _alike(mine, others, follow, ages):
            last = mine.time
    return np.inf if last >= heard.frames[-1].time - 1.0 else last - over


def _alike(mine: Frame, others: Frame, follow: float, ages: bool) -> bool:
    a, b = mine.features, others.features
    if a.state is not State.GOOD or follow < 0.99 or (ages and abs(a.sample_time - b.sample_time) > TICK):
        return False
    return all(abs(10 * np.log10((a[f"raw.{x}"] + 1e-6) / (b[f"raw.{x}"] + 1e-6))) < 1 for x in ("alpha", "beta"))


def recorded(heard: Heard, source: Wire, name: str = "amp") -> bool:
    """Return whether the recording holds every value that the headset sent, as it sent it."""
    held = np.concatenate([np.asarray(stream.samples, float) for stream in heard.eeg(name)])
    return np.array_equal(held, np.concatenate([chunk.samples for chunk in source.delivered]), equal_nan=True)


def check(
    name: str, flow: Flow, over: float, folder: Path, *settings: str, begin: float = BEGIN, beside: Heard | None = None
) -> Heard:
    """Let a trouble happen that is over at second `over`, and hold what came of it against its row."""
    row, source = find(name), Wire(flow)
    heard = listen(source, flow_seconds(flow), *settings, record=folder / "a.xdf")
    assert heard.finite(), "something else than a number in its range came out, or a control jumped"
    usual = {"calibrating", "good"}
    assert {*heard.states(begin)} - usual == {*row.state.split(", ")} - usual
    assert not row.message or row.says(heard.said), heard.said
    assert row.seconds is not None
    assert back_after(heard, over, beside or undisturbed(flow_seconds(flow))) <= row.seconds
    assert recorded(heard, source), "the recording lacks something that the headset sent"
    return heard


def flow_seconds(flow: Flow) -> float:
    """Return how long a session of this flow is: to its last sample as if nothing had happened to it."""
    return LONG if flow.arrivals[-1] < LONG + 1 else float(np.ceil(flow.arrivals[-1]))


def farthest(heard: Heard, begin: float, end: float, band: str = "alpha") -> float:
    """Return the greatest distance of a band's power from the undisturbed session's in these seconds, dB."""
    pairs = zip(heard.frames, undisturbed().frames, strict=False)
    powers = [(a.features[f"raw.{band}"], b.features[f"raw.{band}"]) for a, b in pairs if begin <= a.time < end]
    return max(abs(10 * np.log10((a + 1e-6) / (b + 1e-6))) for a, b in powers)

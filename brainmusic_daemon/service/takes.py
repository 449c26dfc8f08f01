"""Sources in; what they delivered while a person kept the eyes open or closed, and its features, out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import Chunk, Clock, EndOfStream, FloatArray, Source, State, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features.bank import FeatureBank
from brainmusic_daemon.service.session import Session

_LOOK_S = 0.5  # how often contact is asked for its reasons


@dataclass(frozen=True, slots=True)
class Take:
    """What a source delivered during one condition, chunk by chunk, as it came."""

    info: StreamInfo
    chunks: tuple[Chunk, ...]

    @property
    def samples(self) -> FloatArray:
        """Return all samples (n_samples, n_channels) µV; may hold NaN."""
        return np.concatenate([chunk.samples for chunk in self.chunks]) if self.chunks else np.zeros((0, 1))

    @property
    def seconds(self) -> float:
        """Return how long it is, gaps left out."""
        return sum(len(chunk.times) for chunk in self.chunks) / self.info.samplerate


class Tap:
    """A source that keeps what passes through it.  `chunks` grows in the acquisition thread; read it from anywhere."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.reopen_on_silence = bool(getattr(source, "reopen_on_silence", True))
        self.info: StreamInfo | None = None
        self.chunks: list[Chunk] = []

    def open(self, clock: Clock) -> StreamInfo:
        self.info = self._source.open(clock)
        return self.info

    def read(self, timeout: float) -> Chunk | None:
        chunk = self._source.read(timeout)
        if chunk is not None and len(chunk.times):
            # a copy: what a source reuses for its next chunk must not change what was kept
            self.chunks.append(replace(chunk, samples=np.array(chunk.samples), times=np.array(chunk.times)))
        return chunk

    def close(self) -> None:
        self._source.close()

    def between(self, start: float, stop: float) -> Take:
        """Return what arrived between two times, session seconds."""
        assert self.info is not None
        return Take(self.info, tuple(c for c in tuple(self.chunks) if start <= c.times[-1] < stop))


class Played:
    """A source that delivers a take again, from now on."""

    reopen_on_silence: ClassVar[bool] = False

    def __init__(self, take: Take) -> None:
        self._take = take

    def open(self, clock: Clock) -> StreamInfo:
        self._clock, self._at = clock, 0
        self._shift = clock.now() - (float(self._take.chunks[0].times[0]) if self._take.chunks else 0.0)
        return self._take.info

    def read(self, timeout: float) -> Chunk | None:
        if self._at >= len(self._take.chunks):
            raise EndOfStream
        chunk = self._take.chunks[self._at]
        if float(chunk.times[-1]) + self._shift > self._clock.now() + 1e-9:
            return None
        self._at += 1
        return replace(chunk, times=chunk.times + self._shift)

    def close(self) -> None:
        self._at = len(self._take.chunks)


@dataclass(frozen=True, slots=True)
class Heard:
    """One condition as the pipeline heard it: one row per tick."""

    names: tuple[str, ...]  # of features, physical values
    logarithmic: npt.NDArray[np.bool_]  # (n_features,)
    raw: FloatArray  # (n_ticks, n_features)
    good: npt.NDArray[np.bool_]  # (n_ticks,) the signal is good and the window full
    channels: tuple[str, ...]
    quality: FloatArray  # (n_channels,) share of the time that each channel was good for
    faults: dict[str, str]  # channel → what was wrong with it most often, in one word


def collect(source: Source, seconds: float | None = None) -> Take:
    """Return what a recording holds, without waiting for it.  Raises ConfigError."""
    clock, tap = VirtualClock(), Tap(source)
    try:
        tap.open(clock)
        while seconds is None or clock.now() < seconds:
            clock.wait_until(clock.now() + 0.1)
            while tap.read(0.0) is not None:
                pass
    except EndOfStream:
        pass
    finally:
        tap.close()
    assert tap.info is not None
    return Take(tap.info, tuple(tap.chunks))


def hear(
    config: Config,
    take: Take,
    progress: Callable[[float], None] = lambda seconds: None,
    breathe: Callable[[], None] = lambda: None,
) -> Heard:
    """Run a take through acquisition and pipeline, as a session would; `breathe` is called after every tick."""
    clock = VirtualClock()
    session = Session(config, clock, Played(take))
    rows: list[FloatArray] = []
    good: list[bool] = []
    quality: list[FloatArray] = []
    faults: dict[str, Counter[str]] = defaultdict(Counter)
    look_every = max(1, round(_LOOK_S / config.tick))
    number, ended = 0, False
    try:
        session.acquisition.pump()
        while not ended:
            number += 1
            clock.wait_until(number * config.tick)
            try:
                session.acquisition.pump()
            except EndOfStream:
                ended = True
            session.attach()
            features = session.tick(number * config.tick).features
            breathe()
            bank = session.pipeline.bank
            if bank is None or not features.names:
                continue
            n = len(features.names) // 2
            rows.append(features.values[n:])
            good.append(features.state in (State.GOOD, State.CALIBRATING) and len(rows) * config.tick > 1.5)
            quality.append(features.quality)
            if number % look_every == 0:
                for channel, fault in bank.faults().items():
                    faults[channel][fault] += 1
            if number % 64 == 0:
                progress(number * config.tick)
    finally:
        session.acquisition.stop()
    bank = session.pipeline.bank
    assert isinstance(bank, FeatureBank)
    names = bank.names[: len(bank.names) // 2]
    channels = bank.setup.channels
    return Heard(
        names=names,
        logarithmic=np.arange(len(names)) < bank.baseline.n_logarithmic,
        raw=_stacked(rows, len(names)),
        good=np.array(good, bool),
        channels=channels,
        quality=(_stacked(quality, len(channels)) >= 0.5).mean(axis=0),
        faults={channel: seen.most_common(1)[0][0] for channel, seen in faults.items()},
    )


def _stacked(rows: Sequence[FloatArray], width: int) -> FloatArray:
    return np.array(rows, float).reshape(-1, width)

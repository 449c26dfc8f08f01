"""Recordings and what each stands for in; the features that a session would have heard in them, as one group, out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brainmusic_daemon import registry
from brainmusic_daemon.api import Chunk, Clock, ConfigError, EndOfStream, Frame, Source, State, StreamInfo
from brainmusic_daemon.config import Config
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.service.render import render

_SEAM_S = 2.0  # after the change of recordings, what a kernel sees is of both: the first seconds are not learned from


class Playlist:
    """A source that plays recordings of one headset one after the other, as if it had been worn all the time."""

    reopen_on_silence: ClassVar[bool] = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.begins: list[float] = []  # session seconds at which each began
        self.length_s = 0.0
        self._source: Source | None = None
        self._info: StreamInfo | None = None

    def open(self, clock: Clock) -> StreamInfo:
        """Open the first one.  Raises ConfigError."""
        self._clock, self.begins = clock, []
        self._info = self._next()
        return self._info

    def _next(self) -> StreamInfo:
        path = self.paths[len(self.begins)]
        source: Source = registry.build("source", "recording", {"path": str(path)}, "source")
        info = source.open(self._clock)
        if self._info is not None and self.begins and _headset(info) != _headset(self._info):
            source.close()
            raise ConfigError(
                f"{path} has {_words(info)}, and {self.paths[0]} has {_words(self._info)}: recordings that belong "
                "together are of one headset; give them to `train` as different persons (anna:FILE ben:FILE)"
            )
        self._source = source
        self.begins.append(self._clock.now())
        self.length_s += float(getattr(source, "length_s", 0.0))
        return info

    def read(self, timeout: float) -> Chunk | None:
        """Return what is due; goes on to the next recording without a pause."""
        if self._source is None:
            raise EndOfStream
        try:
            chunk = self._source.read(timeout)
        except EndOfStream:
            self._source.close()
            if len(self.begins) == len(self.paths):
                self._source = None
                raise
            self._next()
            return None
        return replace(chunk, first=None) if chunk is not None else None  # the count would begin anew at each file

    def close(self) -> None:
        """Let go of the recording."""
        if self._source is not None:
            self._source.close()
        self._source = None


def _headset(info: StreamInfo) -> tuple[object, ...]:
    return info.channels, round(info.samplerate, 1)


def _words(info: StreamInfo) -> str:
    return f"{len(info.channels)} channels at {info.samplerate:g} Hz"


@dataclass
class Ear:
    """An output that keeps every frame's features."""

    names: tuple[str, ...] = ()
    rows: list[npt.NDArray[np.float32]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ticks: int = 0

    def open(self, clock: Clock | None = None, info: StreamInfo | None = None) -> None:
        """Nothing to open."""

    def send(self, frame: Frame) -> None:
        """Keep a tick with good signal."""
        features = frame.features
        self.ticks += 1
        if features.state is State.GOOD:
            if features.names != self.names:  # a headset that changed: only what came last belongs together
                self.names, self.rows, self.times = features.names, [], []
            self.rows.append(features.values.astype(np.float32))
            self.times.append(features.time)

    def close(self) -> None:
        """Nothing to close."""

    def counters(self) -> Mapping[str, float]:
        """Nothing is lost."""
        return {}


def listen(
    config: Config,
    recordings: Sequence[tuple[Path, Mapping[str, float]]],
    person: str = "",
    *,
    stop: threading.Event | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> Group:
    """Play recordings through the whole analysis, one session, and return what it heard with their targets.

    One session, because a baseline that began anew with each file would take away just what tells them apart.  The
    baseline knows the past only, as live.  Raises what the recordings raise.
    """
    playlist, ear = Playlist([path for path, _ in recordings]), Ear()
    render(replace(config, source=playlist, people=()), {"ear": ear}, stop=stop, progress=progress)
    times = np.array(ear.times)
    begins = np.array(playlist.begins)
    part = np.searchsorted(begins, times, side="right") - 1
    keep = (part >= 0) & ((part == 0) | (times - begins[np.maximum(part, 0)] >= _SEAM_S))
    times, part = times[keep], part[keep]
    values = np.array(ear.rows, np.float32).reshape(len(ear.rows), len(ear.names))[keep]
    wanted = dict.fromkeys(name for _, targets in recordings for name in targets)
    return Group(
        name=" + ".join(path.name for path, _ in recordings),
        times=times,
        features=ear.names,
        values=values,
        targets={
            name: np.array([targets.get(name, np.nan) for _, targets in recordings], np.float32)[part]
            for name in wanted
        },
        weights=np.ones(len(times), np.float32),
        parts=part.astype(np.intp),
        person=person,
        about={"rows": ear.ticks, "rows without good signal": ear.ticks - len(times)},
    )

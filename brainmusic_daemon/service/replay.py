"""A recording in; all its streams out as live LSL streams, each sample at its own time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.formats import load, xdf, xdf_file
from brainmusic_daemon.acquisition.formats.choose import best
from brainmusic_daemon.acquisition.formats.take import Take
from brainmusic_daemon.api import ConfigError, FloatArray
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.there import expanded, is_there

_log = logging.getLogger(__name__)

_NAP_S = 0.001  # samples due within this are pushed together: above 1 kHz a push each would burn the core
_CHUNK_S = 0.01  # at most so much in one push, also after a stall
_APART_S = 60.0  # a stream that is further away than this from the EEG was recorded with a clock of its own
_LINGER_S = 0.5  # before the outlets go, so that the last samples get through


@dataclass(frozen=True, slots=True)
class Track:
    """One stream to publish."""

    name: str
    type: str
    source_id: str
    channel_format: str
    nominal_rate: float
    n_channels: int
    desc: Any  # nested mappings of lists, as pyxdf gives them
    samples: Any  # (n_samples, n_channels) array of the channel format, or lists of text
    stamps: FloatArray  # (n_samples,) seconds since the recording's beginning, as recorded: may step back
    due: FloatArray  # (n_samples,) the same, never stepping back: when each is pushed


class Replay:
    """Reads the recording when it is made (raises ConfigError), publishes it in `run`.

    `speed` is that of a tape: at 2 everything, the stated rates and the brain's rhythms too, is twice as fast.
    """

    def __init__(
        self,
        path: str | Path,
        speed: float = 1.0,
        loop: bool = False,
        stream_name: str | None = None,
        start_s: float = 0.0,
    ) -> None:
        """`stream_name` renames the EEG stream; `start_s` leaves out the beginning."""
        if not speed > 0:
            raise ConfigError(f"speed {speed:g}: it must be above 0")
        self.tracks, self.remarks = _tracks(expanded(path), stream_name or "")
        self.duration_s = max(_end(track) for track in self.tracks)
        if start_s >= self.duration_s or start_s < 0:
            raise ConfigError(f"the recording {path} is {self.duration_s:.1f} s long: nothing starts at {start_s:g} s")
        self._speed, self._loop, self._start_s = speed, loop, start_s
        for remark in self.remarks:
            _log.warning("%s", remark)

    def run(self, stop: threading.Event, on_progress: Callable[[float, float], None] | None = None) -> None:
        """Publish until the end, or until `stop` is set; for ever with `loop`.

        `on_progress` gets (position, total) in seconds of the recording some ten times a second, in this thread.
        """
        pylsl = liblsl.load()
        outlets = [_outlet(pylsl, track, self._speed) for track in self.tracks]
        clock = WallClock()
        begin_lsl = pylsl.local_clock() - clock.now()
        lap = 0
        while self._lap(lap, outlets, clock, begin_lsl, stop, on_progress) and self._loop:
            lap += 1
        stop.wait(_LINGER_S)

    def _lap(
        self,
        lap: int,
        outlets: Sequence[Any],
        clock: WallClock,
        begin_lsl: float,
        stop: threading.Event,
        on_progress: Callable[[float, float], None] | None,
    ) -> bool:
        """Publish the recording once; return False when stopped.

        Everything is timed against the beginning of the run, never against the last push: errors don't add up.
        """
        speed = self._speed
        ahead_s = (self.duration_s - self._start_s) * lap - self._start_s  # recording time → time since the run began
        at = [int(np.searchsorted(track.due, self._start_s)) for track in self.tracks]
        shown = -1.0
        while not stop.is_set():
            position = clock.now() * speed - ahead_s
            upcoming = self.duration_s
            for i, (track, outlet) in enumerate(zip(self.tracks, outlets, strict=True)):
                end = int(np.searchsorted(track.due, position, side="right"))
                while at[i] < end and not stop.is_set():
                    until = np.searchsorted(track.due, track.due[at[i]] + _CHUNK_S * speed, side="right")
                    last = min(end, max(int(until), at[i] + 1))
                    _push(outlet, track, at[i], last, begin_lsl, ahead_s, speed)
                    at[i] = last
                if at[i] < len(track.due):
                    upcoming = min(upcoming, float(track.due[at[i]]))
            if on_progress and position - shown >= 0.1 * speed:
                shown = position
                on_progress(min(position, self.duration_s), self.duration_s)
            if position >= self.duration_s:
                return True
            clock.wait_until(max((upcoming + ahead_s) / speed, clock.now() + _NAP_S), stop)
        return False


def _push(outlet: Any, track: Track, first: int, last: int, begin_lsl: float, ahead_s: float, speed: float) -> None:
    stamps = [begin_lsl + (stamp + ahead_s) / speed for stamp in track.stamps[first:last].tolist()]
    if track.channel_format == "string":
        for row, stamp in zip(track.samples[first:last], stamps, strict=True):
            outlet.push_sample(list(row), stamp)
    else:
        outlet.push_chunk(track.samples[first:last], stamps)


def _outlet(pylsl: Any, track: Track, speed: float) -> Any:
    info = pylsl.StreamInfo(
        track.name, track.type, track.n_channels, track.nominal_rate * speed, track.channel_format, track.source_id
    )
    if isinstance(track.desc, Mapping):
        _describe(info.desc(), track.desc)
    return pylsl.StreamOutlet(info)


def _describe(node: Any, content: Mapping[str, Any]) -> None:
    """Rebuild a description from nested mappings of lists."""
    for key, values in content.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, Mapping):
                _describe(node.append_child(key), value)
            elif value is None:
                node.append_child(key)
            else:
                node.append_child_value(key, str(value))


def _end(track: Track) -> float:
    if not len(track.due):
        return 0.0
    return float(track.due[-1]) + (1 / track.nominal_rate if track.nominal_rate > 0 else 0.0)


def _tracks(path: Path, rename: str) -> tuple[list[Track], list[str]]:
    if not path.name.lower().endswith((".xdf", ".xdfz", ".xdf.gz")):
        return [_from_take(load(path), path, rename)], []
    if not is_there(path):
        raise ConfigError(f"there is no recording {path}: check the path")
    streams, remarks = xdf_file.streams(path)
    kept = [stream for stream in streams if stream.channels]
    if not any(len(stream.times) for stream in kept):
        there = "; ".join(xdf_file.describe(stream) for stream in streams) or "no stream at all"
        raise ConfigError(f"the recording {path} holds nothing to replay; there is {there}")
    signals = [i for i, stream in enumerate(kept) if not stream.text and len(stream.times)]
    chosen = best([xdf.candidate(kept[i]) for i in signals], anything=True)
    lead = signals[chosen] if chosen is not None else next(i for i, s in enumerate(kept) if len(s.times))
    if rename:
        kept[lead] = replace(kept[lead], name=rename)
    times = [_clean(stream) for stream in kept]
    low, high = float(times[lead].min()), float(times[lead].max())
    for i, stamps in enumerate(times):
        if len(stamps) and (stamps[0] > high + _APART_S or stamps[-1] < low - _APART_S):
            remarks.append(
                f"'{kept[i].name}' was recorded {stamps[0] - low:+.0f} s away from the EEG: moved to its start"
            )
            times[i] = stamps - stamps[0] + low
    origin = min(float(stamps.min()) for stamps in times if len(stamps))
    return [_track(stream, stamps - origin, path) for stream, stamps in zip(kept, times, strict=True)], remarks


def _clean(stream: xdf_file.Stream) -> FloatArray:
    """Return finite time stamps: the recorded ones, or evenly spaced where those are unusable."""
    if np.isfinite(stream.times).all():
        return stream.times
    return np.arange(len(stream.times)) / (stream.nominal_rate or 1.0)


def _track(stream: xdf_file.Stream, stamps: FloatArray, path: Path) -> Track:
    return Track(
        name=stream.name or path.stem,
        type=stream.type,
        source_id=stream.source_id or f"{path.name}:{stream.number}",
        channel_format=stream.channel_format,
        nominal_rate=stream.nominal_rate,
        n_channels=len(stream.channels),
        desc=stream.desc,
        samples=stream.samples,
        stamps=stamps,
        due=np.maximum.accumulate(stamps) if len(stamps) else stamps,
    )


def _from_take(take: Take, path: Path, rename: str) -> Track:
    """Publish a format without streams as one EEG stream in microvolts."""
    stamps = np.concatenate([run.time + np.arange(run.stop - run.start) * run.step for run in take.runs])
    channel = [{"label": [name], "unit": ["microvolts"], "type": ["EEG"]} for name in take.channels]
    return Track(
        name=rename or path.stem,
        type="EEG",
        source_id=path.name,
        channel_format="double64",
        nominal_rate=take.samplerate,
        n_channels=len(take.channels),
        desc={"channels": [{"channel": channel}]},
        samples=take.samples,
        stamps=stamps,
        due=stamps,
    )

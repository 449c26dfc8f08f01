"""Frames in, a Standard MIDI File out: one track of controllers, one per channel of notes, timed to 0.3 ms.

The pulse may change at every tick, so the file does not count in beats: it runs at 120 BPM throughout, and its times
are those of the session.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from brainmusic_daemon.api import Clock, ConfigError, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.outputs import midi_events
from brainmusic_daemon.outputs.midi_events import CONTROL_CHANGE, Bytes, Events
from brainmusic_daemon.there import expanded

_log = logging.getLogger(__name__)

TICKS_PER_BEAT = 960
TICKS_PER_S = 2 * TICKS_PER_BEAT  # at 120 BPM: 0.52 ms a tick
ENDS_S = 60.0  # notes that are still held at the end are ended by then at the latest


@plugin
class Smf:
    """The notes and controllers as a Standard MIDI File (type 1)."""

    path: Annotated[Path, Field(description="file to write, e.g. out.mid")]
    channel: Annotated[int, Field(ge=0, le=15, description="of the controllers and the first part, from 0")] = 0
    controls: Annotated[dict[str, int], Field(description="control → controller number; empty: no controllers")] = (
        field(default_factory=lambda: dict(midi_events.CONTROLS))
    )
    rate_hz: Annotated[float, Field(gt=0, le=1000, description="a controller changes at most so often, Hz")] = 50.0

    _events: Events | None = field(default=None, init=False, repr=False)
    _messages: list[tuple[float, Bytes]] = field(default_factory=list, init=False, repr=False)
    _begin: float = field(default=0.0, init=False, repr=False)
    _end: float = field(default=0.0, init=False, repr=False)
    _failed: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = expanded(self.path)
        midi_events.check(self.controls)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """See that the file can be written; its time 0 is now.  Raises ConfigError or OutputLost."""
        try:
            import mido as mido
        except ImportError as error:
            raise OutputLost(f'no MIDI file: {error.name} is missing: pip install "brainmusic-daemon[midi]"') from error
        try:
            self.path.touch()
        except OSError as error:
            raise ConfigError(f"cannot write '{self.path}': {error.strerror or error}") from error
        self._events = Events(self.channel, self.controls, self.rate_hz)
        self._messages, self._begin, self._failed = [], clock.now(), 0

    def send(self, frame: Frame) -> None:
        """Take in one tick; the file is written at the end."""
        if self._events is None:
            return
        self._events.take(frame)
        self._messages += self._events.due(frame.time)
        self._end = frame.time

    def close(self) -> None:
        """End the notes that sound and write the file."""
        events, self._events = self._events, None
        if events is None:
            return
        self._messages += events.due(self._end + ENDS_S)
        self._messages += events.silence(self._messages[-1][0] if self._messages else self._end)
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  closing never raises
            self._failed += 1
            _log.error("cannot write '%s': %s", self.path, error)

    def counters(self) -> Mapping[str, float]:
        """Messages taken, changes of controllers put off by the limit, files that could not be written."""
        limited = self._events.limited if self._events is not None else 0
        return {"messages": len(self._messages), "limited": limited, "failed": self._failed}

    def _write(self) -> None:
        import mido

        file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
        names = {(s & 0x0F) for _, (s, _, _) in self._messages if s & 0xF0 != CONTROL_CHANGE}
        tracks: dict[int | None, Any] = {
            None: mido.MidiTrack(),
            **{channel: mido.MidiTrack() for channel in sorted(names)},
        }
        places: dict[int | None, int] = dict.fromkeys(tracks, 0)
        tracks[None].append(mido.MetaMessage("track_name", name="brainmusic controls"))
        tracks[None].append(mido.MetaMessage("set_tempo", tempo=500_000))
        for channel in sorted(names):
            tracks[channel].append(mido.MetaMessage("track_name", name=f"part {channel + 1}"))
        for time, data in self._messages:
            status = data[0]
            key = None if status & 0xF0 == CONTROL_CHANGE else status & 0x0F
            tick = max(round((time - self._begin) * TICKS_PER_S), places[key])
            tracks[key].append(mido.Message.from_bytes(data, time=tick - places[key]))
            places[key] = tick
        file.tracks.extend(tracks.values())
        whole = self.path.with_name(self.path.name + ".part")
        file.save(whole)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        whole.rename(self.path)

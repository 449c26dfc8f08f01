"""What a session does in, the samples of an XDF recording's streams out: features, controls, notes, markers …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL, Control, Frame, State
from brainmusic_daemon.config import Config
from brainmusic_daemon.outputs import xdf_chunks as chunks
from brainmusic_daemon.outputs.xdf_file import XdfFile
from brainmusic_daemon.service.journal import Entry

NOTE_CHANNELS = ("pitch", "velocity", "duration", "channel", "pan")

Float64 = npt.NDArray[np.float64]


class Tracks:
    """The streams of one recording.  One thread; times that come in are session seconds, `origin` is added to each."""

    def __init__(
        self, file: XdfFile, config: Config, origin: float, control_of: Callable[[str], Control | None]
    ) -> None:
        """`control_of` knows the units of controls that are not the synth's."""
        self._file, self._origin, self._rate, self._control_of = file, origin, 1 / config.tick, control_of
        self._about = {
            "analysis_delay_ms": f"{config.features.delay_ms:g}",
            "tick_ms": f"{1000 * config.tick:g}",
            "profile": config.session.profile or "",
        }
        self._open: dict[str, tuple[tuple[str, ...], int]] = {}  # name → (channels, number)
        self._made: dict[str, int] = {}  # how many streams there are of a name
        self._state: State | None = None
        self._mapper = self._words = ""
        self.said = 0  # ratings and targets
        self._ratings = self._number("ratings", "Ratings", ("rating",), "float32")
        self._targets = self._number("targets", "Targets", ("target",), "string")
        self._notes = self._number("notes", "Notes", NOTE_CHANNELS, "float32", units=("MIDI", "", "s", "", ""))
        self._markers = self._number("markers", "Markers", ("marker",), "string")

    # --- ticks ----------------------------------------------------------------------------------------------------

    def ticked(self, frames: Sequence[Frame]) -> None:
        """Take frames as they left."""
        for names, group in groupby(frames, key=lambda frame: frame.features.names):
            same = list(group)
            if names:
                number = self._number("features", "Features", names, "float32", rate=self._rate)
                self._put(number, _times(same), np.stack([frame.features.values for frame in same]), "float32")
        for channels, group in groupby(frames, key=lambda frame: frame.features.channels):
            same = list(group)
            if channels:
                number = self._number("quality", "Quality", channels, "float32", rate=self._rate)
                self._put(number, _times(same), np.stack([frame.features.quality for frame in same]), "float32")
        for names, group in groupby(frames, key=lambda frame: (*frame.controls.values,)):
            same = list(group)
            units = tuple(self._unit(name) for name in names)
            number = self._number("controls", "Controls", names, "float32", rate=self._rate, units=units)
            self._put(number, _times(same), np.array([[*frame.controls.values.values()] for frame in same]), "float32")
        for frame in frames:
            self._happened(frame)

    def _unit(self, name: str) -> str:
        control = CONTROL.get(name) or self._control_of(name)
        return control.unit if control is not None else ""

    def _happened(self, frame: Frame) -> None:
        """Mark what has changed since the frame before, and what was found in this one."""
        features = frame.features
        if features.state is not self._state:
            self._state = features.state
            self.mark(frame.time, f"state {features.state}")
        if frame.mapper != self._mapper:
            self._mapper = frame.mapper
            self.mark(frame.time, f"mapper {frame.mapper}")
        if frame.words is not None and frame.words.text != self._words:
            self._words = frame.words.text
            self.mark(frame.time, f"words {frame.words.text}")
        for event in features.events:
            self.mark(event.time, f"event {event.name} {event.strength:.2f}")
        if frame.notes:
            times = np.array([note.time for note in frame.notes])
            values = [(note.pitch, note.velocity, note.duration, note.channel, note.pan) for note in frame.notes]
            self._put(self._notes, times, np.array(values, dtype=np.float64), "float32")

    # --- what was said --------------------------------------------------------------------------------------------

    def said_so(self, entries: Sequence[Entry]) -> None:
        """Take entries of the journal."""
        for entry in entries:
            if entry.kind == "rating":
                self._put(self._ratings, np.array([entry.time]), np.array([[entry.value]]), "float32")
                self.said += 1
            elif entry.kind == "target":
                self._say(self._targets, entry.time, f"{entry.name} {entry.value:.9g}")
                self.said += 1
            elif entry.kind != "mapper" or entry.text:  # which one plays, the frames tell to the tick
                self.mark(entry.time, str(entry))

    def mark(self, time: float, text: str) -> None:
        """Write down that something happened at `time`."""
        self._say(self._markers, time, text)

    def _say(self, number: int, time: float, text: str) -> None:
        stamp = time + self._origin
        self._file.write(number, chunks.text_row(stamp, text), 1, stamp, stamp)

    # --- streams --------------------------------------------------------------------------------------------------

    def _number(
        self, name: str, kind: str, channels: tuple[str, ...], fmt: str, *, rate: float = 0.0,
        units: tuple[str, ...] = (),
    ) -> int:  # fmt: skip
        """Return the number of the stream `brainmusic.<name>` that has these channels, begun where there is none."""
        known = self._open.get(name)
        if known is not None and known[0] == channels:
            return known[1]
        count = self._made[name] = self._made.get(name, 0) + 1
        number = self._file.add(
            chunks.Stream(
                f"brainmusic.{name}",
                kind,
                f"brainmusic-{name}-{count}",
                channels,
                units or ("",) * len(channels),
                (kind,) * len(channels),
                rate,
                fmt,
                {"manufacturer": "brainmusic_daemon", **self._about},
            )
        )
        self._open[name] = (channels, number)
        return number

    def _put(self, number: int, times: Float64, values: npt.NDArray[np.floating], fmt: str) -> None:
        stamps = times + self._origin
        self._file.write(number, chunks.rows(stamps, values, fmt), len(stamps), float(stamps[0]), float(stamps[-1]))


def _times(frames: Sequence[Frame]) -> Float64:
    return np.array([frame.time for frame in frames])

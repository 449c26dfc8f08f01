"""Frames in, LSL streams out: features, controls and markers, for LabRecorder, other programs and other daemons."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brainmusic_daemon import __version__, liblsl, signals
from brainmusic_daemon.api import CONTROL, Clock, Frame, State, StreamInfo, plugin
from brainmusic_daemon.outputs.osc_dialects import SUMMARY, matching, select

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Streams:
    """The outlets of one set of names."""

    names: tuple[tuple[str, ...], ...]  # features, controls and people that the frames have
    places: npt.NDArray[np.intp]  # of the features that are sent
    controls: tuple[str, ...]
    features_out: Any
    controls_out: Any


@plugin
class Lsl:
    """Publish features, controls and markers as LSL streams: `<name> features`, `<name> controls`, `<name> markers`.

    One sample per tick, stamped with the time of the tick on LSL's clock.  Beside the features stands how the signal
    is (`signal.state`, `signal.follow`, `signal.age`), which a conductor obeys.  Another headset with other features
    is another stream of the same name.
    """

    name: Annotated[str, Field(min_length=1, description="what the streams' names begin with")] = "brainmusic"
    features: Annotated[list[str], Field(description="features to publish: names, wildcards, or 'summary'")] = field(
        default_factory=lambda: [SUMMARY]
    )
    controls: Annotated[list[str], Field(description="controls to publish: names or wildcards")] = field(
        default_factory=lambda: ["*"]
    )
    tick_hz: Annotated[float, Field(ge=0, le=500, description="rate that is stated; 0: irregular")] = 0.0

    _pylsl: Any = field(default=None, init=False)
    _offset: float = field(default=0.0, init=False)  # of LSL's clock against the session's, s
    _streams: _Streams | None = field(default=None, init=False)
    _making: threading.Thread | None = field(default=None, init=False)
    _markers: Any = field(default=None, init=False)
    _state: State | None = field(default=None, init=False)
    _mapper: str = field(default="", init=False)
    _sent: int = field(default=0, init=False)
    _skipped: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Load LSL and publish the markers; the other streams follow when their names are known."""
        self.close()
        self._pylsl = liblsl.load()
        self._offset = self._pylsl.local_clock() - clock.now()
        self._markers = self._outlet("markers", "Markers", ("marker",), (), "string")

    def send(self, frame: Frame) -> None:
        """Publish this tick; while outlets are being made, which takes some ms beside the tick, it is skipped."""
        if self._markers is None:
            return
        stamp = frame.time + self._offset
        self._mark(frame, stamp)
        names = frame.features.names, (*frame.controls.values,), (*frame.features.people,)
        streams = self._streams
        if streams is None or streams.names != names:
            self._skipped += 1
            if self._making is None or not self._making.is_alive():
                self._making = threading.Thread(target=self._make, args=(frame,), name="lsl-outlets", daemon=True)
                self._making.start()
            return
        if streams.places.size:
            values = np.concatenate((frame.features.values[streams.places], signals.numbers(frame)))
            streams.features_out.push_sample(values.astype(np.float32), stamp)
        if streams.controls:
            asked = frame.controls.values
            streams.controls_out.push_sample([asked[name] for name in streams.controls], stamp)
        self._sent += 1

    def _mark(self, frame: Frame, stamp: float) -> None:
        features = frame.features
        if features.state is not self._state:
            self._state = features.state
            self._markers.push_sample([f"state {features.state}"], stamp)
        if frame.mapper != self._mapper:
            self._mapper = frame.mapper
            self._markers.push_sample([f"mapper {frame.mapper}"], stamp)
        for event in features.events:
            self._markers.push_sample([f"event {event.name} {event.strength:.2f}"], event.time + self._offset)

    def _make(self, frame: Frame) -> None:
        try:
            chosen, _ = select(frame.features, self.features)
            places = np.array(sorted(frame.features.index[name] for name in chosen), np.intp)
            controls = tuple(matching([*frame.controls.values], self.controls))
            labels = tuple(frame.features.names[place] for place in places)
            units = tuple(CONTROL[name].unit if name in CONTROL else "" for name in controls)
            people = (*frame.features.people,)
            said = signals.names(people)
            kinds = ["Features"] * len(labels) + ["Signal"] * len(said)
            seconds = ["s" if label == signals.AGE else "" for label in (*labels, *said)]
            streams = _Streams(
                (frame.features.names, (*frame.controls.values,), people),
                places,
                controls,
                self._outlet("features", "Features", (*labels, *said), seconds, kinds=kinds) if labels else None,
                self._outlet("controls", "Controls", controls, units) if controls else None,
            )
        except Exception:  # noqa: BLE001 - liblsl's own errors are of many kinds; the other outputs go on
            self._failed += 1
            if self._failed == 1:
                _log.exception("output 'lsl' could not publish its streams")
            return
        self._streams = streams

    def _outlet(
        self,
        what: str,
        kind: str,
        labels: Sequence[str],
        units: Sequence[str],
        fmt: str = "float32",
        kinds: Sequence[str] = (),
    ) -> Any:
        rate = self.tick_hz if fmt == "float32" else 0.0
        source = f"brainmusic-{platform.node()}-{self.name}-{what}"
        info = self._pylsl.StreamInfo(f"{self.name} {what}", kind, len(labels), rate, fmt, source)
        info.desc().append_child_value("manufacturer", "brainmusic_daemon").append_child_value("version", __version__)
        if kinds:
            codes = ", ".join(f"{code} {state}" for code, state in enumerate(signals.CODES))
            info.desc().append_child_value("states", codes)
        channels = info.desc().append_child("channels")
        for number, label in enumerate(labels):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("type", kinds[number] if kinds else kind)
            if units and units[number]:
                channel.append_child_value("unit", units[number])
        return self._pylsl.StreamOutlet(info)

    def close(self) -> None:
        """Withdraw the streams; the counters stay."""
        if self._making is not None:
            self._making.join(timeout=2.0)
        self._streams = self._markers = self._making = None
        self._state, self._mapper = None, ""

    def counters(self) -> Mapping[str, float]:
        """Ticks published, ticks skipped while outlets were being made, outlets that could not be made."""
        return {"sent": self._sent, "skipped": self._skipped, "failed": self._failed}

"""A running daemon in, what the page draws out: made once for everybody who looks, beside the tick."""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from brainmusic_daemon.service import explainer, overview
from brainmusic_daemon.service.dashboard import sheet
from brainmusic_daemon.service.dashboard.persons import Persons
from brainmusic_daemon.service.dashboard.traces import Traces

if TYPE_CHECKING:
    from brainmusic_daemon.api import Frame
    from brainmusic_daemon.service.daemon import Daemon

SHARES_EVERY = 4  # updates: five times a second
GUIDANCE_EVERY = 2  # ten times a second
OVERVIEW_EVERY = 10  # twice a second
NAMED = 4  # features per control
_HIDDEN = ("history", "drives", "features", "controls")  # of the overview: the page has them already, and newer


class Feed:
    """Makes messages; for one thread, which must not be the tick's."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._traces = Traces()
        self.persons = Persons(daemon)
        self._key: tuple[object, ...] = ()
        self._shown: tuple[str, ...] = ()  # features
        self._picks: tuple[tuple[str, ...], list[int]] = ((), [])
        self._number = -1  # of the newest frame that was looked at
        self._line = 0  # of the log
        self._count = 0
        self._switches: tuple[bool, ...] = ()
        self.fixed: dict[str, Any] = {}
        self._offered: tuple[tuple[str, ...], ...] = ()
        self.sheet: dict[str, Any] = {}

    def updates(self) -> list[dict[str, Any]]:
        """Return what is new since the last call; called twenty times a second while somebody looks."""
        found = []
        if (key := sheet.key(self._daemon)) != self._key:
            self._key = key
            self.renew()
            found.append(self.sheet)
        if self._count % OVERVIEW_EVERY == 0 and self._offers() != self._offered:
            self.renew()
            found.append({**self.fixed, "log": self.log()})
        found.append(self._newest())
        if self._count % SHARES_EVERY == 0:
            found.append({"k": "shares", "x": explainer.strongest(explainer.shares(self._daemon), NAMED)})
        if self._count % GUIDANCE_EVERY == 0 and self._daemon.calibration.under_way:
            found.append({"k": "calibration", **overview.plain(asdict(self._daemon.calibration.guidance))})
        switches = self._standing()
        if self._count % OVERVIEW_EVERY == 0 or switches != self._switches:  # a press of P turns on how it stands now
            self._switches = switches
            found.append({"k": "overview", **self.overview()})
        self._count += 1
        return found

    def renew(self) -> None:
        """Write the sheet anew, and what can be chosen."""
        self._offered = self._offers()
        self.fixed = {"k": "fixed", **overview.plain(sheet.fixed(self._daemon))}
        self.sheet = {"k": "sheet", **overview.plain(sheet.write(self._daemon, self.persons.sheets()))}
        self._shown = tuple(self.sheet["shown"])

    def overview(self) -> dict[str, Any]:
        """Return all that changes slowly."""
        daemon = self._daemon
        found = {name: value for name, value in overview.look(daemon)[1].items() if name not in _HIDDEN}
        acquisition, bank = daemon.session.acquisition, daemon.session.pipeline.bank
        found["message"] = str(acquisition.error or acquisition.last_message)
        found["faults"] = bank.faults() if bank is not None else {}
        found["batteries"] = self.persons.batteries()
        steps = daemon.mappers.history
        found["undoable"], found["redoable"] = steps.at, len(steps.steps) - 1 - steps.at
        return found

    def _offers(self) -> tuple[tuple[str, ...], ...]:
        return self._daemon.choices.mappers, self._daemon.choices.presets

    def _standing(self) -> tuple[bool, ...]:
        """Return what a press of one button switches over."""
        daemon = self._daemon
        sounding = daemon.sounding
        return sounding.muted, sounding.panicked, daemon.recorder.status is not None, daemon.tutor.active

    def log(self) -> list[tuple[Any, ...]]:
        """Return the last lines of the log."""
        return [astuple(line) for line in self._daemon.logbook.since(0)]

    def _newest(self) -> dict[str, Any]:
        daemon = self._daemon
        frames: list[Frame] = [frame for frame in list(daemon.session.frames) if frame.number > self._number]
        found: dict[str, Any] = {"k": "now"}
        if frames:
            newest = frames[-1]
            self._number = newest.number
            found |= {
                "t": round(newest.time, 3),
                "s": self._state(newest),
                "f": self._features(newest),
                "c": {name: float(f"{value:.4g}") for name, value in newest.controls.values.items()},
            }
            notes = [
                (round(n.time, 3), round(n.pitch, 2), round(n.velocity, 3), round(n.duration, 3), n.channel)
                for frame in frames
                for n in frame.notes
            ]
            events = [
                (e.name, round(e.time, 3), round(e.strength, 2)) for frame in frames for e in frame.features.events
            ]
            found |= ({"n": notes} if notes else {}) | ({"e": events} if events else {})
            if newest.words is not None:
                found["w"] = newest.words.text
        if (points := self._traces.take(daemon.session.acquisition.setup)) is not None:
            found["p"] = points
        if lines := daemon.logbook.since(self._line):
            self._line = lines[-1].number + 1
            found["l"] = [astuple(line) for line in lines]
        return found

    def _state(self, frame: Frame) -> str:
        seen = self._daemon.session.acquisition.seen and frame.features.names
        return str(frame.features.state) if seen else "waiting"

    def _features(self, frame: Frame) -> list[float]:
        """Return the values of the sheet's features; none of a headset that is not the sheet's."""
        features = frame.features
        if self._picks[0] is not features.names:
            known = all(name in features.index for name in self._shown)
            self._picks = features.names, [features.index[name] for name in self._shown] if known else []
        picks = self._picks[1]
        return np.round(features.values[picks], 3).tolist() if picks else []

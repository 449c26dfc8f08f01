"""Several persons in; of the one whom somebody looks at, EEG and features, as the page draws them, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brainmusic_daemon.acquisition.several import Several
from brainmusic_daemon.service.dashboard import head, traces

if TYPE_CHECKING:
    from brainmusic_daemon.api import StreamInfo
    from brainmusic_daemon.service.daemon import Daemon


class Persons:
    """Follows those whom somebody looks at; for the feed's thread.  Of nobody else anything is computed or sent."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._traces: dict[str, traces.Traces] = {}
        self._shown: dict[str, list[str]] = {}  # features of each, without the person's name

    @property
    def names(self) -> tuple[str, ...]:
        """Return who plays together; empty where there is one person."""
        return tuple(person.name for person in self._daemon.session.config.people)

    def sheets(self) -> dict[str, Any]:
        """Return what the page has to know of each before it can draw anything."""
        session = self._daemon.session
        bank, bands = session.pipeline.bank, tuple(self._daemon.config.features.bands)
        names = bank.names if bank is not None else ()
        self._shown = {who: _own(who, names, bands) for who in self.names}
        return {who: _sheet(*self._signal(who), self._shown[who]) for who in self.names}

    def newest(self, who: str) -> dict[str, Any]:
        """Return what is new of a person since the last call for them."""
        found: dict[str, Any] = {"k": "person", "who": who}
        frame, acquisition = self._daemon.session.frame, self._daemon.session.acquisition
        if frame is not None:
            features = frame.features
            places = [features.index.get(f"{who}.{name}", -1) for name in self._shown.get(who, ())]
            found["f"] = np.round(features.values[places], 3).tolist() if places and min(places) >= 0 else []
        if isinstance(acquisition, Several) and who in acquisition.members and not self._signal(who)[1]:
            points = self._traces.setdefault(who, traces.Traces()).take(acquisition.members[who].setup)
            if points is not None:
                found["p"] = points
        return found

    def batteries(self) -> dict[str, float]:
        """Return the charge of every headset that tells it, percent."""
        acquisition = self._daemon.session.acquisition
        members = acquisition.members if isinstance(acquisition, Several) else {}
        return {who: charge for who, one in members.items() if (charge := one.battery) is not None}

    def _signal(self, who: str) -> tuple[StreamInfo | None, bool]:
        """Return what a person's headset delivers, and whether these are features that another daemon made."""
        whose = self._daemon.session.head.of(who)
        return whose.acquisition.info, whose.performs


def signal(info: StreamInfo | None) -> dict[str, Any]:
    """Return what the page has to know of a headset's signal."""
    channels = info.channels if info is not None else ()
    rate = info.samplerate if info is not None else 0.0
    return {
        "channels": channels,
        "places": [head.position(channel) for channel in channels],
        "traced": min(len(channels), traces.MOST_CHANNELS),
        "points_hz": rate / traces.thinning(rate) if rate else 0.0,
    }


def whole(names: tuple[str, ...], bands: tuple[str, ...]) -> list[str]:
    """Return the features of the whole head, the bands first."""
    found = [name for name in names if "." not in name]
    return [*(name for name in bands if name in found), *(name for name in found if name not in bands)]


def _sheet(info: StreamInfo | None, performs: bool, shown: list[str]) -> dict[str, Any]:
    return {**signal(None if performs else info), "shown": shown, "performs": performs}


def _own(who: str, names: tuple[str, ...], bands: tuple[str, ...]) -> list[str]:
    before = f"{who}."
    return whole(tuple(name[len(before) :] for name in names if name.startswith(before)), bands)

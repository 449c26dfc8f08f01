"""A headset and a person in; takes with open and closed eyes out, with the person led through by words and a bell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from brainmusic_daemon.api import Clock, ConfigError, EndOfStream, Features, Source, SourceLost
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.service import contact
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.takes import Take, Tap

_WORDS = {
    "open": "Keep your eyes OPEN: look at one point in front of you, relax your jaw, blink as you need to",
    "closed": "CLOSE your eyes: sit still, relax your jaw, and wait for the bell",
}
_SETTLE_S = 2.0  # contact has to be good for so long before it begins
_PATIENCE_S = 20.0  # and this long at most it is waited for
_COUNT_S = 3  # down to the start
_GOOD = 0.5


class Leader:
    """Runs a session tick by tick while it talks to the person.

    `say` shows one line, `bell` rings, `progress(done, total)` in seconds.  On a virtual clock it does not wait.
    """

    what = "calibration"
    forgives_s = 0.0  # for so long the headset may be away

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        say: Callable[[str], None],
        bell: Callable[[], None] = lambda: None,
        progress: Callable[[float, float], None] = lambda done, total: None,
        stop: threading.Event | None = None,
        source: Source | None = None,
    ) -> None:
        self._say, self._bell, self._progress, self._stop = say, bell, progress, stop or threading.Event()
        self._clock, self._tick, self._patience = clock, config.tick, config.session.patience_s
        self._session = Session(config, clock, source)
        self._virtual = isinstance(clock, VirtualClock)
        self._deadline = self._here = 0.0

    def _begin(self) -> None:
        """Wait for the headset and for good contact.  Raises SourceLost or ConfigError."""
        if not self._virtual:
            self._session.acquisition.start()
        self._wait_for_headset()
        self._wait_for_contact()

    @property
    def _stopped(self) -> bool:
        return self._stop.is_set()

    def _wait_for_headset(self) -> None:
        begun, acquisition = self._clock.now(), self._session.acquisition
        while not (self._session.attached and acquisition.seen) and not self._stopped:
            self._one_tick()
            if self._clock.now() - begun > self._patience:
                raise SourceLost(str(acquisition.error or acquisition.last_message or "the source has sent nothing"))

    def _wait_for_contact(self) -> None:
        begun = good_since = self._clock.now()
        said = ""
        while not self._stopped:
            features, now = self._one_tick(), self._clock.now()
            bad = self._bad_channels(features) if features is not None else {}
            refused = contact.refusal(bad, len(features.channels)) if features is not None else None
            if features is None or refused is not None:
                good_since = now
            elif now - good_since >= _SETTLE_S:
                return
            if refused is not None and now - begun > _PATIENCE_S:
                raise refused
            told = ", ".join(bad)
            if refused is not None and now - begun > _SETTLE_S and told != said:
                said = told
                self._say(f"Waiting for contact at {told}")

    def _bad_channels(self, features: Features) -> dict[str, str]:
        bank = self._session.pipeline.bank
        assert bank is not None
        bad = [name for name, good in zip(features.channels, features.quality, strict=True) if good < _GOOD]
        faults = bank.faults() if bad else {}
        return {channel: faults.get(channel, "") for channel in bad}

    def _count_down(self) -> None:
        for left in range(_COUNT_S, 0, -1):
            self._say(f"{left} …")
            until = self._clock.now() + 1
            while self._clock.now() < until and not self._stopped:
                self._one_tick()

    def _one_tick(self) -> Features | None:
        """Advance by one tick, as a session does; return its features, or None before the headset is there."""
        session = self._session
        self._deadline = max(self._deadline + self._tick, self._clock.now())
        self._clock.wait_until(self._deadline, self._stop)
        if self._virtual:
            try:
                session.acquisition.pump()
            except EndOfStream as error:
                raise SourceLost(f"the source ended before the {self.what} was done") from error
        session.attach()
        frame = session.tick(self._deadline)
        acquisition = session.acquisition
        if isinstance(acquisition.error, ConfigError):
            raise acquisition.error
        if not session.attached or acquisition.error is None:
            self._here = self._deadline
        elif self._deadline - self._here >= self.forgives_s:
            raise SourceLost(f"the headset went away during the {self.what} ({acquisition.error}); please begin again")
        return frame.features if frame.features.names else None


class Guide(Leader):
    """Leads through a calibration, whose person nothing is known about yet."""

    def __init__(self, config: Config, clock: Clock, **told: Any) -> None:
        self._tap = Tap(config.source)
        super().__init__(replace(config, profile=None), clock, source=self._tap, **told)

    def run(self, seconds: Mapping[str, float]) -> dict[str, Take] | None:
        """Return a take per condition (`open`, `closed`), or None when it was stopped.

        Raises SourceLost when no headset came or it went away, ConfigError for bad contact.
        """
        contact.long_enough(seconds)
        acquisition = self._session.acquisition
        try:
            self._begin()
            takes, total, done = {}, sum(seconds.values()), 0.0
            for condition, length in seconds.items():
                if self._stopped:
                    return None
                self._say(f"{_WORDS[condition]} ({length:g} s)")
                self._count_down()
                self._bell()
                start = self._clock.now()
                while self._clock.now() < start + length and not self._stopped:
                    self._one_tick()
                    self._progress(done + self._clock.now() - start, total)
                done += length
                self._bell()
                if self._stopped:
                    return None
                takes[condition] = self._tap.between(start, self._clock.now())
            self._say("Done: thank you, you may move again")
            return takes
        finally:
            acquisition.stop()

"""The name of a profile in; the session that plays goes on as that person's, or as anybody's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from brainmusic_daemon.features import profile_file
from brainmusic_daemon.service import adoption
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.errands import Errands, Ticket

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_LOOK_S = 2.0  # how often the folder is looked at, at most


class Profiles:
    """Takes requests from any thread; what is slow is done in one of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._errands = Errands(lambda error: f"not taken up: {error}", "profiles")
        self._known: tuple[float, tuple[str, ...]] = (-1e9, ())

    def start(self) -> None:
        self._errands.start()

    def stop(self) -> None:
        """Take no more requests.  Never raises."""
        self._errands.stop()

    @property
    def known(self) -> tuple[str, ...]:
        """The names of all profiles, as of a moment ago."""
        now = time.monotonic()
        if now > self._known[0] + _LOOK_S:
            try:
                self._known = now, tuple(profile_file.known())
            except OSError:
                self._known = now, self._known[1]
        return self._known[1]

    @property
    def standing(self) -> dict[str, str]:
        """Which is in use: person ("": the only one) → name; "": none."""
        session = self._daemon.session
        people = [person.name for person in session.config.people] or [""]
        return {person: adoption.profile_of(session, person) for person in people}

    def take_up(self, name: str, person: str = "") -> Ticket:
        """Go on as the person of a profile; `name` "": as anybody.  Raises Refused."""
        calibration = self._daemon.calibration
        person = calibration.whose(person, name)
        if calibration.under_way:
            raise Refused("a calibration is under way; `calibrate.cancel` ends it", "busy")
        if not adoption.can_be_known(self._daemon.session, person):
            raise Refused(f"the features of {person} come from another daemon: its profile is that daemon's affair")

        def work() -> str:
            profile = profile_file.load(name) if name else None
            now = adoption.adopt(self._daemon.session, person, profile)
            calibration.chosen = {**calibration.chosen, person: name}
            whose = f"{person}: " if person else ""
            soon = "" if now else ", as soon as a headset is there"
            if profile is None:
                return f"{whose}no profile: it gets to know you as it plays{soon}"
            return f"{whose}profile '{name}', calibrated {profile.day} with {profile.source}{soon}"

        return self._errands.ask(work)

"""A person who plays in; the same person calibrated while the daemon runs, led by words and a bell, out.

Samples are taken beside the tick, the profile is worked out in a thread of its own, and taken up between two ticks.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import BrainmusicError, State
from brainmusic_daemon.features import profile_file
from brainmusic_daemon.features.bank import FeatureBank
from brainmusic_daemon.service import adoption, calibrate, contact
from brainmusic_daemon.service.breath import breath
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.guidance import Guidance, Lead, Look, Phase, ending
from brainmusic_daemon.service.overheard import Heard, hushed, quiet, take
from brainmusic_daemon.service.takes import Take

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

LOOK_S = 0.05
TELL_S = 1.0  # how often it is told over OSC while nothing has changed
ADDRESS = "/brainmusic/calibration"
CUE = "/brainmusic/cue"
_STAYS = "; everything stays as it was"


class _Cancelled(Exception):
    """Somebody has had enough."""


class Calibration:
    """Calibrates one person at a time.  All methods for any thread but the tick's."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.guidance = Guidance()  # newest; replaced as a whole
        self.chosen: dict[str, str] = {}  # person ("": the only one) → profile that was taken up while it played
        self._lock = threading.Lock()
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: tuple[object, ...] = ()

    @property
    def under_way(self) -> bool:
        return self.guidance.under_way

    def start(self, name: str, eyes_open: float, eyes_closed: float, person: str = "", without: str = "") -> str:
        """Begin to calibrate, `without` some channels; return what to say.  Raises Refused or ConfigError."""
        profile_file.check_name(name)
        person = self.whose(person, name)
        asked = {"open": eyes_open, "closed": eyes_closed}
        seconds = {eyes: length for eyes, length in asked.items() if length > 0}
        lead = Lead(name, person, seconds)
        with self._lock:
            if self.under_way:
                raise Refused(f"a calibration of {self.guidance.name} is under way; `calibrate.cancel` ends it", "busy")
            if gone := self._gone(person):
                raise Refused(f"there is no headset to calibrate with: {gone}")
            if not adoption.can_be_known(self._daemon.session, person):
                raise Refused(f"the features of {person or name} come from another daemon: calibrate there")
            if without:
                bank = self._daemon.session.head.of(person).bank
                assert isinstance(bank, FeatureBank)  # nobody is gone, and it is analysed here
                lead = Lead(name, person, seconds, contact.chosen(without, bank.setup.channels))
            self._cancel.clear()
            before, self.guidance = self.guidance, Guidance(Phase.CONTACT, name, person, without=lead.without)
            work = (lead, name, person)
            thread = threading.Thread(target=self._run, args=work, name="calibration", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # as if nobody had asked: the next one may do
                self.guidance = before
                raise Refused(f"cannot calibrate now: {error}; end some programs, then try again", "busy") from error
            self._thread = thread
        silent = self._daemon.sounding.muted or self._daemon.sounding.panicked
        deaf = ". The sound is muted: the bell will not be heard" if silent else ""
        left = f" without {', '.join(lead.without)}" if lead.without else ""
        return f"calibrating {name}{left}: the music rests meanwhile; a bell tells when to open the eyes again{deaf}"

    def cancel(self) -> str:
        """End it; nothing has changed then.  Raises Refused where there is nothing to end."""
        with self._lock:
            if not self.under_way:
                raise Refused("there is no calibration to cancel")
            self._cancel.set()
        return "cancelled: everything stays as it was"

    def stop(self) -> None:
        """Let it come to its end.  Idempotent, never raises."""
        self._cancel.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def whose(self, person: str, name: str = "") -> str:
        """Return whose headset is meant; "" where there is one.  Raises Refused."""
        config = self._daemon.session.config
        known = [one.name for one in config.people]
        if not known:
            if person:
                raise Refused(f"there is one headset here: leave '{person[:60]}' out", "unknown")
            return ""
        if (person or name) not in known:
            raise Refused(f"whose headset? One of {', '.join(known)}", "unknown")
        return person or name

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self, lead: Lead, name: str, person: str) -> None:
        session = self._daemon.session
        heard: Heard = deque()
        now = self._daemon.clock.now
        leave = session.listen(lambda info, chunk: heard.append((now(), info, chunk)))
        try:
            adoption.pause(session, person, True)
            _log.info("calibrating %s", name)
            self._listen(lead, person)
            leave()
            takes = {eyes: take(heard, person, span) for eyes, span in lead.spans.items()}
            heard.clear()
            found = self._work_out(name, person, takes, lead.without)
            self._end(ending(self.guidance, Phase.DONE), found)
        except _Cancelled:
            self._end(ending(self.guidance, Phase.CANCELLED))
        except BrainmusicError as error:
            self._end(ending(self.guidance, Phase.FAILED, f"{str(error).rstrip('.')}{_STAYS}"))
        except Exception as error:  # noqa: BLE001 - a mistake of ours, or no memory: the music goes on
            _log.exception("the calibration failed")
            self._end(ending(self.guidance, Phase.FAILED, f"failed: {type(error).__name__}: {error}{_STAYS}"))
        finally:
            leave()
            adoption.pause(session, person, False)

    def _listen(self, lead: Lead, person: str) -> None:
        """Lead the person until there is enough."""
        while lead.phase is not Phase.THINKING:
            guidance, call = lead.step(self._look(person, lead.without))
            self._tell(guidance)
            if call:
                self._ring(call)
            if self._cancel.wait(LOOK_S):
                raise _Cancelled

    def _look(self, person: str, without: tuple[str, ...]) -> Look:
        session = self._daemon.session
        frame, bank, now = session.frame, session.head.of(person).bank, self._daemon.clock.now()
        if (gone := self._gone(person)) or frame is None or bank is None:
            return Look(now, False, {}, 0, gone or "it is being prepared for")
        features = frame.features
        head = f"{person}." if person else ""
        quality = {
            channel.removeprefix(head): good
            for channel, good in zip(features.channels, features.quality.tolist(), strict=True)
            if channel.startswith(head) and channel.removeprefix(head) not in without
        }
        faults = bank.faults()
        bad = {channel: faults.get(channel, "") for channel, good in quality.items() if good < 0.5}
        signal = features.people.get(person)
        state = features.state if signal is None else signal.state
        return Look(now, state in (State.GOOD, State.CALIBRATING), bad, len(quality))

    def _gone(self, person: str) -> str:
        """Return why no samples come; "" while they do."""
        acquisition = self._daemon.session.head.of(person).acquisition
        if acquisition.state is SourceState.STREAMING and self._daemon.session.head.of(person).bank is not None:
            return ""
        return str(acquisition.error or acquisition.last_message or "it has not come yet")

    def _work_out(self, name: str, person: str, takes: Mapping[str, Take], without: tuple[str, ...]) -> calibrate.Found:
        """Find out about the person, keep it, and go on with it."""
        session = self._daemon.session

        def progress(done: float, total: float) -> None:
            if self._cancel.is_set():
                raise _Cancelled
            self._tell(replace(self.guidance, progress=done / max(total, 1e-9)))

        self._tell(replace(self.guidance, phase=Phase.THINKING, progress=0.0))
        config = contact.leaving(quiet(configuration.known_as(session.config, person, None), person), without)
        with hushed():
            found = calibrate.analyse(name, config, takes, progress, breath())
        saved = profile_file.as_saved(found.profile)  # what every later start will know, to the last digit

        def keep() -> None:
            with self._lock:  # from here on it is too late to cancel
                if self._cancel.is_set():
                    raise _Cancelled
                path = profile_file.save(found.profile)
                _log.info("%s calibrated: %s; saved as %s", name, "; ".join((*found.lines, *found.warnings)), path)

        adoption.adopt(session, person, saved, keep)
        self.chosen = {**self.chosen, person: name}
        return found

    # --- what others hear of it ---------------------------------------------------------------------------------------

    def _end(self, guidance: Guidance, found: calibrate.Found | None = None) -> None:
        if found is not None:
            guidance = replace(guidance, found=found.lines, notes=found.warnings)
        elif self.guidance.phase is not Phase.THINKING:
            self._ring("failed")  # their eyes may be closed
        if guidance.phase is not Phase.DONE:
            _log.warning("calibration of %s: %s", guidance.name, guidance.text)
        self._tell(guidance)

    def _ring(self, call: str) -> None:
        daemon = self._daemon
        daemon.session.pipeline.ring(call)
        daemon.sounding.say(CUE, call)
        daemon.session.journal.note("calibration", call)

    def _tell(self, guidance: Guidance) -> None:
        self.guidance = guidance
        told = (guidance.phase, guidance.text, int(self._daemon.clock.now() / TELL_S))
        if told != self._told:
            self._told = told
            self._daemon.sounding.say(ADDRESS, *message(guidance))


def message(guidance: Guidance) -> tuple[str, str, float, float, float]:
    """Return the arguments of the OSC message: phase, what to do, seconds left, kept, rejected."""
    return str(guidance.phase), guidance.text, guidance.left_s, guidance.kept_s, guidance.rejected_s

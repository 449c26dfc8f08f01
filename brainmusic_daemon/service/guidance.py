"""How the signal is, look by look, in; what a person who is being calibrated is to do now, and how it goes, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from brainmusic_daemon.api import ConfigError, SourceLost
from brainmusic_daemon.service import contact
from brainmusic_daemon.service.contact import SHORTEST_S

SETTLE_S = 2.0  # contact has to be good for so long before it begins
PATIENCE_S = 60.0  # and so long at most it is waited for: somebody is pressing electrodes on
COUNT_S = 4.0  # from a call to the take
FILLING_S = 2.0  # of a take in which averages fill, on top of what a calibration needs
LONGER = 2.0  # times its length: how long a take may become where the signal was bad


class Phase(StrEnum):
    """What is going on."""

    IDLE = "idle"  # no calibration yet
    CONTACT = "contact"  # waiting for good contact
    READY = "ready"  # counting down to a take
    OPEN = "open"
    CLOSED = "closed"
    THINKING = "thinking"  # the person may move again
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = (Phase.CONTACT, Phase.READY, Phase.OPEN, Phase.CLOSED, Phase.THINKING)
_SAY = {
    Phase.IDLE: "",
    Phase.CONTACT: "Sit comfortably while contact is checked",
    Phase.OPEN: "Keep your eyes OPEN: look at one point, relax your jaw, blink as you need to",
    Phase.CLOSED: "Keep your eyes CLOSED until the bell rises; sit still, relax your jaw",
    Phase.THINKING: "Thank you, you may move again: working it out",
    Phase.DONE: "Done: the music knows you now",
    Phase.CANCELLED: "Cancelled: everything stays as it was",
}
_SOON = {
    "open": "In a moment: keep your eyes OPEN and look at one point",
    "closed": "In a moment: CLOSE your eyes; the bell will tell when to open them",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How the signal of one person is now."""

    time: float  # session seconds
    good: bool  # the music could follow it
    bad: Mapping[str, str]  # channel → what is wrong with it, in one word
    channels: int
    gone: str = ""  # why no samples come


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the person is to do, and how it goes: a value for every front end."""

    phase: Phase = Phase.IDLE
    name: str = ""  # of the profile
    person: str = ""  # whose headset, where there are several
    text: str = ""  # what to do now, or what became of it
    left_s: float = 0.0  # of this phase, as far as is known
    progress: float = 0.0  # 0..1, of all
    kept_s: float = 0.0  # good signal of this take
    rejected_s: float = 0.0
    takes: Mapping[str, float] = field(default_factory=dict)  # condition → s of good signal, of finished takes
    bad: Mapping[str, str] = field(default_factory=dict)
    channels: int = 0
    without: tuple[str, ...] = ()  # channels that are left out
    offer: tuple[str, ...] = ()  # what to leave out so that it can be had all the same
    found: tuple[str, ...] = ()  # in plain words, when it is done
    notes: tuple[str, ...] = ()

    @property
    def under_way(self) -> bool:
        return self.phase in UNDER_WAY


class Lead:
    """Leads through contact, eyes open, eyes closed.  Pure: `step` is told the time.

    `calls` are for the bell; a take with too little good signal is made longer, and refused when that does not help.
    """

    def __init__(self, name: str, person: str, seconds: Mapping[str, float], without: tuple[str, ...] = ()) -> None:
        """`seconds`: condition (`open`, `closed`) → length, in order.  Raises ConfigError where that is too little.

        `without`: channels that are left out; the looks know nothing of them.
        """
        contact.long_enough(seconds)
        self.without = without
        self._name, self._person, self._left = name, person, dict(seconds)
        self._total = SETTLE_S + sum(COUNT_S + length for length in seconds.values())
        self.spans: dict[str, tuple[float, float]] = {}  # condition → session seconds from, to
        self.phase = Phase.CONTACT
        self._condition, self._length = "", 0.0
        self._began = self._before = self._good_since = float("nan")
        self._kept = self._rejected = self._done = 0.0
        self._takes: dict[str, float] = {}

    def step(self, look: Look) -> tuple[Guidance, str]:
        """Return what to tell, and the call of the bell ("": none).  Raises SourceLost or ConfigError to end it."""
        if self._began != self._began:  # the first look
            self._began = self._before = self._good_since = look.time
        if look.gone:
            raise SourceLost(f"the headset went away during the calibration ({look.gone})")
        call = ""
        if self.phase is Phase.CONTACT:
            call = self._check(look)
        elif self.phase is Phase.READY and look.time - self._began >= COUNT_S:
            self._enter(Phase(self._condition), look.time)
            self._done += COUNT_S
            call = "begin"
        elif self.phase in (Phase.OPEN, Phase.CLOSED):
            call = self._listen(look)
        self._before = look.time
        return self._told(look), call

    def _enter(self, phase: Phase, time: float) -> None:
        self.phase, self._began = phase, time
        self._kept = self._rejected = 0.0

    def _next(self, time: float) -> str:
        """Announce the next take, or the end; return the call."""
        closed = self._condition == "closed"
        if not self._left:
            self._enter(Phase.THINKING, time)
            return "open" if closed else "begin"
        self._condition = next(iter(self._left))
        self._length = self._left.pop(self._condition)
        self._enter(Phase.READY, time)
        return "close" if self._condition == "closed" else "open" if closed else ""

    def _check(self, look: Look) -> str:
        refused = contact.refusal(look.bad, look.channels)
        if refused is not None or not look.good:
            self._good_since = look.time
        elif look.time - self._good_since >= SETTLE_S:
            self._done += SETTLE_S
            return self._next(look.time)
        if look.time - self._began > PATIENCE_S:
            raise refused or ConfigError("the signal is too bad for a calibration: look at the electrodes")
        return ""

    def _listen(self, look: Look) -> str:
        passed, elapsed = look.time - self._before, look.time - self._began
        if look.good:
            self._kept += passed
        else:
            self._rejected += passed
        if elapsed < self._length:
            return ""
        if self._kept < SHORTEST_S + FILLING_S:
            if elapsed < LONGER * self._length:
                return ""
            refused = contact.refusal(look.bad, look.channels)
            raise refused or contact.too_short(self._condition, self._kept)
        self.spans[self._condition] = self._began, look.time
        self._takes[self._condition] = self._kept
        self._done += self._length
        return self._next(look.time)

    def _told(self, look: Look) -> Guidance:
        elapsed = look.time - self._began
        length = {Phase.CONTACT: SETTLE_S, Phase.READY: COUNT_S}.get(self.phase, self._length)
        within = min(elapsed, length) if self.phase in (Phase.READY, Phase.OPEN, Phase.CLOSED) else 0.0
        text, left = _SAY.get(self.phase, ""), 0.0
        if self.phase is Phase.READY:
            text, left = _SOON[self._condition], COUNT_S - elapsed
        elif self.phase is Phase.CONTACT and contact.refusal(look.bad, look.channels) is not None:
            text = f"Waiting for contact at {', '.join([*look.bad][:12])}"
        elif self.phase in (Phase.OPEN, Phase.CLOSED):
            left = self._length - elapsed
            left = left if left > 0 else SHORTEST_S + FILLING_S - self._kept
        return Guidance(
            phase=self.phase,
            name=self._name,
            person=self._person,
            text=text,
            left_s=max(left, 0.0),
            progress=min((self._done + within) / self._total, 1.0),
            kept_s=self._kept,
            rejected_s=self._rejected,
            takes=dict(self._takes),
            bad=dict(look.bad),
            channels=look.channels,
            without=self.without,
            offer=self._offer(look),
        )

    def _offer(self, look: Look) -> tuple[str, ...]:
        offered = contact.offer(look.bad, look.channels)
        return (*self.without, *offered) if offered else ()


def ending(before: Guidance, phase: Phase, text: str = "") -> Guidance:
    """Return what to tell at the end, with how far it had come."""
    progress = 1.0 if phase is Phase.DONE else before.progress
    text = text or _SAY.get(phase, "")
    ended = Guidance(phase, before.name, before.person, text, progress=progress, takes=before.takes)
    return replace(ended, without=before.without, offer=before.offer if phase is Phase.FAILED else ())

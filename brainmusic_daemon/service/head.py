"""A person's headset in, what a tick needs of it out: its acquisition and its feature bank; one person, or several."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import partial

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.several import Several
from brainmusic_daemon.acquisition.supervisor import Acquisition, SourceState
from brainmusic_daemon.api import Clock, ConfigError, Source, StreamInfo, Unfit, Window
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import montage, performed, succession
from brainmusic_daemon.features.bank import FeatureBank
from brainmusic_daemon.features.together import Bank, Member, Together
from brainmusic_daemon.pipeline import listening
from brainmusic_daemon.service.breath import breath

_log = logging.getLogger(__name__)

GATHER_S = 2.0  # so long the first who has come waits for the others


class Head:
    """One person.  `design` is slow and called beside the tick, `install` while no tick is under way, `hear` in it."""

    def __init__(self, config: Config, clock: Clock, source: Source, person: str = "", seed: int = 0) -> None:
        self.person, self._config = person, config
        self.lives = bool(getattr(source, "reopen_on_silence", True))  # a device, no recording of one
        self.performs = bool(getattr(source, "performs", False))  # it delivers features, not signals
        self.acquisition = Acquisition(
            source,
            clock,
            window_s=config.features.kernel_s,
            channels=() if self.performs else config.features.channels,
            exclude=() if self.performs else config.features.exclude,
            groups=partial(montage.groups, montage=config.features.montage, named=config.features.regions),
            silence_s=config.session.silence_s,
            seed=seed,
            person=person,
            waits=bool(person) or math.isinf(config.session.patience_s),  # one of several ends nothing for the others
        )
        self.bank: Member | None = None
        self.info: StreamInfo | None = None  # that the bank was designed for
        self._designed: tuple[int, Ring, int] | None = None
        self._attached: tuple[int, Ring, int] | None = None  # generation, ring, length of the window
        self._refused = 0  # generation that is of no use

    @property
    def changed(self) -> bool:
        """Return whether there is a headset that nothing is prepared for."""
        generation, info, ring = self.acquisition.setup
        there = ring is not None and info is not None and generation != self._refused
        return there and (self._attached is None or self._attached[0] != generation)

    @property
    def waits(self) -> bool:
        """Return whether a headset that is of no use is waited out, even where none was of use yet."""
        return self.acquisition.waits and math.isinf(self._config.session.patience_s)

    def refuse(self, why: ConfigError) -> None:
        """Do without the headset that has come, and say so: it is silence to the music until another one comes."""
        _log.error("%s; waiting for another headset", why)
        self.let_go(why)

    def let_go(self, why: ConfigError) -> None:
        """Do without the headset that has come; why has been told."""
        self._refused = self.acquisition.generation
        if isinstance(why, Unfit):
            self.acquisition.refuse(self._refused, why)

    @property
    def attached(self) -> bool:
        return self._attached is not None

    def design(self) -> Member:
        """Return the bank for the headset that has come."""
        generation, info, ring = self.acquisition.setup
        assert info is not None and ring is not None
        made = performed.build(info, self._config) if self.performs else listening(info, self._config)
        self.bank, self.info, self._designed = made, info, (generation, ring, made.n_taps)
        return made

    def install(self) -> None:
        """Listen to it from the next tick on."""
        self._attached = self._designed

    def of(self, person: str) -> Head:
        """Return the head of a person: there is only this one."""
        return self

    def redesign(self, config: Config) -> FeatureBank | None:
        """Return a bank as `config` has it for the headset that is listened to, None where there is none.

        Nothing has changed yet, and the bank has heard what the one in use has heard of late.  Some 100 ms, beside the
        tick.
        """
        if self._attached is None or self.changed or self.info is None or not isinstance(self.bank, FeatureBank):
            return None
        made = listening(self.info, config)
        _, ring, n_taps = self._attached
        past = ring.past()
        if made.n_taps == n_taps <= len(past.samples):
            succession.prepare(made, self.bank, past, self.info.samplerate, breath())
        return made

    def adopt(self, config: Config, made: FeatureBank | None) -> None:
        """Go on as `config` has it, with a bank of `redesign`, which goes on where the one before stands."""
        self._config = config
        if made is not None and isinstance(self.bank, FeatureBank):
            succession.go_on(made, self.bank)
            self.bank = made

    def joined(self) -> Bank:
        """Return what listens to everybody who is there."""
        assert self.bank is not None
        return self.bank

    def hear(self, time: float) -> tuple[Window, bool]:
        """Return the newest window, and whether samples arrive."""
        assert self._attached is not None
        generation, ring, n_taps = self._attached
        alive = generation == self.acquisition.generation and self.acquisition.alive(time)
        return ring.newest(n_taps), alive


class Heads:
    """Several persons, as one.  Each is taken in when its headset comes, and stays when it goes."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._first_came = math.inf  # the first headset, session seconds
        self._heads = {
            person.name: Head(configuration.of(config, person), clock, person.source, person.name, seed)
            for seed, person in enumerate(config.people)
        }
        self.acquisition = Several({who: head.acquisition for who, head in self._heads.items()})
        self._here: dict[str, Head] = {}  # whom the bank listens to
        self._coming: dict[str, Head] = {}
        self._together: Together | None = None
        self._left_out: dict[str, int] = {}  # person → generation that is of no use, which was told

    @property
    def changed(self) -> bool:
        """Return whether a headset has come that nothing is prepared for; at first, the others are waited for a little.

        Each that comes later is another set of features, and a moment in which all hold.
        """
        if not self._new():
            return False
        if self.attached:
            return True
        now = self._clock.now()
        self._first_came = min(self._first_came, now)
        failed = SourceState.FAILED
        missing = any(not head.changed and head.acquisition.state is not failed for head in self._heads.values())
        return not missing or now - self._first_came >= GATHER_S

    @property
    def attached(self) -> bool:
        return bool(self._here)

    def design(self) -> Bank:
        """Return what listens to everybody who is there; only who is new costs time.

        Who cannot be listened to is told and left out.  Raises ConfigError where nobody is left.
        """
        why = ConfigError("nobody can be listened to")
        for head in self._new():
            if self._twin(head) is not None:  # of one who has come at the same time
                continue
            try:
                head.design()
            except ConfigError as error:
                self._leave_out(head, str(error))
                head.let_go(error)
                why = error
        self._coming = {who: head for who, head in self._heads.items() if head.bank is not None}
        if not self._coming:
            raise why
        return self.joined()

    def of(self, person: str) -> Head:
        """Return the head of a person."""
        return self._heads[person]

    def joined(self) -> Bank:
        """Return what listens to everybody who is there."""
        members: Mapping[str, Member] = {who: head.bank for who, head in self._coming.items() if head.bank is not None}
        made = Together(members, self._config.tick, self._config.baseline.memory_s)
        if self._together is not None:
            made.go_on(self._together)
        self._together = made
        return made

    def install(self) -> None:
        """Listen to them from the next tick on."""
        for head in self._coming.values():
            head.install()
        self._here = self._coming

    @property
    def waits(self) -> bool:
        """Return whether headsets that are of no use are waited out, even where none was of use yet."""
        return any(head.waits for head in self._heads.values())

    def refuse(self, why: ConfigError) -> None:
        """Whom nobody can listen to was told, and left out by `design` already."""

    def hear(self, time: float) -> tuple[list[Window], list[bool]]:
        """Return everybody's newest window, and whether their samples arrive."""
        heard = [head.hear(time) for head in self._here.values()]
        return [window for window, _ in heard], [alive for _, alive in heard]

    def _new(self) -> list[Head]:
        """Return whose headset has come, or has changed, and is of use."""
        changed = [head for head in self._heads.values() if head.changed]
        for head in changed:
            if (twin := self._twin(head)) is not None:
                info = head.acquisition.info
                assert info is not None
                self._leave_out(
                    head,
                    f"'{info.name}' ({info.uid}) is the headset of {twin.person} already; name another one in "
                    "[[source]], e.g. by its source_id or serial port",
                )
        return [head for head in changed if self._left_out.get(head.person) != head.acquisition.generation]

    def _twin(self, head: Head) -> Head | None:
        """Return who wears this very headset already."""
        info = head.acquisition.info
        if info is None or not info.uid or head.bank is not None or not head.lives:
            return None
        others = [other for other in self._heads.values() if other is not head and other.info is not None]
        return next((other for other in others if other.info is not None and other.info.uid == info.uid), None)

    def _leave_out(self, head: Head, why: str) -> None:
        generation = head.acquisition.generation
        if self._left_out.get(head.person) != generation:
            self._left_out[head.person] = generation
            _log.error("%s: %s", head.person, why)


def made(config: Config, clock: Clock, source: Source | None = None) -> Head | Heads:
    """Return whom a session listens to: one person, or where the configuration has several and `source` None, all."""
    if config.people and source is None:
        return Heads(config, clock)
    return Head(config, clock, source or config.source)

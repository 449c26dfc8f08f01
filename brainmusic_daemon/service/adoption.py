"""A profile and a session that plays in; the session goes on as that person's, between two ticks, without a step."""

from __future__ import annotations

from collections.abc import Callable

from brainmusic_daemon import config as configuration
from brainmusic_daemon.features.bank import FeatureBank
from brainmusic_daemon.features.profile import Profile
from brainmusic_daemon.service.session import Session


def adopt(session: Session, person: str, profile: Profile | None, before: Callable[[], object] = lambda: None) -> bool:
    """Go on as the person of a profile, or as anybody (None); return whether that is heard from the next tick on.

    `person`: which of several; "" where there is one.  Everything slow comes first: kernels are designed, and the new
    bank hears the last seconds.  Then `before` is called, as nothing else can fail any more: if it raises, nothing has
    changed.  Without a headset the profile holds as soon as one comes.  Raises ConfigError where the profile has
    nothing in common with the headset.  Some 100 ms, beside the tick.
    """
    with session.preparing:
        head = session.head.of(person)
        config = configuration.known_as(session.config, person, profile)
        whose = next((configuration.of(config, one) for one in config.people if one.name == person), config)
        made = head.redesign(whose)
        before()
        session.config = session.pipeline.config = configuration.known_as(session.config, person, profile)
        head.adopt(whose, made)
        playing = session.pipeline.bank
        if made is None or playing is None:
            return False
        bank = session.head.joined()
        if bank.names == playing.names:  # as good as always: no mapper has to know
            session.pipeline.bank = bank
        else:
            session.prepare(bank)
            session.attached = True
    session.journal.note("profile", person, text=profile.name if profile is not None else "none")
    return True


def pause(session: Session, person: str, on: bool) -> None:
    """Let the music glide to rest, as far as it follows this person, or follow them again.  From any thread."""
    bank = session.head.of(person).bank
    if isinstance(bank, FeatureBank):
        bank.gate.paused = on


def profile_of(session: Session, person: str) -> str:
    """Return the name of the profile in use; "": none."""
    config = session.config
    whose = next((one.profile for one in config.people if one.name == person), config.profile)
    return whose.name if whose is not None else ""


def can_be_known(session: Session, person: str) -> bool:
    """Return whether this person's signal is analysed here, or will be."""
    return not session.head.of(person).performs

"""What was played in, a file that outlives a crash out; and back into a configuration, at the next start.

A file that cannot be read, or that makes the start fail, is told and left aside.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import choice
from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.config import Config
from brainmusic_daemon.there import is_file

if TYPE_CHECKING:
    from brainmusic_daemon.service.sounding import Sounding

_log = logging.getLogger(__name__)

VERSION = 1
MOST_ATTEMPTS = 3  # that ended before
MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What a daemon was playing."""

    version: int
    name: str  # session.name
    config: str  # file of the configuration
    written: str  # what that said about mapper and music, as a hash: changed since, it is newer than all below
    mapper: str
    table: Mapping[str, Any]  # of the mapper, with every knob that was turned
    folder: str | None  # that file names in it are relative to
    preset: str
    seed: int
    scene: str = ""  # recalled last, where nothing else was chosen since
    profile: str = ""
    profiles: Mapping[str, str] = field(default_factory=dict)  # person ("": the only one) → chosen while it played
    asked: str = ""  # the profile that the configuration named then: changed since, it counts
    gain_db: float | None = None
    muted: bool = False
    panicked: bool = False
    learning: bool | None = None  # switched while it played; None: as configured
    recording: str = ""  # file that was being written: it did not come to its end if this is still here
    recording_as: str = ""  # the name it was asked for by
    attempts: int = 0  # starts with it that did not last

    def turn(self, sounding: Sounding) -> None:
        """Set level and silence as they were: what was mute stays mute."""
        if self.gain_db is not None:
            sounding.gain(self.gain_db)
        if self.panicked:
            sounding.panic()
        elif self.muted:
            sounding.mute(True)

    @property
    def beside(self) -> str:
        """Return in words what has nothing to do with the mapper: level, silence, learning, recording; "": nothing."""
        said = [f"gain {self.gain_db:g} dB"] if self.gain_db is not None else []
        said += ["muted"] * (self.muted or self.panicked)
        said += [f"learning {'on' if self.learning else 'off'}"] if self.learning is not None else []
        return ", ".join([*said, *([f"recording {Path(self.recording).name}"] if self.recording else [])])

    def __str__(self) -> str:
        said = [f"mapper '{self.mapper}'", f"preset '{self.preset}'"]
        said += [f"scene '{self.scene}'"] * bool(self.scene) + [f"profile '{self.profile}'"] * bool(self.profile)
        return ", ".join([*said, *([self.beside] if self.beside else [])])


def path(name: str) -> Path:
    """Return the file of the daemon of this name."""
    import platformdirs

    return Path(platformdirs.user_state_dir("brainmusic", appauthor=False)) / f"{name}.json"


def read(name: str) -> Kept | None:
    """Return what was kept under `name`; None where there is nothing, or (told) nothing that can be understood."""
    file = path(name)
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError("it is too large")
        known = json.loads(data)
        if not isinstance(known, dict) or known.get("version") != VERSION:
            raise ValueError("it was written by another version")
        kept = Kept(**known)
        _check(kept)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        _log.warning("what was played last is not taken up: %s cannot be read (%s)", file, error)
        return None
    return kept


def _check(kept: Kept) -> None:
    files = (kept.config, kept.recording, kept.recording_as)
    texts = (*files, kept.name, kept.written, kept.mapper, kept.preset, kept.scene, kept.profile, kept.asked)
    whole = all(isinstance(text, str) for text in texts) and isinstance(kept.table, dict)
    whole = whole and isinstance(kept.profiles, dict)
    whole = whole and all(isinstance(text, str) for pair in kept.profiles.items() for text in pair)
    whole = whole and isinstance(kept.learning, (bool, type(None)))
    levels = isinstance(kept.gain_db, (int, float, type(None))) and isinstance(kept.attempts, int)
    if not (whole and levels and isinstance(kept.seed, int) and isinstance(kept.folder, (str, type(None)))):
        raise ValueError("it holds something else than it should")
    if kept.gain_db is not None and not -60 <= kept.gain_db <= 12:
        raise ValueError(f"a gain of {kept.gain_db} dB")


def write(kept: Kept) -> None:
    """Write the file, whole or not at all.  Raises OSError."""
    file = path(kept.name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")  # one daemon has this name: what a kill leaves is written over by the next
    try:
        with temporary.open("w", encoding="utf-8") as out:
            json.dump(asdict(kept), out, default=str)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def recall(config: Config) -> tuple[Config, Kept | None]:
    """Return `config` with what was played last in it, and that; None where there is nothing to take up.

    Where that is left aside, level and silence are not: they are no part of what does not fit, and whoever has silenced
    the room must not hear it again because a file was edited.  Nor are learning and a recording, unless starts fail.
    """
    kept = read(config.session.name)
    if kept is None:
        return config, None
    if (kept.config, kept.written) != (str(Path(config.origin).absolute()), fingerprint(config.tables)):
        _log.info("the configuration was changed since it was played last: it counts%s", _but(kept))
        return config, _left_aside(kept)
    if kept.attempts >= MOST_ATTEMPTS:
        said, attempts = "what was played last is not taken up: %d starts with it did not last%s", kept.attempts
        kept = replace(kept, learning=None, recording="")  # any of it may be why
        _log.warning(said, attempts, _but(kept))
        return config, _left_aside(kept)
    people = [person.name for person in config.people] or [""]
    same = kept.asked == asked_profile(config.tables)
    kept = replace(kept, profiles={who: name for who, name in kept.profiles.items() if same and who in people})
    try:
        found = _taken_up(config, kept)
    except BrainmusicError as error:
        _log.warning("what was played last is not taken up: %s%s", error, _but(kept))
        return config, _left_aside(kept)
    kept = replace(kept, attempts=kept.attempts + 1)
    _log.info("playing on where it was: %s", kept)
    return found, kept


def _left_aside(kept: Kept) -> Kept | None:
    """Return what stays in force of what is not taken up: how loud it is, whether it sounds at all, and the like."""
    return replace(kept, scene="", profile="", profiles={}, attempts=0) if kept.beside else None


def _but(kept: Kept) -> str:
    return f"; what stays: {kept.beside}" if kept.beside else ""


def fingerprint(tables: Mapping[str, Any]) -> str:
    """Return a hash of what a configuration says about mapper and music."""
    said = json.dumps([tables.get(name, {}) for name in ("mapper", "music")], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def asked_profile(tables: Mapping[str, Any]) -> str:
    """Return the profile that a configuration names; "": none."""
    session = tables.get("session", {})
    return str(session.get("profile", "")) if isinstance(session, Mapping) else ""


def _taken_up(config: Config, kept: Kept) -> Config:
    from brainmusic_daemon.features import profile_file
    from brainmusic_daemon.music import preset as presets

    if kept.profiles:
        for person, name in kept.profiles.items():
            config = configuration.known_as(config, person, profile_file.load(name) if name else None)
    elif kept.profile and not config.session.profile:
        session = config.session.model_copy(update={"profile": kept.profile})
        config = configuration.personal(replace(config, session=session), profile_file.load(kept.profile))
    beside = config.folder / kept.preset if config.folder is not None else None
    preset = presets.load(str(beside) if beside is not None and is_file(beside) else kept.preset)
    own, folder = config.folder, Path(kept.folder) if kept.folder is not None else None
    folder = own if own is not None and folder == own.absolute() else folder  # as it is written, so that `save` sees it
    made = choice.make(kept.mapper, kept.table, folder)
    music = config.music.model_copy(update={"preset": kept.preset, "seed": kept.seed})
    return replace(config, choice=made, music=music, preset=preset)

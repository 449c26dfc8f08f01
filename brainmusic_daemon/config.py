"""TOML and `--set` in, one frozen, fully checked `Config` out; the only reader of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import people, reading, registry
from brainmusic_daemon.api import ConfigError, Mapper, Output, Source
from brainmusic_daemon.people import Person
from brainmusic_daemon.sections import (
    SECTIONS,
    ArtifactsConfig,
    BaselineConfig,
    ControlConfig,
    FeaturesConfig,
    LearnConfig,
    MusicConfig,
    QualityConfig,
    SceneConfig,
    SessionConfig,
    SwapConfig,
    WebConfig,
)
from brainmusic_daemon.tomlfile import folder, is_bundled, locate, override, own_folder, parse

__all__ = [
    "Config", "again", "alone", "folder", "is_bundled", "load", "locate", "of", "own_folder", "parse", "personal",
    "resolve", "stranger",
]  # fmt: skip

if TYPE_CHECKING:
    from brainmusic_daemon.choice import Choice
    from brainmusic_daemon.features.profile import Profile
    from brainmusic_daemon.music.preset import Preset


@dataclass(frozen=True, slots=True)
class Config:
    """The resolved set-up: sections as frozen models, plug-ins made but not opened."""

    session: SessionConfig
    features: FeaturesConfig
    quality: QualityConfig
    artifacts: ArtifactsConfig
    baseline: BaselineConfig
    music: MusicConfig
    swap: SwapConfig
    control: ControlConfig
    web: WebConfig
    learn: LearnConfig
    preset: Preset  # the one that `music` names
    source: Source  # the only one, or the first
    choice: Choice  # of the mapper
    fallback: Mapper  # plays whenever the chosen one cannot
    scenes: Mapping[str, SceneConfig]
    outputs: Mapping[str, Output]
    origin: str  # file it came from, for messages
    tables: Mapping[str, Any]  # the merged TOML, for `check` and for what is made anew
    profile: Profile | None = None  # of the person, where one is named
    overrides: tuple[str, ...] = ()  # of the command line
    people: tuple[Person, ...] = ()  # whose headsets, where there are several

    @property
    def mapper(self) -> Mapper:
        return self.choice.mapper

    @property
    def folder(self) -> Path | None:
        """Folder of the file it came from: what relative names in it start from."""
        return Path(self.origin).parent if self.origin else None

    @property
    def tick(self) -> float:
        """Period of the tick in seconds."""
        return self.session.tick_ms / 1000


_TABLES = (*SECTIONS, "source", "mapper", "fallback", "output", "scene")


def load(
    file: str | Path | None = None, overrides: Sequence[str] = (), tables: Mapping[str, Any] | None = None
) -> Config:
    """Read a configuration (a path, or the bare name of a bundled one) and check all of it.

    `overrides` are `section.key=value` texts, the value in TOML or a bare word; `tables` replace whole top-level
    tables last.  Raises ConfigError with every problem at once.
    """
    path = locate(file)
    merged = parse(path)
    for text in overrides:
        override(merged, text)
    merged.update(tables or {})
    return replace(resolve(merged, str(path)), overrides=tuple(overrides))


def again(config: Config) -> Config:
    """Read the file that `config` came from once more, with the same overrides.  Raises ConfigError."""
    return load(config.origin, config.overrides)


def resolve(tables: Mapping[str, Any], origin: str = "") -> Config:
    """Check merged tables and make the plug-ins.  Raises ConfigError with every problem at once."""
    problems: list[tuple[str, str]] = [
        (key, f"there is no section '{key}'{registry.did_you_mean(key, _TABLES)}")
        for key in tables
        if key not in _TABLES
    ]
    sections = {name: reading.section(name, model, tables.get(name, {}), problems) for name, model in SECTIONS.items()}
    problems += reading.derived_problems(tables.get("features", {}))
    source, person, several = people.read(
        tables.get("source", {"kind": "simulator"}), reading.feature_names(sections["features"]), problems
    )
    chosen = reading.mapper("mapper", tables.get("mapper", {}), origin, problems)
    fallback = reading.mapper("fallback", tables.get("fallback", {}), origin, problems)
    scenes = reading.scenes(tables.get("scene", {}), origin, problems)
    outputs = reading.outputs(tables.get("output", {}), problems)
    sources: dict[str, Any] = {f"source.{one.name}": one.source for one in several} or {"source": source}
    problems += reading.shared_files(sources | {f"output.{name}": output for name, output in outputs.items()})
    profile = reading.profile(sections["session"].profile, person, several, problems) if sections["session"] else None
    from brainmusic_daemon.music import preset as presets

    preset = None
    if sections["music"] is not None:
        try:
            preset = presets.load(reading.beside(sections["music"].preset, Path(origin).parent if origin else None))
        except ConfigError as error:
            problems.append(("music.preset", str(error).replace("\n", "\n  ")))
    if problems:
        lines = "\n".join(f"  {place}: {message}" for place, message in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{count} in {origin or 'the configuration'}:\n{lines}")
    assert preset is not None and source is not None
    assert chosen is not None and fallback is not None
    config = Config(
        **sections,
        preset=preset,
        source=source,
        choice=chosen,
        fallback=fallback.mapper,
        scenes=scenes,
        outputs=outputs,
        origin=origin,
        tables=tables,
        people=several,
    )
    return personal(config, profile) if profile is not None else config


def personal(config: Config, profile: Profile) -> Config:
    """Return `config` for the person of a profile: with their own bands, where the configuration sets none itself."""
    set_by_hand = "bands" in config.tables.get("features", {})
    bands = config.features.bands if set_by_hand else {**config.features.bands, **profile.bands}
    return replace(config, profile=profile, features=config.features.model_copy(update={"bands": bands}))


def of(config: Config, person: Person) -> Config:
    """Return `config` as it is for one of several persons."""
    one = replace(config, source=person.source, people=())
    return personal(one, person.profile) if person.profile is not None else one


def known_as(config: Config, person: str, profile: Profile | None) -> Config:
    """Return `config` with another profile, or none, of the only person ("") or of one of several."""
    if config.people:
        people = (replace(one, profile=profile) if one.name == person else one for one in config.people)
        return replace(config, people=tuple(people))
    bands = FeaturesConfig.model_validate(config.tables.get("features", {})).bands
    named = config.session.model_copy(update={"profile": profile.name if profile is not None else ""})
    features = config.features.model_copy(update={"bands": bands})
    anybody = replace(config, profile=None, session=named, features=features)
    return personal(anybody, profile) if profile is not None else anybody


def stranger(config: Config) -> Config:
    """Return `config` without what is known of the person whose headset it is."""
    source = config.tables.get("source")
    if config.profile is None or not isinstance(source, Mapping):
        return config
    tables = {**config.tables, "source": {key: value for key, value in source.items() if key != "person"}}
    return replace(resolve(tables, config.origin), overrides=config.overrides)


def alone(config: Config, name: str) -> Config:
    """Return `config` with the headset of one person only, where it has several; known by its profile if that is named.

    Raises ConfigError.
    """
    if not config.people:
        return config
    for person in config.people:
        if person.name == name:
            one = replace(config, source=person.source, people=())
            if config.session.profile != name:
                return one
            from brainmusic_daemon.features import profile_file

            return personal(one, person.profile or profile_file.load(name))
    names = [person.name for person in config.people]
    raise ConfigError(
        f"{config.origin or 'the configuration'} has {len(names)} headsets, and none is {name}'s"
        f"{registry.did_you_mean(name, names)}: one person at a time, by the name that its [[source]] gives"
    )

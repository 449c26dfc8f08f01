"""TOML and `--set` in, one frozen, fully checked `Config` out; the only reader of settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from brainmusic_daemon import people, registry
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
    Section,
    SessionConfig,
    SwapConfig,
    WebConfig,
)

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


def folder() -> Path:
    """Return the folder of the bundled configurations: in the package when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


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
        _override(merged, text)
    merged.update(tables or {})
    return replace(resolve(merged, str(path)), overrides=tuple(overrides))


def again(config: Config) -> Config:
    """Read the file that `config` came from once more, with the same overrides.  Raises ConfigError."""
    return load(config.origin, config.overrides)


def parse(path: Path) -> dict[str, Any]:
    """Read a TOML file.  Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply") from error


def resolve(tables: Mapping[str, Any], origin: str = "") -> Config:
    """Check merged tables and make the plug-ins.  Raises ConfigError with every problem at once."""
    problems: list[tuple[str, str]] = [
        (key, f"there is no section '{key}'{registry.did_you_mean(key, _TABLES)}")
        for key in tables
        if key not in _TABLES
    ]
    sections = {name: _section(name, model, tables.get(name, {}), problems) for name, model in SECTIONS.items()}
    problems += _derived_problems(tables.get("features", {}))
    source, person, several = people.read(
        tables.get("source", {"kind": "simulator"}), _feature_names(sections["features"]), problems
    )
    chosen = _choice("mapper", tables.get("mapper", {}), origin, problems)
    fallback = _choice("fallback", tables.get("fallback", {}), origin, problems)
    scenes = _scenes(tables.get("scene", {}), origin, problems)
    outputs: dict[str, Any] = {}
    named = tables.get("output", {})
    if not isinstance(named, Mapping):
        problems.append(("output", "outputs are named tables: [output.osc], [output.audio], …"))
        named = {}
    for name, table in named.items():
        where = f"output.{name}"
        if isinstance(table, Mapping):
            table = {"kind": name, **table}
            enabled = table.pop("enabled", True)
            if not isinstance(enabled, bool):
                problems.append((f"{where}.enabled", f"is true or false, got {enabled!r}"))
            elif not enabled:
                continue
        outputs[name] = _plugin("output", where, table, problems)
    sources: dict[str, Any] = {f"source.{one.name}": one.source for one in several} or {"source": source}
    problems += _shared_files(sources | {f"output.{name}": output for name, output in outputs.items()})
    profile = _profile(sections["session"].profile, person, several, problems) if sections["session"] else None
    from brainmusic_daemon.music import preset as presets

    preset = None
    if sections["music"] is not None:
        try:
            preset = presets.load(beside(sections["music"].preset, Path(origin).parent if origin else None))
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


def _profile(named: str, person: str, several: Sequence[Person], problems: list[tuple[str, str]]) -> Profile | None:
    """Return the profile that the session names, else that of whoever wears the only headset, where there is one."""
    from brainmusic_daemon.features import profile_file

    if named and several:
        if named in (one.name for one in several):
            return None
        whose = ", ".join(one.name for one in several)
        problems.append(("session.profile", f"is for one headset; with several, each takes its person's own: {whose}"))
        return None
    name = named or (person if person and person in profile_file.known() else "")
    try:
        return profile_file.load(name) if name else None
    except ConfigError as error:
        problems.append(("session.profile", str(error)))
        return None


def _feature_names(section: FeaturesConfig | None) -> list[str]:
    """Return words that features are called by already, so that no person is."""
    return [*registry.names("feature"), *(section.bands if section is not None else ())]


def _shared_files(plugins: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Find outputs that would write over the recording that is being read, or over each other."""
    problems: list[tuple[str, str]] = []
    taken: dict[Path, str] = {}
    for where, made in plugins.items():
        path = getattr(made, "path", None)
        if path:
            file = Path(path).expanduser().resolve()
            if file in taken and not (where.startswith("source") and taken[file].startswith("source")):
                problems.append((f"{where}.path", f"is the file of {taken[file]} too: {path}"))
            taken[file] = where
    return problems


def personal(config: Config, profile: Profile) -> Config:
    """Return `config` for the person of a profile: with their own bands, where the configuration sets none itself."""
    set_by_hand = "bands" in config.tables.get("features", {})
    bands = config.features.bands if set_by_hand else {**config.features.bands, **profile.bands}
    return replace(config, profile=profile, features=config.features.model_copy(update={"bands": bands}))


def of(config: Config, person: Person) -> Config:
    """Return `config` as it is for one of several persons."""
    one = replace(config, source=person.source, people=())
    return personal(one, person.profile) if person.profile is not None else one


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


def locate(file: str | Path | None) -> Path:
    """Return the file of a path or of a bundled configuration's name.  Raises ConfigError."""
    if file is None:
        return folder() / "default.toml"
    path = Path(file).expanduser()
    bundled = folder() / f"{file}.toml"
    if path.is_file():
        return path
    if path.parent == Path() and bundled.is_file():
        return bundled
    known = [found.stem for found in folder().glob("*.toml")]
    raise ConfigError(
        f"there is no configuration '{file}': give a path, or one of the bundled names ({', '.join(sorted(known))})"
    )


def _override(tables: dict[str, Any], text: str) -> None:
    key, separator, value = text.partition("=")
    parts = key.strip().split(".")
    if not separator or len(parts) < 2 or not all(parts):
        raise ConfigError(f"--set {text!r}: write it as section.key=value, e.g. --set features.delay_ms=100")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word is a string: --set source.kind=lsl
    at: Any = tables
    for part in parts[:-1]:
        at = people.table_of(at, part) if isinstance(at, list) else at.setdefault(part, {})
        if not isinstance(at, dict) and not (part == "source" and people.are_tables(at)):
            raise ConfigError(f"--set {text!r}: '{part}' is a value, not a table")
    if isinstance(at, list):
        raise people.whose(at, parts[-1])
    at[parts[-1]] = parsed


def _section(name: str, model: type[Section], table: Any, problems: list[tuple[str, str]]) -> Any:
    if not isinstance(table, Mapping):
        problems.append((name, f"is a table: write [{name}]"))
        return None
    known = [*model.model_fields]
    problems += [
        (f"{name}.{key}", f"there is no setting '{key}'{registry.did_you_mean(key, known)}")
        for key in table
        if key not in known
    ]
    try:
        return model(**{key: value for key, value in table.items() if key in known})
    except ValidationError as error:
        problems += registry.describe(error, name)
        return None


def _derived_problems(table: Any) -> list[tuple[str, str]]:
    """Check names and settings of the derived features; they are made anew for every headset, so not kept.

    What is of a wrong type altogether, the section has told already.
    """
    table = table if isinstance(table, Mapping) else {}
    derived, settings_of = table.get("derived"), table.get("settings")
    chosen = [("features.derived", name) for name in derived] if isinstance(derived, list) else []
    set_up = settings_of if isinstance(settings_of, Mapping) else {}
    known = registry.names("feature")
    problems = []
    for where, name in [*chosen, *((f"features.settings.{name}", name) for name in set_up)]:
        if isinstance(name, str) and name not in known:
            problems.append((where, f"there is no feature '{name}'{registry.did_you_mean(name, known)}"))
    for name, settings in set_up.items():
        if name in known and isinstance(settings, Mapping):
            try:
                registry.build("feature", name, settings, f"features.settings.{name}")
            except registry.SettingErrors as error:
                problems += error.problems
    return problems


def _choice(where: str, table: Any, origin: str, problems: list[tuple[str, str]]) -> Choice | None:
    from brainmusic_daemon import choice

    try:
        made = choice.make("", table, Path(origin).parent if origin else None, where)
    except registry.SettingErrors as error:
        problems += error.problems
        return None
    if where == "fallback" and table.get("kind", "direct") != "direct":
        problems.append(("fallback.kind", "is direct: what can be read, and cannot fail, is there to fall back on"))
    return made


def beside(name: str, folder: Path | None) -> str:
    """Return the file of this name in the configuration's folder where it lies there, else `name`."""
    found = folder / Path(name).expanduser() if folder is not None else None
    return str(found) if found is not None and found.is_file() else name


def _scenes(table: Any, origin: str, problems: list[tuple[str, str]]) -> dict[str, SceneConfig]:
    """Check every scene; what its mapper comes to is tried here, so that nobody finds out on stage."""
    from brainmusic_daemon import choice
    from brainmusic_daemon.music import preset as presets

    folder = Path(origin).parent if origin else None
    if not isinstance(table, Mapping):
        problems.append(("scene", "scenes are named tables: [scene.calm], [scene.storm], …"))
        return {}
    scenes = {name: _section(f"scene.{name}", SceneConfig, settings, problems) for name, settings in table.items()}
    for name, scene in scenes.items():
        if scene is not None and isinstance(scene.mapper, dict):
            _choice(f"scene.{name}.mapper", scene.mapper, origin, problems)
        elif scene is not None and scene.mapper:
            try:
                choice.read(scene.mapper, folder)
            except ConfigError as error:
                problems.append((f"scene.{name}.mapper", str(error)))
        if scene is not None and scene.preset:
            try:
                presets.load(beside(scene.preset, folder))
            except ConfigError as error:
                problems.append((f"scene.{name}.preset", str(error).replace("\n", "\n  ")))
    return scenes


def _plugin(kind: str, where: str, table: Any, problems: list[tuple[str, str]]) -> Any:
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        problems.append((where, f'needs kind = "…": one of {", ".join(registry.names(kind))}'))
        return None
    settings = {key: value for key, value in table.items() if key != "kind"}
    try:
        return registry.build(kind, table["kind"], settings, where)
    except registry.SettingErrors as error:
        problems += error.problems
        return None

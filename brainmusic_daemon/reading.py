"""One table of a configuration in, what it stands for out; whatever is wrong with it joins a list of problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.people import Person
from brainmusic_daemon.sections import FeaturesConfig, SceneConfig, Section
from brainmusic_daemon.there import expanded, is_file

if TYPE_CHECKING:
    from brainmusic_daemon.choice import Choice
    from brainmusic_daemon.features.profile import Profile

Problems = list[tuple[str, str]]  # (dotted place, message)


def section(name: str, model: type[Section], table: Any, problems: Problems) -> Any:
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


def derived_problems(table: Any) -> list[tuple[str, str]]:
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


def plugin(kind: str, where: str, table: Any, problems: Problems) -> Any:
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        problems.append((where, f'needs kind = "…": one of {", ".join(registry.names(kind))}'))
        return None
    settings = {key: value for key, value in table.items() if key != "kind"}
    try:
        return registry.build(kind, table["kind"], settings, where)
    except registry.SettingErrors as error:
        problems += error.problems
        return None


def outputs(named: Any, problems: Problems) -> dict[str, Any]:
    """Make the outputs that are not switched off."""
    made: dict[str, Any] = {}
    if not isinstance(named, Mapping):
        problems.append(("output", "outputs are named tables: [output.osc], [output.audio], …"))
        named = {}
    for name, table in named.items():
        where = f"output.{name}"
        if isinstance(table, Mapping):
            table = {"kind": name, **table}
            enabled = table.pop("enabled", True)
            if not isinstance(enabled, bool):
                problems.append((f"{where}.enabled", f"is true or false, got {registry.shown(enabled)}"))
            elif not enabled:
                continue
        made[name] = plugin("output", where, table, problems)
    return made


def shared_files(plugins: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Find outputs that would write over the recording that is being read, or over each other."""
    problems: list[tuple[str, str]] = []
    taken: dict[Path, str] = {}
    for where, made in plugins.items():
        path = getattr(made, "path", None)
        if path:
            file = expanded(path).resolve()
            if file in taken and not (where.startswith("source") and taken[file].startswith("source")):
                problems.append((f"{where}.path", f"is the file of {taken[file]} too: {path}"))
            taken[file] = where
    return problems


def profile(named: str, person: str, several: Sequence[Person], problems: Problems) -> Profile | None:
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


def feature_names(section: FeaturesConfig | None) -> list[str]:
    """Return words that features are called by already, so that no person is."""
    return [*registry.names("feature"), *(section.bands if section is not None else ())]


def mapper(where: str, table: Any, origin: str, problems: Problems) -> Choice | None:
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
    found = folder / expanded(name) if folder is not None else None
    return str(found) if found is not None and is_file(found) else name


def scenes(table: Any, origin: str, problems: Problems) -> dict[str, SceneConfig]:
    """Check every scene; what its mapper comes to is tried here, so that nobody finds out on stage."""
    from brainmusic_daemon import choice
    from brainmusic_daemon.music import preset as presets

    folder = Path(origin).parent if origin else None
    if not isinstance(table, Mapping):
        problems.append(("scene", "scenes are named tables: [scene.calm], [scene.storm], …"))
        return {}
    scenes = {name: section(f"scene.{name}", SceneConfig, settings, problems) for name, settings in table.items()}
    for name, scene in scenes.items():
        if scene is not None and isinstance(scene.mapper, dict):
            mapper(f"scene.{name}.mapper", scene.mapper, origin, problems)
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

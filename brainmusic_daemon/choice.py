"""What a user writes to choose a mapper (a table, a kind, a file) in; a mapper that is made, but not prepared, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError, Mapper
from brainmusic_daemon.there import expanded, is_file, is_folder

if TYPE_CHECKING:
    from brainmusic_daemon.mapping.adjust import Adjustments

FILES = ("model", "path", "prompts", "encoder", "kind")  # settings of mappers that may name a file
MODELS = {".safetensors": "model of `brainmusic train`", ".pt": "TorchScript module", ".ts": "TorchScript module"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One mapper and what the artist changes about it."""

    name: str  # for people
    table: Mapping[str, Any]  # that it was made from, file names as they were written
    folder: Path | None  # that they are relative to
    mapper: Mapper
    adjustments: Adjustments


def make(name: str, table: Mapping[str, Any], folder: Path | None, where: str = "mapper") -> Choice:
    """Make the mapper of a `[mapper]` table.  Raises SettingErrors with all that is wrong."""
    from brainmusic_daemon.mapping.adjust import Adjustments

    if not isinstance(table, Mapping):
        raise registry.SettingErrors([(where, f"is a table: write [{where}]")])
    settings = located({"kind": "direct", **table}, folder)
    kind = settings.pop("kind")
    if not isinstance(kind, str):
        raise registry.SettingErrors([(where, f'needs kind = "…": one of {", ".join(registry.names("mapper"))}')])
    settings.pop("adjust", None)
    mapper = registry.build("mapper", kind, settings, where)
    return adjusted(Choice(name or Path(kind).name, table, folder, mapper, Adjustments()), table, where)


def adjusted(choice: Choice, table: Mapping[str, Any], where: str = "mapper") -> Choice:
    """Return `choice` with the adjustments of `table`, the same mapper otherwise.  Raises SettingErrors."""
    from brainmusic_daemon.mapping import adjust

    adjustments = adjust.read(table.get("adjust", {}), f"{where}.adjust")
    known = [control.name for control in choice.mapper.controls]
    problems = [
        (f"{where}.adjust.{control}", f"'{choice.name}' does not drive it{registry.did_you_mean(control, known)}")
        for control in adjustments.shapings
        if control not in known
    ]
    if problems:
        raise registry.SettingErrors(problems)
    return replace(choice, table=table, adjustments=adjustments)


def located(table: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return `table` with the files that lie beside the configuration named in full, layers of layers included."""

    def look(key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return located(value, folder)
        if isinstance(value, list):
            return [look(key, part) for part in value] if any(isinstance(part, Mapping) for part in value) else value
        if key in FILES and isinstance(value, str) and value and folder is not None:
            found = folder / expanded(value)
            return str(found) if is_file(found) or (key == "encoder" and is_folder(found)) else value
        return value

    return {key: look(key, value) for key, value in table.items()}


def beside(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `table` with files in or below `folder` named from there: so a folder may move as a whole."""
    here = folder.resolve()

    def look(key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return beside(value, here)
        if isinstance(value, list):
            return [look(key, part) for part in value]
        if key in FILES and isinstance(value, str) and Path(value).is_absolute() and Path(value).is_relative_to(here):
            return Path(value).relative_to(here).as_posix()
        return value

    return {key: look(key, value) for key, value in table.items()}


def read(text: str, folder: Path | None = None) -> tuple[str, Mapping[str, Any], Path | None]:
    """Return (name, table, folder) of what a user typed: a kind, a file, or a bundled configuration's name.

    `folder` is that of the configuration in force.  Raises ConfigError where it is none of these.
    """
    from brainmusic_daemon import config as configuration

    path = expanded(text)
    for place in (folder, configuration.own_folder()):  # the second: what was saved by name beside a bundled one
        if place is not None and not is_file(path) and is_file(place / path):
            path = place / path
    suffix = path.suffix.lower()
    if suffix == ".toml" or (not suffix and not is_file(path)):
        try:  # a configuration first: most kinds of mappers have one of the same name that says more
            located_at = configuration.locate(path if is_file(path) else text)
        except ConfigError:
            if text in registry.names("mapper"):
                return text, {"kind": text}, folder
            known = registry.did_you_mean(text, registry.names("mapper"))
            raise ConfigError(
                f"there is no mapper '{text}'{known}; a file (.toml, .py, .safetensors, .pt), a scene or a bundled "
                "configuration does too"
            ) from None
        tables = configuration.parse(located_at)
        table = tables.get("mapper", {})
        return located_at.stem, table if isinstance(table, Mapping) else {}, located_at.parent
    if not is_file(path):
        raise ConfigError(f"there is no file '{text}'")
    absolute = str(path.resolve())
    if suffix == ".py":
        return path.name, {"kind": absolute}, folder
    if suffix == ".safetensors":
        from brainmusic_daemon.mapping import model_file

        return path.name, {"kind": model_file.load(path).kind, "model": absolute}, folder
    if suffix in MODELS:
        return path.name, {"kind": "neural", "model": absolute}, folder
    raise ConfigError(f"'{text}' is no mapper: give a .toml, .py, .safetensors or .pt file")

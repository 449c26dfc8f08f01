"""One or several `[source]` tables in; whose headset is which, with what is known of that person, out."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError, Source

if TYPE_CHECKING:
    from brainmusic_daemon.features.profile import Profile

_TAKEN = ("raw", "interbrain", "feature", "summary")  # they mean something already where a feature's name begins
_LONGEST = 24  # characters

Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Person:
    """One of several who play together."""

    name: str
    source: Source
    profile: Profile | None = None


def read(table: Any, taken: Sequence[str], problems: Problems) -> tuple[Source | None, str, tuple[Person, ...]]:
    """Return the first source, the name of whoever wears it ("": not said), and all persons where there are several.

    `table` is `[source]`, or a list of them; `taken` are names that features have.  What is wrong is appended.
    """
    tables = table if isinstance(table, list) and table else [table]
    alone = len(tables) == 1
    names = [_name(one, place, alone, taken, problems) for place, one in enumerate(tables, 1)]
    sources = [_source(one, _where(place, alone), problems) for place, one in enumerate(tables, 1)]
    if alone:
        return sources[0], names[0], ()
    _tell_twins(tables, names, problems)
    people = tuple(
        Person(name, source, _profile(name, problems))
        for name, source in zip(names, sources, strict=True)
        if source is not None
    )
    return sources[0], "", people


def _where(place: int, alone: bool) -> str:
    return "source" if alone else f"source.{place}"


def _name(table: Any, place: int, alone: bool, taken: Sequence[str], problems: Problems) -> str:
    name = table.get("person") if isinstance(table, Mapping) else None
    where = f"{_where(place, alone)}.person"
    if name is None:
        return "" if alone else f"p{place}"
    word = isinstance(name, str) and name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    if not word or len(name) > _LONGEST:
        problems.append((where, f"is one word of at most {_LONGEST} letters, digits and _, got {registry.shown(name)}"))
    elif name.casefold() in (*_TAKEN, *taken):
        problems.append((where, f"'{name}' is the name of a feature; take another"))
    return str(name)


def _source(table: Any, where: str, problems: Problems) -> Any:
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        problems.append((where, f'needs kind = "…": one of {", ".join(registry.names("source"))}'))
        return None
    settings = {key: value for key, value in table.items() if key not in ("kind", "person")}
    try:
        return registry.build("source", table["kind"], settings, where)
    except registry.SettingErrors as error:
        problems += error.problems
        return None


def _tell_twins(tables: Sequence[Any], names: Sequence[str], problems: Problems) -> None:
    """Find two persons of one name, and two sources that are one device."""
    for place, (table, name) in enumerate(zip(tables, names, strict=True), 1):
        for before, (other, its) in enumerate(zip(tables[: place - 1], names, strict=False), 1):
            if its.casefold() == name.casefold():
                problems.append((f"source.{place}.person", f"'{name}' is source {before} already"))
            device = _device(table)
            if device is not None and device == _device(other):
                way_out = "another seed" if device["kind"] == "simulator" else "the headset's own name, id or address"
                wrong = f"'{name}' has the device of '{its}', the same {device['kind']}; give each {way_out}"
                problems.append((f"source.{place}", wrong))


def _device(table: Any) -> dict[str, Any] | None:
    """Return the settings that say which device it is."""
    if not isinstance(table, Mapping) or "kind" not in table:
        return None
    if table["kind"] == "simulator":  # another number is another person
        return {"kind": "simulator", "seed": table.get("seed", 1)}
    return {key: value for key, value in table.items() if key != "person"}


def _profile(name: str, problems: Problems) -> Profile | None:
    """Return the profile of the person, where they were calibrated."""
    from brainmusic_daemon.features import profile_file

    if name not in profile_file.known():
        return None
    try:
        return profile_file.load(name)
    except ConfigError as error:
        problems.append(("source.person", str(error)))
        return None


def are_tables(value: Any) -> bool:
    """Return whether it is several `[[source]]` tables."""
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def table_of(tables: Sequence[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return the source table that `--set source.KEY.…=` means: a person's, or the one of a number from 1."""
    names = _names(tables)
    if key in names:
        return tables[names.index(key)]
    if key.isdecimal() and len(key) < 5 and 1 <= int(key) <= len(tables):
        return tables[int(key) - 1]
    raise whose(tables, key)


def whose(tables: Sequence[dict[str, Any]], key: str) -> ConfigError:
    """Return what to say where it is not said whose source is meant."""
    ways = ", ".join(f"source.{name}.{key}" for name in _names(tables))
    return ConfigError(f"--set source.{key}: there are several sources; say whose: {ways}")


def _names(tables: Sequence[dict[str, Any]]) -> list[str]:
    given = [table.get("person", f"p{place}") for place, table in enumerate(tables, 1)]
    return [name if isinstance(name, str) else registry.shown(name) for name in given]

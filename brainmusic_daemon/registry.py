"""A kind and a name in, a plug-in class or a ready object out; built-ins and entry points alike, loaded when used."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import typing
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import BrainmusicError, ConfigError

KINDS: Mapping[str, str] = {  # kind → folder
    "source": "acquisition",
    "feature": "features",
    "mapper": "mapping",
    "output": "outputs",
}

EXTRAS: Mapping[str, str] = {  # missing module → extra
    **{"torch": "neural", "safetensors": "neural", "sklearn": "learn", "mido": "midi", "transformers": "clap"}
}


class SettingErrors(BrainmusicError):
    """Everything that is wrong with one plug-in's settings: pairs of (dotted place, message)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {message}" for place, message in problems))
        self.problems = tuple(problems)


@cache
def _modules(kind: str) -> Mapping[str, str]:
    """Return name → module of the built-in plug-ins: every file of the kind's folder that says `@plugin`."""
    folder = Path(__file__).parent / KINDS[kind]
    package = f"{__package__}.{KINDS[kind]}"
    return {
        path.stem: f"{package}.{path.stem}"
        for path in sorted(folder.glob("*.py"))
        if "\n@plugin\n" in path.read_text(encoding="utf-8")
    }


@cache
def _entry_points(kind: str) -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"brainmusic_daemon.{kind}")}


def names(kind: str) -> tuple[str, ...]:
    """Return the names of all plug-ins of a kind, without importing any."""
    return tuple(sorted({*_modules(kind), *_entry_points(kind)}))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return «; did you mean 'x'?», or the list of what there is when nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is {', '.join(sorted(known))}" if known else ""


def find(kind: str, name: str) -> type[Any]:
    """Import and return the plug-in class.  Raises ConfigError, telling a missing plug-in from a missing dependency.

    A name that ends in .py is the path of a user's own file with one plug-in: it is run anew every time.
    """
    if name.endswith(".py"):
        from brainmusic_daemon import userfile

        return userfile.load(kind, Path(name))
    return _installed(kind, name)


@cache
def _installed(kind: str, name: str) -> type[Any]:
    builtin, foreign = _modules(kind).get(name), _entry_points(kind).get(name)
    if builtin is None and foreign is None:
        raise ConfigError(f"there is no {kind} '{name}'{did_you_mean(name, names(kind))}")
    try:
        if builtin is None:
            assert foreign is not None
            return typing.cast(type[Any], foreign.load())
        module = importlib.import_module(builtin)
    except ImportError as error:
        missing = (error.name or "").split(".")[0]
        extra = EXTRAS.get(missing)
        way_out = f'pip install "brainmusic-daemon[{extra}]"' if extra else f"pip install {missing or name}"
        raise ConfigError(f"{kind} '{name}' needs the package '{missing}': {way_out}") from error
    (found,) = (
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == builtin and "__brainmusic_plugin__" in vars(member)
    )
    return typing.cast(type[Any], found)


def settings_of(cls: type[Any]) -> Mapping[str, dataclasses.Field[Any]]:
    """Return the settings of a plug-in class: its dataclass fields, less its private state."""
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def _hints(cls: type[Any], settings: Collection[str]) -> Mapping[str, Any]:
    """Return the settings' types.  Private state stays unread: what it names may be there for type checkers only."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = {name: hint for name, hint in vars(base).get("__annotations__", {}).items() if name in settings}
        only = type(base.__name__, (), {"__annotations__": own, "__module__": base.__module__})
        hints |= typing.get_type_hints(only, include_extras=True)
    return hints


def build(kind: str, name: str, settings: Mapping[str, Any], where: str) -> Any:
    """Make the plug-in with validated settings; nothing is opened.

    `where` is the dotted place of the settings in the configuration, for the messages.
    Raises SettingErrors with *all* problems, each naming the key, the value and the way out.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        cls = find(kind, name)
    except ConfigError as error:
        raise SettingErrors([(f"{where}.kind" if where else "kind", str(error))]) from error
    known = settings_of(cls)
    hints = _hints(cls, known)
    problems: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known:
            problems.append((f"{where}.{key}", f"{kind} '{name}' has no setting '{key}'{did_you_mean(key, [*known])}"))
            continue
        try:
            values[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            problems += describe(error, f"{where}.{key}")
    for key, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and key not in settings:
            problems.append((f"{where}.{key}", f"{kind} '{name}' needs the setting '{key}'"))
    if not problems:
        try:
            return cls(**values)
        except (ConfigError, ValueError) as error:
            problems.append((where, str(error)))
    raise SettingErrors(problems)


def shown(value: object) -> str:
    """Return a value as it would be written; some numbers are too long for that."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def describe(error: Any, where: str) -> list[tuple[str, str]]:
    """Return a pydantic ValidationError as (dotted place, message with the value) pairs."""
    pairs = []
    for item in error.errors(include_url=False):
        place = ".".join([where, *(str(part) for part in item["loc"])]).strip(".")
        message = item["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        if item["type"] == "missing":
            message = "is missing"
        elif item["type"] == "list_type" and isinstance(item["input"], str):
            message = f'is a list: write ["{item["input"]}"]'
        elif item["input"] is not None and not isinstance(item["input"], Mapping):  # a table would hide the message
            message = f"{message}, got {shown(item['input'])}"
        pairs.append((place, message))
    return pairs

"""OSC methods in, what OSCQuery says about them out: nodes and single attributes as JSON objects.

After the OSCQuery proposal (Vidvox, github.com/Vidvox/OSCQueryProposal).  Knows no daemon and no HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

READ, WRITE = 1, 2  # bits of ACCESS
HOST_INFO = "HOST_INFO"
ATTRIBUTES = (
    "FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "DESCRIPTION", "VALUE", "RANGE", "UNIT", "CLIPMODE", "OVERLOADS",
    "TAGS", "EXTENDED_TYPE", "CRITICAL", "HTML",
)  # fmt: skip
"""Those that the proposal knows; the last four no node has."""

UNITS = {"Hz": "time.hz", "s": "time.second", "BPM": "time.bpm", "dB": "gain.db"}  # of ours, those in its list
_MOST_FIELDS = 8

Value = float | int | str
Look = TypeVar("Look")


class BadQuery(Exception):
    """The part behind the question mark is none that OSCQuery knows."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of a message."""

    tag: str  # f, i or s
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    unit: str = ""  # as the project writes it
    clips: bool = False  # never outside of its range

    @property
    def range(self) -> dict[str, Any]:
        if self.choices:
            return {"VALS": [*self.choices]}
        kind: type[int] | type[float] = int if self.tag == "i" else float
        ends = {"MIN": self.low, "MAX": self.high}
        return {name: kind(end) for name, end in ends.items() if math.isfinite(end)}

    def cast(self, value: Value) -> Value | None:
        """Return a value of the slot's type; None where JSON has no word for it."""
        if self.tag == "s":
            return str(value)
        number = float(value)
        if not math.isfinite(number):
            return None
        return int(number) if self.tag == "i" else number


@dataclass(frozen=True, slots=True)
class Method(Generic[Look]):
    """One address that is sent, listened to, or both."""

    path: str
    help: str
    access: int
    slots: tuple[Slot, ...] = ()
    value: Callable[[Look], Sequence[Value] | None] | None = None  # None: no value; it returns None: not known now
    others: tuple[tuple[Slot, ...], ...] = ()  # what it also takes

    def values(self, look: Look) -> list[Value | None] | None:
        """Return its values now; None where there are none."""
        found = self.value(look) if self.value is not None else None
        if found is None or len(found) != len(self.slots):
            return None
        return [slot.cast(value) for slot, value in zip(self.slots, found, strict=True)]


def _types(slots: Sequence[Slot]) -> dict[str, Any]:
    """Return what there is to say about a message's values; without any it is a bang."""
    if not slots:
        return {"TYPE": "I"}
    found: dict[str, Any] = {"TYPE": "".join(slot.tag for slot in slots)}
    if any(slot.range for slot in slots):
        found["RANGE"] = [slot.range for slot in slots]
        found["CLIPMODE"] = ["both" if slot.clips else "none" for slot in slots]
    if any(slot.unit in UNITS for slot in slots):
        found["UNIT"] = [UNITS.get(slot.unit) for slot in slots]
    return found


class Tree(Generic[Look]):
    """The address space at one time; never changed."""

    def __init__(self, methods: Iterable[Method[Look]], helps: Mapping[str, str]) -> None:
        """`helps`: what containers hold; the first method of an address counts."""
        self.methods: dict[str, Method[Look]] = {}
        self._inside: dict[str, dict[str, str]] = {"/": {}}  # container → name → path
        self._helps = helps
        for method in methods:
            if method.path in self.methods:
                continue
            self.methods[method.path] = method
            path = method.path
            while path != "/":
                head, _, name = path.rpartition("/")
                self._inside.setdefault(head or "/", {})[name] = path
                path = head or "/"

    def __contains__(self, path: object) -> bool:
        return path in self.methods or path in self._inside

    def describe(self, path: str, look: Look) -> dict[str, Any]:
        """Return all about a node and what is below it."""
        method = self.methods.get(path)
        found: dict[str, Any] = {"FULL_PATH": path, "ACCESS": method.access if method is not None else 0}
        about = method.help if method is not None else self._helps.get(path, "")
        if about:
            found["DESCRIPTION"] = about
        if method is not None:
            found |= _types(method.slots)
            if (values := method.values(look)) is not None:
                found["VALUE"] = values
            if method.others:
                found["OVERLOADS"] = [_types(slots) for slots in method.others]
        if path in self._inside:
            found["CONTENTS"] = {name: self.describe(below, look) for name, below in self._inside[path].items()}
        return found

    def attribute(self, path: str, name: str, look: Look) -> dict[str, Any] | None:
        """Return one attribute of a node; None where it has none."""
        if name == "VALUE":  # asked for often: without all that is below
            method = self.methods.get(path)
            values = method.values(look) if method is not None else None
            return None if values is None else {"VALUE": values}
        found = self.describe(path, look)
        return {name: found[name]} if name in found else None


def asked(query: str) -> str:
    """Return the attribute, or HOST_INFO, that the part of a URL behind `?` asks for; empty: the whole node.

    Raises BadQuery.  A token may stand beside it.
    """
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadQuery("too much is asked at once") from error
    names = [name for name, _ in fields if name != "token"]
    if len(names) > 1:
        raise BadQuery("one attribute can be asked for at a time")
    if names and names[0] not in (*ATTRIBUTES, HOST_INFO):
        raise BadQuery(f"there is no attribute '{names[0][:60]}'; there is {HOST_INFO}, {', '.join(ATTRIBUTES)}")
    return names[0] if names else ""

"""One command that a running daemon understands: its arguments with type, range and unit, read from words or OSC.

Only the standard library is imported here: the shell reads the table before anything heavy is there.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | float | bool | None


class Kind(StrEnum):
    """What an argument is."""

    NUMBER = "number"
    SWITCH = "switch"  # 0 or 1; also on, off, true, false
    TEXT = "text"
    FILE = "file"  # a name; the shell may also give a path, the network may not
    SETTING = "setting"  # the value of what the argument before names: its range is in `settings`


class Wrong(StrEnum):
    """Why a request is turned away before anything is done."""

    UNKNOWN = "unknown"
    ARITY = "arity"
    TYPE = "type"
    RANGE = "range"


class Refused(Exception):
    """A request that cannot be carried out; the text says what, and the way out."""

    def __init__(self, message: str, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command."""

    name: str
    kind: Kind
    help: str = ""
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    optional: bool = False
    default: Value = None
    in_address: bool = False  # over OSC it is part of the address
    settings: Mapping[str, Argument] = field(default_factory=dict)  # of kind SETTING

    @property
    def type(self) -> str:
        """Return its type over OSC: f, i or s."""
        return {Kind.NUMBER: "f", Kind.SETTING: "f", Kind.SWITCH: "i"}.get(self.kind, "s")

    @property
    def range(self) -> str:
        """Return its range for people, with the unit; empty where everything goes."""
        if self.kind is Kind.SWITCH:
            return "0 or 1"
        ends = [f"from {self.low:g}"] * (self.low > -math.inf) + [f"to {self.high:g}"] * (self.high < math.inf)
        return " ".join([*ends, self.unit] if self.unit else ends)

    def read(self, given: object) -> Value:
        """Return a value that was typed or sent, checked.  Raises Refused."""
        if given == "" and self.kind is Kind.TEXT and self.optional and self.default == "":
            return ""  # as if it were left out: so that one behind it can be given
        if self.kind in (Kind.TEXT, Kind.FILE):
            return self._text(given)
        if self.kind is Kind.SWITCH:
            word = {"on": 1.0, "true": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "no": 0.0}
            given = word.get(given.strip().lower(), given) if isinstance(given, str) else given
        try:
            number = float(given)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise Refused(f"{self.name} is a number, not {_shown(given)}", Wrong.TYPE) from None
        if not math.isfinite(number):
            raise Refused(f"{self.name} is {number}: no number to work with", Wrong.RANGE)
        if self.kind is Kind.SWITCH:
            if number not in (0.0, 1.0):
                raise Refused(f"{self.name} is 0 or 1, not {_shown(given)}", Wrong.RANGE)
            return bool(number)
        if not self.low <= number <= self.high:
            raise Refused(f"{self.name} = {number:g}: must be {self.range}", Wrong.RANGE)
        return number

    def setting(self, name: str) -> Argument:
        """Return what one of the settings takes.  Raises Refused."""
        if name not in self.settings:
            near = difflib.get_close_matches(name, self.settings, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(self.settings)}"
            raise Refused(f"there is no setting '{name[:60]}'{hint}", Wrong.UNKNOWN)
        return self.settings[name]

    def _text(self, given: object) -> str:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            try:
                given = f"{given:g}"  # a patch may well say the scene "1" as a number
            except OverflowError:  # JSON knows integers of any length
                raise Refused(f"{self.name} is a text, not a number of hundreds of digits", Wrong.TYPE) from None
        if not isinstance(given, str):
            raise Refused(f"{self.name} is a text, not {_shown(given)}", Wrong.TYPE)
        if not given or len(given) > 1_000 or not given.isprintable():
            raise Refused(f"{self.name} is {'empty' if not given else 'no readable text'}", Wrong.RANGE)
        return given


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be asked."""

    name: str  # words joined by dots
    arguments: tuple[Argument, ...] = ()
    help: str = ""
    returns: str = "what was done, in one line"
    state: bool = False  # like a knob: of many values for one thing the newest counts, and success is not answered
    urgent: bool = False  # waits for nobody

    @property
    def usage(self) -> str:
        """Return how it is typed."""
        words = (f"[{a.name.upper()}]" if a.optional else a.name.upper() for a in self.arguments)
        return " ".join([self.name, *words])

    @property
    def address(self) -> str:
        """Return its OSC address, arguments that are part of it in angle brackets."""
        parts = [*self.name.split("."), *(f"<{a.name}>" for a in self.arguments if a.in_address)]
        return "/brainmusic/" + "/".join(parts)

    @property
    def types(self) -> str:
        """Return the types of its OSC arguments."""
        sent = (a for a in self.arguments if not a.in_address)
        return " ".join(f"[{a.type}]" if a.optional else a.type for a in sent)

    def read(self, given: Sequence[object]) -> tuple[Value, ...]:
        """Return all arguments, checked, what was left out by its default.  Raises Refused."""
        needed = sum(not argument.optional for argument in self.arguments)
        if not needed <= len(given) <= len(self.arguments):
            many = f"{needed}" if needed == len(self.arguments) else f"{needed} to {len(self.arguments)}"
            raise Refused(f"{self.name} takes {many} arguments, not {len(given)}: {self.usage}", Wrong.ARITY)
        found: list[Value] = []
        for argument, value in zip(self.arguments, given, strict=False):
            if argument.kind is Kind.SETTING:
                argument = argument.setting(str(found[-1]))
            found.append(argument.read(value))
        return (*found, *(argument.default for argument in self.arguments[len(found) :]))


def _shown(given: object) -> str:
    return repr(given)[:60]

"""The one table of what can be asked of a running daemon: every front end (shell, OSC, page) is made from it.

Only the standard library is imported here: the shell reads the table before anything heavy is there.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Value = str | float | bool | None


class Kind(StrEnum):
    """What an argument is."""

    NUMBER = "number"
    SWITCH = "switch"  # 0 or 1; also on, off, true, false
    TEXT = "text"
    FILE = "file"  # a name; the shell may also give a path, the network may not
    SETTING = "setting"  # the value of a setting of a route: its range is in ROUTE


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

    def _text(self, given: object) -> str:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            given = f"{given:g}"  # a patch may well say the scene "1" as a number
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
                argument = ROUTE.get(str(found[-1])) or _no_setting(str(found[-1]))
            found.append(argument.read(value))
        return (*found, *(argument.default for argument in self.arguments[len(found) :]))


def find(name: str) -> Command:
    """Return the command of this name.  Raises Refused with what it may have been meant to be."""
    if name in BY_NAME:
        return BY_NAME[name]
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    raise Refused(
        f"there is no command '{name[:60]}'" + (f"; did you mean '{near[0]}'?" if near else ""), Wrong.UNKNOWN
    )


def text() -> str:
    """Return the table for a terminal."""
    width = max(len(command.usage) for command in COMMANDS)
    lines = [f"{command.usage:<{width}}  {command.help}" for command in COMMANDS]
    lines += ["", "settings of a route:"]
    lines += [f"  {a.name:<10} {a.help}{f' ({a.range})' if a.range else ''}" for a in ROUTE.values()]
    return "\n".join(lines)


def _no_setting(name: str) -> Argument:
    near = difflib.get_close_matches(name, ROUTE, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(ROUTE)}"
    raise Refused(f"a route has no setting '{name[:60]}'{hint}", Wrong.UNKNOWN)


def _shown(given: object) -> str:
    return repr(given)[:60]


_FADE = Argument("fade_s", Kind.NUMBER, "cross-fade", 0.0, 60.0, "s", optional=True)
_ON = Argument("on", Kind.SWITCH, "0 lifts it", optional=True, default=True)
_CONTROL = Argument("control", Kind.TEXT, "e.g. tempo", in_address=True)

ROUTE: Mapping[str, Argument] = {
    argument.name: argument
    for argument in (
        Argument("gain", Kind.NUMBER, "stretches around the middle", 0.0, 100.0),
        Argument("low", Kind.NUMBER, "lower end of the range that is used, in the control's unit"),
        Argument("high", Kind.NUMBER, "upper end of it"),
        Argument("offset", Kind.NUMBER, "moves everything, in shares of the range", -1.0, 1.0),
        Argument("invert", Kind.SWITCH, "more of the feature: less of the control"),
        Argument("freeze", Kind.SWITCH, "keep the control where it is"),
        Argument("smooth_s", Kind.NUMBER, "time constant of the smoothing", 0.0, 60.0, "s"),
        Argument("slew", Kind.NUMBER, "greatest change per second, in the control's unit", 1e-9, 1e9),
        Argument("dead_zone", Kind.NUMBER, "smaller changes are ignored, in the control's unit", 0.0, 1e9),
    )
}
"""What can be turned about one control while the music plays."""

COMMANDS: tuple[Command, ...] = (
    Command(
        "mapper.load",
        (Argument("mapper", Kind.FILE, "a kind, a file, a bundled configuration or a scene"), _FADE),
        "Swap to another mapper: tried first, then faded in.",
    ),
    Command("mapper.undo", (), "Go back one step: mapper, preset, route settings."),
    Command("mapper.redo", (), "Take back an undo."),
    Command("scene", (Argument("name", Kind.TEXT), _FADE), "Recall a scene of the configuration."),
    Command("preset", (Argument("preset", Kind.FILE, "a preset's name, or a file"),), "Play another preset."),
    Command(
        "route",
        (
            _CONTROL,
            Argument("setting", Kind.TEXT, ", ".join(ROUTE), in_address=True),
            Argument("value", Kind.SETTING, "as the setting says"),
        ),
        "Turn one setting of what drives a control.",
        state=True,
    ),
    Command(
        "save",
        (Argument("file", Kind.FILE, "another file than the configuration's own", optional=True, default=""),),
        "Write mapper and preset as they are now into the configuration's file; comments stay.",
    ),
    Command(
        "rate",
        (Argument("rating", Kind.NUMBER, "-1 bad, 1 good", -1.0, 1.0),),
        "Say how you like what you hear: training data.",
        state=True,
    ),
    Command(
        "target",
        (_CONTROL, Argument("value", Kind.NUMBER, "in the control's unit")),
        "Say where a control ought to be now: training data.",
        state=True,
    ),
    Command("marker", (Argument("text", Kind.TEXT),), "Write a word of yours into the recording."),
    Command("mute", (_ON,), "Fade out, or in again; the brain is followed all the while.", state=True, urgent=True),
    Command(
        "gain",
        (Argument("gain", Kind.NUMBER, "of the sound", -60.0, 12.0, "dB"),),
        "Set the level of the sound.",
        state=True,
        urgent=True,
    ),
    Command(
        "panic",
        (_ON,),
        "Silence at once: all voices, the room, every note on MIDI; `resume` or `mute 0` ends it.",
        urgent=True,
    ),
    Command("resume", (), "End a panic or a mute: the music fades in.", urgent=True),
    Command(
        "record.start",
        (Argument("file", Kind.FILE, "an .xdf file; default: named by the time", optional=True, default=""),),
        "Record EEG, features, controls, notes, ratings and markers.",
        returns="the file's name",
    ),
    Command("record.stop", (), "End the recording.", returns="its length and size"),
    Command("status", (), "Tell what is going on.", returns="a line; from the shell also everything as data"),
    Command("reload", (), "Read the configuration's file again and take up its mapper and preset."),
    Command("stop", (), "Fade out and end the daemon.", urgent=True),
    Command("ping", (), "Answer.", returns="the daemon's name and version", urgent=True),
)

BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}

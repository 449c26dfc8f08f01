"""The one table of what can be asked of a running daemon: every front end (shell, OSC, page) is made from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from brainmusic_daemon.service.command import Argument, Command, Kind, Refused, Wrong

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
            Argument("value", Kind.SETTING, "as the setting says", settings=ROUTE),
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
    Command(
        "learn",
        (Argument("on", Kind.SWITCH, "0: what was learned plays on, without the variations"),),
        "Learn from ratings and targets while playing, or no more.",
    ),
    Command("learn.reset", (), "Forget what was learned while playing; what played before plays again."),
    Command(
        "learn.save",
        (Argument("file", Kind.FILE, "a .safetensors file"),),
        "Write what was learned as a model that `mapper.load` takes.",
    ),
    Command(
        "calibrate.start",
        (
            Argument("name", Kind.TEXT, "of the profile, one word"),
            Argument("eyes_open", Kind.NUMBER, "so long", 0.0, 600.0, "s", optional=True, default=30.0),
            Argument("eyes_closed", Kind.NUMBER, "so long", 0.0, 600.0, "s", optional=True, default=30.0),
            Argument("person", Kind.TEXT, "whose headset, where there are several", optional=True, default=""),
            Argument("without", Kind.TEXT, "channels to leave out, e.g. TP9,AF7", optional=True, default=""),
        ),
        "Get to know a person: eyes open, then closed; a bell tells when to open them again.",
    ),
    Command("calibrate.cancel", (), "End a calibration; everything stays as it was."),
    Command(
        "calibrate.state", (), "Tell how a calibration goes, or went.", returns="phase, what to do now, seconds left"
    ),
    Command(
        "profile",
        (
            Argument("name", Kind.TEXT, "of a profile"),
            Argument("person", Kind.TEXT, "whose headset, where there are several", optional=True, default=""),
        ),
        "Go on as the person of a profile.",
    ),
    Command(
        "profile.none",
        (Argument("person", Kind.TEXT, "whose headset, where there are several", optional=True, default=""),),
        "Go on without a profile: your range is learned while you play.",
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
    Command(
        "test",
        (Argument("output", Kind.TEXT, "one of several OSC outputs", optional=True, default=""),),
        "Send every OSC address once and a scale of notes; works without a headset.",
        returns="what a receiver should have seen, and whether anybody listens",
    ),
    Command("status", (), "Tell what is going on.", returns="a line; from the shell also everything as data"),
    Command("reload", (), "Read the configuration's file again and take up its mapper and preset."),
    Command("stop", (), "Fade out and end the daemon.", urgent=True),
    Command("ping", (), "Answer.", returns="the daemon's name and version", urgent=True),
)

BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}


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

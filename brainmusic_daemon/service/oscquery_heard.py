"""The table of commands in, the methods that describe what the daemon listens to out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from brainmusic_daemon.api import Control
from brainmusic_daemon.outputs.osc_encoding import escape
from brainmusic_daemon.service import edits
from brainmusic_daemon.service.command import Argument, Command, Kind
from brainmusic_daemon.service.commands import COMMANDS, ROUTE
from brainmusic_daemon.service.oscquery_look import Look
from brainmusic_daemon.service.oscquery_tree import READ, WRITE, Method, Slot, Value

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

Read = Callable[[Look], Sequence[Value] | None]

_STANDING: Mapping[str, Read] = {
    "mute": lambda look: [look.daemon.sounding.muted],
    "panic": lambda look: [look.daemon.sounding.panicked],
    "gain": lambda look: _known(look.daemon.sounding.gain_db),
    "learn": lambda look: [look.daemon.tutor.active],
    "mapper.load": lambda look: [look.daemon.session.pipeline.host.playing.name],
    "profile": lambda look: [name for name in look.daemon.profiles.standing.values() if name][:1] or None,
    "preset": lambda look: [look.daemon.mappers.history.step.preset],
}
"""How things stand that a command changes."""


def methods(daemon: Daemon) -> Iterator[Method[Look]]:
    """Give a method for every address that a command has now."""
    host = daemon.session.pipeline.host
    for command in COMMANDS:
        if command.name == "route":
            for control in host.playing.controls:
                yield from (_route(command, control, setting) for setting in ROUTE.values())
        elif command.name == "target":
            yield from (_target(command, control) for control in host.controls)
        else:
            yield _plain(command, daemon)


def _plain(command: Command, daemon: Daemon) -> Method[Look]:
    slots = [_slot(argument) for argument in command.arguments]
    if slots and slots[0].tag == "s":
        slots[0] = replace(slots[0], choices=_choices(command.name, daemon))
    needed = sum(not argument.optional for argument in command.arguments)
    shapes = [tuple(slots[:count]) for count in range(needed, len(slots) + 1)]
    # The shortest form that says something is what a client shows: a name for `scene`, a switch for `mute`.
    usual = next((shape for shape in shapes if shape), ())
    others = tuple(shape for shape in shapes if shape != usual)
    read = _STANDING.get(command.name)
    about = command.help + "".join(f" {a.name}: {a.help}." for a in command.arguments if a.help)
    access = WRITE | READ if read is not None else WRITE
    return Method(command.address, about, access, usual, read, others)


def _choices(name: str, daemon: Daemon) -> tuple[str, ...]:
    """Return what can be chosen for the first argument of a command, and what is chosen; empty: anything."""
    if name == "scene":
        return tuple(daemon.session.config.scenes)
    if name == "mapper.load":
        playing = daemon.session.pipeline.host.playing.name
        return tuple(dict.fromkeys([*daemon.choices.mappers, *daemon.session.config.scenes, playing]))
    if name == "profile":
        profiles = daemon.profiles
        return tuple(dict.fromkeys([*profiles.known, *filter(None, profiles.standing.values())]))
    if name == "preset":
        return tuple(dict.fromkeys([*daemon.choices.presets, daemon.mappers.history.step.preset]))
    return ()


def _route(command: Command, control: Control, setting: Argument) -> Method[Look]:
    slot = _slot(setting)
    if setting.name in ("low", "high"):
        slot = replace(slot, low=control.low, high=control.high)
    if setting.name == "dead_zone":
        slot = replace(slot, high=control.high - control.low)
    if setting.name == "slew":
        slot = replace(slot, low=0.0, high=math.inf)  # its bounds are only those of numbers
    elif setting.name in ("low", "high", "dead_zone"):
        slot = replace(slot, unit=control.unit)
    read = partial(_standing, name=control.name, setting=setting.name)
    path = f"/brainmusic/{command.name}/{escape(control.name)}/{setting.name}"
    return Method(path, setting.help, WRITE | READ, (slot,), read)


def _standing(look: Look, name: str, setting: str) -> Sequence[Value] | None:
    seat = look.daemon.session.pipeline.host.playing
    control = next((control for control in seat.controls if control.name == name), None)
    return [edits.standing(control, seat)[setting]] if control is not None else None


def _target(command: Command, control: Control) -> Method[Look]:
    slot = Slot("f", control.low, control.high, unit=control.unit)
    path = f"/brainmusic/{command.name}/{escape(control.name)}"
    return Method(path, f"{command.help} {control.help}".rstrip(), WRITE, (slot,))


def _slot(argument: Argument) -> Slot:
    if argument.kind is Kind.SWITCH:
        return Slot("i", 0, 1)
    return Slot(argument.type, argument.low, argument.high, unit=argument.unit)


def _known(value: float | None) -> Sequence[Value] | None:
    return None if value is None else [value]

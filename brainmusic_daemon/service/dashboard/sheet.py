"""A running daemon in; what a page has to know before it can draw anything, and whenever that changes, out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import __version__
from brainmusic_daemon.api import Control
from brainmusic_daemon.service import commands, edits
from brainmusic_daemon.service.command import Argument
from brainmusic_daemon.service.dashboard import persons

if TYPE_CHECKING:
    from brainmusic_daemon.mapping.seat import Seat
    from brainmusic_daemon.service.daemon import Daemon


def key(daemon: Daemon) -> tuple[object, ...]:
    """Return what the sheet depends on: another key, another sheet.  Cheap."""
    session, mappers = daemon.session, daemon.mappers
    host, bank = session.pipeline.host, session.pipeline.bank
    names = bank.names if bank is not None else ()
    return (
        session.acquisition.generation, id(names), id(host.controls), id(host.playing), id(host.playing.adjustments),
        mappers.history.at, id(mappers.history.step), id(session.config.scenes),
    )  # fmt: skip


def fixed(daemon: Daemon) -> dict[str, Any]:
    """Return what hardly ever changes.  Reads files: not from the tick."""
    return {
        "name": daemon.config.session.name,
        "version": __version__,
        "config": daemon.config.origin,
        "profile": daemon.config.session.profile,
        "tick_ms": daemon.config.session.tick_ms,
        "bands": list(daemon.config.features.bands),
        "settings": [_argument(argument) for argument in commands.ROUTE.values()],
        "commands": [
            {
                "name": command.name,
                "help": command.help,
                "arguments": [_argument(argument) for argument in command.arguments],
            }
            for command in commands.COMMANDS
        ],
        "mappers": list(daemon.choices.mappers),
        "presets": list(daemon.choices.presets),
    }


def write(daemon: Daemon, people: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the sheet as plain data; `people`: of each of several.  Not from the tick."""
    session = daemon.session
    host, bank = session.pipeline.host, session.pipeline.bank
    driven = {control.name for control in host.playing.controls}
    return {
        **persons.signal(None if people else session.acquisition.info),
        "people": people or {},
        "shown": persons.whole(bank.names if bank is not None else (), tuple(daemon.config.features.bands)),
        "controls": [_control(control, host.playing, control.name in driven) for control in host.controls],
        "scenes": {name: scene.help for name, scene in session.config.scenes.items()},
    }


def _control(control: Control, seat: Seat, driven: bool) -> dict[str, Any]:
    return {
        "name": control.name,
        "unit": control.unit,
        "low": control.low,
        "high": control.high,
        "rest": control.rest,
        "help": control.help,
        "driven": driven,
        "from": getattr((edits.routes_of(seat.mapper) or {}).get(control.name), "source", "") if driven else "",
        "settings": edits.standing(control, seat) if driven else {},
    }


def _argument(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "kind": str(argument.kind),
        "help": argument.help,
        "low": argument.low,
        "high": argument.high,
        "unit": argument.unit,
        "optional": argument.optional,
        "default": argument.default,
    }

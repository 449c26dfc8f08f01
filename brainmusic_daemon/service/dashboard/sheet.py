"""A running daemon in; what a page has to know before it can draw anything, and whenever that changes, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainmusic_daemon import __version__, config, registry
from brainmusic_daemon.api import Control
from brainmusic_daemon.features.montage import REGIONS
from brainmusic_daemon.music import preset
from brainmusic_daemon.service import commands, edits
from brainmusic_daemon.service.command import Argument
from brainmusic_daemon.service.dashboard import head, traces

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


def write(daemon: Daemon) -> dict[str, Any]:
    """Return the sheet as plain data.  Not from the tick."""
    session, folder = daemon.session, daemon.session.config.folder
    host, bank, info = session.pipeline.host, session.pipeline.bank, session.acquisition.info
    channels = info.channels if info is not None else ()
    rate = info.samplerate if info is not None else 0.0
    names = bank.names if bank is not None else ()
    driven = {control.name for control in host.playing.controls}
    beside = sorted(file.name for file in folder.glob("*.toml")) if folder is not None else []
    return {
        "name": daemon.config.session.name,
        "version": __version__,
        "config": daemon.config.origin,
        "profile": daemon.config.session.profile,
        "tick_ms": daemon.config.session.tick_ms,
        "channels": channels,
        "places": [head.position(channel) for channel in channels],
        "traced": min(len(channels), traces.MOST_CHANNELS),
        "points_hz": rate / traces.thinning(rate) if rate else 0.0,
        "features": names,
        "shown": _shown(names, tuple(daemon.config.features.bands)),
        "bands": {name: list(edges) for name, edges in daemon.config.features.bands.items()},
        "controls": [_control(control, host.playing, control.name in driven) for control in host.controls],
        "settings": [_argument(argument) for argument in commands.ROUTE.values()],
        "commands": [
            {
                "name": command.name,
                "help": command.help,
                "arguments": [_argument(argument) for argument in command.arguments],
            }
            for command in commands.COMMANDS
        ],
        "mappers": list(dict.fromkeys([*registry.names("mapper"), *_bundled(), *_own(beside, daemon)])),
        "scenes": {name: scene.help for name, scene in session.config.scenes.items()},
        "presets": list(preset.names()),
    }


def _bundled() -> list[str]:
    """Return the bundled configurations whose mapper is another than the default wiring."""
    return sorted(
        file.stem
        for file in config.folder().glob("*.toml")
        if config.parse(file).get("mapper", {}).get("kind") != "direct"
    )


def _own(beside: list[str], daemon: Daemon) -> list[str]:
    """Return the files of the configuration's folder, where that is the user's own."""
    return beside if daemon.session.config.folder != config.folder() else []


def _shown(names: tuple[str, ...], bands: tuple[str, ...]) -> list[str]:
    """Return the features of the whole head, the bands first, and the bands by region."""
    whole = [name for name in names if "." not in name]
    return [*(name for name in bands if name in whole), *(name for name in whole if name not in bands)]


def regions(names: tuple[str, ...], bands: tuple[str, ...]) -> list[list[str]]:
    """Return the bands' features by region, for a table."""
    return [[f"{band}.{region}" for region in REGIONS if f"{band}.{region}" in names] for band in bands]


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
        "settings": _settings(control, seat) if driven else {},
    }


def _settings(control: Control, seat: Seat) -> dict[str, Any]:
    """Return how every setting of `commands.ROUTE` stands for one control."""
    name = control.name
    shaping = (edits.routes_of(seat.mapper) or {}).get(name) or seat.adjustments.shapings.get(name)
    smoothing = seat.smoothing.get(name)
    output = getattr(shaping, "output", None) or (control.low, control.high)
    return {
        "gain": getattr(shaping, "gain", 1.0),
        "offset": getattr(shaping, "offset", 0.0),
        "invert": getattr(shaping, "invert", False),
        "low": output[0],
        "high": output[1],
        "freeze": smoothing.freeze if smoothing is not None else False,
        "smooth_s": smoothing.time_s if smoothing is not None else 0.05,
        "slew": (smoothing.slew if smoothing is not None else None) or control.slew,
        "dead_zone": smoothing.dead_zone if smoothing is not None else 0.0,
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
    }

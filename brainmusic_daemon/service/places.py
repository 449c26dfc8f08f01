"""A file that was named over a network in, the one in the configuration's folder that is meant out; nothing else.

Beside a bundled configuration nothing is written: an upgrade replaces that folder.  Names lead to the user's own then.
"""

from __future__ import annotations

from pathlib import Path

from brainmusic_daemon.config import Config, is_bundled, own_folder
from brainmusic_daemon.service.command import Command, Kind, Refused, Value
from brainmusic_daemon.there import is_file, is_there

FORBIDDEN = frozenset('/\\:*?"<>|')
DEVICES = frozenset(  # files of Windows that are none, in every folder and with every suffix
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
MOST = 200  # characters: longer names no file system takes
WRITTEN = {"save": ("configuration", ".toml"), "learn.save": ("model", ".safetensors")}  # by which command


def inside(config: Config, command: Command, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the arguments with files in full.  Raises Refused for anything that is not a plain name."""
    return tuple(
        _placed(config, command.name, str(value)) if argument.kind is Kind.FILE and value else value
        for argument, value in zip(command.arguments, values, strict=True)
    )


def _placed(config: Config, command: str, name: str) -> str:
    odd = not name.isprintable() or len(name) > MOST or name.partition(".")[0].strip().lower() in DEVICES
    if odd or FORBIDDEN & {*name} or name.startswith((".", "~", "-")) or name.endswith((".", " ")):
        raise Refused(f"'{name[:60]}': over the network a file is a name in the configuration's folder, not a path")
    if "." not in name and command not in (*WRITTEN, "record.start"):
        return name  # a kind, a scene, a preset, a bundled configuration
    if command == "record.start":
        return name  # it has a folder of its own
    if config.folder is None:
        raise Refused(f"'{name}': this configuration has no folder")
    own = own_folder() if is_bundled(Path(config.origin)) else config.folder
    if command in WRITTEN:
        return _new(own, name, command, config.origin)
    for folder in (own, config.folder):
        if is_file(folder / name):
            return str(folder / name)
    raise Refused(f"there is no '{name}' in the configuration's folder")


def _new(folder: Path, name: str, command: str, origin: str) -> str:
    """Return the file that `command` is to write, in a folder that is there.  Raises Refused."""
    file = folder / name
    what, suffix = WRITTEN[command]
    if file.suffix != suffix:
        raise Refused(f"'{name}': a {what}'s name ends in {suffix}")
    if is_there(file) and str(file) != origin:
        raise Refused(f"'{name}' is there already, and over the network nothing is written over")
    try:
        folder.mkdir(parents=True, exist_ok=True)  # the user's own may not be there yet
    except OSError as error:
        raise Refused(f"'{name}': its folder cannot be made ({error.strerror or error})") from error
    return str(file)

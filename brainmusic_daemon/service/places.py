"""A file that was named over a network in, the one in the configuration's folder that is meant out; nothing else."""

from __future__ import annotations

from brainmusic_daemon.config import Config
from brainmusic_daemon.service.command import Command, Kind, Refused, Value
from brainmusic_daemon.there import is_file, is_there

FORBIDDEN = frozenset('/\\:*?"<>|')
DEVICES = frozenset(  # files of Windows that are none, in every folder and with every suffix
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
MOST = 200  # characters: longer names no file system takes


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
    if "." not in name and command not in ("save", "learn.save", "record.start"):
        return name  # a kind, a scene, a preset, a bundled configuration
    if command == "record.start":
        return name  # it has a folder of its own
    if config.folder is None:
        raise Refused(f"'{name}': this configuration has no folder")
    file = config.folder / name
    if command in ("save", "learn.save"):
        what, suffix = ("configuration", ".toml") if command == "save" else ("model", ".safetensors")
        if file.suffix != suffix:
            raise Refused(f"'{name}': a {what}'s name ends in {suffix}")
        if is_there(file) and str(file) != config.origin:
            raise Refused(f"'{name}' is there already, and over the network nothing is written over")
    elif not is_file(file):
        raise Refused(f"there is no '{name}' in the configuration's folder")
    return str(file)

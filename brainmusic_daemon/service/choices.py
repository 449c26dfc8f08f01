"""The configuration's folder in; the mappers and presets that can be chosen by name out: one list for all."""

from __future__ import annotations

import time
import tomllib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from brainmusic_daemon import config, registry
from brainmusic_daemon.music import preset

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

MOST_FILES = 50
LOOK_S = 2.0  # how often the folder is looked at, at most
_SUFFIXES = (".toml", ".safetensors", ".py")
_PRESET = ("plain", "beats", "layer", "progression", "chord")  # a TOML file that says one of these is a piece


class Choices:
    """For the threads that serve front ends, never the tick's: it reads files."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._looked = -1e9
        self._own: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._pieces: dict[tuple[str, float], bool] = {}  # (file, changed) → whether it is one

    @property
    def mappers(self) -> tuple[str, ...]:
        """Kinds, bundled configurations and the user's own files."""
        self._look()
        return tuple(dict.fromkeys([*registry.names("mapper"), *self._bundled, *self._own[0]]))

    @property
    def presets(self) -> tuple[str, ...]:
        self._look()
        return (*preset.names(), *self._own[1])

    @cached_property
    def _bundled(self) -> tuple[str, ...]:
        """The bundled configurations whose mapper is another than the default wiring."""
        files = {file.stem: config.parse(file) for file in config.folder().glob("*.toml")}
        kinds = {name: tables.get("mapper", {}).get("kind", "direct") for name, tables in files.items()}
        return tuple(sorted(name for name, kind in kinds.items() if kind != "direct"))

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._looked + LOOK_S:
            return
        self._looked = now
        mappers: list[str] = []
        presets: list[str] = []
        for file in self._files():
            (presets if file.suffix == ".toml" and self._is_piece(file) else mappers).append(file.name)
        self._own = tuple(mappers), tuple(presets)

    def _files(self) -> list[Path]:
        """Return what lies in the user's own folder and may be chosen."""
        folder, origin = self._daemon.session.config.folder, self._daemon.session.config.origin
        if folder is None:
            return []
        folder = config.own_folder() if config.is_bundled(Path(origin)) else folder
        try:
            there = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and file.name[0] not in "._")
        except OSError:  # gone, or not to be read: nothing to choose
            return []
        return there[:MOST_FILES]

    def _is_piece(self, file: Path) -> bool:
        try:
            key = str(file), file.stat().st_mtime
            if key not in self._pieces:
                self._pieces[key] = not tomllib.loads(file.read_text("utf-8-sig")).keys().isdisjoint(_PRESET)
            return self._pieces[key]
        except (OSError, ValueError, RecursionError):
            return False

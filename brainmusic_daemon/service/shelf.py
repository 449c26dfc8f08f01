"""Learned mappings in, with what they were learned from; files that mappers play while a session lasts, out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brainmusic_daemon import __version__
from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.learning.distil import Start
from brainmusic_daemon.learning.preference import Rating, Target
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.service.history import Step


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One learned mapping, and all that it was learned from."""

    start: Start
    offset: FloatArray  # from the start, without the variation
    ratings: tuple[Rating, ...]
    targets: tuple[Target, ...]
    table: Mapping[str, Any]  # the mapper's
    origin: Step  # what played when learning began

    def __str__(self) -> str:
        counts = ((len(self.ratings), "rating"), (len(self.targets), "knob"))
        return "learned from " + " and ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counts if n)


class Shelf:
    """Keeps every version in a file of its own, so that the history can go back to it."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._versions: dict[str, Version] = {}  # by the model's file
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def put(self, version: Version, offset: FloatArray) -> Version:
        """Write what is to play, the variation included in `offset`, and return the version with a table that does."""
        path = self.folder / f"learned-{len(self._versions) + 1}.safetensors"
        model_file.save(path, self.model(version, offset))
        found = replace(version, table={**version.table, "model": str(path)})
        self._versions[str(path)] = found
        return found

    def of(self, table: Mapping[str, Any]) -> Version | None:
        """Return the version that a mapper's table plays, if it is one."""
        return self._versions.get(str(table.get("model", "")))

    def plain(self, version: Version, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return `table` with the version's model without its variation."""
        path = self.folder / "plain.safetensors"
        model_file.save(path, self.model(version))
        return {**table, "model": str(path)}

    def keep(self, table: Mapping[str, Any], target: Path) -> Mapping[str, Any]:
        """Return a mapper's table for a configuration `target` that outlives this session: the model comes along."""
        version = self.of(table)
        if version is None:
            return table
        name = f"{target.stem}-learned.safetensors"
        model_file.save(target.parent / name, self.model(version))
        return {**table, "model": name}

    def model(self, version: Version, offset: FloatArray | None = None) -> Model:
        """Return a version as a model, without the variation unless `offset` has it."""
        meta = {
            "learned": "while playing",
            "ratings": len(version.ratings),
            "targets": len(version.targets),
            "from": version.origin.name,
            "profile": self._profile,
            "versions": {"brainmusic-daemon": __version__},
        }
        return version.start.model(version.offset if offset is None else offset, meta)

    @property
    def folder(self) -> Path:
        """Where the files are, made when it is needed."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="brainmusic-learned-", ignore_cleanup_errors=True)
        return Path(self._folder.name)

    def close(self) -> None:
        """Take the files away.  Idempotent, never raises."""
        if self._folder is not None:
            self._folder.cleanup()

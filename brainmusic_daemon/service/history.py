"""What was played in, what one can go back to out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import ConfigError

KEPT = 50
_TOGETHER_S = 2.0  # turns of one knob within this long are one step


@dataclass(frozen=True, slots=True)
class Step:
    """One state of the music."""

    name: str  # of the mapper
    table: Mapping[str, Any]  # that it is made of, never changed in place
    folder: Path | None  # that file names in it are relative to
    preset: str
    seed: int
    origin: str  # what led here: "start", "swap", "edit tempo.gain", "scene calm", "file" …
    time: float = 0.0  # session seconds


class History:
    """The steps so far; one of them is in force.  For one thread; reading is safe from any."""

    def __init__(self, first: Step) -> None:
        self.steps: list[Step] = [first]
        self.at = 0

    @property
    def step(self) -> Step:
        """The one in force."""
        return self.steps[self.at]

    def remember(self, step: Step) -> None:
        """Let `step` be in force; what had been undone before is forgotten."""
        now = self.step
        together = step.origin.startswith("edit") and step.origin == now.origin and step.time - now.time < _TOGETHER_S
        kept = self.steps[: self.at] if together else self.steps[: self.at + 1]
        self.steps = [*kept, step][-KEPT:]
        self.at = len(self.steps) - 1

    def beside(self, by: int) -> Step:
        """Return the step before (-1) or after (+1) the one in force.  Raises ConfigError where there is none."""
        if not 0 <= self.at + by < len(self.steps):
            raise ConfigError("there is nothing to undo" if by < 0 else "there is nothing to redo")
        return self.steps[self.at + by]

    def move(self, by: int) -> None:
        """Let the step beside be in force."""
        self.at += by

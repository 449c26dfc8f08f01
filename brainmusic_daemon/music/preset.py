"""A TOML file in, a frozen and fully checked `Preset` out: everything about a piece that is not the brain's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.music.scales import SCALES, ladder_problem
from brainmusic_daemon.there import expanded, is_file

Share = Annotated[float, Field(ge=0, le=1)]
Pitch = Annotated[float, Field(ge=21, le=108)]
SYNTH_VOICES = 8


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Layer(_Model):
    """One part of the ensemble."""

    plays: Literal["pad", "bass", "arpeggio", "melody", "chord"] = Field(description="what it makes of the harmony")
    range: tuple[Pitch, Pitch] = Field(description="lowest and highest pitch, MIDI; an octave or more apart")
    steps: int = Field(8, ge=1, le=64, description="steps in a bar")
    rhythm: Literal["euclid", "metric"] = Field("euclid", description="hits spread evenly, or strong beats first")
    density: tuple[Share, Share] = Field((0.25, 1.0), description="share of steps that are hit, at density 0 and 1")
    turn: int = Field(0, ge=0, le=63, description="the rhythm begins so many steps into its pattern")
    chance: Share = Field(1.0, description="how likely a hit is played")
    order: Literal["up", "down", "updown", "random"] = Field("up", description="how an arpeggio runs")
    repeat: int = Field(2, ge=1, le=64, description="a figure is so many bars long")
    times: int = Field(4, ge=1, le=64, description="a figure comes so often before there is a new one")
    rest: Share = Field(0.25, description="how likely a melody keeps silent for a bar")
    open: bool = Field(False, description="every second tone of a chord an octave higher")
    length: float = Field(1.0, gt=0, le=64, description="length of a note, in steps; of a pad, in chords")
    velocity: tuple[Share, Share] = Field((0.4, 0.8), description="of weak and of strong steps")
    attack: float = Field(0.005, ge=0.004, le=4, description="s")
    follow: Share = Field(0.0, description="share of the control attack_time that is added to the attack")
    decay: float = Field(0.0, ge=0, le=20, description="a struck sound fades with this time constant, s; 0: sustained")
    release: float = Field(0.15, ge=0.005, le=10, description="time constant of the end, s")
    spread: Share = Field(0.5, description="how far left and right the notes lie")
    swing: float = Field(0.0, ge=0, le=0.5, description="how late every second step is, in steps")
    channel: int = Field(0, ge=0, le=15, description="for MIDI, counted from 0")

    @model_validator(mode="after")
    def _wide(self) -> Self:
        if self.range[1] - self.range[0] < 12:
            raise ValueError(f"range: {self.range[0]:g} to {self.range[1]:g} is less than an octave (12)")
        if self.open and self.range[1] - self.range[0] < 24:
            raise ValueError("open: an open chord needs a range of two octaves (24)")
        if self.density[0] > self.density[1]:
            raise ValueError("density: more density cannot mean fewer notes; write [low, high]")
        return self


class Preset(_Model):
    """A piece: what the controls play with."""

    title: str = ""
    about: str = ""
    scales: list[str] = Field(
        ["phrygian", "aeolian", "dorian", "mixolydian", "ionian", "lydian"], min_length=1, description="dark to bright"
    )
    beats: int = Field(4, ge=1, le=16, description="beats in a bar")
    chord_bars: int = Field(2, ge=1, le=32, description="bars between two chords")
    progression: list[Annotated[int, Field(ge=-14, le=14)]] = Field(
        [0], min_length=1, description="degrees of the scale, from 0, one chord each"
    )
    wander: Share = Field(0.0, description="how likely another degree of the progression is taken")
    chord: tuple[int, int] = Field((3, 5), description="tones of a chord at complexity 0 and 1")
    tempo: tuple[float, float] = Field((50.0, 150.0), description="BPM at the lowest and highest of the control")
    root: Literal["steps", "glide"] = Field("steps", description="how the tonal centre follows the pitch")
    root_bars: int = Field(4, ge=1, le=64, description="bars between two steps of the tonal centre")
    glide: float = Field(0.4, ge=0, le=30, description="how long the steady tones take to a new tonal centre, s")
    transpose: float = Field(0.0, ge=-24, le=24, description="tonal centre above the pitch, semitones")
    drone: int = Field(0, ge=0, le=3, description="steady tones: 1 root, 2 also the octave below, 3 also the fifth")
    drone_level: Share = Field(0.5, description="of full level")
    breath: Share = Field(0.5, description="how much of the control noise_amount is let through")
    level_db: float = Field(0.0, ge=-30, le=12, description="of the notes")
    layer: dict[str, Layer] = Field(default_factory=dict, description="parts by name")
    plain: bool = Field(False, description="true: no score; the synth's own chord follows the controls at once")

    @field_validator("scales")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in SCALES:
                raise ValueError(f"there is no scale '{name}'{registry.did_you_mean(name, [*SCALES])}")
        if problem := ladder_problem(names):
            raise ValueError(problem)
        return names

    @field_validator("tempo")
    @classmethod
    def _possible(cls, tempo: tuple[float, float]) -> tuple[float, float]:
        if not 10 <= tempo[0] <= tempo[1] <= 300:
            raise ValueError("is [slowest, fastest] in BPM, between 10 and 300")
        return tempo

    @field_validator("chord")
    @classmethod
    def _sizes(cls, chord: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= chord[0] <= chord[1] <= 6:
            raise ValueError("is [fewest, most] tones, between 1 and 6")
        return chord

    @model_validator(mode="after")
    def _enough(self) -> Self:
        smallest = min(len(SCALES[name]) for name in self.scales)
        if self.chord[1] > smallest:
            raise ValueError(f"chord: {self.chord[1]} tones, but the scales have only {smallest}")
        if self.plain and self.layer:
            raise ValueError("plain = true has no score: leave the layers out")
        if not (self.plain or self.layer or self.drone):
            raise ValueError("there is nothing to hear: add a [layer.NAME], steady tones (drone = 1), or plain = true")
        return self


def folder() -> Path:
    """Return where the presets of the project lie."""
    return Path(__file__).parent / "presets"


def names() -> tuple[str, ...]:
    """Return the names of the project's own presets."""
    return tuple(sorted(path.stem for path in folder().glob("*.toml")))


def load(name: str) -> Preset:
    """Read a preset: the name of one of the project's, or the path of a TOML file.

    Raises ConfigError with every problem at once.
    """
    path = folder() / f"{name}.toml"
    if name not in names():
        path = expanded(name)
        if not is_file(path):
            raise ConfigError(
                f"there is no preset '{name}'{registry.did_you_mean(name, names())} (or give the path of a TOML file)"
            )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the preset {path}: {error}") from error
    except (ValueError, RecursionError) as error:  # also numbers too long for Python, and lists in lists without end
        raise ConfigError(f"the preset {path} is not valid TOML: {error}") from error
    return parse(tables, str(path))


def parse(tables: Mapping[str, Any], origin: str) -> Preset:
    """Check the tables of a preset.  Raises ConfigError with every problem at once."""
    problems: list[tuple[str, str]] = []
    known = {key: value for key, value in tables.items() if _is_known(key, Preset, "", problems)}
    layers = tables.get("layer", {})
    if isinstance(layers, Mapping):
        known["layer"] = {
            name: {key: value for key, value in layer.items() if _is_known(key, Layer, f"layer.{name}.", problems)}
            if isinstance(layer, Mapping)
            else layer
            for name, layer in layers.items()
        }
    try:
        preset = Preset(**known)
    except ValidationError as error:
        problems += registry.describe(error, "")
    if problems:
        lines = "\n".join(f"  {where}: {message}" if where else f"  {message}" for where, message in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{count} in the preset {origin}:\n{lines}")
    return preset


def _is_known(key: str, model: type[_Model], where: str, problems: list[tuple[str, str]]) -> bool:
    if key in model.model_fields:
        return True
    problems.append(
        (f"{where}{key}", f"there is no setting '{key}'{registry.did_you_mean(key, [*model.model_fields])}")
    )
    return False

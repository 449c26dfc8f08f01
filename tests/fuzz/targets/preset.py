"""Presets of the music: what is accepted can be played, the rest is a ConfigError."""

from __future__ import annotations

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.music import preset
from brainmusic_daemon.music.scales import SCALES
from tests.fuzz import bed

MOST = 2048
QUICK = 1600
WORDS = (
    *(f"{name} = " for name in preset.Preset.model_fields),
    *(f"{name} = " for name in preset.Layer.model_fields),
    "[layer.pad]",
    *(f'"{name}"' for name in SCALES),
    "nan",
    "inf",
    "-1",
    "0",
    "1e300",
    "true",
    "[]",
    "[1, 2]",
    '""',
    "[layer]",
    "0x" + "f" * 3600,
    "1" * 4400,
    "[" * 3000,
)


def fuzz(data: bytes) -> None:
    """Read a preset, and what it came to once more."""
    try:
        found = preset.load(str(bed.file("preset.toml", data)))
    except ConfigError as error:
        assert str(error)
        return
    assert preset.parse(found.model_dump(by_alias=True), "again") == found


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with: the project's own presets, without their comments."""
    found = {}
    for name in preset.names():
        lines = (preset.folder() / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        found[name] = "\n".join(
            line.partition(" #")[0] for line in lines if line.strip() and not line.startswith("#")
        ).encode()[:MOST]
    return dict([*found.items()][:6]) | {"deep": b"a = " + b"[" * 3000, "long": b"seed = " + b"1" * 4400}

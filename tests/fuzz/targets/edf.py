"""EDF recordings, which mne reads: whatever it makes of damage, samples that fit together or a ConfigError come out."""

from __future__ import annotations

from brainmusic_daemon.acquisition.formats import markers, mne_formats
from brainmusic_daemon.api import ConfigError
from tests.fuzz import bed
from tests.fuzz.targets.text import whole

MOST = 3072
QUICK = 600
WORDS = (
    "0       ",
    "-1      ",
    "256     ",
    "1e9     ",
    "nan     ",
    "EDF+C",
    "EDF+D",
    "EDF Annotations ",
    "uV",
    "mV",
    "EEG O1",
    "\x14\x14",
    "+0\x14",
    "BIOSEMI",
)


def fuzz(data: bytes) -> None:
    """Read the EEG, and the annotations beside it."""
    path = bed.file("recording.edf", data)
    try:
        take = mne_formats.read(path)
    except ConfigError as error:
        assert str(error)
        return
    whole(take)
    markers.read(path, take)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""

    def field(width: int, *values: object) -> bytes:
        return b"".join(str(value).encode().ljust(width)[:width] for value in values)

    n, per = 2, 20
    head = (
        field(8, "0")
        + field(80, "X", "X")
        + field(8, "01.01.26", "01.01.01", 256 * (n + 1))
        + field(44, "")
        + field(8, 3, 1)
        + field(4, n)
    )
    head += (
        field(16, "EEG O1", "EEG Fz")
        + field(80, "", "")
        + field(8, "uV", "uV", -100, -100, 100, 100, -32768, -32768, 32767, 32767)
    )
    head += field(80, "", "") + field(8, per, per) + field(32, "", "")
    data = b"".join((i * 37 % 3000).to_bytes(2, "little") for i in range(3 * n * per))
    return {"plain": head + data, "cut": head + data[:-31], "empty": head}

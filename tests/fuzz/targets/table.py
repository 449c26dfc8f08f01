"""Tables of `brainmusic render --controls` as learning reads them; rows that fit together, or a ConfigError."""

from __future__ import annotations

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning import tables
from tests.fuzz import bed
from tests.fuzz.targets.recorded import whole

MOST = 2048
QUICK = 4000
WORDS = (
    "time",
    "feature.alpha",
    "feature.",
    "control.tempo",
    "control.",
    "state",
    "quality",
    ",",
    "\n",
    "\r\n",
    '"',
    '""',
    "good",
    "nan",
    "inf",
    "-1e999",
    "0x1p3",
    "1_0",
    "\ufeff",
    "\x85",
    "\u2028",
    "#",
    "'",
    "\t",
    ";",
)


def fuzz(data: bytes) -> None:
    """Read what there is to learn from."""
    try:
        found = tables.read(bed.file("table.csv", data))
    except ConfigError as error:
        assert str(error)
        return
    whole(found)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    rows = "".join(f"{i / 50:.3f},{0.1 * i},0.5,{60 + i},good\n" for i in range(8)).encode()
    head = b"time,feature.alpha,feature.beta,control.tempo,state\n"
    return {
        "usual": head + rows,
        "windows": (head + rows).replace(b"\n", b"\r\n"),
        "cut": head + rows[:-20],
        "none": head,
        "quoted": head.replace(b"time", b'"time"') + rows,
        "bom": b"\xef\xbb\xbf" + head + rows.replace(b"good", b"poor", 3),
    }

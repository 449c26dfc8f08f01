"""XDF files of `brainmusic record` as learning reads them; rows that fit together, or a ConfigError."""

from __future__ import annotations

import struct

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning import recorded
from brainmusic_daemon.learning.group import Group
from tests.fuzz import bed
from tests.fuzz.targets import xdf

MOST = 4096
QUICK = 2000
WORDS = (
    *xdf.WORDS,
    "brainmusic.features",
    "brainmusic.controls",
    "brainmusic.ratings",
    "brainmusic.targets",
    "brainmusic.markers",
    "tempo 120.5",
    "state good",
    "state ",
    "<profile>anna</profile>",
)


def whole(group: Group) -> None:
    """Check that a group's columns have its length."""
    n = len(group.times)
    assert group.values.shape == (n, len(group.features)) and len(group.weights) == len(group.parts) == n
    assert all(values.shape == (n,) for values in group.targets.values())


def fuzz(data: bytes) -> None:
    """Read what there is to learn from."""
    try:
        groups = recorded.read(bed.file("session.xdf", xdf.built(data)))
    except ConfigError as error:
        assert str(error)
        return
    for group in groups:
        whole(group)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    at = [1 + i / 50 for i in range(6)]
    features = xdf.stream(
        1,
        xdf.header("brainmusic.features", "Features", "float32", 2, 50, ("alpha", "beta")),
        [(t, struct.pack("<ff", t, 0.5)) for t in at],
    )
    controls = xdf.stream(
        2,
        xdf.header("brainmusic.controls", "Controls", "float32", 1, 50, ("tempo",)),
        [(t, struct.pack("<f", 60 * t)) for t in at],
    )
    ratings = xdf.stream(
        3, xdf.header("brainmusic.ratings", "Ratings", "float32", 1, 0), [(1.05, struct.pack("<f", 0.5))]
    )
    targets = xdf.stream(
        4,
        xdf.header("brainmusic.targets", "Targets", "string", 1, 0),
        [(1.01, xdf.text("tempo 120.5")), (1.06, xdf.text("mode 0.5"))],
    )
    marks = xdf.stream(5, xdf.header("brainmusic.markers", "Markers", "string", 1, 0), [(1.0, xdf.text("state good"))])
    begin = b"\x01<info><version>1.0</version></info>"
    return {
        "played": b"C" + xdf.BETWEEN.join([begin, *features, *controls, *marks]),
        "rated": b"C" + xdf.BETWEEN.join([begin, *features, *controls, *ratings]),
        "turned": b"C" + xdf.BETWEEN.join([begin, *features, *targets, *marks]),
    }

"""Files of models, raw or with a length that fits; what is accepted is the same when written again."""

from __future__ import annotations

import itertools
import struct

import numpy as np

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import Model, Span
from tests.fuzz import bed

MOST = 4096
QUICK = 4000
WORDS = (
    '"__metadata__"',
    '"brainmusic"',
    '"dtype":"F32"',
    '"dtype":"F64"',
    '"shape":[',
    '"data_offsets":[0,',
    '\\"kind\\"',
    '\\"features\\"',
    '\\"controls\\"',
    '\\"hidden\\"',
    '\\"activation\\"',
    '\\"version\\": 2',
    "tanh",
    "relu",
    "NaN",
    "Infinity",
    "-1",
    "1e999",
    "null",
    "true",
    "67108864",
    "9" * 400,
    '"mean"',
    '"scale"',
    '"w0"',
    '"b0"',
    '"w1"',
    "[" * 100,
    "\\ud800",
    b"\x80",
    b"PK\x03\x04",
    b"\0\0\xc0\x7f",
)


def fuzz(data: bytes) -> None:
    """Read a model; with H first the rest is `header NUMBERS data`, and the length is written in front."""
    if data.startswith(b"H"):
        header, _, numbers = data[1:].partition(b"NUMBERS")
        data = struct.pack("<Q", len(header)) + header + numbers
    try:
        found = model_file.load(bed.file("model.safetensors", data))
    except ConfigError as error:
        assert "\n" not in str(error).strip()
        return
    again = model_file.load(model_file.save(bed.folder() / "again.safetensors", found))
    assert repr(again) == repr(found)
    values = found.predict(np.full(len(found.features), 0.5)) if hasattr(found, "predict") else np.zeros(0)
    assert np.isfinite(values).all()


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    found: dict[str, bytes] = {}
    for name, hidden in (("linear", ()), ("neural", (2,))):
        sizes, rng = (2, *hidden, 1), np.random.default_rng(1)
        layers = tuple((rng.normal(size=(a, b)), rng.normal(size=b)) for a, b in itertools.pairwise(sizes))
        made = Model(
            kind="neural" if hidden else "linear",
            features=("alpha", "beta"),
            controls=(Span("tempo", 40.0, 200.0, "BPM"),),
            mean=np.full(2, 0.5),
            scale=np.full(2, 0.2),
            layers=layers,
            activation="tanh" if hidden else "",
        )
        raw = model_file.save(bed.folder() / "seed.safetensors", made).read_bytes()
        end = 8 + struct.unpack("<Q", raw[:8])[0]
        found |= {f"{name}-raw": raw, f"{name}-header": b"H" + raw[8:end] + b"NUMBERS" + raw[end:]}
    return found

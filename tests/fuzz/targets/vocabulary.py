"""Tables of words, moods and sentences; what is accepted speaks on every headset, the rest is a ConfigError."""

from __future__ import annotations

import math
import pickle
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from brainmusic_daemon.api import ConfigError, Features, State
from brainmusic_daemon.mapping import vocabulary
from brainmusic_daemon.mapping.semantic import Semantic
from brainmusic_daemon.mapping.vocabulary import Vocabulary, load
from tests.fuzz import bed

MOST = 2048
QUICK = 1000
WORDS = (
    "[attributes.energy]",
    "[moods.tense]",
    "[[base]]",
    *(f"{name} = " for name in Vocabulary.model_fields),
    'from = "',
    'when = "',
    "words = [",
    '"a", "b", "c"]',
    "says = ",
    "prompts = ",
    "edges = [0.4, 0.6]",
    "hysteresis = 0.01",
    "hold_s = 0",
    "enabled = false",
    "{energy}",
    "{mood}",
    "{energy.__class__}",
    "{energy!r}",
    "{0}",
    "{{",
    "}",
    "weight = 0",
    "above = ",
    "full = ",
    "nan",
    "inf",
    "1e-300",
    "alpha",
    "beta.frontal | beta",
    "energy",
)
_NAMES = ("theta", "alpha", "beta", "engagement", "activation", "theta_alpha", "asymmetry")
_LEVELS = (0.5, 0.9, 0.0, math.inf, 0.3)


_read = vocabulary._read
_FIXED = Path(vocabulary.__file__).with_name("vocabulary.toml")


@cache
def _fixed() -> bytes:
    return pickle.dumps(_read(_FIXED))


def _quickly(path: Path) -> dict[str, Any]:
    """Read a file; the default one, the same each time, was most of the work: it is read once."""
    return pickle.loads(_fixed()) if path == _FIXED else _read(path)  # type: ignore[no-any-return]


def fuzz(data: bytes) -> None:
    """Read a file of prompts; let what is accepted say something, and read what it came to once more."""
    with mock.patch.object(vocabulary, "_read", _quickly):
        _fed(data)


def _fed(data: bytes) -> None:
    path = bed.file("prompts.toml", data)
    try:
        found = load(path, {})
    except ConfigError as error:
        assert str(error)
        return
    assert Vocabulary.model_validate(found.model_dump(by_alias=True)) == found
    mapper = Semantic(prompts=path)
    mapper.prepare(_NAMES, 0.02)
    index = {name: place for place, name in enumerate(_NAMES)}
    for level in _LEVELS:
        values = np.full(len(_NAMES), min(level, 1e6))
        controls = mapper.map(Features(0.0, 0.0, _NAMES, values, index, (), np.zeros(0), State.GOOD))
        assert all(math.isfinite(value) for value in controls.values()), controls
        assert mapper.words is not None and all(0 <= prompt.weight <= 10 for prompt in mapper.words.prompts)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    attribute = b'[attributes.light]\nfrom = "alpha - beta"\nwords = ["dark", "bright"]\nedges = [0.5]\nsmooth_s = 2\n'
    return {
        "attribute": attribute,
        "sentence": b'sentence = "it is {energy} and {valence}"\npause_s = 3\n',
        "mood": b'[moods.wild]\nwhen = "min(energy, 1 - valence)"\nsays = "wild"\nabove = 0.6\nfull = 0.7\n',
        "base": b'[[base]]\ntext = "piano"\nweight = 2\n' + attribute,
        "off": b"[attributes.energy]\nenabled = false\n",
        "nan": b"pause_s = nan\n[attributes.energy]\nedges = [nan, 0.6]\n",
    }

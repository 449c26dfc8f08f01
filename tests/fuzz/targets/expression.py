"""Expressions of features; what can be read gives a finite number whatever the features are, the rest a ValueError."""

from __future__ import annotations

import math

from brainmusic_daemon.mapping import expression

MOST = 500
QUICK = 16000
NAMES = ("alpha", "beta", "theta", "alpha.occipital", "raw.alpha.O1", "Fp1-M1")
WORDS = (
    *expression.FUNCTIONS,
    *NAMES,
    "(",
    ")",
    "+",
    "-",
    "*",
    "/",
    "**",
    "<",
    "<=",
    "==",
    "|",
    ",",
    ".",
    'feature["',
    '"]',
    "1e9",
    "1e-9",
    "1e308",
    "9" * 300,
    "0x",
    "1_0",
    "1j",
    "lambda:",
    "if",
    "else",
    "not ",
    "and",
    "[",
    "]",
    "{",
    "}",
    ":=",
    "await ",
    "\\",
    "'",
    "f'{",
    "\0",
    "\n",
    "*",
    "clip(",
    "log(",
    "exp(",
    "sqrt(",
    "mean(",
)
_VALUES = (
    (0.5,) * 6,
    (0.0,) * 6,
    (1.0,) * 6,
    (-1e300, 1e300, -0.0, 5e-324, 1.0, 2.0),
    (1e9, -1e9, 1e-9, -1e-9, 0.3, 1e308),
)


def fuzz(data: bytes) -> None:
    """Parse, look for the features, compile, and compute."""
    text = data.decode("utf-8", "replace")
    try:
        found = expression.parse(text)
    except ValueError as error:
        assert str(error)
        return
    index = {name: place for place, name in enumerate(NAMES)}
    assert found.text == text and expression.parse(text) == found
    found.features(), found.missing(index)
    if not found.resolvable(index):
        return
    compute = found.compile(index)
    for values in _VALUES:
        assert math.isfinite(compute(values)), (text, values, compute(values))


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    texts = (
        "alpha",
        "alpha.occipital | alpha",
        "0.6 * beta + 0.4 * theta",
        'feature["Fp1-M1"] / (alpha + theta)',
        "clip(log(alpha), -1, 1) ** 2",
        "max(alpha, beta, 0.5) > 0.4",
        "-sqrt(abs(alpha - beta))",
        "exp(mean(alpha, beta)) * 1e9",
        "(((((alpha)))))",
        "raw.alpha.O1 <= 3",
    )
    return {f"e{number}": text.encode() for number, text in enumerate(texts)}

"""The text of a configuration, and `--set` texts on top of it; a ConfigError is all that may come."""

from __future__ import annotations

from contextlib import suppress

from brainmusic_daemon import tomlfile
from brainmusic_daemon.api import ConfigError
from tests.fuzz import bed

WORDS = (
    "[[source]]",
    "[mapper]",
    "kind = ",
    '"lsl"',
    "source.kind=lsl",
    "source.1.seed=2",
    "features.delay_ms=",
    "= [1, 2]",
    "= {a = 1}",
    "1979-05-27T07:32:00Z",
    "25:61:61",
    "0x",
    "0o7",
    "1e999",
    "nan",
    "inf",
    "1" * 4400,
    "0x" + "f" * 3600,
    "[" * 200,
    '"""',
    "'''",
    "\\u",
    "\\U00110000",
    "a.b.c",
    "\n==\n",
    "\ufeff",
)
MOST = 8192
QUICK = 2000


def fuzz(data: bytes) -> None:
    """Read the first part as a file, and set what the others say."""
    text, *sets = bed.pieces(data)
    try:
        tables = tomlfile.parse(bed.file("a.toml", text))
    except ConfigError as error:
        assert str(error)
        tables = {}
    for one in sets[:8]:
        with suppress(ConfigError):
            tomlfile.override(tables, one.decode("utf-8", "replace"))


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    text = b'[source]\nkind = "simulator"\n[output.osc]\ntargets = ["127.0.0.1:9000"]\nrate = 0x10\nwhen = 1979-05-27\n'
    several = b'[[source]]\nkind = "lsl"\nperson = "anna"\n[[source]]\nkind = "lsl"\n'
    return {
        "usual": text,
        "sets": text + b"\n==\nfeatures.delay_ms=100\n==\nsource.kind=lsl\n==\noutput.osc.targets=[]",
        "several": several + b"\n==\nsource.anna.name=x\n==\nsource.2.name=y",
        "deep": b"a = " + b"[" * 300,
        "long": b"a = " + b"1" * 4400,
        "set-long": b"\n==\na.b=" + b"1" * 4400,
        "set-deep": b"\n==\na.b=" + b"[" * 3000,
    }

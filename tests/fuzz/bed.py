"""Names of targets in; what is fuzzed, its words, its corpus, and mutations that are the same each time, out."""

from __future__ import annotations

import ast
import atexit
import importlib
import pkgutil
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import targets

CORPUS = Path(__file__).parent / "corpus"
PATIENCE_S = 2.0  # of the processor, for one input of some kilobytes
_INTERESTING = (0, 1, 2, 4, 7, 8, 15, 16, 31, 32, 64, 100, 127, 128, 192, 224, 237, 240, 254, 255)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser."""

    name: str
    fuzz: Callable[[bytes], None]
    words: tuple[bytes, ...]
    most: int  # bytes of an input
    quick: int  # mutations that the tests try
    about: str

    def corpus(self) -> list[bytes]:
        """Return the inputs that are kept, by name."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]

    def timed(self, data: bytes) -> None:
        """Run one input.  Raises what it raises, and Slow for one that takes too long."""
        began = time.process_time()
        self.fuzz(data)
        if (took := time.process_time() - began) > PATIENCE_S:
            raise Slow(f"{self.name}: {took:.1f} s for {len(data)} bytes")


class Slow(Exception):
    """Small input, long work."""


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(found.name for found in pkgutil.iter_modules(targets.__path__))


def target(name: str) -> Target:
    """Return a target; what it feeds is imported here."""
    module = importlib.import_module(f"{targets.__name__}.{name}")
    words = tuple(word if isinstance(word, bytes) else word.encode() for word in module.WORDS)
    return Target(name, module.fuzz, words, getattr(module, "MOST", 4096), getattr(module, "QUICK", 1000), about(name))


def about(name: str) -> str:
    """Return what a target feeds, in a line; nothing is imported for that."""
    text = (Path(targets.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def mutations(target: Target, seed: int) -> Iterator[bytes]:
    """Give inputs without end, made from the corpus; the same ones for the same seed, corpus and words."""
    rng = random.Random(f"{target.name} {seed}")
    corpus = target.corpus() or [b""]
    while True:
        data = rng.choice(corpus)
        for _ in range(1 << rng.randrange(4)):
            data = _mutated(data, rng, corpus, target.words)
        yield data[: target.most]


def _mutated(data: bytes, rng: random.Random, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    until = min(len(data), at + (1 << rng.randrange(8)))
    match rng.randrange(9 if words else 7):
        case 0:  # a bit
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if at < len(data) else data
        case 1:
            return data[:at] + bytes([rng.choice(_INTERESTING)]) + data[at + 1 :]
        case 2:  # cut out
            return data[:at] + data[until:]
        case 3:  # say it again
            return data[:until] + data[at:until] * rng.choice((1, 1, 2, 9)) + data[until:]
        case 4:  # cut off
            return data[:at]
        case 5:  # go on as another one does
            other = rng.choice(corpus)
            return data[:at] + other[rng.randrange(len(other) + 1) :]
        case 6:  # a piece of another one
            other = rng.choice(corpus)
            start = rng.randrange(len(other) + 1)
            return data[:at] + other[start : start + (1 << rng.randrange(7))] + data[until:]
        case 7:
            return data[:at] + rng.choice(words) + data[at:]
        case _:
            return data[:at] + rng.choice(words) + data[until:]


_folders: list[Path] = []


def folder() -> Path:
    """Return a folder of this process, in memory where the system has that; removed at the end."""
    if not _folders:
        memory = Path("/dev/shm")
        made = tempfile.mkdtemp(prefix="brainmusic-fuzz-", dir=memory if memory.is_dir() else None)
        _folders.append(Path(made))
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return _folders[0]


def file(name: str, data: bytes) -> Path:
    """Write an input for what reads files."""
    path = folder() / name
    path.write_bytes(data)
    return path


def pieces(data: bytes, between: bytes = b"\n==\n") -> list[bytes]:
    """Cut an input that stands for a file of several parts, so that lengths and checksums can be made to fit."""
    return data.split(between)

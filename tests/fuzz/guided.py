"""One target in; atheris feeds it, and every way in which it fails is kept once, its shortest input, out."""

from __future__ import annotations

import gc
import hashlib
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

OURS = ["brainmusic_daemon", "tests.fuzz.targets", "pyxdf"]


def main(name: str, found: Path, options: list[str]) -> None:
    """Fuzz until the budget is used up; never returns."""
    with atheris.instrument_imports(include=[*OURS, *["tomllib"] * (name == "toml")], enable_loader_override=False):
        from tests.fuzz import bed

        target = bed.target(name)
        for data in target.corpus():  # what is imported on first use is instrumented too
            keep(target.timed, data, found)
    logging.disable(logging.CRITICAL)
    gc.freeze()  # what was imported is not looked through again and again
    atheris.Setup([sys.argv[0], *options], lambda data: keep(target.timed, data, found))
    atheris.Fuzz()


def keep(run: Callable[[bytes], None], data: bytes, found: Path) -> None:
    """Run one input; what it raises is written down, and fuzzing goes on."""
    try:
        run(data)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        mine = [
            frame for frame in frames if "brainmusic_daemon" in frame.filename or "/fuzz/targets/" in frame.filename
        ]
        place = "\n".join(f"{frame.filename}:{frame.lineno}" for frame in (mine or frames)[-2:])
        path = found / f"{type(error).__name__}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        if not path.exists() or path.stat().st_size > len(data):
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(
                "".join(traceback.format_exception(error)[-12:]), encoding="utf-8", errors="replace"
            )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""Nothing in; how fast our synth and SuperCollider's scsynth render the same work, out."""

from __future__ import annotations

import shutil

PARTIALS = (64, 100)


def measure(pairs: int) -> dict[str, float] | str:
    """Return seconds of sound per CPU second of both, in turns, or why there is no comparison."""
    for program, package in (("scsynth", "supercollider-server"), ("sclang", "supercollider-language")):
        if shutil.which(program) is None:
            return f"needs the Debian package {package} (program {program})"
    from scripts.bench_audio import against_scsynth

    try:
        return against_scsynth(pairs)
    except Exception as error:  # noqa: BLE001 - the rest is told all the same
        return str(error).strip().splitlines()[-1]

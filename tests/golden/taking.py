"""A session in, its OSC log and its sound out: rendered on the virtual clock, twice the same to the last bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.golden.sessions import SECONDS, Session, recording

TICK_S = 0.02
RATE = 48_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What a session sounded like, and what it said."""

    log: bytes  # JSON lines
    sound: npt.NDArray[np.float32]  # (n, 2)

    def messages(self) -> list[tuple[int, str, tuple[Any, ...]]]:
        """Return (tick, address, arguments) of each message; a note counts to the tick in which it begins."""
        lines = (json.loads(line) for line in self.log.splitlines())
        return [(round(line["time"] / TICK_S), line["address"], tuple(line["args"])) for line in lines]


def take(session: Session, folder: Path) -> Taken:
    """Render a session; files go to `folder`."""
    import soundfile

    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service import render

    extra: dict[str, Any] = {}
    if session.recording:
        extra = {"source": {"kind": "recording", "path": str(recording(session)), "start_s": session.start_s}}
    config = configuration.load(session.config, session.settings, extra)
    log, wav = folder / f"{session.name}.jsonl", folder / f"{session.name}.wav"
    outputs = {kind: render._file_output(kind, path, config) for kind, path in (("jsonl", log), ("wav", wav))}
    outputs["wav"].subtype = "FLOAT"  # type: ignore[attr-defined]
    render.render(config, outputs, seconds=SECONDS)
    sound, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    assert rate == RATE
    return Taken(log.read_bytes(), sound)

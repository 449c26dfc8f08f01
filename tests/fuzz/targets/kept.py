"""Small JSON files of ours: what was played last, who runs, earlier figures; nonsense counts as none."""

from __future__ import annotations

import os

from brainmusic_daemon.service import kept, run_file
from brainmusic_daemon.service.bench import history
from tests.fuzz import bed

MOST = 2048
QUICK = 1600
WORDS = (
    '"version": 1',
    '"version"',
    '"name"',
    '"config"',
    '"table"',
    '"mapper"',
    '"attempts"',
    '"seed"',
    '"gain_db"',
    '"folder"',
    '"port"',
    '"pid"',
    '"token"',
    '"values"',
    '"when"',
    "null",
    "true",
    "1e999",
    "NaN",
    "-1",
    "9" * 400,
    "1" * 4400,
    "[" * 200,
    "{",
    "}",
    "[",
    "]",
    '"\\ud800"',
    "0.5",
)


def fuzz(data: bytes) -> None:
    """Read the file as each of the three; what is known of the last session is the same when written again."""
    os.environ["XDG_STATE_HOME"] = os.environ["XDG_RUNTIME_DIR"] = str(bed.folder())
    kept.path("anna").parent.mkdir(exist_ok=True)
    kept.path("anna").write_bytes(data)
    found = kept.read("anna")
    if found is not None:
        assert str(found)
        kept.path("anna").replace(bed.folder() / "other.json")
        if found.name == "anna":
            _write(found)
            assert repr(kept.read("anna")) == repr(found)
    run_file.path("anna").write_bytes(data)
    run = run_file.read("anna")
    assert run is None or run.name == "anna"
    history.runs(run_file.path("anna"))


def _write(found: kept.Kept) -> None:
    """Write as `kept.write` does, without waiting for the disk."""
    sync, os.fsync = os.fsync, lambda _: None
    try:
        kept.write(found)
    finally:
        os.fsync = sync


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    last = (
        b'{"version": 1, "name": "anna", "config": "a.toml", "written": "x", "mapper": "direct", '
        b'"table": {"routes": {"tempo": {"gain": 2.5}}}, '
        b'"folder": null, "preset": "ambient", "seed": 1, "scene": "", "profile": "", '
        b'"gain_db": -6.0, "muted": true, "panicked": false, "attempts": 1}'
    )
    run = b'{"name": "anna", "pid": 12, "port": 4000, "token": "t", "start": 1.5, "version": "0.1"}'
    return {
        "kept": last,
        "run": run,
        "history": b'[{"version": "1", "when": "now", "values": {"latency": 1.5}}]',
        "deep": b"[" * 2000,
    }

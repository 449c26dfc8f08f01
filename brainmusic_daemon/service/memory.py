"""A running daemon in; what it plays kept in a file, beside the tick, whenever that has changed.

And at the next start: what was under way, and is not part of the configuration, begun again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.outputs.xdf_file import free_name
from brainmusic_daemon.service import kept
from brainmusic_daemon.service.kept import Kept

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

LOOK_S = 0.1  # how often it is asked whether something has changed
REST_S = 0.5  # while knobs are being turned, a file every so often is enough
SETTLED_S = 5.0  # a start that has lasted so long is a good one


class Memory:
    """Keeps what plays, in a thread of its own."""

    def __init__(self, daemon: Daemon, began_with: Kept | None) -> None:
        """`began_with` is what this run has taken up."""
        self._daemon, self._began_with = daemon, began_with
        self._attempts = began_with.attempts if began_with is not None else 0
        self._written: Kept | None = None
        self._lasting: tuple[Any, Mapping[str, Any], Path | None] = None, {}, None  # a step's table, and what outlives
        self._failed = False
        self._recordings: dict[Path, Path] = {}  # begun here → the name that the first of its row was asked for by
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)

    def go_on(self) -> None:
        """Learn and record again, where that was under way when the program before was killed; said, never raises."""
        kept, daemon = self._began_with, self._daemon
        if kept is None:
            return
        if kept.learning is not None:
            daemon.tutor.active = kept.learning
            _log.info("learning is %s, as it was", "on" if kept.learning else "off")
        if not kept.recording or daemon.recorder.path is not None:
            return
        before, named = Path(kept.recording), Path(kept.recording_as or kept.recording)
        after = free_name(named)  # what is there stays as it is: nothing that was recorded is ever written over
        try:
            daemon.recorder.start(after, continues=before)
            self._recordings[after] = named
            _log.warning("%s ended without its end; the recording goes on in %s", before, after)
        except (BrainmusicError, OSError) as error:
            _log.error("%s ended without its end, and the recording does not go on: %s", before, error)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write the newest: a good end is taken up like a bad one.  Idempotent, never raises."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _look(self) -> None:
        settled = time.monotonic() + SETTLED_S
        while True:
            ending = self._stop.is_set()
            if time.monotonic() > settled or (ending and self._daemon.ready):
                self._attempts = 0
            wrote = self._write()
            if ending:
                return
            self._stop.wait(REST_S if wrote else LOOK_S)

    def _write(self) -> bool:
        try:
            now = self._now()
            if now == self._written:
                return False
            kept.write(now)
            self._written = now
            if self._failed:
                _log.info("what plays is kept again")
            self._failed = False
        except Exception as error:  # noqa: BLE001 - also where there is no memory for it: the next one may do
            if not self._failed:
                _log.warning("what plays is not kept for after a crash: %s", error)
            self._failed = True
            return True
        return True

    def _now(self) -> Kept:
        daemon = self._daemon
        history, config, sounding = daemon.mappers.history, daemon.session.config, daemon.sounding
        step = history.step
        if self._lasting[0] is not step.table:  # a model that was learned while playing comes along: that takes a while
            place = kept.path(config.session.name)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            table = daemon.mappers.keep(step.table, place)
            self._lasting = step.table, table, step.folder if table is step.table else place.parent
        _, table, folder = self._lasting
        tutor, file = daemon.tutor, None if self._stop.is_set() else daemon.recorder.path  # a good end ends it
        return Kept(
            version=kept.VERSION,
            name=config.session.name,
            config=str(Path(config.origin).absolute()),
            written=kept.fingerprint(daemon.mappers.written),
            mapper=step.name,
            table=table,
            folder=str(folder.absolute()) if folder is not None else None,
            preset=step.preset,
            seed=step.seed,
            scene=self._scene(),
            profile=config.session.profile,
            profiles=dict(daemon.calibration.chosen),
            asked=kept.asked_profile(config.tables),
            gain_db=sounding.set_db,  # not what is configured: that may be changed for the next start
            muted=sounding.muted,
            panicked=sounding.panicked,
            learning=tutor.active if tutor.active != tutor.settings.enabled else None,
            recording=str(file.absolute()) if file is not None else "",
            recording_as=str(self._recordings.get(file, file).absolute()) if file is not None else "",
            attempts=self._attempts,
        )

    def _scene(self) -> str:
        """Return the scene that was recalled last, however its knobs were turned since."""
        history = self._daemon.mappers.history
        for step in reversed(history.steps[: history.at + 1]):
            if step.origin.startswith("scene "):
                return step.origin.removeprefix("scene ")
            if step.origin == "start":
                return self._began_with.scene if self._began_with is not None else ""
            if not step.origin.startswith("edit"):
                break
        return ""

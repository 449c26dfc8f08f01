"""Ratings and turned knobs in, while the music plays; a mapper that has learned from them handed to the tick out.

Everything happens in one thread beside the tick: remember what was heard, wait until a hand has settled, learn (some
tens of milliseconds), have the result tried and cross-faded like any other mapper.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import BrainmusicError, ConfigError
from brainmusic_daemon.learning import preference
from brainmusic_daemon.learning.distil import FEW_ROWS
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.seat import Fault
from brainmusic_daemon.service.copying import copied
from brainmusic_daemon.service.errands import Ticket
from brainmusic_daemon.service.history import Step
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.lately import EVERY_S, Lately
from brainmusic_daemon.service.mappers import Mappers
from brainmusic_daemon.service.notions import Notions
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.shelf import Shelf, Version

_log = logging.getLogger(__name__)

MOST = 60  # ratings, and knobs, that are kept
FADE_S = 1.0
_PATIENCE_S = 25.0  # with the trial


class Tutor:
    """Learns while it is on.  `look` is for one thread, the rest for any."""

    def __init__(self, session: Session, mappers: Mappers) -> None:
        self.session, self.mappers = session, mappers
        self.settings = session.config.learn
        self.active = self.settings.enabled
        self.last: Version | None = None  # as far as it is known here: the history may have gone on
        self.lately, self.notions = Lately(), Notions()
        self.shelf = Shelf(session.config.session.profile)
        self._requests: queue.SimpleQueue[tuple[Callable[[], str], Ticket]] = queue.SimpleQueue()
        self._leave: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tutor", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self.listen()
        self._thread.start()

    def listen(self) -> None:
        """Hear what the journal tells, without a thread: somebody calls `look`."""
        self._leave = self.session.journal.listen(self._hear)
        self.mappers.keep = self.shelf.keep

    def stop(self) -> None:
        """Learn no more; the models that were not saved are gone.  Idempotent, never raises."""
        self._leave()
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        self.shelf.close()

    # --- requests -----------------------------------------------------------------------------------------------------

    def on(self) -> str:
        """Learn from what is said from now on; nothing changes before something is said."""
        self.active = True
        return "learning: rate what you hear, or turn a knob to where its control ought to be"

    def off(self) -> Ticket:
        """Learn no more; what was learned plays on, without the variations."""
        self.active = False
        return self._ask(self._settle_down)

    def reset(self) -> Ticket:
        """Forget everything that was learned, and play what played before."""
        return self._ask(self._forget)

    def save(self, path: str | Path) -> Ticket:
        """Write what was learned, without the variation, as a model that `linear` plays."""
        return self._ask(lambda: self._save(Path(path)))

    @property
    def status(self) -> dict[str, Any]:
        """Return what there is to know about it, as plain data."""
        learned = str(self.last) if self.last is not None else ""
        return {"on": self.active, "learned": learned, "ignored": self.notions.ignored}

    def _ask(self, work: Callable[[], str]) -> Ticket:
        ticket = Ticket()
        self._requests.put((work, ticket))
        return ticket

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _hear(self, entry: Entry) -> None:
        if self.active:
            self.notions.hear(entry)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - our own mistake: the music goes on, and so does the thread
                _log.exception("learning failed")
                self.notions.drop()

    def look(self) -> None:
        """Do what is due; called ten times a second."""
        while not self._requests.empty():
            self._carry_out(*self._requests.get())
        frame = self.session.frame
        if frame is not None and self.lately.take(frame):
            self.notions.drop()  # it is about another headset
        self.notions.settle(self.session.clock.now(), self.lately, self.session.pipeline.host.playing.controls)
        if self.notions and self.active:
            try:
                self._lesson()
            except (BrainmusicError, Fault) as error:
                self.notions.drop()
                _log.warning("nothing learned: %s", error)

    def _carry_out(self, work: Callable[[], str], ticket: Ticket) -> None:
        try:
            ticket.close(True, work())
        except (BrainmusicError, Fault) as error:
            ticket.close(False, str(error))
        except Exception as error:  # noqa: BLE001 - our own mistake: told, and the thread lives on
            _log.exception("a request failed")
            ticket.close(False, f"failed: {type(error).__name__}: {error}")

    def _lesson(self) -> None:
        """Learn from all that was said, and let it be heard."""
        host, step, notions = self.session.pipeline.host, self.mappers.history.step, self.notions
        if host.playing is not host.wanted or len(self.lately) < FEW_ROWS:
            return  # the fallback plays, or there is too little to go by: it waits
        before = self._version_in_force(step)
        if before.start.controls != notions.controls:  # another mapper has come since
            notions.taken()
            return
        version = replace(
            before,
            ratings=(*before.ratings, *notions.ratings)[-MOST:],
            targets=(*before.targets, *notions.targets)[-MOST:],
        )
        most = np.full(len(notions.controls), self.settings.step if notions.ratings else 0.0)
        most[[target.control for target in notions.targets]] = np.inf
        notions.taken()
        wanted = preference.learn(version.start, version.ratings, version.targets)
        offset = preference.limited(version.start, version.offset, wanted, self.lately.x(), most)
        self._play(replace(version, offset=offset))

    def _play(self, version: Version, vary: bool = True, origin: str = "") -> str:
        """Hand a version to the tick, as any other mapper."""
        number, size = len(version.ratings), self.settings.explore if vary and version.ratings else 0.0
        offset = version.offset + preference.variation(version.start, number, size, self.settings.seed)
        version = self.shelf.put(version, offset)
        ticket = self.mappers.play("learned", version.table, None, origin or str(version), FADE_S)
        if not ticket.wait(_PATIENCE_S) or not ticket.ok:
            raise ConfigError(f"what was learned does not play: {ticket.message}")
        self.last = version
        _log.info("%s", version)
        return f"{version}: {ticket.message}"

    def _version_in_force(self, step: Step) -> Version:
        """Return what to learn on from: whatever plays, whether it was learned here or not."""
        found = self.shelf.of(step.table)
        if found is not None and found.start.features != self.lately.learned:
            found = None  # of another headset: what plays of it here is a new beginning
        if found is None:
            start, table = copied(self.session, step, self.lately)
            return Version(start, start.nothing, (), (), table, step)
        if found.table == step.table:
            return found  # the newest, or an older one that was gone back to, with what was known then
        plain = self.shelf.plain(found, step.table)  # knobs of a learned mapper were turned
        start, table = copied(self.session, replace(step, table=plain), self.lately)
        return replace(found, start=start, offset=start.nothing, table=table)

    # --- what is asked for, in the thread -----------------------------------------------------------------------------

    def _mine(self) -> Version:
        """Return the learned mapping that is in force.  Raises ConfigError."""
        found = self.shelf.of(self.mappers.history.step.table)
        if found is None:
            raise ConfigError("nothing that was learned plays: `learn on`, then rate what you hear or turn a knob")
        return found

    def _settle_down(self) -> str:
        self.notions.drop()
        if self.shelf.of(self.mappers.history.step.table) is None:
            return "learning is off"
        return self._play(self._mine(), vary=False, origin="learn off")

    def _forget(self) -> str:
        self.notions.drop()
        origin = self._mine().origin
        ticket = self.mappers.play(origin.name, origin.table, origin.folder, "learn reset", FADE_S)
        if not ticket.wait(_PATIENCE_S) or not ticket.ok:
            raise ConfigError(ticket.message)
        self.last = None
        return f"forgotten: {ticket.message}"

    def _save(self, path: Path) -> str:
        if path.suffix.lower() != ".safetensors":
            raise ConfigError(f"cannot write {path}: a model's name ends in .safetensors")
        version = self._mine()
        model_file.save(path, self.shelf.model(version))
        return f"{version}, saved in {path}"

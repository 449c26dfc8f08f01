"""Ratings and turned knobs in, while the music plays; a mapper that has learned from them handed to the tick out.

Everything happens in one thread beside the tick: remember what was heard, wait until a hand has settled, learn (some
tens of milliseconds), have the result tried and cross-faded like any other mapper.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon import __version__, choice
from brainmusic_daemon.api import BrainmusicError, ConfigError, FloatArray
from brainmusic_daemon.learning import preference
from brainmusic_daemon.learning.distil import FEW_ROWS, Start, distil
from brainmusic_daemon.learning.group import RATED_S, REACTION_S
from brainmusic_daemon.learning.preference import Rating, Target
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.seat import Fault, Seat
from brainmusic_daemon.service.errands import Ticket
from brainmusic_daemon.service.history import Step
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.lately import EVERY_S, Lately
from brainmusic_daemon.service.mappers import Mappers
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.tryout import bounded

_log = logging.getLogger(__name__)

SETTLE_S = 0.8  # a hand that has rested so long has said what it wanted
LEAST_S = 2.0  # a rating is about so much, even if another one came just before
SOUGHT_S = 4.0  # while a knob is being turned for long, the last so much of it counts
MOST = 60  # ratings, and knobs, that are kept
FADE_S = 1.0
_PATIENCE_S = 25.0  # with the trial
_MAPPED = 600  # moments at which the mapper that plays is asked what it would do
_EXPLAINED = 40


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One learned mapping, and all that it was learned from."""

    start: Start
    offset: FloatArray  # from the start, without the variation
    ratings: tuple[Rating, ...]
    targets: tuple[Target, ...]
    table: Mapping[str, Any]  # the mapper's
    origin: Step  # what played when learning began

    def __str__(self) -> str:
        counts = ((len(self.ratings), "rating"), (len(self.targets), "knob"))
        return "learned from " + " and ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counts if n)


class Tutor:
    """Learns while it is on.  `on`, `off`, `reset`, `save` and `keep` from any thread; `look` from one."""

    def __init__(self, session: Session, mappers: Mappers) -> None:
        self.session, self.mappers = session, mappers
        self.settings = session.config.learn
        self.active = self.settings.enabled
        self.lately = Lately()
        self.last: Version | None = None  # as far as it is known here: the history may have gone on
        self.ignored = 0  # ratings and knobs that were about no good signal
        self._said: deque[Entry] = deque(maxlen=1000)  # what the journal tells, until it is looked at
        self._settling: dict[str, list[Entry]] = {}  # rating, or control → its newest burst
        self._ratings: list[Rating] = []  # not learned from yet
        self._targets: list[Target] = []
        self._rated_at = -np.inf
        self._versions: dict[str, Version] = {}  # by the model's file
        self._requests: queue.SimpleQueue[tuple[Callable[[], str], Ticket]] = queue.SimpleQueue()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._leave: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tutor", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._leave = self.session.journal.listen(self._hear)
        self.mappers.keep = self.keep
        self._thread.start()

    def stop(self) -> None:
        """Learn no more; the models that were not saved are gone.  Idempotent, never raises."""
        self._leave()
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        if self._folder is not None:
            self._folder.cleanup()

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

    def keep(self, table: Mapping[str, Any], target: Path) -> Mapping[str, Any]:
        """Return a mapper's table for a configuration `target` that outlives this session: the model comes along."""
        version = self._versions.get(str(table.get("model", "")))
        if version is None:
            return table
        name = f"{target.stem}-learned.safetensors"
        model_file.save(target.parent / name, self._model(version, version.offset))
        return {**table, "model": name}

    @property
    def status(self) -> dict[str, Any]:
        """Return what there is to know about it, as plain data."""
        learned = str(self.last) if self.last is not None else ""
        return {"on": self.active, "learned": learned, "ignored": self.ignored}

    def _ask(self, work: Callable[[], str]) -> Ticket:
        ticket = Ticket()
        self._requests.put((work, ticket))
        return ticket

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _hear(self, entry: Entry) -> None:
        if self.active and entry.kind in ("rating", "target") and np.isfinite(entry.value):
            self._said.append(entry)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - our own mistake: the music goes on, and so does the thread
                _log.exception("learning failed")

    def look(self) -> None:
        """Do what is due; called ten times a second."""
        while not self._requests.empty():
            self._carry_out(*self._requests.get())
        frame = self.session.frame
        if frame is not None and self.lately.take(frame):
            self._ratings, self._targets, self._settling = [], [], {}  # of another headset
            self._versions, self.last = {}, None
        while self._said:
            entry = self._said.popleft()
            burst = self._settling.setdefault(entry.name if entry.kind == "target" else "", [entry])
            burst[1:] = [entry]  # first and newest
        now = self.session.clock.now()
        for name in [name for name, burst in self._settling.items() if now - burst[-1].time >= SETTLE_S]:
            self._settled(name, self._settling.pop(name))
        if (self._ratings or self._targets) and self.active:
            try:
                self._lesson()
            except (BrainmusicError, Fault) as error:
                self._ratings, self._targets = [], []
                _log.warning("nothing learned: %s", error)

    def _carry_out(self, work: Callable[[], str], ticket: Ticket) -> None:
        try:
            ticket.close(True, work())
        except (BrainmusicError, Fault) as error:
            ticket.close(False, str(error))
        except Exception as error:  # noqa: BLE001 - our own mistake: told, and the thread lives on
            _log.exception("a request failed")
            ticket.close(False, f"failed: {type(error).__name__}: {error}")

    def _settled(self, name: str, burst: list[Entry]) -> None:
        """Turn what was said into what can be learned from: it is about what was the case a reaction before."""
        controls = self.session.pipeline.host.playing.controls
        first, newest = burst[0], burst[-1]
        if not name:
            end = newest.time - REACTION_S
            begin = min(max(end - RATED_S, self._rated_at - REACTION_S), end - LEAST_S)
            x, u = self.lately.seconds(begin, end, controls)
            if len(x):
                self._rated_at = newest.time
                self._ratings.append(Rating(newest.value, x, u))
                return
        elif name in (names := [control.name for control in controls]):
            control = controls[names.index(name)]
            begin = max(first.time, newest.time - SOUGHT_S) - REACTION_S
            x, _ = self.lately.seconds(begin, self.session.clock.now())
            if len(x):
                position = (control.clip(newest.value) - control.low) / (control.high - control.low)
                self._targets.append(Target(names.index(name), position, x))
                return
        self.ignored += 1
        why = "there was no good signal" if not name or name in names else f"this mapper does not drive {name}"
        _log.warning("nothing to learn from %s: %s", f"a knob of {name}" if name else "that rating", why)

    def _lesson(self) -> None:
        """Learn from all that was said, and let it be heard."""
        host, step = self.session.pipeline.host, self.mappers.history.step
        if host.playing is not host.wanted or len(self.lately) < FEW_ROWS:
            return  # the fallback plays, or there is too little to go by: it waits
        before = self._version_in_force(step)
        turned = {target.control for target in self._targets}
        version = replace(
            before,
            ratings=(*before.ratings, *self._ratings)[-MOST:],
            targets=(*before.targets, *self._targets)[-MOST:],
        )
        rated, self._ratings, self._targets = bool(self._ratings), [], []
        x = self.lately.x()
        wanted = preference.learn(version.start, version.ratings, version.targets)
        most = np.full(wanted.shape[1], self.settings.step if rated else 0.0)
        most[[*turned]] = np.inf
        self._play(replace(version, offset=preference.limited(version.start, version.offset, wanted, x, most)))

    def _play(self, version: Version, vary: bool = True, origin: str = "") -> str:
        """Hand a version to the tick, as any other mapper."""
        number, size = len(version.ratings), self.settings.explore if vary and version.ratings else 0.0
        offset = version.offset + preference.variation(version.start, number, size, self.settings.seed)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="brainmusic-learned-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / f"learned-{len(self._versions) + 1}.safetensors"
        model_file.save(path, self._model(version, offset))
        version = replace(version, table={**version.table, "model": str(path)})
        self._versions[str(path)] = version
        ticket = self.mappers.play("learned", version.table, None, origin or str(version), FADE_S)
        if not ticket.wait(_PATIENCE_S) or not ticket.ok:
            raise ConfigError(f"what was learned does not play: {ticket.message}")
        self.last = version
        _log.info("%s", version)
        return f"{version}: {ticket.message}"

    def _version_in_force(self, step: Step) -> Version:
        """Return what to learn on from: whatever plays, whether it was learned here or not."""
        found = self._versions.get(str(step.table.get("model", "")))
        if found is not None and found.table == step.table:
            return found  # the newest, or an older one that was gone back to, with what was known then
        if found is None:
            start, table = self._distilled(step)
            return Version(start, _nothing(start), (), (), table, step)
        plain = Path(str(found.table["model"])).with_name("plain.safetensors")  # knobs of a learned mapper were turned
        model_file.save(plain, self._model(found, found.offset))
        start, table = self._distilled(replace(step, table={**step.table, "model": str(plain)}))
        return replace(found, start=start, offset=_nothing(start), table=table)

    def _distilled(self, step: Step) -> tuple[Start, dict[str, Any]]:
        """Return a linear start that sounds like what plays, and the table to play it with: it is followed alike."""
        made = choice.make(step.name, step.table, step.folder)  # another one: the one that plays has a state
        seat = self.session.pipeline.seat(made)
        try:
            start = bounded(lambda: self._asked(seat), f"learning from '{step.name}'")
        finally:
            seat.leave()
        _log.info("learning goes on from '%s': %.0f %% of it kept", step.name, 100 * float(start.fidelity.mean()))
        return start, {"kind": "linear", "adjust": _followed(seat)}

    def _asked(self, seat: Seat) -> Start:
        lately, columns = self.lately, self.lately.columns
        names, controls = tuple(np.array(lately.names, object)[columns]), seat.controls
        seat.prepare(lately.names, self.session.config.tick)
        low, high = (np.array([getattr(c, end) for c in controls]) for end in ("low", "high"))
        heard = lately.features(max(1, len(lately) // _MAPPED))
        u = np.zeros((len(heard), len(controls)))
        used = np.zeros((len(names), len(controls)))
        row_of = {name: number for number, name in enumerate(names)}
        column_of = {control.name: number for number, control in enumerate(controls)}
        for number, features in enumerate(heard):
            seat.trial(features)
            u[number] = [seat.values[control.name] for control in controls]
            if number % max(1, len(heard) // _EXPLAINED) == 0:
                for (feature, control), share in seat.explain(features).items():
                    if feature in row_of and control in column_of:
                        used[row_of[feature], column_of[control]] += abs(share)
        x = np.array([features.values[columns] for features in heard])
        return distil(names, controls, x, ((u - low) / (high - low)).clip(0.0, 1.0), used)

    # --- what is asked for, in the thread -----------------------------------------------------------------------------

    def _mine(self) -> Version:
        """Return the learned mapping that is in force.  Raises ConfigError."""
        found = self._versions.get(str(self.mappers.history.step.table.get("model", "")))
        if found is None:
            raise ConfigError("nothing that was learned plays: `learn on`, then rate what you hear or turn a knob")
        return found

    def _settle_down(self) -> str:
        self._ratings, self._targets, self._settling = [], [], {}
        self._said.clear()
        try:
            return self._play(self._mine(), vary=False, origin="learn off")
        except ConfigError:
            return "learning is off"

    def _forget(self) -> str:
        self._ratings, self._targets, self._settling = [], [], {}
        self._said.clear()
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
        model_file.save(path, self._model(version, version.offset))
        return f"{version}, saved in {path}"

    def _model(self, version: Version, offset: FloatArray) -> Any:
        meta = {
            "learned": "while playing",
            "ratings": len(version.ratings),
            "targets": len(version.targets),
            "from": version.origin.name,
            "profile": self.session.config.session.profile,
            "versions": {"brainmusic-daemon": __version__},
        }
        return version.start.model(offset, meta)


def _nothing(start: Start) -> FloatArray:
    return np.zeros((len(start.features) + 1, len(start.controls)))


def _followed(seat: Seat) -> dict[str, dict[str, Any]]:
    """Return adjustments with which every control follows as it does now."""
    found: dict[str, dict[str, Any]] = {}
    for name, s in seat.smoothing.items():
        said: dict[str, Any] = {
            "smooth_s": s.time_s,
            "slew": s.slew,
            "dead_zone": s.dead_zone,
            "freeze": s.freeze or None,
        }
        said |= {"smoothing": s.kind, "agility": s.agility, "acceleration": s.acceleration}
        found[name] = {key: value for key, value in said.items() if value is not None}
    return found

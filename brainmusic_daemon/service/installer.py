"""A step of the history in, its mapper and preset handed to the tick out: made, prepared and tried beforehand."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brainmusic_daemon import choice, reading
from brainmusic_daemon.choice import Choice
from brainmusic_daemon.mapping.seat import Fault, Seat
from brainmusic_daemon.music import preset as presets
from brainmusic_daemon.service import edits
from brainmusic_daemon.service.history import Step
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.tryout import TRIAL_S, bounded, try_on

_log = logging.getLogger(__name__)

EDIT_FADE_S = 0.05
ANEW = ("swap", "file", "saved", "retry")  # origins for which a mapper is made even of the same table


class Installer:
    """Changes what plays; all of it may be slow, and belongs to one thread beside the tick."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.choice = session.config.choice  # what was made last
        self._seat = session.pipeline.host.wanted  # and what it plays on, once the tick has taken it up

    def play(self, now: Step, step: Step, fade_s: float | None) -> str:
        """Go from `now` to `step`; return what to say.  What it raises leaves all as it was."""
        session = self.session
        said = []
        preset = None
        if (step.preset, step.seed) != (now.preset, now.seed):
            preset = presets.load(reading.beside(step.preset, session.config.folder))
            said.append(f"preset '{step.preset}' plays")
        if step.table is not now.table or step.origin in ANEW:
            made = bounded(lambda: choice.make(step.name, step.table, step.folder), f"loading '{step.name}'")
            seat = self._tried(made)
            fade = session.config.swap.fade_s if fade_s is None else fade_s
            self._hand_over(made, seat, fade)
            said.append(f"mapper '{step.name}' fades in over {fade:g} s" if fade else f"mapper '{step.name}' plays")
        if preset is not None:
            session.pipeline.play(preset, step.seed)
            session.journal.note("preset", step.preset)
        return ", ".join(said) or "nothing to change"

    def turn(self, now: Step, turned: Mapping[tuple[str, str], Any]) -> Step:
        """Set (control, setting) → value; return the step that this makes.  What it raises leaves all as it was."""
        table = now.table
        for (control, setting), value in turned.items():
            table = edits.changed(table, self.choice.mapper, control, setting, value)
        if edits.routes_of(self.choice.mapper) is not None:
            made = choice.make(now.name, table, now.folder)
            seat = self._tried(made, all_of_it=False)
            seat.quiet = True
            self._hand_over(made, seat, EDIT_FADE_S)
        else:  # the mapper itself is the same: only what is done to its values changes
            self.choice = choice.adjusted(self.choice, table)
            self.session.pipeline.host.adjust(self._seat, self.choice.adjustments)
        for (control, setting), value in turned.items():
            self.session.journal.note("edit", f"{control}.{setting}", text=str(value))
        control, setting = [*turned][-1]
        return replace(now, table=table, origin=f"edit {control}.{setting}", time=self.session.clock.now())

    def _hand_over(self, made: Choice, seat: Seat, fade_s: float) -> None:
        self.session.pipeline.host.install(seat, fade_s)
        self.choice, self._seat = made, seat

    def _tried(self, made: Choice, all_of_it: bool = True) -> Seat:
        """Return the mapper's seat, ready to be installed.  Before there is a headset, that is when one comes."""
        session = self.session
        seat, bank = session.pipeline.seat(made), session.pipeline.bank
        if bank is None:
            return seat
        played = list(session.recent)[0 if all_of_it else -1 :]
        try:
            bounded(lambda: seat.prepare(bank.names, session.config.tick), "preparing it")
            bounded(lambda: try_on(seat, played), "trying it", TRIAL_S)
        except Fault as fault:
            seat.leave()
            raise Fault(f"'{made.name}': {fault}") from fault
        for remark in seat.remarks:
            _log.warning("%s: %s", made.name, remark)
        return seat

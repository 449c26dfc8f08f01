"""States of the signal in; a line in the log whenever one changes, with the electrodes to look at, out."""

from __future__ import annotations

import logging

from brainmusic_daemon.api import State
from brainmusic_daemon.features.together import Bank, Together

_log = logging.getLogger(__name__)

_WORDS = {
    State.CALIBRATING: "getting to know this signal",
    State.GOOD: "the signal is good: the music follows",
    State.HELD: "the signal is bad: the music holds",
    State.RESTING: "the signal stays bad: the music glides to rest",
    State.LOST: "no samples arrive: the music glides to rest",
}
_WORDS_OF_ONE = {  # of several: the others play on
    State.CALIBRATING: "getting to know this signal",
    State.GOOD: "the signal is good: the music follows",
    State.HELD: "the signal is bad",
    State.RESTING: "the signal stays bad: the music lets go",
    State.LOST: "no samples arrive: the music lets go",
}
_MOST = 6  # electrodes that are named


class Announcer:
    """Says each change of state once, of every person where there are several; called beside the tick."""

    def __init__(self) -> None:
        self._told: dict[str, State] = {}  # person ("": all of it) → state

    def look(self, state: State, bank: Bank | None) -> None:
        """Log `state` if it is another one than before; `bank` knows which channels are bad, and why."""
        if isinstance(bank, Together):
            for person, its in bank.states.items():
                self._look(person, its, bank.members[person])
            if state is State.LOST:  # else whoever is there has just been told of
                self._look("", state, bank)
            else:
                self._told.pop("", None)
        else:
            self._look("", state, bank)

    def _look(self, person: str, state: State, bank: Bank | None) -> None:
        before = self._told.get(person)
        if state is before:
            return
        self._told[person] = state
        if before is None and state is State.LOST:
            return  # nothing has come yet: the source says so itself
        bad = state in (State.HELD, State.RESTING)
        faults = bank.faults() if bank is not None and bad else {}
        named = ", ".join(f"{channel} {why}" for channel, why in list(faults.items())[:_MOST])
        more = f" and {len(faults) - _MOST} more" if len(faults) > _MOST else ""
        _log.log(
            logging.WARNING if bad else logging.INFO, "%s%s%s%s", f"{person}: " if person else "",
            (_WORDS_OF_ONE if person else _WORDS)[state], f" ({named}" if named else "", f"{more})" if named else "",
        )  # fmt: skip

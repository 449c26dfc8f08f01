"""A state of the signal in; a line in the log whenever it changes, with the electrodes to look at, out."""

from __future__ import annotations

import logging

from brainmusic_daemon.api import State
from brainmusic_daemon.features.bank import FeatureBank

_log = logging.getLogger(__name__)

_WORDS = {
    State.CALIBRATING: "getting to know this signal",
    State.GOOD: "the signal is good: the music follows",
    State.HELD: "the signal is bad: the music holds",
    State.RESTING: "the signal stays bad: the music glides to rest",
    State.LOST: "no samples arrive: the music glides to rest",
}
_MOST = 6  # electrodes that are named


class Announcer:
    """Says each change of state once; called beside the tick."""

    def __init__(self) -> None:
        self._told: State | None = None

    def look(self, state: State, bank: FeatureBank | None) -> None:
        """Log `state` if it is another one than before; `bank` knows which channels are bad, and why."""
        if state is self._told:
            return
        before, self._told = self._told, state
        if before is None and state is State.LOST:
            return  # nothing has come yet: the source says so itself
        bad = state in (State.HELD, State.RESTING)
        faults = bank.faults() if bank is not None and bad else {}
        named = ", ".join(f"{channel} {why}" for channel, why in list(faults.items())[:_MOST])
        more = f" and {len(faults) - _MOST} more" if len(faults) > _MOST else ""
        _log.log(
            logging.WARNING if bad else logging.INFO, "%s%s%s", _WORDS[state], f" ({named}" if named else "",
            f"{more})" if named else "",
        )  # fmt: skip

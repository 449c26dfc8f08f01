"""How a person's signal is in, numbers beside the features in a stream out; and back, where a conductor reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from brainmusic_daemon.api import Frame, State

HEAD: Final = "signal."  # no feature begins so
STATE, FOLLOW, AGE = f"{HEAD}state", f"{HEAD}follow", f"{HEAD}age"
CODES: Final = (State.LOST, State.RESTING, State.HELD, State.CALIBRATING, State.GOOD)  # a state's number is its place
_CODE: Final[Mapping[State, float]] = {state: float(number) for number, state in enumerate(CODES)}
OLDEST_S: Final = 10.0  # an age beyond this says nothing of a latency


def names(people: Sequence[str]) -> tuple[str, ...]:
    """Return the labels: state, share followed, and age of the newest sample in s; then state and share of each."""
    return (STATE, FOLLOW, AGE, *(f"{HEAD}{who}.{what}" for who in people for what in ("state", "follow")))


def numbers(frame: Frame) -> list[float]:
    """Return what belongs to the `names` of this frame's people."""
    features = frame.features
    age = min(max(frame.time - features.sample_time, 0.0), OLDEST_S)
    found = [_CODE[features.state], frame.follow, age]
    for signal in features.people.values():
        found += (_CODE[signal.state], signal.follow)
    return found


def state_of(number: float) -> State:
    """Return the state of a number that came over a network; of one that is none, lost."""
    known = math.isfinite(number) and number == int(number) and 0 <= number < len(CODES)
    return CODES[int(number)] if known else State.LOST

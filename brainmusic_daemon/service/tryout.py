"""A mapper that is made in; one that is prepared, and has proven itself on what was just played, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from brainmusic_daemon.api import BrainmusicError, Features
from brainmusic_daemon.mapping.guard import Late, Worker
from brainmusic_daemon.mapping.seat import Fault, Seat

PATIENCE_S = 10.0  # with loading, preparing and trying: large libraries take their time
TRIAL_S = 5.0  # with mapping what was played: an endless loop competes with the tick for the interpreter
_SLICE_S = 0.002  # of work at a stretch: the tick is more urgent
_PAUSE_S = 0.001
_ENOUGH_S = 2.0  # of mapping: what is slow shows soon

R = TypeVar("R")


def bounded(work: Callable[[], R], what: str, patience_s: float = PATIENCE_S) -> R:
    """Return work(), done in a thread that is left behind when it hangs.  Raises Fault for that, too."""

    def call(_: None) -> R:
        return work()

    try:
        worker = Worker(call, "preparing")
    except RuntimeError as error:  # the system gives no more threads
        raise Fault(f"{what} failed: {error}") from error
    try:
        result = worker.call(None, patience_s)
    except BrainmusicError:
        raise
    except Exception as error:
        if isinstance(error, Fault):
            raise
        raise Fault(f"{what} failed: {type(error).__name__}: {error}") from error
    except BaseException as error:
        raise Fault(f"{what} wanted to end the program ({type(error).__name__})") from error
    finally:
        worker.leave()
    if isinstance(result, Late):
        raise Fault(f"{what} was not done within {patience_s:g} s")
    return result


def try_on(seat: Seat, played: Sequence[Features]) -> None:
    """Let a mapper that is prepared map, and explain, what was just played.

    Raises Fault where it fails, gives what is no value, leaves a range, or is too slow for the tick.
    """
    seconds: list[float] = []
    rested = time.perf_counter()
    for features in played:
        if features.names != seat.names:
            continue
        begun = time.perf_counter()
        seat.trial(features)
        ended = time.perf_counter()
        seconds.append(ended - begun)
        if ended - rested > _SLICE_S:
            time.sleep(_PAUSE_S)
            rested = time.perf_counter()
        if sum(seconds) > _ENOUGH_S:
            break
    if not seconds:
        return
    seat.explain(played[-1])
    usual = sorted(seconds)[len(seconds) // 2]
    if usual > seat.budget.call_s:
        raise Fault(f"takes {1000 * usual:.1f} ms per tick, where there are {1000 * seat.budget.call_s:g}")

"""Work beside the tick in; a pause now and then, so that the tick never waits for it, out."""

from __future__ import annotations

import time
from collections.abc import Callable

WORK_S = 0.0005  # at most so long at a stretch, as far as the work lets us
PAUSE_S = 0.0005


def breath() -> Callable[[], None]:
    """Return what to call often from work that is all Python: it sleeps as long as it works.

    Whoever is put aside by the system while holding the interpreter's lock holds up the tick as well.  A thread that
    sleeps by itself, and often, is hardly ever put aside.  One for each piece of work.
    """
    due = time.perf_counter() + WORK_S

    def breathe() -> None:
        nonlocal due
        if time.perf_counter() >= due:
            time.sleep(PAUSE_S)
            due = time.perf_counter() + WORK_S

    return breathe

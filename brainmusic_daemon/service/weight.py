"""Memory in use in, a word out when it grows without end: somebody's code keeps what it should let go."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

EVERY_S = 2.0
READINGS = 16  # half a minute: whatever is loaded once is one step, however large
STEP_BYTES = 1 << 20  # a reading counts as growth from here on
GROWN_BYTES = 100 << 20  # over all of them


class Weight:
    """Looks now and then; for one thread."""

    def __init__(self, resident: Callable[[], float | None], playing: Callable[[], str]) -> None:
        """`resident`: bytes in use, None where that cannot be known; `playing`: the mapper's name."""
        self._resident, self._playing = resident, playing
        self._readings: deque[float] = deque(maxlen=READINGS)
        self._next = 0.0

    def look(self, now: float) -> None:
        """Read when it is time to, and tell, at most once in half a minute."""
        if now < self._next:
            return
        self._next = now + EVERY_S
        resident = self._resident()
        if resident is None:
            return
        found = self._readings
        if found and resident < found[-1] + STEP_BYTES:
            found.clear()
        found.append(resident)
        grown = resident - found[0]
        if len(found) == READINGS and grown >= GROWN_BYTES:
            _log.warning(
                "memory grows without end: %.0f MB more in %.0f s, %.0f MB in use; mapper '%s' plays: what does it "
                "keep at each tick?",
                grown / 2**20, EVERY_S * (READINGS - 1), resident / 2**20, self._playing(),
            )  # fmt: skip
            found.clear()

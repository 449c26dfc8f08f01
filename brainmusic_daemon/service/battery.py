"""What the headset tells of its battery in; a warning while there is time, and the charge over OSC, out."""

from __future__ import annotations

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

LOW = (20.0, 10.0, 5.0)  # percent; each is told once
AGAIN = 10.0  # percent above, after which it was charged or changed
EVERY_S = 10.0  # and at once when it changes by a percent


class Battery:
    """Looks at the charge beside the tick."""

    def __init__(self, charge: Callable[[], float | None], say: Callable[..., object]) -> None:
        """`charge` gives percent, None where nobody knows; `say` sends an OSC address with its arguments."""
        self._charge, self._say = charge, say
        self._told: float | None = None
        self._next = 0.0
        self._low = 100.0  # the last of `LOW` that was told

    def look(self, now: float) -> None:
        """Tell what there is to tell; `now` in session seconds."""
        charge = self._charge()
        if charge is None:
            return
        if now >= self._next or self._told is None or abs(charge - self._told) >= 1.0:
            self._told, self._next = charge, now + EVERY_S
            self._say("/brainmusic/battery", float(charge))
        if charge >= self._low + AGAIN:
            self._low = 100.0
        below = [level for level in LOW if charge <= level]
        if below and below[-1] < self._low:
            self._low = below[-1]
            _log.warning("the headset's battery is down to %.0f %%", charge)

"""A mapper that plays in, the strongest shares of the features in each control out over OSC, a few times a second."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainmusic_daemon.outputs.osc_encoding import escape

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

NAMED = 3  # features per control
LEAST = 0.005  # a share below half a percent explains nothing


class Explainer:
    """Sends `/brainmusic/explain/<control>`; computed in the control's thread, beside the tick."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        rate = daemon.config.control.explain_hz
        self._period = 1 / rate if rate > 0 else math.inf
        self._next = 0.0 if rate > 0 else math.inf

    def look(self) -> None:
        """Explain when it is time to; called often."""
        now = self._daemon.clock.now()
        if now < self._next:
            return
        self._next = now + self._period
        for control, arguments in strongest(shares(self._daemon)).items():
            if not self._daemon.sounding.say(f"/brainmusic/explain/{escape(control)}", *arguments):
                self._next = math.inf  # nobody speaks OSC here
                return


def shares(daemon: Daemon) -> Mapping[tuple[str, str], float]:
    """Return (feature, control) → share, of the newest frame; nothing while there is no headset."""
    frame, bank = daemon.session.frame, daemon.session.pipeline.bank
    if frame is None or bank is None or not frame.features.names or frame.features.names != bank.names:
        return {}
    return daemon.session.pipeline.explain(frame.features)


def strongest(found: Mapping[tuple[str, str], float], most: int = NAMED) -> dict[str, tuple[str | float, ...]]:
    """Return control → (feature, share, feature, share, …), the strongest first."""
    by_control: dict[str, list[tuple[float, str]]] = {}
    for (feature, control), share in found.items():
        if abs(share) >= LEAST and math.isfinite(share):
            by_control.setdefault(control, []).append((share, feature))
    return {
        control: tuple(
            part
            for share, feature in heapq.nsmallest(most, entries, key=lambda entry: (-abs(entry[0]), entry[1]))
            for part in (feature, float(share))
        )
        for control, entries in by_control.items()
    }

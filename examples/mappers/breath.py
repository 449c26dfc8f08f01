"""A mapper of one's own: calm grows slowly, like a breath, and is gone at once when the eyes open.

Play it:  brainmusic swap examples/mappers/breath.py      (or  [mapper] kind = "breath.py"  beside your configuration)
Change this file and save it while it plays: it is tried on what was just played, and faded in if it passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

from brainmusic_daemon.api import CONTROL, Control, Features, plugin


@plugin
class Breath:
    """Alpha fills a lung that takes `seconds` to fill: fuller is lower, slower and in a larger room."""

    seconds: float = 8.0  # settings are fields: [mapper] seconds = 12

    controls: tuple[Control, ...] = field(
        init=False,
        default=(CONTROL["fundamental_frequency"], CONTROL["tempo"], CONTROL["reverb"], CONTROL["loudness"]),
    )
    _lung: float = field(init=False, default=0.0)
    _share: float = field(init=False, default=0.0)

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Called for every headset, with the features that it gives and the length of a tick in seconds."""
        if "alpha" not in names:
            raise ValueError("there is no alpha to breathe with")
        self._share = 1.0 - math.exp(-tick / self.seconds)

    def map(self, features: Features) -> Mapping[str, float]:
        """Called every tick: a value for every control of `controls`, in its unit and range."""
        alpha = features["alpha"]  # 0..1; 0.5 is as usual for this person
        if alpha < 0.4:
            self._lung *= 0.9
        self._lung += (alpha - self._lung) * self._share
        full = self._lung
        return {
            "fundamental_frequency": 330.0 * 2.0 ** (-1.5 * full),
            "tempo": 100.0 - 45.0 * full,
            "reverb": 0.2 + 0.7 * full,
            "loudness": 0.8 - 0.4 * full,
        }

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Called beside the tick: how much of each control's range each feature moves now; {} is fine."""
        moved = self._lung - 0.5
        return {("alpha", "tempo"): -0.45 * moved, ("alpha", "reverb"): 0.7 * moved}

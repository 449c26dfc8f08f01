"""A bank that is made and one that plays in; the one that is made, ready to go on where the other stands, out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from brainmusic_daemon.api import FloatArray, Window
from brainmusic_daemon.features import artifact_memory as at
from brainmusic_daemon.features.bank import BLIND, FeatureBank

BRIDGE_S = 1.0  # within which normalised features glide from one range to the other
_LEARNED = slice(at.SPREAD, at.SPREAD + 2), slice(at.DOUBT, at.DOUBT + 2)  # how the eyes' movements spread


class Bridge:
    """Leads the normalised features from where they were to where they belong, in a straight line."""

    def __init__(self, stood: Callable[[], FloatArray], ticks: int) -> None:
        """`stood` tells the values (n,) of the last tick that another bank made."""
        self._stood, self._ticks, self._left = stood, max(ticks, 1), max(ticks, 1)
        self._gap: FloatArray | None = None

    def lead(self, values: FloatArray) -> bool:
        """Move `values` (n,) in place; return whether the other side is reached."""
        if self._gap is None:
            self._gap = self._stood() - values
        values += self._gap * (self._left / self._ticks)
        self._left -= 1
        return self._left == 0


def prepare(
    made: FeatureBank, before: FeatureBank, past: Window, samplerate: float, breathe: Callable[[], None] = lambda: None
) -> None:
    """Let `made` hear what `before` has heard of late, so that it goes on as if it had played.

    `past`: some seconds of the same headset, longer than a bank's window; they are copied already.  What is known of
    contact and of the eyes comes along; ranges do not: they are why there is another bank.  Some 10 ms for each second,
    beside the tick, which `before` goes on playing in meanwhile.
    """
    made.quality = copy.deepcopy(before.quality)
    made.weigh()
    if made.artifacts is not None and before.artifacts is not None:
        for learned in _LEARNED:
            made.artifacts.channels[learned] = before.artifacts.channels[learned]
    if before.setup.channels == made.setup.channels:  # the same electrodes: that was told before
        made.remarks = [remark for remark in made.remarks if remark != BLIND]
    n, length = made.n_taps, len(past.samples)
    for back in np.arange(length - n, -1, -samplerate * made.setup.tick).round().astype(int):
        end = length - int(back)
        time = past.time - int(back) / samplerate
        rows = past.samples[end - n : end]
        breathe()
        made.update(time, Window(rows, past.offset, past.end - int(back), time, n, past.repaired), alive=True)


def go_on(made: FeatureBank, before: FeatureBank) -> None:
    """Let `made` take over from the next tick on: nothing steps."""
    made.gate.go_on(before.gate)
    if made.names == before.names:
        made.bridge = Bridge(lambda: before.normalised, round(BRIDGE_S / made.setup.tick))

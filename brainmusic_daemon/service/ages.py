"""The moments of a tick in; histograms of how old samples are, stage by stage on their way, out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brainmusic_daemon.api import Clock
from brainmusic_daemon.service.metrics import Histogram

STAGES: Mapping[str, str] = MappingProxyType(
    {
        "source": "sampled → read: the headset's way to this program, by its own time stamps",
        "ring": "read → its tick begins",
        "features": "the tick's analysis",
        "mapper": "features → controls and notes",
        "output": "handed to all outputs",
    }
)
_POINTS = 16  # of a tick's samples, at most, are added one by one: of 10 kHz every twelfth stands for twelve


class Ages:
    """Follows the newest sample of each tick through the stages, and every sample to the end of them.

    All times are of the session's monotonic clock.  Called by the tick, which it costs some 5 µs and no memory; any
    thread may read.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self.stages = {name: Histogram() for name in STAGES}  # of the newest sample; they add up
        self.every = Histogram()  # sample, be it the newest of its tick or not → all outputs were handed the frame
        self._arrived = self._begun = self._heard = self._made = 0.0
        self._end = -1  # number of samples up to the newest one of the tick before

    def begin(self, arrived: float) -> None:
        """The tick begins; its newest sample was read at `arrived`."""
        self._arrived = arrived
        self._begun = self._heard = self._now()

    def hear(self) -> None:
        """The features are there."""
        self._heard = self._now()

    def make(self) -> None:
        """The frame is there."""
        self._made = self._now()

    def end(self, sampled: float, count: int, period: float) -> None:
        """All outputs have it.  The newest sample is of time `sampled`, its number `count`, and `period` s after the
        one before; 0: nothing is known of those in between."""
        now, stages = self._now(), self.stages
        stages["source"].add(self._arrived - sampled)
        stages["ring"].add(self._begun - self._arrived)
        stages["features"].add(self._heard - self._begun)
        stages["mapper"].add(self._made - self._heard)
        stages["output"].add(now - self._made)
        age, fresh = now - sampled, count - self._end if self._end >= 0 else 1
        self._end = count
        if not 0 < fresh * period < 1.0:  # a new headset, or padding after a gap; or no new sample at all
            if fresh or not period:
                self.every.add(age)
            return
        points = fresh if fresh < _POINTS else _POINTS
        step, weight, left = fresh / points * period, fresh // points, fresh % points
        age += 0.5 * (step - period)  # the middle of those that a point stands for
        first = (points - left) // 2  # those in the middle stand for one more
        for i in range(points):
            extra = first <= i < first + left
            self.every.add(age + i * step, weight + extra)

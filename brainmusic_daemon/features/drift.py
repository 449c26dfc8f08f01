"""The first minute of a session in, what has changed since the calibration out, in one line a band."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features.compiled import SMALL
from brainmusic_daemon.features.profile import Fit, Profile

CHANGED = 1.6  # times in amplitude: electrodes put on anew make less of a difference


class Drift:
    """Compares the range of every band, over all good channels, with the calibration's.

    A range is judged by its upper end (90th percentile of the amplitude), where the rhythm itself shows rather than
    the noise between its bursts.  Nobody says whether the eyes are open now, so a band has changed only when it
    reaches less than in either condition of the calibration, or more than in both.
    """

    def __init__(
        self, profile: Profile, fit: Fit, names: tuple[str, ...], bands: tuple[str, ...], seconds: float, tick: float
    ) -> None:
        """`fit`, `names`: which features (n,) are where in the profile; `seconds` of good signal are looked at."""
        found = [(int(i), int(j)) for i, j in zip(fit.at, fit.of, strict=True) if names[i] in bands]
        self._day, self._bands = profile.day, [names[i] for i, _ in found]
        self._columns = np.array([i for i, _ in found], np.intp)
        # powers are kept on the logarithm: half of it is that of the amplitude
        self._then = [profile.ranges.usual[j, :, 2] / 2 for _, j in found]
        self._seen = np.zeros((max(1, round(seconds / tick)), len(found)))
        self._count = 0

    @property
    def full(self) -> bool:
        """Tell whether enough was seen."""
        return self._count >= len(self._seen)

    def tick(self, raw: FloatArray) -> None:
        """Take note of the physical features (n,) of a good tick."""
        if self._count < len(self._seen):
            self._seen[self._count] = raw[self._columns]
            self._count += 1

    def remarks(self) -> tuple[str, ...]:
        """Return what has changed, once enough was seen; beside the tick."""
        lines = []
        for column, (band, then) in enumerate(zip(self._bands, self._then, strict=True)):
            now = 0.5 * np.log(max(float(np.percentile(self._seen[:, column], 90)), SMALL))
            change = now - then.min() if now < then.min() else max(now - then.max(), 0.0)
            if abs(change) >= np.log(CHANGED):
                was = " to ".join(f"{np.exp(end):.3g}" for end in sorted({then.min(), then.max()}))
                lines.append(
                    f"{band} range {_changed(float(np.exp(change)))} since the calibration of {self._day}: it reaches "
                    f"{np.exp(now):.3g} uV now, {was} uV then; check the electrodes, or calibrate anew"
                )
        return tuple(lines)


def _changed(times: float) -> str:
    if times < 1:
        return "has halved" if times > 0.4 else f"has shrunk to a {_ORDINALS.get(round(1 / times), 'tenth or less')}"
    return "has doubled" if times < 2.5 else f"has grown {times:.0f} times"


_ORDINALS = {3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}

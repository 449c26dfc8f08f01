"""Names of the 10-20 system and its refinements in, directions on a unit sphere out; no library needed."""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt

ROWS = {  # angle forward from Cz along the midline, degrees: steps of 18 (10 % of nasion to inion)
    "N": 90, "FP": 72, "AF": 54, "F": 36, "FC": 18, "FT": 18, "C": 0, "T": 0,
    "CP": -18, "TP": -18, "P": -36, "PO": -54, "O": -72, "I": -90,
}  # fmt: skip
HALF_ROWS = {
    "AFP": 63, "AFF": 45, "FFC": 27, "FFT": 27, "FCC": 9, "FTT": 9, "CCP": -9, "TTP": -9, "CPP": -27, "TPP": -27,
    "PPO": -45, "POO": -63, "OI": -81,
}  # fmt: skip
OLD = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "A1": "TP9", "A2": "TP10", "M1": "TP9", "M2": "TP10"}
RING = 72.0  # the circle through Fpz, T7, Oz and T8 lies this many degrees from Cz
_NAME = re.compile(r"([A-Z]+?)(Z|\d{1,2})(H?)")


def position(name: str) -> npt.NDArray[np.float64]:
    """Return the unit vector (right, front, up) of an electrode.  Raises KeyError for a name outside the system."""
    label = OLD.get(name.strip(" .").upper(), name.strip(" .").upper())
    match = _NAME.fullmatch(label)
    if match is None or (match[1] not in ROWS and match[1] not in HALF_ROWS):
        raise KeyError(name)
    row, column, half = match.groups()
    forward = math.radians(ROWS[row] if row in ROWS else HALF_ROWS[row])
    midline = np.array([0.0, math.sin(forward), math.cos(forward)])
    if column == "Z":
        return midline
    number = int(column)
    if not 1 <= number <= 10:
        raise KeyError(name)
    steps = (number + 1) // 2 - (0.5 if half else 0.0)  # 1 2 → 1, 3 4 → 2 … 9 10 → 5
    outermost = abs(ROWS.get(row, 0)) >= 72  # these rows reach the ring with their first number (Fp1, O1) …
    share = steps if outermost else steps / 4  # … the others with their fourth (F7, T7, P7)
    azimuth = max(math.pi / 2 - abs(forward), math.radians(18))  # from nose or inion: Fp1 18°, AF7 36°, F7 54°, T7 90°
    side, facing = (-1.0 if number % 2 else 1.0), math.copysign(1.0, forward)
    tilt = math.radians(90.0 if row in ("N", "I") else RING)
    flat, up = math.sin(tilt), math.cos(tilt)
    ring = np.array([side * flat * math.sin(azimuth), facing * flat * math.cos(azimuth), up])
    # along the great circle from the midline to the ring, and beyond it for 9 and 10
    angle = math.acos(float(midline @ ring))
    return (math.sin((1 - share) * angle) * midline + math.sin(share * angle) * ring) / math.sin(angle)


def spread(at: npt.NDArray[np.float64], centre: str, width: float) -> npt.NDArray[np.float64]:
    """Return (n,) how much of a source under `centre` reaches directions `at` (n, 3): 1 there, less afar."""
    distance = np.linalg.norm(at - position(centre), axis=1)
    gain: npt.NDArray[np.float64] = 0.06 + 0.94 * np.exp(-0.5 * (distance / width) ** 2)
    return gain

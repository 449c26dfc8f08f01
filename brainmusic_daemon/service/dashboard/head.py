"""An electrode's name in, its place on a head seen from above out; nothing is loaded for it.

The head is a circle of radius 1 with the nose up, as in the azimuthal equidistant drawings of the 10-20 system (Jasper
1958) and its 10-10 refinement: the circle goes through Fpz, T7, Oz and T8, one tenth of it from electrode to electrode.
"""

from __future__ import annotations

import math

from brainmusic_daemon.features.montage import label_of

# row → (y where it crosses the midline, angle from the nose where it meets the circle, degrees)
_ROWS = {
    "N": (1.25, 0.0), "FP": (1.0, 18.0), "AF": (0.75, 36.0), "F": (0.5, 54.0), "FC": (0.25, 72.0), "C": (0.0, 90.0),
    "CP": (-0.25, 108.0), "P": (-0.5, 126.0), "PO": (-0.75, 144.0), "O": (-1.0, 162.0), "I": (-1.25, 180.0),
}  # fmt: skip
_SIDES = {"FT": "FC", "T": "C", "TP": "CP"}  # the rows' ends have names of their own
_OLD = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_EARS = {"A": 1.18, "M": 1.18}
_SHARES = {1: 0.25, 3: 0.5, 5: 0.75, 7: 1.0, 9: 1.18}  # of the way from the midline to the circle


def position(channel: str) -> tuple[float, float] | None:
    """Return (x, y), x to the right and y to the nose; None for a name that is no place of the 10-10 system."""
    label = label_of(channel).upper()
    label = _OLD.get(label, label)
    letters = label.rstrip("0123456789Z")
    place = label[len(letters) :]
    if letters in _EARS and place in ("1", "2"):
        return (-1 if place == "1" else 1) * _EARS[letters], -0.22
    row = _SIDES.get(letters, letters)
    if row not in _ROWS or not place:
        return None
    middle, angle = _ROWS[row]
    if place == "Z":
        return 0.0, middle
    number = int(place)
    side, odd = (-1.0, number) if number % 2 else (1.0, number - 1)
    if row in ("FP", "O", "N", "I"):
        share = 1.0 if odd == 1 else _SHARES.get(odd, 0.0)
        return _on_circle(side, angle, max(1.0, abs(middle))) if share else None
    if odd not in _SHARES:
        return None
    x, y = _along(middle, angle, _SHARES[odd])
    return side * x, y


def _on_circle(side: float, angle: float, radius: float) -> tuple[float, float]:
    return side * radius * math.sin(math.radians(angle)), radius * math.cos(math.radians(angle))


def _along(middle: float, angle: float, share: float) -> tuple[float, float]:
    """Return the point of a row's arc (through the midline and both ends) at a share of its right half."""
    end_x, end_y = _on_circle(1.0, angle, 1.0)
    rise = end_y - middle
    if abs(rise) < 1e-9:
        return share * end_x, middle
    radius = (end_x**2 + rise**2) / (2 * rise)  # signed: the centre lies at (0, middle + radius)
    turn = math.asin(max(-1.0, min(1.0, end_x / abs(radius))))
    if abs(rise) > abs(radius):
        turn = math.pi - turn
    turn *= share
    return abs(radius) * math.sin(turn), middle + radius * (1 - math.cos(turn))

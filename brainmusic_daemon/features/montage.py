"""Channel names in, the groups of channels that are averaged out: all, regions, hemispheres."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError

REGIONS = ("frontal", "central", "temporal", "parietal", "occipital")
SIDES = ("left", "right", "midline")

# The letters of the 10-20 system and its 10-10 and 10-5 refinements (Oostenveld & Praamstra 2001), most specific first.
_LETTERS: Mapping[str, str] = {
    "FP": "frontal", "AFP": "frontal", "AFF": "frontal", "AF": "frontal", "FFT": "frontal", "FFC": "frontal",
    "FFTT": "temporal", "FTT": "temporal", "FT": "temporal", "TTP": "temporal", "TPP": "temporal", "TP": "temporal",
    "FCC": "central", "FC": "central", "CCP": "central", "CPP": "parietal", "CP": "parietal", "PPO": "parietal",
    "PO": "occipital", "POO": "occipital", "OI": "occipital", "F": "frontal", "C": "central", "T": "temporal",
    "P": "parietal", "O": "occipital", "I": "occipital", "N": "frontal",
}  # fmt: skip
_REFERENCES = ("colin27_1005", "standard_1005")  # mne's newer and older name of the 10-05 system
_NAME = re.compile(r"^(?:EEG[ _-]*)?([A-Z]{1,4}?)(Z|\d{1,2}H?)(?:[-_ ./].*)?$", re.IGNORECASE)

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Setup:
    """What features are prepared for: this headset, these bands, this tick."""

    channels: tuple[str, ...]
    samplerate: float  # Hz
    tick: float  # s
    bands: Mapping[str, tuple[float, float]]  # name → Hz
    pools: Mapping[str, Indices]  # name → channels that are averaged; none is empty
    n_named: int  # the first so many pools are features of their own: all channels, then the regions
    n_taps: int = 0  # length of the window, samples
    delays: Mapping[str, float] = field(default_factory=dict)  # band → analysis delay, s

    def band(self, name: str) -> int | None:
        """Return the column of a band, or None where the configuration has no such band."""
        return list(self.bands).index(name) if name in self.bands else None

    def pool(self, name: str) -> int | None:
        """Return the row of a pool (`frontal`, `frontal.left`, `left`), or None where no channel is in it."""
        return list(self.pools).index(name) if name in self.pools else None


def region_of(channel: str) -> str | None:
    """Return the region of a 10-20, 10-10 or 10-5 name (`Fc5.`, `EEG O1-REF`, `AF7`), None for any other name."""
    match = _NAME.match(channel.strip().rstrip("."))
    return _LETTERS.get(match[1].upper()) if match else None


def side_of(channel: str) -> str | None:
    """Return left (odd numbers), right (even) or midline (z) of a 10-20 name, None for any other name."""
    match = _NAME.match(channel.strip().rstrip("."))
    if not match or match[1].upper() not in _LETTERS:
        return None
    number = match[2].upper().rstrip("H")
    if number == "Z":
        return "midline"
    return "left" if int(number) % 2 else "right"


def label_of(channel: str) -> str:
    """Return the plain name in capitals (`EEG m1-REF` → `M1`), or the name as it is where it is no electrode's."""
    match = _NAME.match(channel.strip().rstrip("."))
    return f"{match[1]}{match[2]}".upper() if match else channel


def groups(
    channels: Sequence[str], montage: str = "", named: Mapping[str, Sequence[str]] | None = None
) -> dict[str, set[int]]:
    """Return word → channels: the regions, `left`, `right`, `midline`, `scalp` (any place on the head), `named` ones.

    By 10-20 names, by positions of an mne `montage`, and by the user's lists.  Raises ConfigError for a montage that
    mne does not know.
    """
    region, side = [region_of(name) for name in channels], [side_of(name) for name in channels]
    if montage:
        for index, (found_region, found_side) in enumerate(_by_position(channels, montage)):
            region[index], side[index] = found_region or region[index], found_side or side[index]
    found = {name: {i for i, of in enumerate(region) if of == name} for name in REGIONS}
    found |= {name: {i for i, of in enumerate(side) if of == name} for name in SIDES}
    found["scalp"] = {i for i, of in enumerate(region) if of}
    lowered = [name.lower() for name in channels]
    for name, members in (named or {}).items():
        found[name] = {lowered.index(member.lower()) for member in members if member.lower() in lowered}
    return found


def setup(
    channels: Sequence[str],
    samplerate: float,
    tick: float,
    bands: Mapping[str, tuple[float, float]],
    *,
    montage: str = "",
    named: Mapping[str, Sequence[str]] | None = None,
    leave_out: Collection[int] = (),
) -> Setup:
    """Sort channels into pools by their `groups`; those to `leave_out` (a reference) are in none."""
    listened = {*range(len(channels))}.difference(leave_out)
    every = {name: members & listened for name, members in groups(channels, montage, named).items()}
    sides = {name: every[name] for name in ("left", "right")}
    regions = {name: every[name] for name in (*REGIONS, *(named or {}))}
    named_pools = {"": listened, **{name: members for name, members in regions.items() if members}}
    halves = {f"{name}.{half}": members & sides[half] for name, members in regions.items() for half in sides}
    pools = named_pools | {name: members for name, members in (halves | sides).items() if members}
    return Setup(
        channels=tuple(channels),
        samplerate=samplerate,
        tick=tick,
        bands=dict(bands),
        pools={name: np.array(sorted(members), np.intp) for name, members in pools.items()},
        n_named=len(named_pools),
    )


def _by_position(channels: Sequence[str], montage: str) -> list[tuple[str | None, str | None]]:
    """Give each electrode of an mne montage the region and side of the nearest electrode of the 10-05 system."""
    import mne

    known = mne.channels.get_builtin_montages()
    if montage not in known:
        raise ConfigError(f"features.montage: mne has no montage '{montage}'; it has {', '.join(known)}")
    placed = mne.channels.make_standard_montage(montage).get_positions()["ch_pos"]
    name = next(name for name in _REFERENCES if name in known)
    reference = mne.channels.make_standard_montage(name).get_positions()["ch_pos"]
    names = [name for name in reference if region_of(name)]
    directions = _directions(np.array([reference[name] for name in names]))
    found: list[tuple[str | None, str | None]] = []
    for channel in channels:
        if channel in placed:
            nearest = names[int(np.argmax(directions @ _directions(placed[channel][None, :])[0]))]
            found.append((region_of(nearest), side_of(nearest)))
        else:
            found.append((None, None))
    return found


def _directions(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(positions / np.linalg.norm(positions, axis=1, keepdims=True))

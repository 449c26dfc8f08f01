"""What is known of a person with one headset in; what of it fits the headset in use out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, StreamInfo, Unfit
from brainmusic_daemon.features.kernels import Prior, Tabulated
from brainmusic_daemon.features.montage import Setup, setup

_SAME_PLACE = 0.5  # two sets of electrodes that share this part measure the same


@dataclass(frozen=True, slots=True)
class Ranges:
    """This person's own range of every feature; of its logarithm where `logarithmic`."""

    names: tuple[str, ...]
    logarithmic: npt.NDArray[np.bool_]  # (n,)
    middle: FloatArray  # (n,) what becomes 0.5
    spread: FloatArray  # (n, 2) below and above the middle
    reach: FloatArray  # (n, 2) the lowest and the highest level
    usual: FloatArray  # (n, n_conditions, 3) 10th, 50th and 90th percentile in each condition


@dataclass(frozen=True, slots=True)
class Ability:
    """What a person was found to be able to do with one control: `brainmusic agency`."""

    effect: float  # Cohen's d, raise against lower; negative: it goes the other way; nan: unknown
    low: float  # its simultaneous 95 % interval
    high: float
    auc: float  # chance that the control is higher while it is to be raised than while it is to be lowered
    difference: float  # of the control, in its unit
    chance: float  # that the cues had nothing to do with it, corrected for the number of controls
    trials: int  # raise and lower
    why_not: str = ""  # nothing can be said, and this is the reason
    made: date = field(default_factory=date.today)

    @classmethod
    def unknown(cls, trials: int, why_not: str) -> Ability:
        """Return that nothing can be said."""
        return cls(math.nan, math.nan, math.nan, math.nan, math.nan, 1.0, trials, why_not)

    def corrected(self, chance: float) -> Ability:
        """Return the same with the chance corrected."""
        return replace(self, chance=chance)

    @property
    def shown(self) -> bool:
        """Return whether the cues moved it, whichever way."""
        return not self.why_not and self.chance <= 0.05 and (self.low > 0 or self.high < 0)

    @property
    def verdict(self) -> str:
        """Return what it comes to, in plain words."""
        if self.why_not:
            return f"not known: {self.why_not}"
        if not self.shown:
            return "not shown"
        return "you can control it" if self.effect > 0 else "it moves the other way round: invert it"


@dataclass(frozen=True, slots=True)
class Profile:
    """One person with one headset."""

    name: str
    made: date
    source: str  # the headset or the recording, for people
    uid: str
    channels: tuple[str, ...]
    samplerate: float  # Hz
    usable: tuple[str, ...]  # channels with good contact
    reference: str  # the setting in use: another reference gives other ranges
    conditions: Mapping[str, float]  # open, closed, or whole → s of good signal
    alpha_hz: float | None  # individual alpha frequency; None: no clear peak
    confidence: float  # of it, 0..1
    bands: Mapping[str, tuple[float, float]]  # Hz, with the person's own alpha
    mains_hz: float | None  # 50 or 60; None: none seen
    noise_uv: float  # noise floor, µV/√Hz
    f: FloatArray = field(repr=False)  # (n,) Hz
    density: FloatArray = field(repr=False)  # (n,) µV²/Hz: median over time, geometric mean over good channels
    ranges: Ranges = field(repr=False)
    agency: Mapping[str, Ability] = field(default_factory=dict)  # control → what the person can do with it

    @property
    def prior(self) -> Tabulated:
        """Return the spectrum that this person's kernels are designed by."""
        return Tabulated(self.f, self.density, Prior() if self.mains_hz is None else Prior(mains_hz=(self.mains_hz,)))

    @property
    def day(self) -> str:
        """Return the day of the calibration as people say it."""
        year = "" if self.made.year == date.today().year else f" {self.made.year}"
        return f"{self.made.day} {self.made:%B}{year}"


@dataclass(frozen=True, slots=True)
class Fit:
    """What of a profile holds for the headset in use."""

    at: npt.NDArray[np.intp]  # (k,) features that start from a known range
    of: npt.NDArray[np.intp]  # (k,) where that is in the profile's ranges
    remarks: tuple[str, ...]  # what differs, for people


def compare(profile: Profile, info: StreamInfo, reference: str) -> tuple[str, ...]:
    """Return what differs from the headset of the calibration.  Raises Unfit where nothing is the same."""
    now, then = {name.casefold() for name in info.channels}, {name.casefold() for name in profile.channels}
    calibrated = f"profile '{profile.name}' ({profile.source}, {profile.day})"
    if not now & then:
        raise Unfit(
            f"{calibrated} knows the channels {_some(profile.channels)}, and this headset has {_some(info.channels)}: "
            f"none is the same. Calibrate with this headset (brainmusic calibrate {profile.name}2), or go without: "
            "--set session.profile="
        )
    remarks = []
    missing = [name for name in profile.channels if name.casefold() not in now]
    new = [name for name in info.channels if name.casefold() not in then]
    if missing:
        remarks.append(f"channels of the calibration that are not here: {_some(missing)}")
    if new:
        remarks.append(f"channels that were not calibrated, and learn as they go: {_some(new)}")
    if abs(info.samplerate / profile.samplerate - 1) > 0.02:
        remarks.append(f"{info.samplerate:g} Hz, and {profile.samplerate:g} Hz then")
    if reference != profile.reference:
        remarks.append(f"features.reference is {reference}, and was {profile.reference}: its ranges are not used")
    return tuple(f"{calibrated}: {remark}" for remark in remarks)


def fit(profile: Profile, info: StreamInfo, now: Setup, features: tuple[str, ...], reference: str) -> Fit:
    """Return what of a profile holds for `features` (n,) of the headset `info` with the pools and bands of `now`.

    A place keeps its range where most of its electrodes are the same, a channel where it was usable, and both where
    the band has the same edges.  Raises Unfit where no channel is the same.
    """
    remarks = compare(profile, info, reference)
    if reference != profile.reference:
        return Fit(np.zeros(0, np.intp), np.zeros(0, np.intp), remarks)
    then = setup(profile.usable, profile.samplerate, now.tick, profile.bands)
    known_at = {name: i for i, name in enumerate(profile.ranges.names)}
    usable = {name.casefold(): name for name in profile.usable}
    pairs = []
    for i, name in enumerate(features):
        band, _, place = name.partition(".")
        channel = usable.get(place.casefold(), place)
        source = known_at.get(name, known_at.get(f"{band}.{channel}"))
        if source is None:
            continue
        if band in now.bands:
            same = now.bands[band] == then.bands.get(band) and (place in now.pools or channel in usable.values())
            pool = place if place in now.pools else None
        else:
            same, pool = all(then.bands.get(name) == edges for name, edges in now.bands.items()), ""
        if same and (pool is None or _overlap(now, then, pool) >= _SAME_PLACE):
            pairs.append((i, source))
    at, of = np.array(pairs, np.intp).reshape(-1, 2).T
    return Fit(at, of, remarks)


def _overlap(now: Setup, then: Setup, pool: str) -> float:
    """Return the share of a pool's electrodes that are the same in both set-ups, 0..1.

    A region that the configuration names or a montage places is judged by all electrodes.
    """
    pool = pool if pool in then.pools else ""
    ours, theirs = ({s.channels[i].casefold() for i in s.pools.get(pool, ())} for s in (now, then))
    return len(ours & theirs) / max(len(ours | theirs), 1)


def _some(names: object, most: int = 12) -> str:
    words = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")

"""Channel names, kinds and units as devices and files write them, in; tidy names and factors to microvolts, out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from brainmusic_daemon.api import FloatArray, Unfit

_ELECTRODE = re.compile(
    r"(?i)^(afp|fp|af|aff|f|ffc|fft|fc|ft|fcc|ftt|c|t|ccp|ttp|cp|tp|cpp|tpp|p|ppo|po|poo|o|oi|i|n|a|m|cb)(z|\d{1,2})(h?)$"
)
_PREFIX = re.compile(r"(?i)^eeg[\s:_-]+(?=\S)")
_SUFFIX = re.compile(r"(?i)[\s:_-]+(ref|le|re|ar|avg|cle|org)$")
_OTHER = re.compile(
    r"(?i)^(ecg|ekg|[vhlr]{0,2}eog|emg|chin|resp|airflow|snore|spo2|sao2|pleth|ppg|bvp|pulse|gsr|eda|temp|"
    r"status|sti\b|sti ?\d|stim|trig|annotation|edf annotation|marker|event|acc|gyro?|mag\b|aux|ext\b|photic|"
    r"timestamp|counter|battery|sample ?index|packet)|\baux\b|(?<=[a-z])eog$"
)
_KINDS = (
    "acc accel accelerometer gyro gyroscope mag magnetometer imu ppg aux auxiliary trig trigger triggers stim stimulus "
    "marker markers event events ecg ekg eog emg resp respiration gsr eda temp temperature battery counter timestamp "
    "orientation position quality impedance nirs fnirs status digital"
)
_OTHER_KINDS = frozenset(_KINDS.split())
_FACTORS = {
    **dict.fromkeys(("v", "volt", "volts"), 1e6),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1e3),
    **dict.fromkeys(("uv", "µv", "μv", "microvolt", "microvolts", "micro volts", "muv", "mcv"), 1.0),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-3),
}


def tidy(name: str) -> str:
    """Return a channel name without padding, `EEG` and reference marks; 10-20 names in their usual capitals.

    `Fc5.` → `FC5`, `EEG FP1-REF` → `Fp1`, `CZ` → `Cz`; a name that is no electrode's keeps its letters.
    """
    plain = _PREFIX.sub("", name.strip().strip(".").strip())
    bare = _SUFFIX.sub("", plain)
    match = _ELECTRODE.match(bare)
    if not match:
        return plain or name.strip()
    region, place, half = match.groups()
    region = region.upper().replace("FP", "Fp")
    return f"{region}{place.lower()}{half.lower()}"


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in order, those that repeat or are empty made distinct: `EEG`, `EEG-2`, …, `Ch3`."""
    taken: set[str] = set()
    made = []
    for position, name in enumerate(names, 1):
        base = candidate = name or f"Ch{position}"
        count = 1
        while candidate in taken:
            count += 1
            candidate = f"{base}-{count}"
        taken.add(candidate)
        made.append(candidate)
    return tuple(made)


def renamed(channels: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    """Return the user's `names` in place of the device's; raises Unfit when their number differs."""
    if not names:
        return channels
    if len(names) != len(channels):
        raise Unfit(f"`names` holds {len(names)} names for {len(channels)} channels ({', '.join(channels)})")
    return unique([tidy(name) for name in names])


def is_electrode(name: str) -> bool:
    """Tell whether a tidied name is one of the 10-5 system."""
    return _ELECTRODE.match(name) is not None


def is_other(name: str) -> bool:
    """Tell whether a name says that the channel is no EEG: ECG, Resp, Status …"""
    return _OTHER.search(name.strip()) is not None and not is_electrode(tidy(name))


def eeg_columns(names: Sequence[str], kinds: Sequence[str] = ()) -> list[int]:
    """Return which channels are EEG, by the stated kinds and then by the names; all of them when none would be left."""
    columns = [i for i in range(len(names)) if not (i < len(kinds) and kinds[i].strip().lower() in _OTHER_KINDS)]
    columns = columns or [*range(len(names))]
    named = [i for i in columns if not _OTHER.search(names[i].strip())]
    if any(is_electrode(tidy(names[i])) for i in named):  # BioSemi's EXG1–8 sit beside the scalp, not on it
        named = [i for i in named if not re.match(r"(?i)^exg ?\d$", names[i].strip())]
    return named or columns


def microvolts(unit: str | None) -> float | None:
    """Return the factor from a stated unit to µV; None where the unit says nothing about volts."""
    return _FACTORS.get((unit or "").strip().lower().replace("\u00b5", "µ").replace("\u03bc", "µ"))


def scale(samples: FloatArray, stated: bool) -> tuple[float, str]:
    """Return the factor that brings samples (n_samples, n_channels), said to be in µV, to µV, and what was found.

    Nothing on a head is smaller than a nanovolt or larger than a volt: such data are volts under another name, whether
    the unit was `stated` or not.  Flat channels are not looked at.
    """
    head = samples[:20_000]
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(head), head, np.nan)
        steps = np.abs(np.diff(finite, axis=0))
        usable = np.isfinite(steps).any(axis=0)
        spread = np.array([np.nanmedian(column) for column in steps[:, usable].T]) if steps.size else np.zeros(0)
        if spread.size and not (spread > 0).any():  # long plateaus: the median step is 0
            spread = np.array([np.nanstd(column) for column in finite[:, usable].T])
    spread = spread[spread > 0]
    said = "says µV" if stated else "states no unit, µV assumed"
    if spread.size == 0:
        return 1.0, "" if stated else said
    typical = float(np.median(spread))
    if typical < 1e-3:
        return 1e6, f"the file or stream {said}, but the values ({typical:.1g}) are volts: multiplied by 1,000,000"
    if typical > 1e6:
        return 1e-6, f"the file or stream {said}, but the values ({typical:.1g}) are too large: divided by 1,000,000"
    return 1.0, "" if stated else said

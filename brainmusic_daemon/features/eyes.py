"""Channel names in, where blinks and glances show most and how far they spread, before any was seen, out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.features.kernels import ComplexArray
from brainmusic_daemon.features.montage import Indices, Setup

# How much of a blink reaches a row of the 10-20 system, the row just above the eyes being 1: it halves about every
# 10 % of the way from nasion to inion (for maps see Lins et al. 1993).  A person's own is learned.
_DOWN: Mapping[str, float] = {
    "N": 1.2, "FP": 1.0, "AFP": 0.85, "AF": 0.7, "AFF": 0.5, "F": 0.38, "FFC": 0.27, "FFT": 0.27, "FC": 0.2, "FT": 0.2,
    "FCC": 0.15, "FTT": 0.12, "C": 0.12, "T": 0.1, "CCP": 0.08, "TTP": 0.07, "CP": 0.07, "TP": 0.05, "CPP": 0.06,
    "TPP": 0.04, "P": 0.05, "PPO": 0.04, "PO": 0.04, "O": 0.03, "OI": 0.03, "I": 0.03, "A": 0.02, "M": 0.02,
}  # fmt: skip
# How much of a glance to the side does, in front of the ears: most beside the eyes, nothing on the midline.
_ASIDE: Mapping[str, float] = {"FP": 0.5, "AF": 0.6, "F": 0.6, "FT": 0.35, "FC": 0.25, "T": 0.15, "C": 0.1}
_BY_REGION: Mapping[str, float] = {
    "frontal": 0.6, "central": 0.12, "temporal": 0.1, "parietal": 0.05, "occipital": 0.03
}  # fmt: skip
_NAME = re.compile(r"^(?:EEG[ _-]*)?([A-Z]{1,4}?)(Z|\d{1,2})H?(?:[-_ ./].*)?$", re.IGNORECASE)
_LEAST = 0.3  # of a blink: a row further back tells it from nothing else
_MOST_MEMBERS = 12


@dataclass(frozen=True, slots=True)
class Eyes:
    """Two movements of the eyes, as far as these electrodes can see them: row 0 blinks, row 1 glances aside."""

    reference: FloatArray  # (2, n_channels): weights whose sum over the channels is the movement in µV; 0s: not seen
    spread: FloatArray  # (2, n_channels): µV at a channel per µV of the reference, to be expected
    members: Indices  # (n_members,): few channels, the foremost first, that tell eyes from brain


def eyes(setup: Setup) -> Eyes:
    """Return what to expect of a headset: from 10-20 names, or from the regions of its channels."""
    n = len(setup.channels)
    spread, reference = np.zeros((2, n)), np.zeros((2, n))
    for region, amount in _BY_REGION.items():
        if region in setup.pools:
            spread[0, setup.pools[region]] = amount
    for c, channel in enumerate(setup.channels):
        match = _NAME.match(channel.strip().rstrip("."))
        row = match[1].upper() if match else ""
        if match is None or row not in _DOWN:
            continue
        spread[0, c] = _DOWN[row]
        if match[2].upper() != "Z":
            number = int(match[2])
            lateral = min(((number + 1) // 2 + (row == "FP")) / 4, 1.0)  # 1 2: near the midline, 7 8: beside the eyes
            spread[1, c] = (-1 if number % 2 else 1) * _ASIDE.get(row, 0.03) * lateral / 0.6
    foremost = spread[0].max(initial=0.0)
    if foremost >= _LEAST:
        front = spread[0] >= 0.99 * foremost
        reference[0, front] = 1 / front.sum()
        spread[0] /= foremost
    else:
        spread[0] = 0.0
    sides = [sign * spread[1] for sign in (-1, 1)]
    if foremost >= _LEAST and min(side.max(initial=0.0) for side in sides) >= _LEAST:
        for sign, side in zip((-1, 1), sides, strict=True):
            outermost = side >= 0.99 * side.max()
            reference[1, outermost] = sign / (2 * outermost.sum())
        spread[1] /= np.abs(spread[1]).max()
    else:
        spread[1] = 0.0
    return Eyes(reference, spread, _members(setup, spread, reference))


def _members(setup: Setup, spread: FloatArray, reference: FloatArray) -> Indices:
    """Choose the channels: those of the references, then of every region in turn, the foremost first."""
    chosen = [int(c) for c in np.flatnonzero(reference.any(axis=0))[: _MOST_MEMBERS - 2]]
    order = np.argsort(-np.abs(spread).max(axis=0), kind="stable")
    regions = [
        [int(c) for c in order if c in set(setup.pools[region].tolist())]
        for region in _BY_REGION
        if region in setup.pools
    ]
    regions.append([int(c) for c in order])
    while len(chosen) < min(_MOST_MEMBERS, len(setup.channels)):
        for region in regions:
            free = [c for c in region if c not in chosen]
            if free and len(chosen) < _MOST_MEMBERS:
                chosen.append(free[len(free) // 2])
    return np.array(chosen, np.intp)


def movement_powers(setup: Setup, kernels: ComplexArray) -> FloatArray:
    """Return |z|² (2, n_ticks, n_bands) of a blink and of a glance of 1 µV, by ticks since they could be noticed.

    The most that blinks of usual lengths give near that tick: it says how much to distrust, not what to subtract.
    """
    fs, n_taps = setup.samplerate, len(kernels)
    window_s = n_taps / fs
    n_ticks = math.ceil((window_s + 0.6) / setup.tick)
    t = np.arange(-n_taps, round((window_s + 0.8) * fs)) / fs
    shapes = [(0, np.where((t > 0) & (t < width), np.sin(np.pi * t / width) ** 2, 0.0)) for width in (0.2, 0.3, 0.45)]
    shapes.append((1, np.clip(t / 0.04, 0, 1)))
    powers = np.zeros((2, n_ticks, kernels.shape[1]))
    for which, shape in shapes:
        z = np.column_stack([np.convolve(shape, kernel[::-1])[: len(t)] for kernel in kernels.T])
        for late in (-1, 0, 1, 2):  # noticed 40 to 100 ms after it began
            after_s = 0.06 + (np.arange(n_ticks) + late) * setup.tick
            at = np.minimum(n_taps + np.round(after_s * fs).astype(int), len(t) - 1)
            powers[which] = np.maximum(powers[which], np.abs(z[at]) ** 2)
    return powers

"""Artifacts of known size, to be added to clean signals: blinks, glances, jaw clenches, cable pops."""

from __future__ import annotations

import re

import numpy as np

from brainmusic_daemon.acquisition.scalp import position
from tests.signals import Samples, pink

# shares that are not those that the program expects before it has seen a blink
DOWN = {
    "FP": 1.0, "AF": 0.8, "F": 0.45, "FT": 0.25, "FC": 0.22, "C": 0.11, "T": 0.12, "CP": 0.06, "TP": 0.06, "P": 0.04,
    "PO": 0.03, "O": 0.03, "I": 0.03,
}  # fmt: skip
CLENCH = {
    "T": 1.0, "FT": 0.9, "TP": 0.7, "FP": 0.6, "AF": 0.6, "F": 0.5, "FC": 0.25, "P": 0.25, "PO": 0.2, "O": 0.2,
    "I": 0.2, "CP": 0.15, "C": 0.1,
}  # fmt: skip


def _row_and_number(channel: str) -> tuple[str, int]:
    match = re.match(r"([A-Za-z]+?)([Zz]|\d+)\.*$", channel)
    assert match is not None, channel
    return match[1].upper(), 0 if match[2] in "zZ" else int(match[2])


def known(channel: str) -> bool:
    """Return whether a channel has a place in the tables above."""
    match = re.match(r"([A-Za-z]+?)([Zz]|\d+)$", channel)
    return match is not None and match[1].upper() in DOWN.keys() & CLENCH.keys()


def blink(
    n: int,
    channels: tuple[str, ...],
    samplerate: float,
    at_s: float,
    peak_uv: float = 150.0,
    width_s: float = 0.3,
    foremost: float | None = None,
) -> Samples:
    """Return (n, n_channels) µV of a blink with its peak near `at_s`: up in 40 % of its width, down in the rest.

    `foremost`: share that the foremost channel gets; by default that of its row, so Fp gets `peak_uv`.
    """
    t = (np.arange(n) / samplerate - at_s) / width_s
    up, down = np.cos(np.pi * np.clip(t / 0.8, -0.5, 0)) ** 2, np.cos(np.pi * np.clip(t / 1.2, 0, 0.5)) ** 2
    shape = np.where(t < 0, up, down)
    # the lid's upper end leaves a small tail of the other sign
    shape -= 0.12 * np.exp(-(((t - 1.0) / 0.4) ** 2))
    gain = np.array([DOWN[_row_and_number(channel)[0]] for channel in channels])
    if foremost is not None:
        gain = gain / gain.max() * foremost
    return peak_uv * shape[:, None] * gain


def glance(n: int, channels: tuple[str, ...], samplerate: float, at_s: float, step_uv: float = 60.0) -> Samples:
    """Return (n, n_channels) µV of a look to the right for 0.8 s and back: opposite steps beside the two eyes."""
    t = np.arange(n) / samplerate - at_s
    shape = np.clip(t / 0.04, 0, 1) - np.clip((t - 0.8) / 0.04, 0, 1)
    gain = []
    for row, number in map(_row_and_number, channels):
        lateral = 0.0 if number == 0 else min((number + 1) // 2 + (row == "FP"), 4) / 4
        front = {"FP": 0.9, "AF": 1.0, "F": 1.0, "FT": 0.6, "FC": 0.4, "T": 0.25, "C": 0.12}.get(row, 0.03)
        gain.append((1 if number % 2 == 0 else -1) * lateral * front)
    return step_uv * shape[:, None] * np.array(gain)


def clench(
    n: int,
    channels: tuple[str, ...],
    samplerate: float,
    at_s: float,
    rms_uv: float = 60.0,
    length_s: float = 0.8,
    seed: int = 0,
) -> Samples:
    """Return (n, n_channels) µV of a jaw clench that begins at `at_s`: noise of 20 to 200 Hz, loudest at the temples.

    `rms_uv` is that of the whole 20–200 Hz; a slower recording's own filter takes what lies above its band away.
    """
    rate = max(1000.0, samplerate)
    factor = int(np.ceil(rate / samplerate))
    fine = samplerate * factor
    noise = np.random.default_rng(seed).standard_normal((n * factor, len(channels)))
    spectrum = np.fft.rfft(noise, axis=0)
    f = np.fft.rfftfreq(n * factor, 1 / fine)
    spectrum[(f < 20) | (f > 200)] = 0
    noise = np.fft.irfft(spectrum, n * factor, axis=0)
    scale = rms_uv / noise.std(axis=0)
    spectrum[f > 0.45 * samplerate] = 0
    noise = (np.fft.irfft(spectrum, n * factor, axis=0) * scale)[::factor]
    t = np.arange(n) / samplerate - at_s
    envelope = np.clip(t / 0.06, 0, 1) * np.clip((length_s - t) / 0.1, 0, 1)
    gain = np.array([CLENCH[_row_and_number(channel)[0]] for channel in channels])
    return np.asarray(noise * envelope[:, None] * gain)


def pop(n: int, n_channels: int, samplerate: float, at_s: float, channel: int, size_uv: float = 2000.0) -> Samples:
    """Return (n, n_channels) µV of a cable that is touched: one channel jumps and creeps back within some 300 ms."""
    t = np.arange(n) / samplerate - at_s
    x = np.zeros((n, n_channels))
    x[:, channel] = np.where(t >= 0, size_uv * np.exp(-np.maximum(t, 0) / 0.1), 0.0)
    return x


def eeg(n: int, channels: tuple[str, ...], samplerate: float, seed: int = 0, alpha_uv: float = 12.0) -> Samples:
    """Return (n, n_channels) µV: forty sources of 1/f noise all over the head, waxing alpha in its back, some noise."""
    rng = np.random.default_rng(seed)
    at = np.array([position(channel) for channel in channels])
    where = rng.standard_normal((40, 3))
    where[:, 2] = np.abs(where[:, 2])
    where /= np.linalg.norm(where, axis=1)[:, None]
    reach = np.exp(-0.5 * (np.linalg.norm(at[:, None] - where, axis=2) / 0.5) ** 2)
    x = pink(n, 40, samplerate, seed) @ reach.T
    x *= 10.0 / x.std()
    f = np.fft.rfftfreq(n, 1 / samplerate)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * np.exp(-0.5 * ((f - 10.5) / 0.7) ** 2)
    alpha = np.fft.irfft(spectrum, n)
    back = np.exp(-0.5 * (np.linalg.norm(at - position("Oz"), axis=1) / 0.7) ** 2)
    x += alpha_uv * (alpha / alpha.std())[:, None] * back
    return np.asarray(x + rng.standard_normal(x.shape))

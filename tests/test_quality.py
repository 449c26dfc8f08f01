"""Contact is judged as a technician would, and the music reacts to it with patience."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.api import State
from tests.signals import feature_bank, pink, play, sine

FS = 250.0
N = int(6 * FS)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda x: np.zeros_like(x), "flat"),
        (lambda x: x + 187_500.0, "railed"),
        (lambda x: x - 187_500.0, "railed"),
        (lambda x: 40 * x, "noisy"),
        (lambda x: x + sine(N, FS, 50.0, 700.0), "loose"),
        (lambda x: x + sine(N, FS, 60.0, 700.0), "loose"),
    ],
)
def test_each_fault_is_seen_and_named(fault, reason: str) -> None:
    x = pink(N, 8, FS, rms_uv=8.0)
    x[:, 3] = fault(x[:, 3])
    bank = feature_bank()
    row = play(bank, x, FS)[-1]
    assert getattr(bank.quality, reason)[3]
    assert row.quality[3] < 0.5
    assert (np.delete(row.quality, 3) > 0.9).all()
    assert row.state is not State.HELD


def test_drift_and_a_large_offset_are_no_fault() -> None:
    x = pink(N, 8, FS, rms_uv=8.0)
    x[:, 3] += 61_000.0 + 0.4 * np.arange(N)
    row = play(feature_bank(), x, FS)[-1]
    assert row.quality[3] > 0.9


def test_the_mains_of_an_ordinary_room_are_no_fault() -> None:
    """A Cyton without a notch filter shows some hundred µV of mains: the kernels are deaf to it."""
    clean = pink(N, 8, FS, rms_uv=8.0)
    humming = play(feature_bank(), clean + sine(N, FS, 60.0, 200.0)[:, None], FS)
    assert (humming[-1].quality > 0.9).all()
    for band in ("alpha", "beta"):
        alone = np.mean([row[f"raw.{band}"] for row in play(feature_bank(), clean, FS)])
        assert np.mean([row[f"raw.{band}"] for row in humming]) == pytest.approx(alone, rel=0.1)


def test_a_channel_leaves_and_returns_without_a_step() -> None:
    x = pink(int(12 * FS), 8, FS, rms_uv=8.0)
    x[1000:1750, 5] = 0.0
    bank = feature_bank()
    weights = []
    for end in range(250, len(x), 5):
        play(bank, x[end - 250 : end], FS)
        weights.append(bank.quality.weights[5])
    assert min(weights) < 0.1
    assert weights[-1] > 0.9
    assert np.abs(np.diff(weights)).max() < 0.2

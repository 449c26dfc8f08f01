"""Contact is judged as a technician would, and the music reacts to it with patience."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brainmusic_daemon.api import State
from tests import artifacts
from tests.signals import CYTON, feature_bank, pink, play, sine, window

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
    also = ("moved", "loose") if reason == "noisy" else ()  # noise as loud as this drifts, and reaches the mains, too
    assert list(bank.faults()) == ["C4"]
    assert bank.faults()["C4"] in (reason, *also)
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


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda x: np.clip(3 * x, -12.0, 12.0), "saturated"),
        (lambda x: x + sine(N, FS, 50.0, 150.0), "loose"),  # far from noise by itself, but no other electrode hums
        (lambda x: x + np.where(np.arange(N) > N - 60, 900.0, 0.0), "popped"),
        (lambda x: x + 900.0 * np.clip((np.arange(N) - N + 60) / 50, 0, 1), "moved"),
    ],
)
def test_each_fault_among_good_channels_has_its_word(fault, reason: str) -> None:
    x = pink(N, 8, FS, rms_uv=8.0)
    x[:, 3] = fault(x[:, 3])
    bank = feature_bank()
    ends = [*range(250, N - 60, 250), *range(N - 60, N + 1, 5)]
    rows = [bank.update(end / FS, window(x, end, 250, FS), alive=True) for end in ends]
    assert bank.faults() == {"C4": reason}
    assert rows[-1].quality[3] < 0.5
    assert (np.delete(rows[-1].quality, 3) > 0.9).all()


def test_coarse_steps_of_a_good_signal_are_no_saturation() -> None:
    x = np.round(pink(N, 8, FS, rms_uv=8.0) / 0.5) * 0.5
    bank = feature_bank()
    play(bank, x, FS)
    assert bank.faults() == {}


def test_a_person_with_huge_alpha_is_not_noisy() -> None:
    x = artifacts.eeg(int(20 * FS), CYTON, FS, alpha_uv=90.0)
    bank = feature_bank()
    rows = play(bank, x, FS)
    assert bank.faults() == {}
    assert np.mean([row.quality.min() for row in rows]) > 0.9


def test_a_channel_of_nan_is_named_and_its_features_stay_what_they_were() -> None:
    x = pink(int(20 * FS), 8, FS)
    bank = feature_bank()
    last = play(bank, x, FS)[-1]
    nan = np.arange(8) == 6
    for end in range(250, 2000, 5):  # acquisition holds the last good value, and says so
        y = x.copy()
        y[:end, 6] = 3.0
        row = bank.update(99.0, replace(window(y, end, 250, FS), repaired=nan), alive=True)
    assert bank.faults() == {"O1": "nan"}
    assert row.quality[6] == 0
    assert 0.2 < row["raw.alpha.O1"] / last["raw.alpha.O1"] < 5


def test_20_seconds_of_zeros_are_a_state_and_no_numbers() -> None:
    x = artifacts.eeg(int(50 * FS), CYTON, FS)
    x[int(20 * FS) : int(40 * FS)] = 0.0
    rows = play(feature_bank(), x, FS)
    zeros = [row for row in rows if 20.5 < row.time < 40]
    assert {row.state for row in zeros} == {State.HELD, State.RESTING}
    assert all((row.quality == 0).all() for row in zeros)
    usual = np.mean([row["raw.alpha"] for row in rows if 10 < row.time < 20])
    assert all(0.05 * usual < row["raw.alpha"] < 20 * usual for row in zeros), (
        "nothing was measured: nothing may change"
    )
    assert rows[-1].state is State.GOOD


def test_a_window_that_fills_is_not_saturated() -> None:
    x = pink(1000, 8, FS)
    x[:200] = x[200]
    bank = feature_bank()
    row = bank.update(1.2, replace(window(x, 300, 250, FS), filled=100), alive=True)
    assert bank.faults() == {}
    assert (row.quality > 0.9).all()

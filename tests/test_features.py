"""Features on signals whose content is known."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.api import State
from tests.signals import CYTON, Sections, feature_bank, pink, play, sine, window

FS = 250.0
N = int(30 * FS)


def with_sine(hz: float, amplitude: float, channels: tuple[int, ...] = tuple(range(8))) -> np.ndarray:
    x = pink(N, 8, FS, rms_uv=4.0)
    x[:, channels] += sine(N, FS, hz, amplitude)[:, None]
    return x


@pytest.mark.parametrize(
    ("band", "hz", "tolerance"),
    [("alpha", 10.5, 0.15), ("beta", 20.0, 0.25), ("gamma", 37.0, 0.35), ("theta", 6.0, 0.4)],
)
def test_band_power_is_in_microvolts_squared(band: str, hz: float, tolerance: float) -> None:
    """A sine of 40 µV has a mean square of 800 µV²; the designed loss of a fast kernel is made up for on average."""
    rows = play(feature_bank(), with_sine(hz, 40.0), FS)
    power = np.mean([row[f"raw.{band}"] for row in rows])
    assert power == pytest.approx(800.0, rel=tolerance)


def test_power_is_found_where_it_is() -> None:
    rows = play(feature_bank(), with_sine(10.5, 40.0, (6, 7)), FS)
    mean = {name: np.mean([row[name] for row in rows]) for name in ("raw.alpha.occipital", "raw.alpha.frontal")}
    assert mean["raw.alpha.occipital"] > 20 * mean["raw.alpha.frontal"]
    assert np.mean([row["raw.alpha.O1"] for row in rows]) > 20 * np.mean([row["raw.alpha.C3"] for row in rows])


def test_an_offset_of_140_millivolts_changes_nothing_that_is_heard() -> None:
    x = with_sine(10.5, 20.0)
    clean = play(feature_bank(), x, FS)[-1]
    shifted = play(feature_bank(), x + 140_000.0, FS, offset=140_000.0)[-1]
    assert shifted["raw.alpha"] == pytest.approx(clean["raw.alpha"], rel=1e-3)


def test_every_normalised_feature_lies_between_0_and_1_and_uses_the_range() -> None:
    x = pink(int(90 * FS), 8, FS)
    rows = play(feature_bank(), x, FS)
    names = [name for name in rows[0].names if not name.startswith("raw.")]
    late = np.array([row.values[: len(names)] for row in rows[2500:]])
    assert (late > 0).all()
    assert (late < 1).all()
    low, high = np.percentile(late, [5, 95], axis=0)
    assert (high - low > 0.6).all(), dict(zip(names, high - low, strict=True))
    medians = np.median(late, axis=0)
    assert (np.abs(medians - 0.5) < 0.3).all()
    assert abs(medians.mean() - 0.5) < 0.15


def test_a_headset_without_names_still_has_bands() -> None:
    bank = feature_bank(("1", "2"))
    row = play(bank, pink(1000, 2, FS), FS)[-1]
    assert "alpha" in row
    assert "alpha.occipital" not in row
    assert "asymmetry" not in row
    assert "alpha.1" in row


def test_bands_above_nyquist_are_left_out() -> None:
    bank = feature_bank(CYTON, 64.0)
    assert "beta" in bank.index
    assert "gamma" not in bank.index or bank.setup.bands["gamma"][0] < 31


def test_one_channel_is_enough() -> None:
    row = play(feature_bank(("Cz",)), pink(1000, 1, FS), FS)[-1]
    assert row["raw.alpha"] == pytest.approx(row["raw.alpha.Cz"])


def test_a_bad_channel_leaves_the_averages() -> None:
    x = with_sine(10.5, 5.0)
    x[:, 6] += 3000 * np.random.default_rng(0).standard_normal(N)
    rows = play(feature_bank(), x, FS)
    assert rows[-1].quality[6] == 0
    assert rows[-1].quality[7] == 1
    assert rows[-1]["raw.alpha.occipital"] == pytest.approx(rows[-1]["raw.alpha.O2"], rel=1e-6)


def test_average_reference_removes_what_all_share() -> None:
    x = pink(N, 8, FS) + sine(N, FS, 10.5, 100.0)[:, None]
    plain = play(feature_bank(), x, FS)[-1]["raw.alpha"]
    referenced = play(feature_bank(sections=Sections(reference="average")), x, FS)[-1]["raw.alpha"]
    assert referenced < plain / 50


def test_without_samples_the_state_is_lost_and_the_values_stay() -> None:
    bank = feature_bank()
    x = pink(N, 8, FS)
    last = play(bank, x, FS)[-1]
    silent = bank.update(99.0, window(x, N, 250, FS), alive=False)
    assert silent.state is State.LOST
    assert (silent.values == last.values).all()
    assert (silent.quality == 0).all()

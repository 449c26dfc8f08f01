"""The adaptive range: any person, any scale, both states, and what must not move it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from brainmusic_daemon import config
from brainmusic_daemon.api import Clock, Frame, State, StreamInfo
from brainmusic_daemon.features.baseline import Baseline
from brainmusic_daemon.service.render import render
from tests import parts

TICK = 0.02
Array = npt.NDArray[np.float64]


def play(baseline: Baseline, raw: Array, learn: bool = True) -> Array:
    """Return the normalised features (n_ticks, n) of physical ones."""
    out = np.zeros_like(raw)
    for row, into in zip(raw, out, strict=True):
        baseline.update(row, TICK, learn, into)
    return out


def alpha(seconds: float, power: float, seed: int = 0) -> Array:
    """Return the power (n_ticks, 1) of a rhythm that waxes and wanes as a filtered noise does, µV²."""
    n = round(seconds / TICK)
    noise = np.random.default_rng(seed).standard_normal((n + 20, 2))
    smooth = np.apply_along_axis(lambda x: np.convolve(x, np.full(10, 10**-0.5), "valid")[:n], 0, noise)
    return np.asarray(power * np.square(smooth).mean(axis=1, keepdims=True))


def test_a_baseline_learns_any_scale_and_leaves_it_when_it_must_not_learn() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline(2, np.array([0.8, 0.8, 0.5]), 600.0)
    z = rng.standard_normal((4000, 3))
    late = play(baseline, np.column_stack([1e-3 * np.exp(0.3 * z[:, 0]), 1e5 * np.exp(2 * z[:, 1]), 5 + 0.1 * z[:, 2]]))
    late = late[2000:]
    assert (np.abs(np.median(late, axis=0) - 0.5) < 0.1).all()
    assert (np.percentile(late, 95, axis=0) - np.percentile(late, 5, axis=0) > 0.6).all()
    middle, spread = baseline.middle, baseline.spread
    out = play(baseline, np.full((1, 3), 1e9), learn=False)
    assert (baseline.middle == middle).all()
    assert (baseline.spread == spread).all()
    assert (out > 0.95).all()


def test_one_outlier_hardly_moves_the_range() -> None:
    baseline = Baseline(1, np.array([0.5]), 600.0)
    play(baseline, np.exp(0.5 * np.random.default_rng(0).standard_normal((1500, 1))))
    middle, spread = baseline.middle, baseline.spread
    play(baseline, np.array([[1e6]]))
    assert abs(baseline.middle - middle)[0] < 0.01
    assert (np.abs(baseline.spread / spread - 1) < 0.01).all()


def test_the_whole_range_is_reached_within_a_minute_and_nothing_is_clipped() -> None:
    for power in (0.01, 1.0, 1e4):
        out = play(Baseline(1, np.array([0.8]), 600.0), alpha(90, power))[3000:]
        low, high = np.percentile(out, [5, 95])
        assert high - low > 0.7
        assert ((out <= 0.01) | (out >= 0.99)).mean() < 0.001


def test_two_states_lie_on_both_sides_of_the_middle_once_both_were_seen() -> None:
    baseline = Baseline(1, np.array([0.8]), 600.0)
    play(baseline, np.vstack([alpha(60, 10.0), alpha(60, 80.0, 1)]))
    for power, side in ((10.0, -1), (80.0, 1)):
        means = play(baseline, alpha(60, power, 2)).reshape(-1, 100).mean(axis=1)  # over 2 s
        assert (side * (means - 0.5) > 0).mean() > 0.95


def test_five_minutes_in_one_state_do_not_make_it_the_new_usual() -> None:
    for power, low, high in ((10.0, 0.05, 0.45), (80.0, 0.55, 0.95)):
        baseline = Baseline(1, np.array([0.8]), 600.0)
        play(baseline, np.vstack([alpha(60, 10.0), alpha(60, 80.0, 1)]))
        out = play(baseline, alpha(300, power, 2))[-500:]
        assert low < out.mean() < high


def test_what_does_not_come_back_is_forgotten() -> None:
    baseline = Baseline(1, np.array([0.8]), 600.0)
    play(baseline, np.vstack([alpha(5, 1e4), alpha(55, 10.0)]))  # the first seconds: hands at the headset
    out = play(baseline, alpha(60, 10.0, 1))
    assert 0.25 < out.mean() < 0.6
    assert np.ptp(np.percentile(out, [5, 95])) > 0.6


def test_memory_is_the_setting_that_says_how_long_a_state_is_remembered() -> None:
    means = []
    for memory in (60.0, 600.0):
        baseline = Baseline(1, np.array([0.8]), memory)
        play(baseline, np.vstack([alpha(60, 10.0), alpha(60, 80.0, 1)]))
        means.append(play(baseline, alpha(300, 10.0, 2))[-500:].mean())
    assert means[0] > means[1] + 0.05


def test_a_seeded_baseline_is_at_home_from_the_first_tick() -> None:
    baseline = Baseline(1, np.array([0.8, 0.3]), 600.0)
    baseline.seed(np.array([0]), np.log([28.0]), spread=np.array([[1.5, 0.9]]), reach=np.log(np.array([[8.0, 65.0]])))
    assert np.allclose(baseline.middle[0], np.log(28.0))
    assert baseline.seconds > 60
    raw = np.array([[28.0, 3.0], [8.0, 3.1], [65.0, 2.9]])
    out = play(baseline, raw, learn=False)
    assert abs(out[0, 0] - 0.5) < 1e-9
    assert out[1, 0] < 0.25
    assert out[2, 0] > 0.75
    assert out[0, 1] == 0.5  # unknown to the profile: learned as ever


def test_the_same_input_gives_the_same_bits() -> None:
    raw = alpha(30, 10.0)
    assert (play(Baseline(1, np.array([0.8]), 600.0), raw) == play(Baseline(1, np.array([0.8]), 600.0), raw)).all()


class Kept:
    """An output that keeps the normalised features of ticks with a good signal, after the first minute."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.rows: list[Array] = []

    def open(self, clock: Clock, info: StreamInfo) -> None: ...

    def send(self, frame: Frame) -> None:
        features = frame.features
        if frame.time > 60 and features.state is State.GOOD:
            self.names = features.names[: len(features.names) // 2]
            self.rows.append(features.values[: len(self.names)])

    def close(self) -> None: ...

    def counters(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(
    "recording",
    [
        *(f"eyes_open_closed/S00{person}R0{run}.edf" for person in (1, 2) for run in (1, 2)),
        *(f"rest_vs_arithmetic/Subject{person}_{run}.edf" for person in ("03", "10") for run in (1, 2)),
        "openbci_text/gui_v6_blinks_jaw_alpha.txt",
    ],
)
def test_every_feature_of_every_person_uses_its_range_after_a_minute(recording: str) -> None:
    """Each recording is played twice over, as most are no longer than the minute."""
    source = {"kind": "recording", "path": str(parts.recordings() / recording), "loop": True}
    few = 'features.channels=["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P7", "P8", "P3", "P4", "O1", "O2"]'
    settings = config.load(None, [few] if "eyes" in recording else [], {"output": {}, "source": source})
    kept = Kept()
    render(settings, {"kept": kept}, seconds=180.0)
    rows = np.array(kept.rows)
    assert len(rows) > 4000
    low, high = np.percentile(rows, [5, 95], axis=0)
    narrow = {name: span for name, span in zip(kept.names, high - low, strict=True) if span < 0.6}
    assert not narrow
    assert ((rows <= 0.01) | (rows >= 0.99)).mean(axis=0).max() < 0.02

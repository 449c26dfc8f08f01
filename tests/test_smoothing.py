"""The smoother: exact for its tick, bounded in range and rate, and never anything but finite."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, CONTROLS
from brainmusic_daemon.mapping.smoothing import Smoother, Smoothing

PITCH, LOUDNESS = CONTROL["fundamental_frequency"], CONTROL["loudness"]


def one(setting: Smoothing, tick: float = 0.02) -> Smoother:
    return Smoother([PITCH], {PITCH.name: setting}, tick)


def run(smoother: Smoother, target: float, ticks: int) -> list[float]:
    return [smoother.step({PITCH.name: target})[PITCH.name] for _ in range(ticks)]


def test_starts_at_rest_and_returns_there() -> None:
    smoother = Smoother(CONTROLS, {}, 0.02)
    assert smoother.step({}) == {control.name: control.rest for control in CONTROLS}
    for _ in range(50):
        smoother.step({PITCH.name: 500.0})
    smoother.reset()
    assert smoother.step({})[PITCH.name] == PITCH.rest
    smoother.reset({PITCH.name: 9999.0})
    assert smoother.step({PITCH.name: 500.0})[PITCH.name] == 500.0


@pytest.mark.parametrize("tick", [0.002, 0.02, 0.05])
def test_time_constant_is_exact_whatever_the_tick(tick: float) -> None:
    smoother = one(Smoothing(time_s=0.2, slew=1e9), tick)
    value = run(smoother, 247.0, round(0.2 / tick))[-1]
    assert value == pytest.approx(147.0 + 100.0 * (1 - math.exp(-1)), abs=1e-9)


def test_zero_time_follows_at_once() -> None:
    assert run(one(Smoothing(time_s=0, slew=1e9)), 300.0, 1) == [300.0]


def test_slew_limits_the_change_per_second() -> None:
    values = run(one(Smoothing(time_s=0, slew=50.0)), 247.0, 150)
    steps = [b - a for a, b in zip([147.0, *values], values, strict=False)]
    assert max(steps) == pytest.approx(1.0) and values[49] == pytest.approx(197.0) and values[-1] == 247.0
    down = run(one(Smoothing(time_s=0, slew=50.0)), 100.0, 1)
    assert down == [pytest.approx(146.0)]


def test_slew_is_the_controls_own_by_default() -> None:
    assert run(one(Smoothing(time_s=0)), 500.0, 1)[0] == pytest.approx(147.0 + PITCH.slew * 0.02)


def test_dead_zone_ignores_small_changes_and_never_jumps() -> None:
    smoother = one(Smoothing(time_s=0, slew=1e9, dead_zone=5.0))
    assert run(smoother, 151.0, 3) == [147.0] * 3
    assert run(smoother, 160.0, 1) == [155.0]  # it trails by the zone, so that crossing its edge is no step
    assert run(smoother, 152.0, 1) == [155.0]
    assert run(smoother, 140.0, 1) == [145.0]


def test_freeze_keeps_the_value() -> None:
    assert run(one(Smoothing(freeze=True)), 500.0, 100) == [147.0] * 100


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_target_that_is_not_finite_leaves_the_last_in_force(bad: float) -> None:
    smoother = one(Smoothing(time_s=0.05))
    run(smoother, 200.0, 500)
    assert run(smoother, bad, 3) == pytest.approx([200.0] * 3)
    assert smoother.nonfinite == 3
    assert run(smoother, 220.0, 500)[-1] == pytest.approx(220.0)


def test_targets_beyond_the_range_are_clipped_and_not_wound_up() -> None:
    smoother = one(Smoothing(time_s=0, slew=1e9))
    assert run(smoother, 1e6, 2) == [500.0, 500.0]
    assert run(smoother, -1e6, 1) == [100.0]
    assert smoother.nonfinite == 0


def test_missing_target_glides_to_rest() -> None:
    smoother = one(Smoothing(time_s=0.05))
    run(smoother, 300.0, 200)
    for _ in range(500):
        values = smoother.step({})
    assert values[PITCH.name] == pytest.approx(147.0)


def test_the_result_belongs_to_the_caller() -> None:
    smoother = one(Smoothing(time_s=0, slew=1e9))
    first = smoother.step({PITCH.name: 200.0})
    first[PITCH.name] = -1.0
    assert smoother.step({PITCH.name: 200.0})[PITCH.name] == 200.0


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.floats() | st.floats(0, 600), max_size=40),
    st.floats(0, 2),
    st.floats(0.1, 5000),
    st.floats(0, 50),
    st.sampled_from([0.002, 0.02, 0.099]),
)
def test_never_out_of_range_and_never_faster_than_the_slew(
    targets: list[float], time_s: float, slew: float, dead: float, tick: float
) -> None:
    smoother = one(Smoothing(time_s, slew, dead), tick)
    last = PITCH.rest
    for target in targets:
        value = smoother.step({PITCH.name: target})[PITCH.name]
        assert PITCH.low <= value <= PITCH.high
        assert abs(value - last) <= slew * tick + 1e-9
        last = value


def test_the_same_targets_give_the_same_values() -> None:
    def play() -> list[dict[str, float]]:
        smoother = Smoother([PITCH, LOUDNESS], {"loudness": Smoothing(0.3)}, 0.02)
        return [smoother.step({"loudness": (n * 37 % 11) / 10, PITCH.name: 100 + n * 53 % 400}) for n in range(200)]

    assert play() == play()

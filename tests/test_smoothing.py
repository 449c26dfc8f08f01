"""The smoother: exact for its tick, bounded in range and rate, and never anything but finite."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, CONTROLS, latent
from brainmusic_daemon.mapping.smoothing import Kind, Smoother, Smoothing

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


# --- other ways to follow ---------------------------------------------------------------------------------------------

FAST = 1e9  # no slew limit to speak of


@pytest.mark.parametrize("tick", [0.002, 0.02, 0.05])
def test_critical_is_the_exact_answer_of_its_equation_whatever_the_tick(tick: float) -> None:
    values = run(one(Smoothing(0.4, FAST, kind="critical"), tick), 247.0, round(1.0 / tick))
    for t in (0.2, 0.4, 1.0):  # x'' = -2w x' - w² (x - 1), from rest
        w = 2 / 0.4
        wanted = 147.0 + 100.0 * (1 - (1 + w * t) * math.exp(-w * t))
        assert values[round(t / tick) - 1] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("kind", ["low-pass", "critical"])
def test_a_steady_movement_is_followed_by_the_time_that_is_set(kind: Kind) -> None:
    smoother, tick = one(Smoothing(0.3, FAST, kind=kind), 0.01), 0.01
    late = [20.0 * n * tick - (run(smoother, 147.0 + 20.0 * n * tick, 1)[0] - 147.0) for n in range(1, 500)][-1]
    assert late / 20.0 == pytest.approx(0.3, abs=tick)


@pytest.mark.parametrize("slew", [50.0, 400.0, FAST])
def test_critical_starts_gently_and_never_overshoots_a_target_at_rest(slew: float) -> None:
    values = [147.0, *run(one(Smoothing(0.2, slew, kind="critical")), 447.0, 600)]
    steps = [b - a for a, b in pairwise(values)]
    assert steps[0] < 0.1 * 300 and min(steps) >= -1e-9 and max(steps) <= slew * 0.02 + 1e-9
    assert max(values) <= 447.0 + 1e-9 and values[-1] == pytest.approx(447.0, abs=0.5)


def jitter(kind: Kind, targets: list[float], time_s: float = 0.5) -> float:
    smoother = one(Smoothing(time_s, FAST, kind=kind))
    smoother.reset({PITCH.name: targets[0]})
    values = [smoother.step({PITCH.name: target})[PITCH.name] for target in targets]
    return math.sqrt(sum((b - a) ** 2 for a, b in pairwise(values)))


def test_one_euro_is_calm_at_rest_and_quick_when_the_target_runs() -> None:
    trembling = [300.0 + 2.0 * math.sin(n * 2.1) for n in range(500)]
    assert jitter("one-euro", trembling) < 0.2 * jitter("low-pass", trembling, time_s=0.0)
    low_pass, one_euro = (one(Smoothing(0.5, FAST, kind=kind, agility=2.0)) for kind in ("low-pass", "one-euro"))
    running = [147.0 + 200.0 * n * 0.02 for n in range(80)]  # half of the range a second
    late = [
        running[-1] - [s.step({PITCH.name: target})[PITCH.name] for target in running][-1] for s in (low_pass, one_euro)
    ]
    assert late[1] < 0.5 * late[0]


def test_agility_zero_makes_one_euro_a_low_pass() -> None:
    targets = [100.0 + n * 53 % 400 for n in range(200)]
    a, b = one(Smoothing(0.3, kind="one-euro", agility=0.0)), one(Smoothing(0.3))
    for target in targets:
        assert run(a, target, 1) == pytest.approx(run(b, target, 1), abs=1e-9)


def test_one_euro_follows_alike_at_any_tick() -> None:
    ends = []
    for tick in (0.0025, 0.01):
        smoother = one(Smoothing(0.5, FAST, kind="one-euro"), tick)
        ends.append([run(smoother, 147.0 + 200.0 * n * tick, 1)[0] for n in range(1, round(1 / tick) + 1)][-1])
    assert ends[0] == pytest.approx(ends[1], abs=2.0)


@pytest.mark.parametrize("kind", ["low-pass", "critical", "one-euro"])
@pytest.mark.parametrize("time_s", [0.0, 0.1])
def test_acceleration_is_bounded_and_it_still_stops_in_time(kind: Kind, time_s: float) -> None:
    tick, most = 0.02, 500.0
    values = [147.0, 147.0, *run(one(Smoothing(time_s, 400.0, kind=kind, acceleration=most), tick), 447.0, 600)]
    rates = [(b - a) / tick for a, b in pairwise(values)]
    bends = [(b - a) / tick for a, b in pairwise(rates)]
    assert max(map(abs, bends)) <= most * (1 + 1e-6) and max(map(abs, rates)) <= 400.0 + 1e-6
    assert max(values) <= 447.0 + 1e-6 and values[-1] == pytest.approx(447.0, abs=0.5)
    assert max(rates) > 300.0  # it is a bound, no crawl


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60),
    st.sampled_from(["low-pass", "critical", "one-euro"]),
    st.floats(0.0, 5.0),
    st.floats(0.1, 5000.0),
    st.sampled_from([None, 0.5, 100.0, 1e5]),
    st.sampled_from([0.002, 0.02, 0.1]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_in_is_in_range_and_bounded_in_every_kind(
    targets: list[float], kind: Kind, time_s: float, slew: float, acceleration: float | None, tick: float
) -> None:
    smoother = one(Smoothing(time_s, slew, 1.0, kind=kind, acceleration=acceleration), tick)
    last = PITCH.rest
    for target in targets:
        value = smoother.step({PITCH.name: target})[PITCH.name]
        assert PITCH.low <= value <= PITCH.high
        assert abs(value - last) <= slew * tick + 1e-9
        last = value


@pytest.mark.parametrize("kind", ["low-pass", "critical", "one-euro"])
def test_freeze_holds_in_every_kind(kind: Kind) -> None:
    assert run(one(Smoothing(freeze=True, kind=kind, acceleration=10.0)), 500.0, 50) == [147.0] * 50


KINDS: list[Kind] = ["low-pass", "critical", "one-euro"]


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_another_smoother_takes_over_without_a_jump(before: Kind, after: Kind) -> None:
    old = Smoother([PITCH, LOUDNESS], {PITCH.name: Smoothing(0.3, kind=before)}, 0.02)
    moving = [old.step({PITCH.name: 400.0, "loudness": 0.9})[PITCH.name] for _ in range(8)]
    new = Smoother([CONTROL["tempo"], PITCH], {PITCH.name: Smoothing(0.3, kind=after)}, 0.02, state_of=old)
    assert new.velocity(PITCH.name) == pytest.approx(old.velocity(PITCH.name))
    going_on = new.step({PITCH.name: 400.0, "tempo": 100.0})
    step = moving[-1] - moving[-2]
    assert step > 0.5 and 0.2 * step < going_on[PITCH.name] - moving[-1] < 3.0 * step
    assert going_on["tempo"] < 61.0  # from rest, as it was not there before


def test_taking_over_into_the_same_settings_changes_nothing_at_all() -> None:
    for kind in KINDS:
        setting = {PITCH.name: Smoothing(0.3, 300.0, 1.0, kind=kind)}
        kept, old = (Smoother([PITCH], setting, 0.02) for _ in range(2))
        for n in range(40):
            target = {PITCH.name: 100.0 + n * 53 % 400}
            if n % 7 == 3:
                old = Smoother([PITCH], setting, 0.02, state_of=old)
            assert kept.step(target) == old.step(target)


def test_what_is_taken_over_is_clipped_to_the_new_range() -> None:
    old = Smoother([latent(0, -3.0, 3.0, 100.0)], {"latent.0": Smoothing(0.0)}, 0.02)
    for _ in range(20):
        old.step({"latent.0": 3.0})
    new = Smoother([latent(0, -1.0, 1.0)], {"latent.0": Smoothing(0.0)}, 0.02, state_of=old)
    assert new.step({"latent.0": 3.0}) == {"latent.0": 1.0}

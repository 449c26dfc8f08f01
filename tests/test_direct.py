"""The direct mapper: which way things move, over which ranges, and what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, Features, Mapper, State
from brainmusic_daemon.mapping.direct import Direct
from brainmusic_daemon.mapping.route import DEFAULTS, check
from brainmusic_daemon.registry import SettingErrors, build

NAMES = (
    *("delta", "theta", "alpha", "beta", "gamma", "alpha.occipital", "alpha.Fp1-M1", "engagement", "activation"),
    *("theta_alpha", "asymmetry", "connectivity", "raw.iaf"),
)


def features(names: tuple[str, ...] = NAMES, **given: float) -> Features:
    index = {name: place for place, name in enumerate(names)}
    values = np.full(len(names), 0.5)
    for name, value in given.items():
        values[index[name.replace("__", ".")]] = value
    return Features(0.0, 0.0, names, values, index, (), np.zeros(0), State.GOOD)


def direct(names: tuple[str, ...] = NAMES, **routes: Mapping[str, Any]) -> Direct:
    mapper = Direct(routes=check({name.replace("z_", "z."): table for name, table in routes.items()}))
    mapper.prepare(names, 0.02)
    return mapper


def target(table: Mapping[str, Any], value: float, control: str = "reverb") -> float:
    return direct(**{control: {"from": "alpha", **table}}).map(features(alpha=value))[control]


def problems(routes: Any) -> dict[str, str]:
    with pytest.raises(SettingErrors) as caught:
        build("mapper", "direct", {"routes": routes}, "mapper")
    return dict(caught.value.problems)


def test_is_a_mapper_with_the_default_wiring() -> None:
    mapper = build("mapper", "direct", {}, "mapper")
    assert isinstance(mapper, Mapper)
    assert [control.name for control in mapper.controls] == list(DEFAULTS) == [*mapper.routes]
    mapper.prepare(NAMES, 0.02)
    assert not mapper.unresolved
    assert not any(name.startswith("z.") for name in mapper.map(features()))


def test_closed_eyes_sound_lower_slower_softer_and_darker() -> None:
    mapper = direct()
    opened = mapper.map(features(alpha=0.1, engagement=0.9, theta_alpha=0.9, beta=0.6, connectivity=0.5))
    closed = mapper.map(features(alpha=0.9, engagement=0.1, theta_alpha=0.1, beta=0.5, connectivity=0.6))
    for name in ("fundamental_frequency", "tempo", "brightness", "complexity", "noise_amount", "density"):
        assert closed[name] < opened[name]
    assert closed["attack_time"] > opened["attack_time"] and closed["reverb"] > opened["reverb"]
    assert opened["fundamental_frequency"] / closed["fundamental_frequency"] > 2  # more than an octave: plain to hear


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.floats(0, 1), min_size=len(NAMES), max_size=len(NAMES)))
def test_targets_stay_in_range(values: list[float]) -> None:
    mapper = direct()
    targets = mapper.map(features(**dict(zip([name for name in NAMES if "-" not in name], values, strict=False))))
    assert list(targets) == [control.name for control in mapper.controls]
    assert all(control.low <= targets[control.name] <= control.high for control in mapper.controls)


@pytest.mark.parametrize("control", DEFAULTS)
def test_default_routes_use_their_whole_output_range(control: str) -> None:
    mapper, route = direct(), direct().routes[control]
    (name, *_) = route.expression.features(NAMES)
    ends = [mapper.map(features(**{name: value}))[control] for value in (0.0, 1.0)]
    assert sorted(ends) == pytest.approx(sorted(route.output))


@pytest.mark.parametrize(
    ("table", "value", "expected"),
    [
        ({}, 0.3, 0.3),
        ({"input": [0.2, 0.6]}, 0.3, 0.25),
        ({"input": [0.2, 0.6]}, 0.9, 1.0),
        ({"input": [0.6, 0.2]}, 0.3, 0.75),
        ({"output": [0.5, 0.7]}, 0.5, 0.6),
        ({"output": [0.7, 0.5]}, 1.0, 0.5),
        ({"invert": True}, 0.3, 0.7),
        ({"invert": True, "offset": 0.1}, 0.3, 0.8),
        ({"gain": 2.0}, 0.6, 0.7),
        ({"gain": 2.0}, 0.9, 1.0),
        ({"gain": 0.0}, 0.9, 0.5),
        ({"offset": 0.2}, 0.3, 0.5),
        ({"curve": "power"}, 0.5, 0.25),
        ({"curve": "power", "amount": 3}, 0.5, 0.125),
        ({"curve": "s"}, 0.5, 0.5),
        ({"curve": "s"}, 0.2, 0.04 / (0.04 + 0.64)),
        ({"curve": "s", "amount": 1}, 0.2, 0.2),
        ({"curve": "exp"}, 0.5, (np.e**1.5 - 1) / (np.e**3 - 1)),
        ({"curve": "log"}, (np.e**1.5 - 1) / (np.e**3 - 1), 0.5),
        ({"curve": "exp", "amount": 1e-9}, 0.3, 0.3),
    ],
)
def test_settings_of_a_route(table: Mapping[str, Any], value: float, expected: float) -> None:
    assert target(table, value) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("curve", ["linear", "exp", "log", "s", "power"])
@pytest.mark.parametrize("amount", [None, 0.3, 5.0])
@pytest.mark.parametrize("output", [(110.0, 440.0), (440.0, 110.0)])
def test_curves_run_from_end_to_end_without_turning(
    curve: str, amount: float | None, output: tuple[float, float]
) -> None:
    table = {"curve": curve, "output": output} | ({"amount": amount} if amount else {})
    values = [target(table, value, "fundamental_frequency") for value in np.linspace(0, 1, 21)]
    assert (values[0], values[-1]) == pytest.approx(output)
    steps = np.diff(values) * np.sign(output[1] - output[0])
    assert (steps > 0).all()


def test_exponential_pitch_moves_in_equal_intervals() -> None:
    pitch = [direct().map(features(engagement=value))["fundamental_frequency"] for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert np.diff(np.log2(pitch)) == pytest.approx([0.5] * 4)


def test_a_route_without_its_feature_rests_and_is_listed() -> None:
    mapper = direct(loudness={"from": "alpha.ocipital"}, tempo={"from": "alpha"})
    assert mapper.unresolved == {"loudness": "'alpha.ocipital' (did you mean 'alpha.occipital'?)"}
    assert mapper.map(features(alpha=1.0)) == {"loudness": CONTROL["loudness"].rest, "tempo": 150.0}
    assert ("alpha.ocipital", "loudness") not in mapper.explain(features())
    mapper.prepare((*NAMES, "alpha.ocipital"), 0.02)  # another headset
    assert not mapper.unresolved


def test_alternatives_take_the_first_feature_there_is() -> None:
    without = tuple(name for name in NAMES if name != "connectivity")
    assert direct().map(features(connectivity=1.0))["reverb"] == pytest.approx(0.8)
    assert direct(names=without).map(features(without, alpha=1.0))["reverb"] == pytest.approx(0.8)


def test_features_may_stand_anywhere() -> None:
    mapper, backwards = direct(), NAMES[::-1]
    wanted = mapper.map(features(engagement=0.2, activation=0.9))
    mapper.prepare(backwards, 0.02)
    assert mapper.map(features(backwards, engagement=0.2, activation=0.9)) == wanted


def test_smoothing_is_told_to_the_host() -> None:
    table = {"from": "alpha", "smooth_s": 0.4, "slew": 20.0, "dead_zone": 3.0, "freeze": True}
    smoothing = direct(tempo=table).smoothing["tempo"]
    assert (smoothing.time_s, smoothing.slew, smoothing.dead_zone, smoothing.freeze) == (0.4, 20.0, 3.0, True)


def test_disabled_routes_drive_nothing() -> None:
    mapper = direct(tempo={"enabled": False})
    assert "tempo" not in mapper.map(features()) and "tempo" not in {control.name for control in mapper.controls}
    assert len(mapper.controls) == len(DEFAULTS) - 1


def test_tables_without_from_adjust_the_default_wiring() -> None:
    mapper = direct(loudness={"gain": 2.0})
    assert [*mapper.routes] == [*DEFAULTS]
    assert mapper.routes["loudness"].source == "activation" and mapper.routes["loudness"].gain == 2.0


def test_one_from_makes_the_routes_exactly_those_written() -> None:
    mapper = direct(tempo={"from": "alpha"}, loudness={"gain": 2.0})
    assert [*mapper.routes] == ["loudness", "tempo"]  # in the order of CONTROLS
    assert mapper.routes["loudness"].source == "activation"


def test_latents_are_driven_where_asked_for() -> None:
    mapper = direct(z_3={"from": "beta"})
    assert mapper.map(features(beta=0.0)) == {"z.3": -1.0}
    nested = build("mapper", "direct", {"routes": {"z": {"3": {"from": "beta"}}}}, "mapper")  # [mapper.routes.z.3]
    assert [*nested.routes] == ["z.3"]


def test_explain_is_exact_for_single_features() -> None:
    mapper = direct()
    assert set(mapper.explain(features()).values()) == {0.0}
    shares = mapper.explain(features(engagement=0.9, activation=0.2))
    assert shares["activation", "loudness"] == pytest.approx(0.7 * -0.3 / 0.9)
    assert shares["engagement", "attack_time"] < 0 < shares["engagement", "fundamental_frequency"]
    assert {control for _, control in shares} == {*DEFAULTS}


@pytest.mark.parametrize(
    "text", ["alpha + theta - 0.5", "alpha * theta", "alpha * theta * beta * 4", "max(alpha, theta)"]
)
def test_explained_shares_add_up(text: str) -> None:
    mapper = direct(reverb={"from": text})
    now = features(alpha=0.9, theta=0.3, beta=0.6)
    shares = mapper.explain(now)
    moved = mapper.map(now)["reverb"] - mapper.map(features())["reverb"]
    assert sum(shares.values()) == pytest.approx(moved)
    assert shares["alpha", "reverb"] > 0


def test_explain_of_a_sum_is_each_features_own_part() -> None:
    shares = direct(reverb={"from": "alpha + theta - 0.5"}).explain(features(alpha=0.7, theta=0.4))
    assert shares == pytest.approx({("alpha", "reverb"): 0.2, ("theta", "reverb"): -0.1})


def test_explain_takes_the_middle_of_the_input_as_usual_for_physical_features() -> None:
    mapper = direct(reverb={"from": "raw.iaf", "input": [8, 12]})
    assert mapper.explain(features(raw__iaf=11.0)) == pytest.approx({("raw.iaf", "reverb"): 0.25})


def test_frozen_and_constant_routes_move_nothing() -> None:
    mapper = direct(reverb={"from": "alpha", "freeze": True}, loudness={"from": "0.8"})
    assert mapper.explain(features(alpha=1.0)) == {}
    assert mapper.map(features())["loudness"] == pytest.approx(0.1 + 0.8 * 0.9)


def test_all_mistakes_are_named_at_once() -> None:
    found = problems(
        {
            "loudnes": {"from": "alpha"},
            "loudness": {"from": "alpha +", "curv": "exp", "gain": -1},
            "z.0": {},
            "tempo": {"from": "sqr(alpha)", "output": [10, 20], "input": [1, 1]},
            "mode": 3,
            "reverb": {"curve": "expo", "smooth_s": float("nan")},
            "density": {"control": "tempo", "slew": 0},
        }
    )
    assert "did you mean 'loudness'" in found["mapper.routes.loudnes"]
    assert "did you mean 'curve'" in found["mapper.routes.loudness.curv"]
    assert "50 to 150 BPM, got [10, 20]" in found["mapper.routes.tempo.output"]
    assert "say which" in found["mapper.routes.z.0.from"]
    assert set(found) == {
        *("mapper.routes.loudnes", "mapper.routes.loudness.from", "mapper.routes.loudness.curv"),
        *("mapper.routes.loudness.gain", "mapper.routes.z.0.from", "mapper.routes.tempo.from"),
        *("mapper.routes.tempo.output", "mapper.routes.tempo.input", "mapper.routes.mode"),
        *("mapper.routes.reverb.curve", "mapper.routes.reverb.smooth_s"),
        *("mapper.routes.density.control", "mapper.routes.density.slew"),
    }
    assert not any("alue error" in message or "[control]" in message for message in found.values())


@pytest.mark.parametrize("routes", [3, "alpha", ["loudness"]])
def test_routes_are_a_table(routes: Any) -> None:
    assert "mapper.routes" in problems(routes)

"""Blends and layers: who drives what by how much, whose words are heard, and what goes wrong within."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, ConfigError, Features, Mapper, State, latent
from brainmusic_daemon.mapping.blend import Blend
from brainmusic_daemon.registry import SettingErrors, build

NAMES = ("theta", "alpha", "beta", "engagement", "activation", "theta_alpha", "asymmetry", "connectivity")


def features(**given: float) -> Features:
    values = np.array([given.get(name, 0.5) for name in NAMES])
    index = {name: place for place, name in enumerate(NAMES)}
    return Features(0.0, 0.0, NAMES, values, index, (), np.zeros(0), State.GOOD)


def blend(*layers: dict[str, Any]) -> Blend:
    mapper: Blend = build("mapper", "blend", {"layers": list(layers)}, "mapper")
    mapper.prepare(NAMES, 0.02)
    return mapper


def problems(*layers: Any) -> dict[str, str]:
    with pytest.raises(SettingErrors) as caught:
        build("mapper", "blend", {"layers": list(layers)}, "mapper")
    return dict(caught.value.problems)


def direct(**routes: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "direct", "routes": routes}


UP = direct(reverb={"from": "alpha", "smooth_s": 0.1}, mode={"from": "alpha"})
DOWN = direct(reverb={"from": "alpha", "invert": True, "smooth_s": 0.6, "slew": 0.5}, loudness={"from": "beta"})


def test_is_a_mapper_and_bounded_as_its_layers_are() -> None:
    mapper = blend({"kind": "direct"}, {"kind": "latent"})
    assert isinstance(mapper, Mapper) and mapper.bounded
    assert [control.name for control in mapper.controls][-8:] == [f"z.{i}" for i in range(8)]


def test_a_weighted_mean_where_several_drive_a_control_else_whoever_does() -> None:
    mapper = blend({**UP, "weight": 3.0}, {**DOWN, "weight": 2.0})
    values = mapper.map(features(alpha=1.0, beta=1.0))
    assert values == {"loudness": 1.0, "reverb": pytest.approx(0.6), "mode": 1.0}
    assert [control.name for control in mapper.controls] == ["loudness", "reverb", "mode"]


def test_layers_keep_to_their_controls() -> None:
    mapper = blend({**UP, "controls": ["mod*"]}, {**DOWN, "controls": ["reverb"]})
    assert mapper.map(features(alpha=1.0)) == {"mode": 1.0, "reverb": 0.0}


def test_latent_for_timbre_and_direct_for_pitch() -> None:
    mapper = blend({"kind": "latent"}, {"kind": "direct", "controls": ["fundamental_frequency"]})
    assert [c.name for c in mapper.controls] == ["fundamental_frequency", *(f"z.{i}" for i in range(8))]
    assert {control for _, control in mapper.explain(features(alpha=0.9))} == {c.name for c in mapper.controls}


def test_an_exclusive_layer_drives_alone_what_it_drives() -> None:
    mapper = blend({**UP, "weight": 9.0}, {**DOWN, "exclusive": True})
    assert mapper.map(features(alpha=1.0, beta=0.0)) == {"loudness": pytest.approx(0.1), "reverb": 0.0, "mode": 1.0}


def test_a_layer_without_weight_drives_nothing_but_may_speak() -> None:
    mapper = blend(UP, {"kind": "semantic", "weight": 0.0})
    assert mapper.words is not None and mapper.words.text
    assert [*mapper.map(features())] == ["reverb", "mode"]


def test_words_come_from_the_first_layer_that_speaks() -> None:
    first, second = {"kind": "semantic", "sentence": "one"}, {"kind": "semantic", "sentence": "two"}
    mapper = blend(UP, first, second)
    assert mapper.words is not None and mapper.words.text == "one"
    assert blend(UP).words is None


def test_explanations_add_up_with_the_same_weights() -> None:
    layers = [{"kind": "direct", "weight": 0.4}, {"kind": "semantic", "weight": 0.6}]
    mapper, alone = blend(*layers), [blend(layer) for layer in layers]
    values = features(alpha=0.7, engagement=0.9, activation=0.2, asymmetry=0.8)
    now, usual, why = mapper.map(values), mapper.map(features()), mapper.explain(values)
    for control in mapper.controls:
        moved = (now[control.name] - usual[control.name]) / (control.high - control.low)
        assert sum(share for (_, name), share in why.items() if name == control.name) == pytest.approx(moved)
    each = [one.explain(values)["asymmetry", "mode"] for one in alone]
    assert why["asymmetry", "mode"] == pytest.approx(0.4 * each[0] + 0.6 * each[1])


def test_ranges_are_joined_and_shares_stay_true() -> None:
    wide, narrow = {"kind": "latent", "target": "latent"}, {"kind": "latent", "target": "latent", "output": [0.0, 1.0]}
    mapper = blend(wide, {**narrow, "seed": 2})
    assert mapper.controls[0] == latent(0)
    values = features(alpha=0.9, beta=0.1)
    now, usual, why = mapper.map(values), mapper.map(features()), mapper.explain(values)
    moved = (now["latent.0"] - usual["latent.0"]) / 6
    assert sum(share for (_, name), share in why.items() if name == "latent.0") == pytest.approx(moved)


def test_smoothing_is_the_weighted_mean() -> None:
    mapper = blend({**UP, "weight": 3.0}, {**DOWN, "weight": 2.0})
    reverb = mapper.smoothing["reverb"]
    assert reverb.time_s == pytest.approx(0.6 * 0.1 + 0.4 * 0.6)
    assert reverb.slew == pytest.approx(0.6 * CONTROL["reverb"].slew + 0.4 * 0.5)
    frozen = direct(reverb={"from": "alpha", "freeze": True})
    assert not blend(UP, frozen).smoothing["reverb"].freeze and blend(frozen).smoothing["reverb"].freeze


def test_files_and_remarks_are_those_of_the_layers(tmp_path: Any) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('sentence = "{energy}"')
    mapper = blend({"kind": "semantic", "prompts": str(file), "attributes": {"energy": {"from": "heat"}}}, UP)
    assert mapper.files == (file,)
    assert any(remark.startswith("semantic: energy: this headset has no 'heat'") for remark in mapper.remarks)


def test_blends_of_blends() -> None:
    inner = {"kind": "blend", "layers": [{**UP, "weight": 3.0}, {**DOWN, "weight": 1.0}]}
    mapper = blend({**inner, "weight": 0.5, "controls": ["reverb"]}, {**DOWN, "weight": 0.5, "controls": ["reverb"]})
    assert mapper.map(features(alpha=1.0)) == {"reverb": pytest.approx(0.375)}


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=len(NAMES), max_size=len(NAMES)), st.floats(0.01, 100))
def test_values_stay_in_range(values: list[float], weight: float) -> None:
    mapper = blend({"kind": "direct"}, {"kind": "semantic", "weight": weight}, {"kind": "latent"})
    found = mapper.map(features(**dict(zip(NAMES, values, strict=True))))
    for control in mapper.controls:
        slack = 1e-9 * (control.high - control.low)
        assert control.low - slack <= found[control.name] <= control.high + slack


def test_mistakes_are_named_with_their_layer() -> None:
    found = problems(
        {"kind": "direkt"},
        {"kind": "direct", "weight": -1},
        {"kind": "direct", "controls": ["volume"]},
        {"kind": "latent", "tarket": "z"},
        {"kind": "blend", "layers": [UP, {"kind": "semantic", "atributes": {}}]},
        {"kind": 3},
        {"kind": "blend"},
    )
    assert "did you mean 'direct'?" in found["mapper.layers.0.kind"]
    assert "mapper.layers.1.weight" in found
    assert "'direct' drives no 'volume'" in found["mapper.layers.2.controls"]
    assert "did you mean 'target'?" in found["mapper.layers.3.tarket"]
    assert "did you mean 'attributes'?" in found["mapper.layers.4.layers.1.atributes"]
    assert "kind of a mapper" in found["mapper.layers.5.kind"]
    assert "needs the setting 'layers'" in found["mapper.layers.6.layers"]


def test_depth_and_number_are_bounded() -> None:
    deep: dict[str, Any] = UP
    for _ in range(3):
        deep = {"kind": "blend", "layers": [deep]}
    assert "at most 3 blends" in problems(deep)["mapper.layers"]
    many = {"kind": "blend", "layers": [UP] * 9}
    assert "16 layers" in problems(many, many)["mapper.layers"]
    assert "layers" in next(iter(problems()))
    assert "weight 0" in problems({**UP, "weight": 0})["mapper.layers"]


def test_a_layer_that_cannot_play_here_is_an_error() -> None:
    mapper = build("mapper", "blend", {"layers": [UP, {"kind": "latent"}]}, "mapper")
    with pytest.raises(ConfigError, match="is there with this headset"):
        mapper.prepare(("nothing",), 0.02)

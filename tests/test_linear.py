"""The linear mapper: a matrix that does what it says, from a file or by hand, at this headset or at another."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon import choice, config
from brainmusic_daemon.api import CONTROL, ConfigError, Features, Mapper, State, latent
from brainmusic_daemon.mapping import model_file, terms
from brainmusic_daemon.mapping.linear import DEFAULT_WEIGHTS, Linear
from brainmusic_daemon.mapping.model import Model, Span
from brainmusic_daemon.registry import SettingErrors, build

NAMES = ("alpha", "beta", "alpha.occipital", "engagement", "activation", "theta_alpha", "asymmetry", "connectivity")


def features(names: tuple[str, ...] = NAMES, values: Any = None, **given: float) -> Features:
    index = {name: place for place, name in enumerate(names)}
    made = np.full(len(names), 0.5) if values is None else np.array(values, np.float64)
    for name, value in given.items():
        made[index[name.replace("__", ".")]] = value
    return Features(0.0, 0.0, names, made, index, (), np.zeros(0), State.GOOD)


def linear(toml: str = "", names: tuple[str, ...] = NAMES) -> Linear:
    mapper = build("mapper", "linear", tomllib.loads(toml), "mapper")
    assert isinstance(mapper, Linear)
    mapper.prepare(names, 0.02)
    return mapper


def problem(toml: str, names: tuple[str, ...] = NAMES) -> str:
    with pytest.raises((SettingErrors, ConfigError)) as caught:
        linear(toml, names)
    return str(caught.value)


def trained(path: Path, **given: Any) -> Path:
    """Write a model: tempo = 90 + 10 z(alpha) − 5 z(beta), loudness = 0.5 + 0.2 z(beta)."""
    made: dict[str, Any] = {
        "kind": "linear",
        "features": ("alpha", "beta"),
        "controls": (CONTROL["tempo"], CONTROL["loudness"]),
        "mean": np.array([0.4, 0.6]),
        "scale": np.array([0.1, 0.2]),
        "layers": ((np.array([[10.0, 0.0], [-5.0, 0.2]]), np.array([90.0, 0.5])),),
    }
    return model_file.save(path, Model(**made | given))


def test_is_a_mapper_that_promises_to_end() -> None:
    mapper = linear()
    assert isinstance(mapper, Mapper) and mapper.bounded
    assert [control.name for control in mapper.controls] == list(DEFAULT_WEIGHTS)


def test_without_settings_closed_eyes_are_lower_slower_softer_darker() -> None:
    mapper = linear()
    opened = mapper.map(features(alpha=0.1, engagement=0.9, theta_alpha=0.8, activation=0.7, beta=0.6))
    closed = mapper.map(features(alpha=0.9, engagement=0.1, theta_alpha=0.2, activation=0.3, beta=0.4))
    for name in ("fundamental_frequency", "tempo", "loudness", "brightness", "density"):
        assert closed[name] < opened[name], name
    assert closed["reverb"] > opened["reverb"] and closed["attack_time"] > opened["attack_time"]


def test_a_weight_of_one_is_range_to_range() -> None:
    mapper = linear("weights.tempo.alpha = 1.0")
    assert [mapper.map(features(alpha=a))["tempo"] for a in (0.0, 0.5, 1.0)] == [50.0, 100.0, 150.0]


def test_the_intercept_is_where_it_stands_when_all_is_usual() -> None:
    mapper = linear("weights.tempo = {intercept = 0.2, alpha = -0.4}")
    assert mapper.map(features())["tempo"] == pytest.approx(70.0)
    assert mapper.map(features(alpha=0.75))["tempo"] == pytest.approx(60.0)


def test_names_with_dots_and_latents_are_tables_to_toml() -> None:
    mapper = linear("[weights.z.0]\nalpha.occipital = 0.5\n[weights.reverb]\n'alpha.occipital' = 1.0\nalpha = 0.1")
    values = mapper.map(features(alpha__occipital=0.9))
    assert values == pytest.approx({"reverb": 0.9, "z.0": 0.4})


def test_a_model_is_played_as_it_was_learned(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.safetensors")
    mapper = linear(f"model = '{path}'")
    x = np.random.default_rng(0).random((20, 2))
    wanted = np.clip(model_file.load(path).predict(x), [50, 0.1], [150, 1])
    for row, (tempo, loudness) in zip(x, wanted, strict=True):
        values = mapper.map(features(alpha=row[0], beta=row[1]))
        assert values == pytest.approx({"tempo": tempo, "loudness": loudness}, rel=1e-12)
    assert mapper.files == (path,) and not mapper.remarks


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=len(NAMES), max_size=len(NAMES)), st.integers(0, 99))
def test_shares_are_exact(values: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("tempo", "loudness", "z.3")
    weights = {c: {f: float(rng.normal(0, 0.1)) for f in NAMES} for c in names}
    mapper = Linear(weights=weights)
    mapper.prepare(NAMES, 0.02)
    now, usual = features(values=values), mapper.map(features())
    shares, moved = mapper.explain(now), mapper.map(now)
    for name in names:
        control = CONTROL[name]
        for feature in NAMES:
            assert shares[feature, name] == pytest.approx(weights[name][feature] * (now[feature] - 0.5), abs=1e-12)
        if control.low < moved[name] < control.high:
            whole = sum(share for (_, driven), share in shares.items() if driven == name)
            assert whole * (control.high - control.low) == pytest.approx(moved[name] - usual[name], abs=1e-9)


def test_shares_of_a_model_count_from_the_mean_of_its_training(tmp_path: Path) -> None:
    mapper = linear(f"model = '{trained(tmp_path / 'm.safetensors')}'")
    shares = mapper.explain(features(alpha=0.5, beta=0.6))
    assert shares["alpha", "tempo"] == pytest.approx(10 * (0.5 - 0.4) / 0.1 / 100)
    assert shares["beta", "tempo"] == shares["beta", "loudness"] == 0.0


def test_of_many_features_those_that_move_the_most_are_told() -> None:
    names = tuple(f"alpha.{n}" for n in range(100))
    mapper = Linear(weights={"tempo": {name: 0.001 * n for n, name in enumerate(names)}})
    mapper.prepare(names, 0.02)
    shares = mapper.explain(features(names, np.ones(100)))
    assert {feature for feature, _ in shares} == {*names[-terms.SHOWN :]}
    assert shares["alpha.99", "tempo"] == pytest.approx(0.099 / 2)


def test_values_stay_in_range_whatever_the_weights() -> None:
    mapper = linear("weights.tempo = {alpha = 100}\nweights.loudness = {alpha = -100}")
    assert mapper.map(features(alpha=1.0)) == {"tempo": 150.0, "loudness": 0.1}


def test_a_feature_that_hardly_moved_in_training_does_not_drown_the_others(tmp_path: Path) -> None:
    model = trained(tmp_path / "m.safetensors", scale=np.array([0.1, 1e-4]))
    mapper = linear(f"model = '{model}'")
    assert mapper.map(features(alpha=0.4, beta=0.9))["tempo"] == pytest.approx(90 - 8 * 5)
    assert mapper.explain(features(alpha=0.4, beta=0.9))["beta", "tempo"] == pytest.approx(-0.4)


def test_what_is_no_number_is_passed_on_for_the_host_to_see() -> None:
    assert np.isnan(linear("weights.tempo.alpha = 1.0").map(features(alpha=np.nan))["tempo"])


def test_the_matrix_can_be_read(tmp_path: Path) -> None:
    by_hand = linear("weights.tempo = {intercept = 0.4, alpha = -0.25, engagement = 0.6, beta = 0.0}")
    assert by_hand.formulas == {"tempo": "0.4 + 0.6 engagement - 0.25 alpha"}
    learned = linear(f"model = '{trained(tmp_path / 'm.safetensors')}'")
    assert learned.formulas == {"tempo": "0.4 + 0.1 alpha - 0.05 beta", "loudness": "0.44 + 0.22 beta"}
    many = Linear(weights={"tempo": {f"alpha.{n}": 0.1 + n for n in range(8)}})
    assert many.formulas["tempo"].endswith("+ 3.1 alpha.3 and 3 more")


# --- another headset, another version ---


def test_few_features_missing_count_as_usual_and_are_told(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.safetensors", layers=((np.array([[10.0, 0.2], [-1.0, 0.01]]), np.array([90.0, 0.5])),))
    mapper = linear(f"model = '{path}'", ("alpha", "gamma"))
    assert mapper.map(features(("alpha", "gamma"), [0.5, 0.9]))["tempo"] == pytest.approx(100.0)  # beta: at its mean
    (told,) = mapper.remarks
    assert "1 of the 2 features" in told and "beta" in told and "6 %" in told
    assert {feature for feature, _ in mapper.explain(features(("alpha", "gamma"), [0.5, 0.9]))} == {"alpha"}


def test_many_features_missing_are_an_error_that_lists_them(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.safetensors")
    said = problem(f"model = '{path}'", ("alpha", "gamma"))
    assert "beta" in said and "alpha" not in said and "train it with this headset" in said and "tolerate = 0." in said
    share = said.split("tolerate = ")[1].split()[0]
    linear(f"model = '{path}'\ntolerate = {share}", ("alpha", "gamma"))  # the way out works
    assert "tolerate" not in problem(f"model = '{path}'\ntolerate = 1.0", ("gamma",))  # nothing is left to play with


def test_another_headset_may_follow(tmp_path: Path) -> None:
    mapper = linear(f"model = '{trained(tmp_path / 'm.safetensors')}'\ntolerate = 0.9", ("beta",))
    assert mapper.remarks
    mapper.prepare(("beta", "alpha"), 0.02)
    assert not mapper.remarks
    assert mapper.map(features(("beta", "alpha"), [0.6, 0.5]))["tempo"] == pytest.approx(100.0)


def test_a_misspelt_feature_is_told_with_its_neighbour() -> None:
    assert "did you mean 'engagement'" in problem("weights.tempo.engagment = 1.0")


def test_controls_that_are_no_more_are_an_error(tmp_path: Path) -> None:
    spans = (Span("tempoo", 0.0, 1.0), Span("colour", 0.0, 1.0))
    said = problem(f"model = '{trained(tmp_path / 'm.safetensors', controls=spans)}'")
    assert "'tempoo'" in said and "colour" in said and "did you mean 'tempo'" in said


def test_ranges_that_differ_are_told(tmp_path: Path) -> None:
    spans = (Span("tempo", 40.0, 200.0), Span("loudness", 0.3, 0.6))
    path = trained(tmp_path / "m.safetensors", controls=spans)
    mapper = linear(f"model = '{path}'")
    tempo, loudness = mapper.remarks
    assert "40 to 200" in tempo and "cut off" in tempo and "0.3 to 0.6" in loudness
    assert mapper.map(features(alpha=1.0, beta=1.0)) == {"tempo": pytest.approx(140.0), "loudness": 0.6}
    assert mapper.map(features(alpha=0.0, beta=0.0)) == {"tempo": pytest.approx(65.0), "loudness": 0.3}
    assert mapper.controls == (CONTROL["tempo"], CONTROL["loudness"])
    apart = trained(tmp_path / "n.safetensors", controls=(Span("tempo", 200.0, 300.0), spans[1]))
    assert "200 to 300" in problem(f"model = '{apart}'")


def test_latents_of_outside_models_keep_the_range_of_the_file(tmp_path: Path) -> None:
    spans = (Span("latent.3", -2.0, 2.0), Span("z.0", -1.0, 1.0))
    mapper = linear(f"model = '{trained(tmp_path / 'm.safetensors', controls=spans)}'")
    assert mapper.controls == (latent(3, -2.0, 2.0), CONTROL["z.0"])


# --- settings ---


def test_smoothing_is_that_of_the_default_wiring_unless_it_is_set() -> None:
    base = "weights = {tempo = {alpha = 1.0}, loudness = {alpha = 1.0}, z = {0 = {alpha = 1.0}}}\n"
    assert [linear(base).smoothing[name].time_s for name in ("tempo", "loudness", "z.0")] == [0.5, 0.03, 0.1]
    assert {s.time_s for s in linear(base + "smooth_s = 0.2").smoothing.values()} == {0.2}
    table = linear(base + "[smooth_s]\nall = 0.3\ntempo = 1.0\nz.0 = 2.0").smoothing
    assert [table[name].time_s for name in ("tempo", "loudness", "z.0")] == [1.0, 0.3, 2.0]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("weights.loudnes.alpha = 1.0", "did you mean 'loudness'"),
        ("weights.loudness.raw.alpha = 1.0", "'raw.alpha' is physical"),
        ("weights.loudness.alpha = 'much'", "weights.loudness.alpha"),
        ("weights.loudness.alpha = nan", "weights.loudness.alpha"),
        ("weights.loudness.alpha = 1e9", "weights.loudness.alpha"),
        ("weights.loudness.intercept = 0.5", "no feature has a weight"),
        ("weights.loudness = 0.5", "weights.loudness"),
        ("weights = 0.5", "weights"),
        ("smooth_s.tempoo = 1", "did you mean 'tempo'"),
        ("smooth_s = -1", "smooth_s"),
        ("smooth_s = 'slow'", "is a number of seconds"),
        ("tolerate = 2", "tolerate"),
        ("wieghts = {}", "did you mean 'weights'"),
        ("model = 'nowhere.safetensors'", "there is no model 'nowhere.safetensors'"),
    ],
)
def test_settings_that_are_wrong_are_named(toml: str, said: str) -> None:
    assert said in problem(toml)


def test_model_and_weights_do_not_go_together(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.safetensors")
    assert "leave one of them out" in problem(f"model = '{path}'\nweights.tempo.alpha = 1.0")


def test_a_network_is_sent_to_its_own_kind() -> None:
    assert 'kind = "neural"' in problem(f"model = '{terms.bundled('neural.safetensors')}'")


# --- from the configuration ---


def test_the_bundled_configuration_says_what_plays_by_itself() -> None:
    mapper = config.load("linear").mapper
    assert isinstance(mapper, Linear)
    assert {name: dict(row) for name, row in mapper.weights.items()} == {n: dict(r) for n, r in DEFAULT_WEIGHTS.items()}


def test_a_model_lies_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    trained(there / "models" / "m.safetensors")
    here.mkdir()
    monkeypatch.chdir(here)
    (there / "my.toml").write_text('[mapper]\nkind = "linear"\nmodel = "models/m.safetensors"\n')
    mapper = config.load(there / "my.toml").mapper
    assert isinstance(mapper, Linear) and mapper.files == (there / "models" / "m.safetensors",)
    trained(here / "own.safetensors")  # else it is one of the working directory
    (there / "my.toml").write_text('[mapper]\nkind = "linear"\nmodel = "own.safetensors"\n')
    assert config.load(there / "my.toml").mapper.controls[0].name == "tempo"
    (there / "my.toml").write_text('[mapper]\nkind = "linear"\nmodel = "gone.safetensors"\n')
    with pytest.raises(ConfigError, match=r"mapper: there is no model 'gone\.safetensors'"):
        config.load(there / "my.toml")


def test_a_file_is_enough_to_choose_the_mapper(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.safetensors")
    made = choice.make(*choice.read(str(path)))
    assert isinstance(made.mapper, Linear) and made.mapper.files == (path,)


def test_a_tick_costs_next_to_nothing() -> None:
    names = tuple(f"{band}.{n}" for band in ("delta", "theta", "alpha", "beta", "gamma") for n in range(64))
    rng = np.random.default_rng(0)
    controls = [*DEFAULT_WEIGHTS, *(f"z.{n}" for n in range(8))]
    mapper = Linear(weights={c: dict(zip(names, rng.normal(size=320), strict=True)) for c in controls})
    mapper.prepare(names, 0.02)
    now, seconds = features(names, rng.random(320)), []
    for _ in range(300):
        begin = time.perf_counter()
        mapper.map(now)
        mapper.explain(now)
        seconds.append(time.perf_counter() - begin)
    assert np.percentile(seconds, 20) < 2e-4  # the quickest fifth: what else runs here is not the mapper's

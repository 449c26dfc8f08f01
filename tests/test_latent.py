"""The latent mapper: a map that loses nothing and says what it does, learned maps, each dimension's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, ConfigError, Control, Features, Mapper, State, latent
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.latent import FEATURES, Latent
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.mapping.projection import orthogonal
from brainmusic_daemon.mapping.smoothing import Smoother
from brainmusic_daemon.registry import SettingErrors, build

NAMES = (*FEATURES, "delta", "alpha.O1", "raw.alpha")


def features(names: tuple[str, ...] = NAMES, **given: float) -> Features:
    index = {name: place for place, name in enumerate(names)}
    values = np.full(len(names), 0.5)
    for name, value in given.items():
        values[index[name.replace("__", ".")]] = value
    return Features(0.0, 0.0, names, values, index, (), np.zeros(0), State.GOOD)


def made(names: tuple[str, ...] = NAMES, **settings: Any) -> Latent:
    mapper: Latent = build("mapper", "latent", settings, "mapper")
    mapper.prepare(names, 0.02)
    return mapper


def problems(**given: Any) -> str:
    with pytest.raises(SettingErrors) as caught:
        build("mapper", "latent", given, "mapper")
    return "\n".join(f"{place}: {text}" for place, text in caught.value.problems)


def trained(path: Path, controls: list[Control], hidden: int = 0) -> Path:
    """Save a model whose first control follows alpha up and whose second follows beta down, over their ranges."""
    low, high = np.array([c.low for c in controls]), np.array([c.high for c in controls])
    weights = np.zeros((2, len(controls)))
    weights[0, 0], weights[1, 1] = 1.0, -1.0
    bias, half = (low + high) / 2, (high - low) / 2
    layers = [(weights * half, bias)]
    if hidden:
        layers = [(np.eye(2, hidden), np.zeros(hidden)), (np.eye(hidden, 2) @ weights * half, bias)]
    model = Model(
        kind="neural" if hidden else "linear",
        features=("alpha", "beta"),
        controls=tuple(controls),  # type: ignore[arg-type]
        mean=np.full(2, 0.5),
        scale=np.full(2, 0.5),
        layers=tuple(layers),
        activation="tanh" if hidden else "",
    )
    return model_file.save(path, model)


def test_is_a_mapper_of_the_timbre_space() -> None:
    mapper = made()
    assert isinstance(mapper, Mapper) and mapper.bounded
    assert mapper.controls == tuple(CONTROL[f"z.{i}"] for i in range(8))
    assert mapper.map(features()) == {f"z.{i}": 0.0 for i in range(8)}  # as usual: the plain sound


@pytest.mark.parametrize(("n_features", "n_outputs"), [(10, 8), (8, 8), (4, 8), (1, 3), (10, 1)])
def test_the_map_is_orthogonal_and_keeps_the_variance(n_features: int, n_outputs: int) -> None:
    w = orthogonal(n_features, n_outputs, 1)
    assert w.shape == (n_outputs, n_features)
    if n_features >= n_outputs:
        assert np.allclose(w @ w.T, np.eye(n_outputs))
    else:
        assert np.allclose(w.T @ w, np.eye(n_features) * n_outputs / n_features)
    assert (w**2).sum(axis=1).mean() == pytest.approx(1.0)
    assert np.array_equal(w, orthogonal(n_features, n_outputs, 1))
    assert not np.allclose(w, orthogonal(n_features, n_outputs, 2))


def test_what_drives_what_is_stated_and_true() -> None:
    mapper = made()
    for statement in mapper.statement.split(", "):
        control, _, features_ = statement.partition(" by ")
        sign, name = features_.split()[0][0], features_.split()[0][1:]
        moved = mapper.map(features(**{name: 0.7}))[control]
        assert (moved > 0) == (sign == "+") and abs(moved) > 0.1
        others = [abs(mapper.map(features(**{other: 0.7}))[control]) for other in FEATURES]
        assert abs(moved) == pytest.approx(max(others))


def test_features_of_the_usual_spread_use_the_range_without_sticking_to_its_ends() -> None:
    rng = np.random.default_rng(1)
    for target, spread in (("z", 0.43), ("latent", 0.94)):
        mapper = made(target=target)
        rows = []
        for values in rng.normal(0.5, 0.2, (500, len(FEATURES))):
            given = features(**dict(zip(FEATURES, values.tolist(), strict=True)))
            rows.append(list(mapper.map(given).values()))
        assert np.std(rows) == pytest.approx(spread, rel=0.1)
        high = mapper.controls[0].high
        assert (np.abs(rows) > 0.98 * high).mean() < 0.01 and np.max(np.abs(rows)) > 0.8 * high


def test_target_latent_drives_an_outside_model() -> None:
    mapper = made(target="latent", dimensions=16)
    assert mapper.controls == tuple(latent(i) for i in range(16))
    assert "8 more" in mapper.statement


def test_every_dimension_has_its_own_settings() -> None:
    mapper = made(
        target="latent",
        dimensions=4,
        smooth_s=0.3,
        dimension={
            "0": {"output": (0.0, 2.0), "slew": 0.5, "smooth_s": 0.0},
            "1": {"output": (3.0, -3.0)},
            "2": {"gain": 0.0, "offset": 0.5},
            "3": {"freeze": True},
        },
    )
    plain = made(target="latent", dimensions=4)
    given = features(alpha=0.8, beta=0.3, theta=0.9)
    values, usual = mapper.map(given), plain.map(given)
    assert values["latent.0"] == pytest.approx(1 + usual["latent.0"] / 3)
    assert values["latent.1"] == pytest.approx(-usual["latent.1"])
    assert values["latent.2"] == pytest.approx(3 * np.tanh(0.5))
    assert (mapper.controls[0].low, mapper.controls[0].high) == (0.0, 2.0)
    smoother = Smoother(mapper.controls, mapper.smoothing, 0.02)
    for _ in range(50):
        heard = smoother.step({"latent.0": 2.0, "latent.1": 3.0, "latent.3": 3.0})
    assert heard["latent.0"] == pytest.approx(0.5)  # a second at its slew
    assert 2.5 < heard["latent.1"] < 3.0 and heard["latent.3"] == 0.0
    assert not any(share for (_, name), share in mapper.explain(given).items() if name == "latent.3")


def test_other_controls_can_stand_still() -> None:
    mapper = made(steady={"loudness": 0.6, "tempo": 90.0})
    assert [control.name for control in mapper.controls[8:]] == ["loudness", "tempo"]
    values = mapper.map(features(alpha=0.9))
    assert (values["loudness"], values["tempo"]) == (0.6, 90.0) and len(values) == 10
    assert {name for _, name in mapper.explain(features(alpha=0.9))} == {f"z.{i}" for i in range(8)}


def test_explanations_add_up() -> None:
    mapper = made(dimension={"1": {"offset": 0.3, "gain": 2.0}, "2": {"output": (1.0, -0.5)}})
    given = features(alpha=0.9, beta=0.2, asymmetry=0.6, iaf=0.1)
    now, usual, why = mapper.map(given), mapper.map(features()), mapper.explain(given)
    for control in mapper.controls:
        moved = (now[control.name] - usual[control.name]) / (control.high - control.low)
        assert sum(share for (_, name), share in why.items() if name == control.name) == pytest.approx(moved)
    assert all(share == 0 for (feature, _), share in why.items() if feature in ("theta", "gamma"))


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(NAMES), max_size=len(NAMES)))
def test_any_finite_features_stay_in_range(values: list[float]) -> None:
    mapper = made(target="latent", gain=50.0)
    given = features(**dict(zip((name.replace(".", "__") for name in NAMES), values, strict=True)))
    assert all(-3.0 <= value <= 3.0 for value in mapper.map(given).values())
    assert all(np.isfinite(share) for share in mapper.explain(given).values())


def test_a_poor_headset_drives_what_it_can() -> None:
    mapper = made(("alpha", "beta"))
    values = np.array(list(mapper.map(features(("alpha", "beta"), alpha=0.9)).values()))
    assert np.abs(values).min() > 0  # fewer features than latents: some move together
    with pytest.raises(ConfigError, match="is there with this headset"):
        made(("other",))


def test_features_are_chosen_by_name_or_wildcard() -> None:
    mapper = made(features=["alpha*", "nothing"])
    assert {feature for feature, _ in mapper.explain(features())} == {"alpha", "alpha.O1"}


# Learned


@pytest.mark.parametrize("hidden", [0, 2])
def test_a_model_takes_the_place_of_the_fixed_map(tmp_path: Path, hidden: int) -> None:
    if hidden:
        pytest.importorskip("torch", reason="needs the extra: neural")
    file = trained(tmp_path / "m.safetensors", [CONTROL["z.3"], CONTROL["z.0"]], hidden)
    mapper = made(model=file, dimension={"0": {"output": (0.0, 1.0)}, "3": {"gain": 0.5}})
    assert mapper.files == (file,) and [control.name for control in mapper.controls] == ["z.0", "z.3"]
    given = features(alpha=0.8, beta=0.3)
    values = mapper.map(given)
    first, second = (np.tanh(0.6), np.tanh(-0.4)) if hidden else (0.6, -0.4)
    assert values["z.3"] == pytest.approx(first * 0.5, abs=1e-5)
    assert values["z.0"] == pytest.approx(0.5 - 0.5 * second, abs=1e-5)
    why = mapper.explain(given)
    assert why["alpha", "z.3"] == pytest.approx(values["z.3"] / 2, abs=0.01)
    assert why["beta", "z.0"] == pytest.approx((values["z.0"] - 0.5) / 2, abs=0.01)


def test_models_of_other_things_are_named(tmp_path: Path) -> None:
    tempo = trained(tmp_path / "tempo.safetensors", [CONTROL["tempo"], CONTROL["z.0"]])
    assert 'drives tempo, and target = "z"' in problems(model=tempo) and 'kind = "linear"' in problems(model=tempo)
    outside = trained(tmp_path / "outside.safetensors", [latent(0), latent(5)])
    assert "drives latent.0, latent.5" in problems(model=outside)
    assert "2 dimensions, not 4" in problems(model=outside, target="latent", dimensions=4)
    assert [c.name for c in made(model=outside, target="latent").controls] == ["latent.0", "latent.5"]
    with pytest.raises(ConfigError, match="beta"):
        made(("alpha",), model=outside, target="latent")
    assert "nowhere.safetensors" in problems(model="nowhere.safetensors")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dimensions": 9}, "target 'z' has 8 dimensions, not 9"),
        ({"dimensions": 129, "target": "latent"}, "dimensions"),
        ({"dimensions": 4, "dimension": {"4": {}}}, "dimension.4: there are only 0 to 3"),
        ({"dimension": {"0": {"slow": 1}}}, "slow"),
        ({"dimension": {"0": {"output": [1.0, 1.0]}}}, "both ends are the same"),
        ({"output": [-2.0, 1.0]}, "must stay within -1 to 1"),
        ({"target": "y"}, "target"),
        ({"features": []}, "features"),
        ({"steady": {"loudnes": 0.5}}, "did you mean 'loudness'?"),
        ({"steady": {"loudness": 7.0}}, "within 0.1 to 1, got 7"),
        ({"steady": {"z.0": 0.0}}, "steady.z.0"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], said: str) -> None:
    assert said in problems(**given)

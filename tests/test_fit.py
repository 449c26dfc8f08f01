"""Learning: as good as can be on laws that are known, no better than chance on what is random, the same each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning import dataset, export, fit, network, ridge, scores, splits
from brainmusic_daemon.learning.fit import Plan
from brainmusic_daemon.learning.network import Shape
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import Model
from tests import learned

QUICK = Shape(hidden=(16,), epochs=12)


def played(model: Model, x: Any) -> Any:
    """Return the controls that a mapper with this model plays."""
    low, high = (np.array([getattr(span, end) for span in model.controls]) for end in ("low", "high"))
    return np.clip(model.predict(x), low, high)


def test_ridge_is_scikit_learns() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = dataset.build([learned.session(400)])
    weights = np.random.default_rng(3).uniform(0.2, 2, 400).astype(np.float32)
    data = replace(data, weights=weights)
    rows = np.arange(400)
    made = ridge.fit(data, rows, rows, 0.0, alpha=0.05)
    other = linear_model.Ridge(alpha=0.05 * float(weights.sum()))
    other.fit((data.x - made.mean) / made.scale, data.y, weights)
    np.testing.assert_allclose(made.weights.T, other.coef_, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(made.intercept, other.intercept_, rtol=1e-4)
    np.testing.assert_allclose(made.predict(data.x), other.predict((data.x - made.mean) / made.scale), atol=1e-5)


def test_linear_is_near_the_best_possible_on_a_linear_law() -> None:
    made = learned.session(600, noise=0.3)
    result = fit.learn(dataset.build([made]), Plan(compare=False))
    clean = learned.session(600, noise=0.0)
    for score in result.scores["linear"]:
        true, best = made.targets[score.control], clean.targets[score.control]
        assert score.r2 > 1 - np.mean((true - best) ** 2) / np.var(true) - 0.02


def test_the_penalty_follows_the_noise() -> None:
    quiet, loud = (
        ridge.fit(data, np.arange(len(data.x)), splits.labels(data, 5), 4.0).alphas.mean()
        for data in (dataset.build([learned.session(900, noise=noise)]) for noise in (0.01, 6.0))
    )
    assert loud > 10 * quiet


def test_a_network_is_better_on_a_law_that_is_not_linear() -> None:
    data = dataset.build([learned.session(3000, noise=0.1, curve=lambda drive: 2 * np.sin(2.5 * drive))])
    result = fit.learn(data, Plan("neural", stretches=3, shape=Shape(hidden=(32, 32), epochs=30)))
    assert fit.average(result.scores["neural"]) > fit.average(result.scores["linear"]) + 0.25
    compared = scores.compare(
        data.y[result.rows],
        result.predictions["neural"],
        result.predictions["linear"],
        result.blocks,
        tuple(c.name for c in data.controls),
    )
    assert compared.better


@pytest.mark.parametrize("kind", fit.KINDS)
@pytest.mark.parametrize("hold", [1, 100], ids=["random each tick", "random, held for 10 s"])
def test_what_is_random_cannot_be_learned(kind: str, hold: int) -> None:
    """Features that drift slower than a target is held would let it be learned by heart, if anything leaked."""
    plan = Plan(kind, compare=False, shape=QUICK)
    found = [
        fit.average(fit.learn(learned.random_targets(hold=hold, seed=seed), plan).scores[kind]) for seed in range(3)
    ]
    assert max(found) < 0.03


def test_the_leak_that_is_guarded_against_is_real() -> None:
    """Single rows drawn at random for the test, as is often done, find a law where there is none."""
    data = learned.random_targets(hold=100, slow_s=60.0)
    label = np.random.default_rng(0).integers(0, 5, len(data.x))
    leaking = [
        1 - np.mean((ridge.fit(data, f.train, label, 0.0, 1e-6).predict(data.x[f.test]) - data.y[f.test]) ** 2)
        / np.var(data.y[f.test])
        for f in splits.folds(data, label, 0.0)
    ]  # fmt: skip
    assert np.mean(leaking) > 0.1


def test_a_test_row_changes_nothing_that_it_is_tested_with() -> None:
    """Other targets in the tested stretch alone: the predictions there stay the same, to the last bit."""
    data = dataset.build([learned.session(900)])
    label = splits.labels(data, 5)
    tested = np.flatnonzero(label == 4)
    y = data.y.copy()
    y[tested] = 1 - y[tested]
    for kind in fit.KINDS:
        plan = Plan(kind, compare=False, tests=1, shape=QUICK)
        one, two = (fit.learn(some, plan) for some in (data, replace(data, y=y)))
        np.testing.assert_array_equal(one.rows, tested)
        np.testing.assert_array_equal(one.predictions[kind], two.predictions[kind])


@pytest.mark.parametrize("kind", fit.KINDS)
def test_the_same_data_give_the_same_mapping(kind: str) -> None:
    data = dataset.build([learned.session(500)])
    one, two = (fit.learn(data, Plan(kind, compare=False, stretches=3, shape=QUICK)) for _ in range(2))
    x = data.x[:50]
    np.testing.assert_array_equal(one.learned.predict(x), two.learned.predict(x))


def test_another_seed_is_another_network() -> None:
    data = dataset.build([learned.session(300)])
    one, two = (network.fit(data, np.arange(300), None, replace(QUICK, seed=seed), epochs=2) for seed in (0, 1))
    assert not np.allclose(one.predict(data.x), two.predict(data.x), atol=1e-4)


def test_torch_keeps_its_seed_and_its_threads() -> None:
    torch = pytest.importorskip("torch")
    data = dataset.build([learned.session(300)])
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    network.fit(data, np.arange(300), None, QUICK, epochs=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_network_stops_when_it_learns_no_more() -> None:
    data = learned.random_targets(900)
    rows = np.arange(900)
    made = network.fit(data, rows[:600], rows[640:], Shape(hidden=(64,), dropout=0.0, epochs=200))
    assert len(made.held) < 100
    assert made.epochs == int(np.argmin(made.held)) + 1
    known = data.y[rows[640:]]
    kept = np.mean((made.predict(data.x[rows[640:]]) - known) ** 2) / np.var(data.y[:600])
    assert kept == pytest.approx(made.held[made.epochs - 1], rel=0.05)  # the best epoch's weights, not the last one's


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "elu", "gelu"])
def test_a_model_file_says_what_was_learned(activation: str, tmp_path: Path) -> None:
    data = dataset.build([learned.session(400, ("tempo", "brightness", "z.0"))])
    shape = replace(QUICK, activation=activation)
    made = network.fit(data, np.arange(400), None, shape, epochs=3)
    read = model_file.load(model_file.save(tmp_path / "m.safetensors", export.model(data, made)))
    assert (read.kind, read.activation, read.hidden) == ("neural", activation, (16,))
    low, high = (np.array([getattr(c, end) for c in data.controls]) for end in ("low", "high"))
    np.testing.assert_allclose(played(read, data.x), np.clip(made.predict(data.x), low, high), rtol=1e-4, atol=1e-4)


def test_a_linear_model_file_says_what_was_learned(tmp_path: Path) -> None:
    data = dataset.build([learned.session(400, ("tempo", "brightness"))])
    result = fit.learn(data, Plan(compare=False))
    made = export.model(data, result.learned, export.about(data, result, "anna"))
    read = model_file.load(model_file.save(tmp_path / "m.safetensors", made))
    low, high = (np.array([getattr(c, end) for c in data.controls]) for end in ("low", "high"))
    np.testing.assert_allclose(
        played(read, data.x), np.clip(result.learned.predict(data.x), low, high), rtol=1e-4, atol=1e-4
    )
    assert read.meta["profile"] == "anna"
    assert read.meta["data"]["sha256"] == data.digest
    assert read.meta["scores"]["tempo"]["r2"] == pytest.approx(result.scores["linear"][0].r2)
    assert "numpy" in read.meta["versions"]


def test_controls_without_a_target_in_some_rows_are_learned_from_the_others() -> None:
    made = learned.session(900)
    y = made.targets["mode"].copy()
    y[::2] = np.nan
    data = dataset.build([replace(made, targets={**made.targets, "mode": y})])
    for kind in fit.KINDS:
        result = fit.learn(data, Plan(kind, compare=False, shape=replace(QUICK, epochs=30)))
        assert all(score.r2 > 0.5 for score in result.scores[kind])


def test_a_rating_of_minus_one_counts_nothing_and_more_counts_more() -> None:
    made = learned.session(600, ("mode",))
    other = learned.session(600, ("mode",), law=1)
    y = np.where(np.arange(600) % 2, made.targets["mode"], other.targets["mode"])
    weights = np.where(np.arange(600) % 2, 1.0, 0.05).astype(np.float32)
    plain, weighed = (
        dataset.build([replace(made, targets={"mode": y.astype(np.float32)}, weights=w)])
        for w in (made.weights, weights)
    )
    errors = []
    for data in (plain, weighed):
        said = ridge.fit(data, np.arange(600), splits.labels(data, 5), 0.0).predict(data.x)[:, 0]
        errors.append(np.mean((said - made.targets["mode"]) ** 2))
    assert errors[1] < 0.5 * errors[0]


def test_what_matters_is_found() -> None:
    made = learned.session(900, ("mode",))
    made = replace(made, targets={"mode": np.clip(made.values[:, 3], 0, 1)})  # engagement, and nothing else
    result = fit.learn(dataset.build([made]), Plan(compare=False))
    assert learned.NAMES[int(np.argmax(result.importance))] == "engagement"
    assert result.importance.max() > 1.0
    assert np.delete(result.importance, 3).max() < 0.05


def test_a_mapping_that_is_no_better_is_not_called_better() -> None:
    truth = learned.session(900)
    data = dataset.build([replace(truth, direct=truth.targets)])  # the direct mapper knows it all
    result = fit.learn(data, Plan(compare=False))
    assert result.against_direct.better is False
    assert result.against_mean.better is True
    noise = dataset.build([replace(truth, direct={"mode": np.full(900, 0.5, np.float32)})])
    assert fit.learn(noise, Plan(compare=False)).against_direct.better is True
    random = learned.random_targets(900)
    assert fit.learn(random, Plan(compare=False)).against_mean.better is not True


def test_few_blocks_cannot_tell() -> None:
    y = np.linspace(0, 1, 70)[:, None].astype(np.float32)
    found = scores.compare(y, y, y[::-1], np.arange(70) // 10, ("mode",))
    assert (found.blocks, found.better) == (7, None)
    assert scores.compare(y, y, y[::-1], np.arange(70) // 5, ("mode",)).better is True


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """95 % intervals of R² of a predictor whose true R² is 0.5, on data whose errors last for a block."""
    inside = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).standard_normal((40, 2)).repeat(10, axis=0)
        true = noise[:, :1] + noise[:, 1:]
        (score,) = scores.score(true, noise[:, :1], np.arange(400) // 10, ("mode",))
        inside += score.interval[0] <= 0.5 <= score.interval[1]
    assert 50 <= inside <= 60


def test_large_data_are_tested_on_the_last_stretch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "LARGE", 500)
    data = dataset.build([learned.session(600)])
    result = fit.learn(data, Plan(compare=False))
    assert result.stretches == 1
    assert result.rows.min() >= 450


def test_progress_goes_up_to_the_end_and_may_stop_it() -> None:
    data = dataset.build([learned.session(400)])
    seen: list[float] = []
    fit.learn(data, Plan("neural", stretches=3, shape=QUICK), lambda done, total: seen.append(done / total))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 12

    class Enough(Exception):
        pass

    def stop(done: float, total: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        fit.learn(data, Plan("neural", shape=QUICK), stop)


def test_two_persons_can_be_tested_on_each_other() -> None:
    groups = [replace(learned.session(400, seed=i), person=name) for i, name in enumerate(("anna", "ben"))]
    result = fit.learn(dataset.build(groups), Plan(by_person=True, compare=False))
    assert result.stretches == 2
    assert fit.average(result.scores["linear"]) > 0.5


def test_data_that_are_too_short_are_refused() -> None:
    with pytest.raises(ConfigError, match="too little data"):
        fit.learn(dataset.build([learned.session(60)]), Plan())

"""Sessions to a table: what is joined, what is left out and said, what is refused, and that nothing leaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning import dataset, group, recorded, splits, tables
from tests import learned, xdf_writer


def test_a_setting_of_a_knob_is_about_what_was_before_it_and_holds_for_a_while() -> None:
    times = np.arange(0, 40, 0.1)
    wanted = group.held(times, np.array([12.0, 5.0]), np.array([90.0, 60.0]))
    assert np.isnan(wanted[times < 4.25]).all()
    assert (wanted[(times > 4.35) & (times < 11.25)] == 60).all()  # from 0.7 s before it to the next one
    assert (wanted[(times > 11.35) & (times < 21.25)] == 90).all()  # 10 s at most
    assert np.isnan(wanted[times > 21.35]).all()


def test_a_rating_is_about_the_last_seconds() -> None:
    times = np.arange(0, 40, 0.1)
    said = group.rated(times, np.array([20.0]), np.array([5.0]))
    inside = (times > 13.35) & (times < 19.25)
    assert (said[inside] == 1.0).all()
    assert np.isnan(said[(times < 13.25) | (times > 19.35)]).all()


def test_sessions_are_joined_by_what_they_share() -> None:
    one, two = learned.session(300), learned.session(300, seed=5)
    more = replace(
        two, features=(*two.features[::-1], "gamma"), values=np.column_stack([two.values[:, ::-1], two.values[:, 0]])
    )
    data = dataset.build([one, more])
    assert data.features == one.features
    np.testing.assert_array_equal(data.x, np.vstack([one.values, two.values]))
    assert any("gamma" in remark for remark in data.remarks)
    assert data.session.tolist() == [0] * 300 + [1] * 300
    assert data.minutes == pytest.approx(1.0, rel=0.01)


def test_features_can_be_chosen() -> None:
    data = dataset.build([learned.session(300)], features=["theta*", "beta"])
    assert data.features == ("beta", "theta", "theta_alpha")
    with pytest.raises(ConfigError, match="no feature 'bta'; did you mean 'beta'"):
        dataset.build([learned.session(300)], features=["bta"])


def test_controls_can_be_chosen() -> None:
    assert [c.name for c in dataset.build([learned.session(300)], controls=["mode"]).controls] == ["mode"]
    with pytest.raises(ConfigError, match="no target for 'tempo'; there is mode, brightness"):
        dataset.build([learned.session(300)], controls=["tempo"])
    with pytest.raises(ConfigError, match="no control 'tempi'; did you mean 'tempo'"):
        dataset.build([learned.session(300)], controls=["tempi"])


def test_disjoint_features_are_refused() -> None:
    other = learned.session(300)
    other = replace(other, features=tuple(f"gamma.{name}" for name in other.features))
    with pytest.raises(ConfigError, match="no feature in common"):
        dataset.build([learned.session(300), other])


def test_physical_features_stay_out_unless_asked_for() -> None:
    made = learned.session(300)
    made = replace(made, features=(*made.features[:-1], "raw.alpha"))
    assert "raw.alpha" not in dataset.build([made]).features
    assert "raw.alpha" in dataset.build([made], features=["raw.*", "beta"]).features


def _with(values: dict[int, float]) -> group.Group:
    made = learned.session(300)
    x = made.values.copy()
    for column, value in values.items():
        x[:, column] = value
    return replace(made, values=x)


def test_constant_features_are_left_out_and_said() -> None:
    data = dataset.build([_with({2: 0.5, 4: np.nan})])
    assert "theta" not in data.features
    assert "asymmetry" not in data.features
    assert any("constant: theta" in remark for remark in data.remarks)
    assert any("mostly NaN: asymmetry" in remark for remark in data.remarks)
    with pytest.raises(ConfigError, match="no feature moves"):
        dataset.build([_with(dict.fromkeys(range(len(learned.NAMES)), 0.5))])


def test_rows_that_are_not_finite_are_left_out_and_said() -> None:
    made = learned.session(300)
    x = made.values.copy()
    x[10:20, 3], x[30, 1] = np.nan, np.inf
    data = dataset.build([replace(made, values=x)])
    assert len(data.x) == 289
    assert np.isfinite(data.x).all()
    assert any("11 rows left out" in remark for remark in data.remarks)


def test_one_class_is_refused() -> None:
    made = learned.session(300)
    still = replace(made, targets={"mode": np.full(300, 0.8, np.float32)})
    with pytest.raises(ConfigError, match=r"one value only \(mode = 0\.8\)"):
        dataset.build([still])
    data = dataset.build([replace(made, targets={**made.targets, **still.targets})])  # one of two
    assert [c.name for c in data.controls] == ["brightness"]
    assert any("never changes: mode" in remark for remark in data.remarks)


@pytest.mark.parametrize("n", [0, 2, 39])
def test_too_few_rows_are_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="no row" if n == 0 else f"only {n} usable rows"):
        dataset.build([learned.session(n)] if n else [])


def test_missing_targets_are_refused() -> None:
    made = learned.session(300)
    with pytest.raises(ConfigError, match="no targets in the data: turn knobs"):
        dataset.build([replace(made, targets={})])
    with pytest.raises(ConfigError, match="no targets in the data: turn knobs"):
        dataset.build([replace(made, targets={"mode": np.full(300, np.nan, np.float32)})])


def test_controls_of_another_program_are_left_out() -> None:
    made = learned.session(300)
    targets = {**made.targets, "colour": made.targets["mode"]}
    data = dataset.build([replace(made, targets=targets)])
    assert "colour" not in [c.name for c in data.controls]
    assert any("colour" in remark for remark in data.remarks)


def test_targets_beyond_the_range_are_clipped_and_said() -> None:
    made = learned.session(300)
    data = dataset.build([replace(made, targets={"mode": made.targets["mode"] * 3})])
    assert data.y.max() == 1.0
    assert any("mode outside 0 … 1 clipped" in remark for remark in data.remarks)


def test_the_digest_tells_data_apart() -> None:
    one = dataset.build([learned.session(300)]).digest
    assert one == dataset.build([learned.session(300)]).digest
    assert one != dataset.build([learned.session(300, seed=1)]).digest


@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_learned_keeps_its_distance_from_what_is_tested(parts: int) -> None:
    made = learned.session(1200)
    data = dataset.build([replace(made, parts=np.arange(1200) * parts // 1200), learned.session(700, seed=3)])
    tested: list[int] = []
    for fold in splits.folds(data, splits.labels(data, 5), gap_s=4.0):
        for rows, others in ((fold.train, fold.test), (fold.validation, fold.test), (fold.train, fold.validation)):
            for number in (0, 1):
                mine, theirs = (data.times[r[data.session[r] == number]] for r in (rows, others))
                assert np.abs(mine[:, None] - theirs[None, :]).min() >= 4.0 - 1e-9
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(1900))  # every row once


def test_stretches_are_contiguous_and_cut_no_setting_in_two() -> None:
    made = learned.session(1000)
    y = np.repeat(np.arange(50) % 7 / 7, 20).astype(np.float32)  # changes every 20 rows; 1000 / 6 does not fit
    data = dataset.build([replace(made, targets={"mode": y})])
    label = splits.labels(data, 6)
    assert (np.diff(label) >= 0).all()
    borders = np.flatnonzero(np.diff(label)) + 1
    assert len(borders) == 5
    assert (borders % 20 == 0).all()


def test_whole_persons_are_held_back() -> None:
    groups = [replace(learned.session(200, seed=i), person=f"p{i % 3}") for i in range(5)]
    data = dataset.build(groups)
    for fold in splits.folds(data, splits.labels(data, 5, by_person=True), gap_s=0.0):
        seen, tested = ({data.persons[s] for s in data.session[rows]} for rows in (fold.train, fold.test))
        assert len(tested) == 1
        assert not seen & tested
    with pytest.raises(ConfigError, match="there must be two"):
        splits.labels(dataset.build([learned.session(200)]), 5, by_person=True)


def test_a_gap_that_leaves_nothing_is_refused() -> None:
    data = dataset.build([learned.session(200)])  # 20 s
    with pytest.raises(ConfigError, match="too little data"):
        list(splits.folds(data, splits.labels(data, 5), gap_s=20.0))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = learned.session(120)
    states = ["calibrating"] * 20 + ["good"] * 90 + ["held"] * 10
    read = tables.read(learned.write_csv(tmp_path / "a.csv", made, states), "anna")
    assert read.features == made.features
    assert read.person == "anna"
    np.testing.assert_allclose(read.values, made.values[20:110], rtol=1e-5)
    np.testing.assert_allclose(read.targets["mode"], made.targets["mode"][20:110], rtol=1e-5)
    np.testing.assert_allclose(read.times, made.times[20:110])


def test_a_table_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    path = learned.write_csv(tmp_path / "a.csv", learned.session(120))
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    assert len(tables.read(path)) == 119


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'time'"),
        ("time,control.mode\n1,2\n", "no column 'feature.<name>'"),
        ("time,feature.alpha\n1,2\n", "no column 'control.<name>'"),
        ("time,feature.alpha,control.mode\n1,x,2\n", "cannot read the table"),
        ("time,feature.alpha,feature.alpha,control.mode\n1,1,1,2\n", "'feature.alpha' twice"),
        ("time,feature.alpha\0", "is no table"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        tables.read(path)


def test_a_table_with_a_header_only_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,feature.alpha,control.mode,state\n", encoding="utf-8")
    assert len(tables.read(path)) == 0


def _xdf(path: Path, made: group.Group, **said: list[tuple[float, Any]]) -> Path:
    """Write a session as `record` does: times on a clock of its own, ratings and targets as they came."""
    origin = 5000.0
    at = made.times + origin

    def stream(name: str, kind: str, samples: Any, times: Any, labels: tuple[str, ...], **more: Any) -> Any:
        return xdf_writer.Stream(
            f"brainmusic.{name}", samples, times, kind, channels=[{"label": label} for label in labels], **more
        )

    controls = np.column_stack([*made.targets.values()])
    streams = [
        stream("features", "Features", made.values, at, made.features, rate=10),
        stream("controls", "Controls", controls, at, tuple(made.targets), rate=10),
        stream("markers", "Markers", ["state calibrating", "state good"], [origin, origin + 2.0], (), fmt="string"),
    ]
    for name, pairs in said.items():
        times = [origin + when for when, _ in pairs]
        if name == "targets":
            streams.append(stream(name, "Targets", [text for _, text in pairs], times, (), fmt="string", rate=0))
        else:
            streams.append(stream(name, "Ratings", [[value] for _, value in pairs], times, ("rating",), rate=0))
    return xdf_writer.write(path, streams)


def test_knobs_of_a_recording_are_the_targets_and_ratings_weigh(tmp_path: Path) -> None:
    made = learned.session(400)
    said: list[tuple[float, Any]] = [(5.0, "tempo 60"), (12.0, "tempo 120.5"), (13.0, "nonsense"), (14.0, "mode x")]
    (read,) = recorded.read(_xdf(tmp_path / "a.xdf", made, targets=said, ratings=[(20.0, 1.0), (30.0, -1.0)]))
    t = read.times - 5000.0
    assert t[0] == pytest.approx(2.0, abs=0.11)  # what came before the signal was good is left out
    assert set(read.targets) == {"tempo"}
    assert (read.targets["tempo"][(t > 4.4) & (t < 11.2)] == 60).all()
    assert (read.targets["tempo"][(t > 11.4) & (t < 21.2)] == 120.5).all()
    assert (read.weights[(t > 13.5) & (t < 19)] == 2).all()
    assert (read.weights[(t > 23.5) & (t < 29)] == 0).all()
    assert (read.weights[t < 13] == 1).all()


def test_without_knobs_what_was_liked_is_the_target(tmp_path: Path) -> None:
    made = learned.session(400)
    path = _xdf(tmp_path / "a.xdf", made, ratings=[(20.0, 1.0), (30.0, -1.0), (38.0, 0.5)])
    (read,) = recorded.read(path)
    t = read.times - 5000.0
    np.testing.assert_allclose(read.targets["mode"], made.targets["mode"][-len(t) :])
    np.testing.assert_array_equal(np.unique(read.weights), [0.0, 0.5, 1.0])
    assert (read.weights[(t > 13.5) & (t < 19)] == 1).all()
    assert len(dataset.build([read]).x) == np.count_nonzero(read.weights)


def test_without_knobs_and_ratings_what_played_is_the_target(tmp_path: Path) -> None:
    (read,) = recorded.read(_xdf(tmp_path / "a.xdf", learned.session(400)))
    assert set(read.targets) == {"mode", "brightness"}
    assert (read.weights == 1).all()


def test_another_program_s_recording_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = xdf_writer.write(tmp_path / "a.xdf", [xdf_writer.Stream("eeg", np.zeros((10, 2)), np.arange(10) / 250)])
    with pytest.raises(ConfigError, match=r"a\.xdf@tempo=60"):
        recorded.read(path)

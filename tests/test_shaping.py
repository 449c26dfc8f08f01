"""Adjustments of a control: from its unit to its unit, in range; its smoothing where nothing is set is the mapper's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from brainmusic_daemon.api import CONTROL
from brainmusic_daemon.mapping.route import Shaping, check
from brainmusic_daemon.mapping.smoothing import Smoothing

TEMPO = CONTROL["tempo"]  # 50 to 150


@pytest.mark.parametrize(
    ("table", "value", "expected"),
    [
        ({}, 70.0, 70.0),
        ({"gain": 2}, 110.0, 120.0),
        ({"gain": 2}, 130.0, 150.0),  # no further than the range
        ({"gain": 0}, 140.0, 100.0),
        ({"invert": True}, 140.0, 60.0),
        ({"invert": True, "gain": 2}, 110.0, 80.0),
        ({"offset": 0.1}, 100.0, 110.0),
        ({"output": [60, 80]}, 100.0, 70.0),
        ({"output": [80, 60]}, 150.0, 60.0),
        ({"output": [0, 1000]}, 150.0, 150.0),
    ],
)
def test_what_each_setting_does_to_a_value(table: dict[str, Any], value: float, expected: float) -> None:
    shaping = Shaping.model_validate(table)
    assert shaping.function(TEMPO)(value) == pytest.approx(expected)
    assert shaping.changes_value == bool(table)


def test_smoothing_is_the_mappers_own_where_nothing_is_set() -> None:
    usual = Smoothing(0.7, 12.0, 3.0, True, "critical", 5.0, 9.0)
    assert Shaping().smoothing_over(usual) == usual
    everything = {"smooth_s": 0, "slew": 1, "dead_zone": 0, "smoothing": "one-euro", "agility": 0, "acceleration": 2}
    changed = Shaping.model_validate(everything).smoothing_over(usual)
    assert changed == Smoothing(0.0, 1.0, 0.0, True, "one-euro", 0.0, 2.0)
    assert Shaping(freeze=True).smoothing_for("tempo") == Smoothing(freeze=True)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"smoth_s": 1}, "an adjustment has no setting 'smoth_s' (did you mean 'smooth_s'?)"),
        ({"smoothing": "lazy"}, "'low-pass', 'critical' or 'one-euro'"),
        ({"gain": -1}, "greater than or equal to 0"),
        ({"output": [1, float("nan")]}, "finite"),
        ({"agility": -1}, "greater than or equal to 0"),
        ({"acceleration": 0}, "greater than 0"),
    ],
)
def test_mistakes_are_told_with_the_way_out(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as found:
        Shaping.model_validate(table)
    assert words in str(found.value)


def test_a_route_smooths_as_it_says() -> None:
    table = {"smoothing": "one-euro", "smooth_s": 0.4, "agility": 7, "acceleration": 3, "slew": 2, "dead_zone": 0.1}
    route = check({"loudness": {"from": "alpha", **table}})["loudness"]
    assert route.smoothing == Smoothing(0.4, 2.0, 0.1, False, "one-euro", 7.0, 3.0)
    with pytest.raises(ValidationError) as found:
        check({"loudness": {"from": "alpha", "kind": "critical"}})
    assert "a route has no setting 'kind'" in str(found.value)


def test_what_the_mapper_freezes_can_be_let_go() -> None:
    frozen = Smoothing(0.3, freeze=True)
    assert Shaping().smoothing_over(frozen).freeze and Shaping.model_validate({"gain": 2}).smoothing_over(frozen).freeze
    assert not Shaping.model_validate({"freeze": False}).smoothing_over(frozen).freeze
    assert Shaping.model_validate({"freeze": True}).smoothing_over(Smoothing(0.3)).freeze

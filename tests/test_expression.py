"""Expressions: what they may say, what they give, and that nothing they say does harm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.mapping.expression import LIMIT, parse

NAMES = ("alpha", "theta", "alpha.occipital", "raw.alpha.O1", "alpha.Fp1-M1")
INDEX = {name: place for place, name in enumerate(NAMES)}
VALUES = [0.25, 0.5, 0.75, 12.0, 3.0]


def value(text: str, values: list[float] | None = None) -> float:
    return parse(text).compile(INDEX)(VALUES if values is None else values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha", 0.25),
        ("alpha.occipital", 0.75),
        ("raw.alpha.O1", 12.0),
        ('feature["alpha.Fp1-M1"]', 3.0),
        ("feature['alpha']", 0.25),
        ("0.7", 0.7),
        ("-alpha", -0.25),
        ("+alpha", 0.25),
        ("alpha + theta * 2 - 1", 0.25),
        ("(alpha + theta) * 2", 1.5),
        ("theta / alpha", 2.0),
        ("alpha ** 2", 0.0625),
        ("min(alpha, theta, 0.1)", 0.1),
        ("max(alpha, theta)", 0.5),
        ("mean(alpha, theta, alpha.occipital)", 0.5),
        ("abs(alpha - theta)", 0.25),
        ("clip(raw.alpha.O1)", 1.0),
        ("clip(raw.alpha.O1, 0, 10)", 10.0),
        ("log(raw.alpha.O1)", math.log(12)),
        ("exp(alpha)", math.exp(0.25)),
        ("sqrt(alpha)", 0.5),
        ("alpha < theta", 1.0),
        ("alpha >= theta", 0.0),
        ("connectivity | alpha", 0.25),
        ("nothing | neither | theta", 0.5),
        ("1 - (connectivity | alpha)", 0.75),
        ("connectivity + alpha | theta", 0.5),  # arithmetic first: the whole sum is one alternative
        ("alpha | theta", 0.25),
    ],
)
def test_values(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha / 0", 0.25e9),
        ("-alpha / 0", -0.25e9),
        ("raw.alpha.O1 / 0", LIMIT),
        ("log(0)", math.log(1e-9)),
        ("log(-3)", math.log(1e-9)),
        ("sqrt(-1)", 0.0),
        ("exp(1000)", LIMIT),
        ("exp(-1000)", 0.0),
        ("10 ** 400", LIMIT),
        ("(-10) ** 401", -LIMIT),
        ("(-2) ** 0.5", 0.0),
        ("0 ** -1", 0.0),
        ("1000000 * 1000000", LIMIT),
        ("-1000000 * 1000000", -LIMIT),
    ],
)
def test_where_arithmetic_has_no_answer_there_is_a_stated_one(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("alpha +", "invalid syntax"),
        ("alpha theta", "invalid syntax"),
        ("alpha.1", 'feature["'),
        ("__import__('os')", "no function '__import__'"),
        ("sqr(alpha)", "did you mean 'sqrt'"),
        ("min(alpha)", "takes 2 to 64 values, not 1"),
        ("sqrt(alpha, 2)", "takes 1 values, not 2"),
        ("clip(alpha, low=0)", "not part of an expression"),
        ("alpha.upper()", "not part of an expression"),
        ("(alpha).real.__class__()", "not part of an expression"),
        ("(alpha + 1).real", "only a feature's name can have dots"),
        ("alpha[0]", "not part of an expression"),
        ("feature[0]", "not part of an expression"),
        ("[alpha]", "not part of an expression"),
        ("lambda: 1", "not part of an expression"),
        ("alpha if theta else 1", "not part of an expression"),
        ("alpha and theta", "not part of an expression"),
        ("alpha < theta < 1", "not part of an expression"),
        ("alpha == theta", "not part of an expression"),
        ("alpha % 2", "not part of an expression"),
        ("True", "not part of an expression"),
        ("'alpha'", "not part of an expression"),
        ("1j", "not part of an expression"),
        ("1e999", "beyond"),
        ("1e10 * alpha", "beyond"),
        ("(x := 1)", "not part of an expression"),
        ("alpha\x00", "null"),
        ("1if", "1if"),
        ("'\\q'", "\\q"),
        ("+".join(["alpha"] * 60), "nested too deeply"),
        ("a" * 401, "401 characters"),
        ("(" * 190 + "alpha" + ")" * 190, "alpha"),
        ("-" * 300 + "alpha", "nested too deeply"),
    ],
)
def test_everything_else_is_refused_in_words(text: str, part: str) -> None:
    if text.startswith("(" * 190):  # parentheses alone are no depth; Python's own limit may or may not stop them
        try:
            assert value(text) == 0.25
        except ValueError as error:
            assert part in str(error)
        return
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert part in str(caught.value)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=60) | st.text(alphabet="alphatheta.()+-*/|<>= 0123456789,\"'[]", max_size=60))
def test_no_text_does_anything_but_parse_or_raise_value_error(text: str) -> None:
    try:
        expression = parse(text)
    except ValueError:
        return
    if expression.resolvable(INDEX):
        assert math.isfinite(expression.compile(INDEX)(VALUES))


_atoms = st.sampled_from(["alpha", "theta", "raw.alpha.O1", "0", "2", "0.5"])
_expressions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", "<", "|"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(["log", "exp", "sqrt", "abs", "clip"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
    ),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is no failure
@given(_expressions, st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5))
def test_results_are_always_finite(text: str, values: list[float]) -> None:
    assert math.isfinite(value(text, values))


def test_features_name_what_is_used() -> None:
    expression = parse("connectivity * 2 | alpha + theta + alpha")
    assert expression.features() == ("connectivity", "alpha", "theta")
    assert expression.features(NAMES) == ("alpha", "theta")
    assert expression.features(("connectivity",)) == ("connectivity",)
    assert expression.features(("alpha",)) == ()
    assert parse("0.5").features(()) == () and parse("0.5").resolvable(())


def test_missing_features_are_named_with_the_nearest() -> None:
    expression = parse("alpha.ocipital + alpha")
    assert not expression.resolvable(NAMES)
    assert expression.missing(NAMES) == "'alpha.ocipital' (did you mean 'alpha.occipital'?)"
    with pytest.raises(KeyError, match="ocipital"):
        expression.compile(INDEX)

"""The report: one page that stands by itself, says what is so, and lets nothing out of the data's names."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from brainmusic_daemon.learning import dataset, fit, report, verdict
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Plan, Result
from brainmusic_daemon.learning.network import Shape
from tests import learned

pytest.importorskip("matplotlib")
VOID = {"meta", "br", "hr", "img", "link", "input"}
QUICK = Shape(hidden=(16,), epochs=8)


class Checked(HTMLParser):
    """Finds tags that are not closed, and everything that would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "link", "iframe", "object"):
            self.fetched.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href") and not (value or "").startswith(("#", "data:")):
                self.fetched.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.fetched.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert tag in self.open, tag
        while self.open.pop() != tag:  # li, p, tr may stay open in HTML
            pass

    def handle_data(self, data: str) -> None:
        self.text += data


def made(data: DataSet, plan: Plan) -> tuple[Result, str, Checked]:
    result = fit.learn(data, plan)
    groups = [learned.session(60)]
    page = report.page(data, result, {"linear": (3e-6, 3816), "direct": (2e-6, 0)}, groups, ["me.xdf"])
    checked = Checked()
    checked.feed(page)
    return result, page, checked


@pytest.fixture(scope="module")
def whole() -> tuple[DataSet, Result, str, Checked]:
    truth = learned.session(900)
    data = dataset.build([replace(truth, direct={"mode": np.full(900, 0.5, np.float32)})])
    return data, *made(data, Plan("linear", stretches=3, shape=QUICK))


def test_it_stands_by_itself(whole: tuple[DataSet, Result, str, Checked]) -> None:
    _, _, page, checked = whole
    assert page.startswith("<!doctype html>")
    assert not checked.fetched
    assert checked.open == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)
    assert 'name="viewport"' in page  # a phone
    assert "prefers-color-scheme:dark" in page
    assert len(page) < 2_000_000


def test_it_says_whether_it_is_better(whole: tuple[DataSet, Result, str, Checked]) -> None:
    _, result, _, checked = whole
    assert "The learned mapping is better than the direct one on your data." in checked.text
    assert f"{100 * result.against_direct.lower:.0f} % lower" in checked.text
    assert re.search(r"95 % interval of the reduction \d+ … \d+ %, \d+ blocks", checked.text)


def test_it_says_when_it_is_not_better() -> None:
    truth = learned.session(900)
    data = dataset.build([replace(truth, direct=truth.targets)])
    _, _, checked = made(data, Plan("linear", compare=False))
    assert "The learned mapping is not better than the direct one on your data." in checked.text


def test_it_says_when_there_is_nothing_to_compare_with() -> None:
    data = dataset.build([learned.session(900, ("z.0", "z.1"))])
    _, _, checked = made(data, Plan("linear", compare=False))
    assert "drives none of these controls" in checked.text


def test_every_control_and_method_has_its_figures(whole: tuple[DataSet, Result, str, Checked]) -> None:
    data, result, _, checked = whole
    for column, control in enumerate(data.controls):
        assert control.name in checked.text
        for name in ("linear", "neural", "mean"):
            score = result.scores[name][column]
            assert f"{score.r2:.2f}".replace("-", "−").replace("−0.00", "0.00") in checked.text
            assert f"{score.mse:.4g}".replace("-", "−") in checked.text
    for word in ("direct", "3,816 bytes", "3 µs", data.digest, "numpy", "me.xdf", "minutes of good signal"):
        assert word in checked.text


def test_the_pictures_are_there_and_well_formed(whole: tuple[DataSet, Result, str, Checked]) -> None:
    data, result, page, _ = whole
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == len(data.controls) + 3  # scatter each; over time, importance, loss
    for picture in pictures:
        ElementTree.fromstring(picture)
        assert "#010203" not in picture  # the ink is the page's
        assert "currentColor" in picture
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", " ".join(pictures)))
    assert data.features[int(np.argmax(result.importance))] in words
    for word in ("wanted", "predicted", "epoch", "shuffled", *(control.name for control in data.controls)):
        assert word in words


def test_no_name_breaks_out() -> None:
    evil = '<script>alert(1)</script>"$\\alpha_{$&'
    truth = learned.session(900)
    group = replace(truth, name=evil, features=(evil, *truth.features[1:]), person=evil, about={evil: evil})
    data = replace(dataset.build([group]), remarks=(evil,))
    result = fit.learn(data, Plan("linear", compare=False))
    page = report.page(data, result, {}, [group], [evil])
    assert "<script" not in page
    checked = Checked()
    checked.feed(page)
    assert not checked.fetched
    assert checked.text.count("alert(1)") >= 5


def test_the_same_result_gives_the_same_page(whole: tuple[DataSet, Result, str, Checked]) -> None:
    data, result, page, _ = whole
    again = report.page(data, result, {"linear": (3e-6, 3816), "direct": (2e-6, 0)}, [learned.session(60)], ["me.xdf"])
    made_at = re.compile(r"<dt>made</dt><dd>[^<]*</dd>")
    assert made_at.sub("", again) == made_at.sub("", page)


def test_few_changes_of_the_target_are_warned_of() -> None:
    truth = learned.session(900)
    one = replace(truth, targets={"mode": np.repeat([0.2, 0.8], 450).astype(np.float32)}, parts=np.repeat([0, 1], 450))
    data = dataset.build([one])
    result = fit.learn(data, Plan(compare=False))
    assert any("change only 1 time in all" in line for line in verdict.cautions(data, result))
    often = dataset.build([truth])
    assert not any("change only" in line for line in verdict.cautions(often, fit.learn(often, Plan(compare=False))))


def test_without_matplotlib_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(Exception, match=r"brainmusic-daemon\[learn\]"):
        report.check()

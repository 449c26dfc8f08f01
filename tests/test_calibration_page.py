"""The page's calibration, in a real browser beside a real daemon: by a click, by keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from brainmusic_daemon.features import profile_file
from brainmusic_daemon.service import calibrate, contact, guidance
from brainmusic_daemon.service.daemon import Daemon
from tests.browser import Tab, browser
from tests.daemons import daemon
from tests.receivers import wait_for

pytestmark = pytest.mark.real

SIZE = """((element) => parseFloat(getComputedStyle(element).fontSize))(document.querySelector(%r))"""
FILL = """((field) => { field.value = %r; field.dispatchEvent(new Event("input")); })(document.querySelector(%r))"""
OUTSIDE = """[...document.querySelectorAll("#guide *")].map((e) => e.getBoundingClientRect())
    .filter((box) => box.width && (box.left < -1 || box.right > innerWidth + 1)).length"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINMUSIC_PROFILES", str(tmp_path_factory.mktemp("profiles")))
        for module in (contact, calibrate, guidance):
            patch.setattr(module, "SHORTEST_S", 4.0)
        patch.setattr(guidance, "COUNT_S", 1.0)
        with daemon("web.enabled=true", "web.port=0", "source.period_s=9", name="page-calibrates") as made:
            wait_for(lambda: made.web.port, 60, "for the web server")
            yield made


@pytest.fixture(scope="module")
def tab(running: Daemon) -> Iterator[Tab]:
    with browser() as chromium:
        made = chromium.tab()
        made.prefer("dark")
        made.size(1440, 1000)
        made.open(running.web.url)
        made.wait("window.brainmusic && brainmusic.traces.count > 20")
        yield made
        made.close()


def begin(tab: Tab, name: str) -> None:
    for field, value in (("name", name), ("open", "6"), ("closed", "6")):
        tab.run(f"document.querySelector('#calibrate-{field}').min = 1")
        tab.run(FILL % (value, f"#calibrate-{field}"))
    tab.click("#calibrate-start")
    tab.wait("document.querySelector('#guide').open")


def test_a_person_is_led_by_the_page(tab: Tab, running: Daemon) -> None:
    begin(tab, "anna")
    tab.wait("document.querySelector('#guide').dataset.phase === 'open'")
    tab.wait("/^[1-6]$/.test(document.querySelector('#guide .count').textContent)")
    assert "OPEN" in tab.run("document.querySelector('#guide .words-big').textContent")
    assert tab.run(SIZE % "#guide .words-big") >= 40 and tab.run(SIZE % "#guide .count") >= 150  # at arm's length
    assert tab.run("document.querySelectorAll('#guide .chip').length") == 8
    assert tab.run("document.querySelector('#calibrate-start').disabled")
    tab.wait("document.querySelector('#guide .kept').textContent.includes('kept')")
    tab.wait("document.querySelector('#guide').dataset.phase === 'closed'")
    tab.wait("document.querySelector('#guide').dataset.phase === 'done'", 90)
    tab.wait("document.querySelector('#guide .plain').textContent.includes('your rhythm is at')")
    assert profile_file.known() == ["anna"]
    tab.click("#guide-cancel")  # it closes by now
    tab.wait("!document.querySelector('#guide').open")
    tab.wait("document.querySelector('#profile').textContent === 'profile anna'")
    tab.run(
        "((choice) => { choice.value = ''; choice.dispatchEvent(new Event('change')); })"
        "(document.querySelector('#profile-choice'))"
    )
    tab.wait("document.querySelector('#profile').textContent.startsWith('no profile')")
    assert running.profiles.standing == {"": ""} and tab.errors == []


def test_it_is_cancelled_by_keyboard_and_can_be_hidden(tab: Tab, running: Daemon) -> None:
    begin(tab, "ben")
    assert tab.run("document.activeElement.id") == "guide-cancel"
    tab.click("#guide-hide")
    tab.wait("!document.querySelector('#guide').open && !document.querySelector('#calibrate-show').hidden")
    assert running.calibration.under_way
    tab.click("#calibrate-show")
    tab.wait("document.querySelector('#guide').open")
    tab.run("document.querySelector('#guide-cancel').focus()")
    tab.press("Enter")
    tab.wait("document.querySelector('#guide').dataset.phase === 'cancelled'")
    assert "ben" not in profile_file.known()
    tab.press("Enter")
    tab.wait("!document.querySelector('#guide').open")
    assert tab.errors == []


@pytest.mark.parametrize(("width", "height"), [(360, 740), (844, 390)])
def test_it_fits_a_phone(tab: Tab, width: int, height: int) -> None:
    tab.size(width, height, mobile=True)
    try:
        begin(tab, "carl")
        tab.wait("document.querySelector('#guide').dataset.phase === 'open'")
        assert tab.run(OUTSIDE) == 0 and tab.run("document.documentElement.scrollWidth") <= width
        box = tab.run("((b) => [b.width, b.height])(document.querySelector('#guide-cancel').getBoundingClientRect())")
        assert box[0] >= 44 and box[1] >= 44
        tab.click("#guide-cancel")
        tab.wait("document.querySelector('#guide').dataset.phase === 'cancelled'")
        tab.click("#guide-cancel")
        tab.wait("!document.querySelector('#guide').open")
    finally:
        tab.size(1440, 1000)
    assert tab.errors == []


def test_an_electrode_without_contact_is_left_out_by_a_button(
    tab: Tab, running: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = running.calibration._look

    def one_is_flat(person: str, without: tuple[str, ...]) -> guidance.Look:
        seen = look(person, without)
        return seen if "C3" in without else replace(seen, bad={"C3": "flat"})

    monkeypatch.setattr(running.calibration, "_look", one_is_flat)
    begin(tab, "dora")
    tab.wait("!document.querySelector('#guide-without').hidden")
    assert tab.run("document.querySelector('#guide-without').textContent") == "Calibrate without C3"
    tab.click("#guide-without")
    tab.wait("['ready', 'open'].includes(document.querySelector('#guide').dataset.phase)")
    assert running.calibration.guidance.without == ("C3",) and running.calibration.guidance.name == "dora"
    tab.wait("document.querySelector('#guide').dataset.phase === 'done'", 90)
    assert "C3" not in profile_file.load("dora").channels and tab.errors == []

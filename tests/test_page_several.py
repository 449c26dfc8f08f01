"""The page with several persons: whom it shows, and that of the others nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brainmusic_daemon.acquisition.several import Several
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.dashboard.feed import Feed
from brainmusic_daemon.service.dashboard.persons import Persons
from brainmusic_daemon.service.dashboard.viewer import Hostile, Watch, parsed
from tests.browser import Browser, Tab, browser
from tests.daemons import daemon
from tests.receivers import wait_for

PRESSED = """[...document.querySelectorAll('#people button')].filter((b) => b.ariaPressed === 'true')
    .map((b) => b.querySelector('b').textContent).join()"""
NAMED = "[...document.querySelectorAll('#head text')].map((name) => name.textContent).join(' ')"


@pytest.fixture(scope="module")
def playing() -> Iterator[Daemon]:
    with daemon("web.enabled=true", "web.port=0", config="duo", name="two-on-a-page") as running:
        wait_for(lambda: running.web.port and len(running.session.pipeline.bank.members) == 2, 60, "for both")  # type: ignore[union-attr]
        yield running


def test_whom_a_tab_shows_is_asked_for_in_a_message_of_its_own() -> None:
    assert parsed('{"watch": "anna"}') == Watch("anna")
    with pytest.raises(Hostile):
        parsed('{"watch": 3}')


def test_each_person_has_a_sheet_under_plain_names(playing: Daemon) -> None:
    people = Feed(playing).persons.sheets()
    assert [*people] == ["anna", "ben"]
    for sheet in people.values():
        assert "O1" in sheet["channels"] and all(sheet["places"]) and sheet["points_hz"] == pytest.approx(125.0)
        assert sheet["shown"][:5] == ["delta", "theta", "alpha", "beta", "gamma"] and not sheet["performs"]


def test_of_whom_one_looks_at_come_traces_and_their_own_features(playing: Daemon) -> None:
    persons = Persons(playing)
    shown = persons.sheets()["ben"]["shown"]
    wait_for(lambda: persons.newest("ben")["f"], 20, "for a tick with both")
    first = persons.newest("ben")
    wait_for(lambda: "p" in persons.newest("ben"), 20, "for samples")
    assert len(first["f"]) == len(shown) and all(0.0 <= value <= 1.0 for value in first["f"])
    frame = playing.session.frame
    assert frame is not None and frame.features.index["ben.alpha"] != frame.features.index["alpha"]
    assert "p" not in persons.newest("nobody") and persons.newest("nobody")["f"] == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def tab(chromium: Browser, playing: Daemon) -> Iterator[Tab]:
    made = chromium.tab()
    made.size(1440, 1000)
    made.open(playing.web.url)
    made.wait("window.brainmusic && brainmusic.traces.count > 20", 60)
    yield made
    made.close()


@pytest.mark.real
def test_one_after_the_other_is_shown(tab: Tab, playing: Daemon) -> None:
    assert tab.run("document.querySelectorAll('#people button').length") == 2
    assert tab.run(PRESSED) == "anna" and "O1" in tab.run(NAMED) and "anna" not in tab.run(NAMED)
    tab.wait("document.querySelector('#contact').textContent.includes('of 8')")
    tab.wait("document.querySelectorAll('.feature u:not([hidden])').length > 8")
    tab.run("document.querySelectorAll('#people button')[1].click()")
    tab.wait(f"({PRESSED}) === 'ben'")
    before = tab.run("brainmusic.traces.count")
    tab.wait(f"brainmusic.traces.count > {before} + 60", 30)
    tab.wait("brainmusic.persons.states.ben === 'good'", 60)
    tab.run("window.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}))")
    tab.wait(f"({PRESSED}) === 'anna'")
    assert not tab.errors


@pytest.mark.real
def test_the_choice_outlives_a_reload(tab: Tab) -> None:
    tab.run("document.querySelectorAll('#people button')[1].click()")
    tab.run("window.before = true")
    tab.run("location.reload()")
    tab.wait("!window.before && window.brainmusic && brainmusic.traces.count > 20", 60)
    assert tab.run(PRESSED) == "ben"
    tab.run("localStorage.removeItem('person')")


@pytest.mark.real
@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 740)])
def test_a_thumb_finds_the_persons_on_a_phone(tab: Tab, width: int, height: int, tmp_path: Path) -> None:
    tab.size(width, height, mobile=True)
    tab.wait("[...document.querySelectorAll('#people button')].every((b) => b.getBoundingClientRect().height >= 43.9)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    top = "document.querySelector('%s').getBoundingClientRect().top"
    assert tab.run(f"{top % '#people'} < {top % '#play'} && {top % '#play'} < {top % '#signal'}")


@pytest.mark.real
def test_it_says_who_is_gone_while_the_others_play(tab: Tab, playing: Daemon) -> None:
    title, banner = "document.querySelector('#banner-title').textContent", "document.querySelector('#banner')"
    acquisition = playing.session.acquisition
    assert isinstance(acquisition, Several)
    source, away = acquisition.members["ben"]._source, True
    read = source.read
    source.read = lambda timeout: time.sleep(0.02) if away else read(timeout)  # type: ignore[method-assign]
    try:
        tab.wait(f"{title} === 'ben: the headset is gone' && !{banner}.hidden", 60)
        assert tab.run("document.querySelector('#state').textContent") != "lost"
        assert tab.run("document.querySelectorAll('#people button')[1].dataset.state") == "lost"
        tab.wait("document.querySelectorAll('.feature u:not([hidden])').length > 8")  # where anna stands
        tab.run("document.querySelectorAll('#people button')[1].click()")
        tab.wait("document.querySelectorAll('.feature u:not([hidden])').length === 0")  # ben stands nowhere
        tab.wait("document.querySelector('#contact').textContent === 'no samples'")
    finally:
        away = False
    tab.wait(f"{banner}.hidden", 60)
    tab.wait("document.querySelectorAll('.feature u:not([hidden])').length > 8")
    tab.run("localStorage.removeItem('person')")

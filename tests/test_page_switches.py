"""What is pressed on the page, twice at once, in a dialog, in vain: it does what is meant, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.dashboard.feed import Feed
from tests.browser import Browser, Tab, browser
from tests.daemons import daemon
from tests.receivers import wait_for

pytestmark = pytest.mark.real

KEY = "window.dispatchEvent(new KeyboardEvent('keydown', { key: %r, bubbles: true }))"
SENT = """(() => { const c = brainmusic.connection; window.sent = [];
    c.send = (...words) => { sent.push(words); return Object.getPrototypeOf(c).send.apply(c, words); };
})()"""
FORM = "[...document.querySelectorAll('.command')].find((form) => form.textContent.startsWith('%s'))"
SLIDE = """((slider) => { slider.value = %s; slider.dispatchEvent(new Event("input")); })(document.querySelector(%r))"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = f"control.folder={str(tmp_path_factory.mktemp('recordings'))!r}"
    with daemon("web.enabled=true", "web.port=0", folder, name="switched") as made:
        wait_for(lambda: made.web.port, 60, "for the web server")
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def tab(chromium: Browser, running: Daemon) -> Iterator[Tab]:
    running.control.ask("resume", ())
    made = chromium.tab()
    made.size(1440, 1000)
    made.open(running.web.url)
    made.wait("window.brainmusic && brainmusic.play.overview && brainmusic.traces.count > 5")
    made.wait("!brainmusic.play.standing.panic")
    made.run(SENT)
    yield made
    made.close()


def sent(tab: Tab) -> list[list[Any]]:
    found: list[list[Any]] = tab.run("sent")
    return found


@pytest.mark.parametrize(
    ("key", "commands"),
    [
        ("p", [["panic"], ["resume"]]),
        ("m", [["mute", 1], ["mute", 0]]),
        ("r", [["record.start"], ["record.stop"]]),
    ],
)
def test_twice_at_once_is_there_and_back(tab: Tab, running: Daemon, key: str, commands: list[list[Any]]) -> None:
    tab.run(f"{KEY % key}; {KEY % key}; 1")
    assert sent(tab) == commands
    wait_for(
        lambda: not (running.sounding.panicked or running.sounding.muted or running.recorder.status), 20, "for both"
    )
    time.sleep(0.7)  # an overview later it still shows what is
    assert not any(tab.run("Object.values(brainmusic.play.standing)"))
    assert not tab.run("document.querySelectorAll('.toast.no').length")


def test_what_is_asked_for_shows_at_once(tab: Tab, running: Daemon) -> None:
    assert tab.run(f"{KEY % 'p'}; document.querySelector('#panic').textContent") == "Resume"
    wait_for(lambda: running.sounding.panicked, 20, "for silence")


def test_silence_wins_where_two_press_at_once(tab: Tab, running: Daemon) -> None:
    pressed = f"if (brainmusic.play.standing.panic) {{ clearInterval(looking); {KEY % 'p'}; }}"
    tab.run(f"window.looking = setInterval(() => {{ {pressed} }}, 5)")  # meant as it was a moment ago
    running.control.ask("panic", (1,))
    tab.wait("sent.length")
    assert sent(tab) == [["panic"]] and running.sounding.panicked
    time.sleep(1.1)
    tab.run(KEY % "p")
    wait_for(lambda: not running.sounding.panicked, 20, "for the music")


def test_what_others_do_is_told_at_once(running: Daemon) -> None:
    """Not with the next overview that is due: half a second is long for one who presses P."""
    feed = Feed(running)
    told = lambda: "overview" in [update["k"] for update in feed.updates()]  # noqa: E731
    assert told() and not told()
    for command in ("panic", "resume", "mute", "resume"):
        running.control.ask(command, ())
        assert told() and not told()


def test_panic_and_mute_work_in_a_dialog_and_at_a_choice(tab: Tab, running: Daemon) -> None:
    tab.press("?")
    tab.wait("document.querySelector('#keys').open")
    tab.press("r")
    tab.press("p")
    wait_for(lambda: running.sounding.panicked, 20, "for silence in spite of the help")
    tab.wait("[...document.querySelectorAll('[data-panic]')].every((button) => button.textContent === 'Resume')")
    tab.click("#keys [data-panic]")
    wait_for(lambda: not running.sounding.panicked, 20, "for the music")
    tab.run("document.querySelector('#keys').close(); document.querySelector('#scale').focus()")
    tab.press("m")
    wait_for(lambda: running.sounding.muted, 20, "for the mute")
    tab.press("m")
    wait_for(lambda: not running.sounding.muted, 20, "for its end")
    assert ["record.start"] not in sent(tab) and tab.run("document.querySelector('#scale').value") == "0"


def test_a_calibration_leaves_panic_within_reach(tab: Tab, running: Daemon) -> None:
    tab.size(390, 844, mobile=True)
    tab.run("navigator.wakeLock.request = () => Promise.reject(new Error('not over http'))")
    tab.run("window.said = []; speechSynthesis.speak = (words) => said.push(words.text)")
    tab.run("speechSynthesis.getVoices = () => []")
    tab.run("document.querySelector('#calibrate-name').value = 'anna'")
    tab.click("#calibrate-start")
    tab.wait("document.querySelector('#guide').open")
    tab.wait("!document.querySelector('#guide-hint').hidden")  # it may go to sleep
    assert "lock its screen" in tab.run("document.querySelector('#guide-hint').textContent")
    tab.click("#guide [data-panic]")
    wait_for(lambda: running.sounding.panicked, 20, "for silence")
    tab.wait("said.length > 0", 30)  # also where the voices are not known yet
    tab.click("#guide-cancel")
    tab.wait("document.querySelector('#guide').dataset.phase === 'cancelled'")
    tab.press("m")
    wait_for(lambda: not running.sounding.panicked, 20, "for the music")


def test_a_screen_that_can_be_kept_awake_is(tab: Tab) -> None:
    tab.size(390, 844, mobile=True)
    tab.run(
        "window.locks = []; navigator.wakeLock.request = async (what) => { const lock = new EventTarget();"
        "lock.release = () => locks.push('released'); locks.push(what); return lock; }"
    )
    tab.run("document.querySelector('#calibrate-name').value = 'ben'")
    tab.click("#calibrate-start")
    tab.wait("document.querySelector('#guide').open && document.querySelector('#guide').dataset.phase")
    assert tab.run("[locks.join(), document.querySelector('#guide-hint').hidden]") == ["screen", True]
    tab.click("#guide-cancel")
    tab.wait("locks.join() === 'screen,released'")


def test_a_rating_says_what_becomes_of_it(tab: Tab, running: Daemon) -> None:
    toasts = "document.querySelector('#toasts').textContent"
    tab.press("+")
    tab.wait(f"{toasts}.includes('rated +1: not recorded, not learning')")
    tab.click("#record")
    tab.click("#learn")
    wait_for(lambda: running.recorder.status is not None and running.tutor.active, 20, "for both")
    tab.press("-")
    tab.wait(f"{toasts}.includes('rated -1: recorded, learning from it')")
    tab.click("#learn")
    tab.click("#record")
    wait_for(lambda: running.recorder.status is None and not running.tutor.active, 20, "for the end of both")
    tab.run("(() => { const c = brainmusic.connection; c.open = () => {}; c.socket.close(); })()")
    tab.wait("brainmusic.link !== 'open'")
    tab.run("document.querySelector('#toasts').replaceChildren()")
    tab.run(f"{KEY % '+'}; {KEY % '+'}; {KEY % 'p'}")
    assert tab.run(toasts) == "Not connected: nothing was done."  # once, and nothing else
    assert tab.run("document.querySelector('#panic').textContent") == "Panic"


def test_a_slider_goes_back_where_what_it_says_is_refused_or_undone(tab: Tab, running: Daemon) -> None:
    low, high = "[data-setting=low]", "[data-setting=high]"
    settings = "brainmusic.drives.controls.get('tempo').control.settings"
    tab.click("[data-control=tempo] > button")
    tab.run("brainmusic.drives.controls.get('tempo').editor.range = () => [50, 250, 1]")  # as a wrong table would say
    tab.run(SLIDE % (0.75, low))
    tab.wait("document.querySelector('.toast.no')?.textContent.includes('50 to 150')", 20)
    tab.wait(f"document.querySelector({low!r}).value === '0'", 10)
    before = tab.run(f"document.querySelector({high!r}).value")
    tab.run(SLIDE % (0.25, high))
    tab.wait(f"{settings}.high === 100", 20)
    tab.run(KEY % "u")  # within the time in which a hand may still be on it
    tab.wait(f"{settings}.high !== 100", 20)
    tab.wait(f"document.querySelector({high!r}).value === {before!r}", 10)
    assert tab.errors == []


def test_an_argument_in_the_middle_may_be_left_out(tab: Tab, running: Daemon) -> None:
    tab.run("document.querySelector('#every').open = true")
    fill = "fields[0].value = fields[3].value = 'carl'"
    tab.run(
        f"((form) => {{ const fields = form.querySelectorAll('input'); {fill}; form.requestSubmit(); }})"
        f"({FORM % 'calibrate.start'})"
    )
    assert sent(tab) == [["calibrate.start", "carl", 30, 30, "carl"]]
    tab.wait("document.querySelector('.toast')?.textContent", 20)
    assert "a number" not in tab.run("document.querySelector('.toast').textContent")
    running.control.ask("calibrate.cancel", ())


def test_what_is_saved_while_it_runs_can_be_pressed_and_what_is_half_typed_stays(
    chromium: Browser, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text('[source]\nkind = "simulator"\n')
    with daemon("web.enabled=true", "web.port=0", config=tmp_path / "mine.toml", name="saved-meanwhile") as made:
        wait_for(lambda: made.web.port, 60, "for the web server")
        tab = chromium.tab()
        tab.open(made.web.url)
        tab.wait("!!document.querySelector('[data-mapper=direct]')")
        tab.run(f"{FORM % 'marker'}.querySelector('input').value = 'half a w'")
        assert made.control.ask("save", (str(tmp_path / "other.toml"),)).ok
        tab.wait("!!document.querySelector('[data-mapper=\"other.toml\"]')", 20)
        assert tab.run(f"{FORM % 'marker'}.querySelector('input').value") == "half a w"
        assert tab.errors == []
        tab.close()


def test_stop_says_that_the_page_cannot_start_it_again(tab: Tab, running: Daemon) -> None:
    tab.run("window.confirm = (words) => { window.asked = words; return false; }")
    tab.run(f"{FORM % 'stop'}.requestSubmit()")
    assert "stays stopped" in tab.run("asked") and "service" in tab.run("asked") and sent(tab) == []


def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(chromium: Browser, running: Daemon) -> None:
    tab = chromium.tab()
    blocked = "Object.defineProperty(window, %r, { get() { throw new DOMException('blocked', 'SecurityError'); } });"
    source = "".join(blocked % name for name in ("localStorage", "sessionStorage"))
    tab.page.add_init_script(source)
    tab.prefer("dark")
    tab.open(running.web.url)
    tab.wait("window.brainmusic && brainmusic.traces.count > 5")
    assert tab.run("document.documentElement.dataset.theme") == "dark"
    tab.press("d")
    tab.wait("document.documentElement.dataset.theme === 'light'")
    assert tab.errors == []
    tab.close()


def test_the_question_for_the_token_comes_back(chromium: Browser) -> None:
    with daemon("web.enabled=true", "web.port=0", "web.token=open-sesame", name="asking-again") as asking:
        wait_for(lambda: asking.web.port, 60, "for the web server")
        tab = chromium.tab()
        tab.open(asking.web.url)
        tab.wait("document.querySelector('#ask').open")
        tab.run("document.querySelector('#ask').close()")  # as Esc does
        tab.click("#banner-act")
        tab.wait("document.querySelector('#ask').open")
        tab.run(
            "document.querySelector('#token').value = 'open-sesame'; document.querySelector('#ask-form button').click()"
        )
        tab.wait("brainmusic.link === 'open' && document.querySelector('#banner-act').hidden")
        tab.close()

"""The level on the page and in OSCQuery: what is configured until another is set, and none where nothing sounds."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from brainmusic_daemon.service.daemon import Daemon
from tests.browser import Browser, browser
from tests.daemons import daemon
from tests.receivers import wait_for

QUIET_DB = -30.0
# The device need not be there: the level is that of the output, whatever it is connected to.
AUDIO = ("output.audio.enabled=true", "output.audio.device=none of these", f"output.audio.gain_db={QUIET_DB}")
STEP = (
    """((slider) => { slider.stepUp(); slider.dispatchEvent(new Event("input")); })(document.querySelector("#gain"))"""
)


@pytest.fixture(scope="module")
def playing() -> Iterator[Daemon]:
    with daemon("web.enabled=true", "web.port=0", *AUDIO, name="a-quiet-one") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def told(running: Daemon) -> list[float] | None:
    with urllib.request.urlopen(f"{running.web.url}brainmusic/gain", timeout=20) as answer:
        found: list[float] | None = json.load(answer).get("VALUE")
    return found


@pytest.mark.real
def test_the_slider_begins_at_the_configured_level_and_goes_on_from_there(chromium: Browser, playing: Daemon) -> None:
    assert told(playing) == [QUIET_DB]
    assert playing.memory._now().gain_db is None  # another that is configured for the next start counts there
    tab = chromium.tab()
    tab.open(playing.web.url)
    tab.wait("window.brainmusic && !document.querySelector('#gain').disabled")
    assert tab.run("[document.querySelector('#gain').value, document.querySelector('#gain-text').textContent]") == [
        f"{QUIET_DB:g}",
        f"{QUIET_DB:g} dB",
    ]
    tab.run(STEP)
    wait_for(lambda: playing.sounding.gain_db == QUIET_DB + 0.5, 20, "for the next step, not for one of 29.5 dB")
    assert told(playing) == [QUIET_DB + 0.5] and playing.sounding.set_db == QUIET_DB + 0.5
    playing.control.ask("gain", [-12])
    tab.wait("document.querySelector('#gain-text').textContent === '-12 dB'")
    playing.control.ask("gain", [QUIET_DB])
    assert tab.errors == []
    tab.close()


@pytest.mark.real
def test_without_sound_there_is_nothing_to_turn(chromium: Browser) -> None:
    with daemon("web.enabled=true", "web.port=0", name="without-sound") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        tab = chromium.tab()
        tab.open(running.web.url)
        tab.wait("document.querySelector('#gain-text').textContent === 'no sound'")
        assert tab.run("document.querySelector('#gain').disabled") and told(running) is None
        assert "output.audio" in tab.run("document.querySelector('.gain').title")
        tab.close()


@pytest.mark.real
def test_without_the_daemon_it_cannot_be_turned(chromium: Browser, playing: Daemon) -> None:
    tab = chromium.tab()
    tab.open(playing.web.url)
    tab.wait("window.brainmusic && !document.querySelector('#gain').disabled")
    tab.run("(() => { const c = brainmusic.connection; c.open = () => {}; c.socket.close(); })()")
    tab.wait("document.querySelector('#gain').disabled")
    tab.close()

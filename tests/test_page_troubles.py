"""What is wrong, on the page: the most urgent first, with what to do, read out once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brainmusic_daemon.outputs.xdf_file import XdfFile
from brainmusic_daemon.service.daemon import Daemon
from tests.browser import Tab, browser
from tests.daemons import daemon
from tests.receivers import wait_for

pytestmark = pytest.mark.real

AWAY = ("output.audio.enabled=true", "output.audio.device=none of these")
TITLE = "document.querySelector('#banner-title').textContent"
FOUND = """import("/static/troubles.js").then(({ troubles }) =>
    troubles(%s, %s, %s, { missing: () => %s }).map(({ kind, title, text }) => `${kind} ${title}`))"""
EVERYTHING = """{
    lost: { midi: "there is no port 'x'" }, outputs: { audio: { running: 0 } },
    recording: { trouble: "the disk is full" }, battery: 9,
    mapper: { name: "direct", wanted: "neural", fault: "is too slow" } }"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = f"control.folder={str(tmp_path_factory.mktemp('recordings'))!r}"
    with daemon("web.enabled=true", "web.port=0", folder, *AWAY, name="in-trouble") as made:
        wait_for(lambda: made.web.port and made.host.lost, 60, "for the web server, and for the missing device")
        yield made


@pytest.fixture(scope="module")
def tab(running: Daemon) -> Iterator[Tab]:
    with browser() as chromium:
        made = chromium.tab()
        made.prefer("dark")
        made.size(390, 844, mobile=True)
        made.open(running.web.url)
        made.wait("window.brainmusic && brainmusic.traces.count > 20")
        yield made
        made.close()


def found(tab: Tab, link: str, state: str, overview: str, missing: str = "null") -> list[str]:
    told: Any = tab.run(FOUND % (repr(link), repr(state), overview, missing))
    return list(told)


def test_the_most_urgent_comes_first(tab: Tab) -> None:
    assert found(tab, "open", "held", EVERYTHING) == [
        "bad Not open: midi",
        "bad No sound",
        "bad The recording is not being written",
        "warn The signal is bad",
        "warn Another mapper plays",
        "warn The battery is low: 9 %",
    ]
    words = (FOUND % ("'open'", "'good'", EVERYTHING, "null")).replace("`${kind} ${title}`", "text")
    assert "direct instead of neural, which is too slow. Choose another, or undo." in tab.run(words)
    assert found(tab, "open", "lost", EVERYTHING)[0] == "bad The headset is gone"
    assert found(tab, "lost", "held", EVERYTHING) == ["bad No connection to the daemon"]  # the rest is not known
    assert found(tab, "open", "good", "{ battery: 21, mapper: { fault: '' }, recording: { trouble: '' } }") == []
    assert found(tab, "open", "good", "{ battery: 3, batteries: { anna: 15, ben: 80 } }") == [
        "warn anna: the battery is low: 15 %"
    ]
    missing = "['calm', 'Waiting for ben', 'The others play.']"
    assert found(tab, "open", "good", "{ battery: 4 }", missing) == [
        "bad The battery is low: 4 %",
        "calm Waiting for ben",
    ]


def test_a_device_that_is_not_there_and_a_full_disk_are_banners(
    tab: Tab, running: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.wait(f"{TITLE} === 'No sound' && !document.querySelector('#banner').hidden")
    assert "tried again" in tab.run("document.querySelector('#banner-text').textContent")
    assert tab.run("document.querySelector('#banner-more').hidden")
    tab.wait("!document.querySelector('#alarm').textContent", 20)  # read out, and no more
    changes = "window.heard = []; new MutationObserver(() => heard.push(document.querySelector('#alarm').textContent))"
    tab.run(f"{changes}.observe(document.querySelector('#alarm'), {{ childList: true }})")

    def full(self: XdfFile, block: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    running.recorder.start(tmp_path / "me.xdf")
    with monkeypatch.context() as patch:
        patch.setattr(XdfFile, "_append", full)
        tab.wait(
            "document.querySelector('#banner-more summary').textContent.includes('recording is not being written')"
        )
        tab.click("#banner-more summary")
        tab.wait("document.querySelector('#banner-list li')?.textContent.includes('Make room on its disk')")
        assert tab.run("document.querySelector('#banner-list').getBoundingClientRect().height") > 20
        assert tab.run("document.documentElement.scrollWidth") <= 390
        tab.wait("heard.length >= 1")
        count = tab.run("document.querySelector('#alarm').textContent.split('The recording').length")
        tab.wait("!document.querySelector('#alarm').textContent", 20)  # some ten overviews later
        said = tab.run("heard.filter(Boolean)")
        assert count == 2 and len(said) == 1 and said[0].startswith("The recording is not being written. "), said
    tab.wait("document.querySelector('#banner-more').hidden")
    running.recorder.stop()
    assert tab.errors == []

"""The page: what it is told, and what it shows and does in a real browser beside a real daemon."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.supervisor import Setup
from brainmusic_daemon.api import StreamInfo
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.dashboard import STATIC, head
from brainmusic_daemon.service.dashboard.traces import MOST_CHANNELS, Traces, thinning
from brainmusic_daemon.service.dashboard.viewer import MOST_WAITING, Viewer
from brainmusic_daemon.service.logbook import KEPT, MOST_TEXT, LogBook
from tests.browser import Browser, Tab, browser
from tests.daemons import daemon
from tests.receivers import wait_for

# --- what the page is told --------------------------------------------------------------------------------------------


def test_electrodes_lie_where_the_10_20_system_has_them() -> None:
    mne = pytest.importorskip("mne")
    places = mne.channels.make_standard_montage("colin27_1005").get_positions()["ch_pos"]
    names = (
        "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 F7 F3 Fz F4 F8 FT7 FC3 FCz FC4 T7 C5 C3 C1 Cz C2 C4 T8 "
        "TP7 CP3 CPz P7 P3 Pz P4 P8 PO7 PO3 POz PO4 O1 Oz O2 Iz TP9 TP10"
    )
    for name in names.split():
        x, y, z = places[name]
        found = head.position(name)
        assert found is not None, name
        radius = np.arctan2(np.hypot(x, y), z) / (np.pi / 2)
        there = radius * np.array([x, y]) / max(np.hypot(x, y), 1e-9)
        assert np.hypot(*(there - found)) < 0.35, (name, there, found)


@pytest.mark.parametrize("name", ["T3", "EEG O1-REF", "fp1", "Fc5.", "A1", "M2", "AF7"])
def test_other_ways_to_write_a_place_are_known(name: str) -> None:
    assert head.position(name) is not None


@pytest.mark.parametrize("name", ["EXG1", "ch1", "AUX", "", "C99", "Z", "ACC_X", "X7"])
def test_what_is_no_place_goes_to_a_row(name: str) -> None:
    assert head.position(name) is None


def test_the_head_is_symmetric_and_no_two_electrodes_meet() -> None:
    names = [f"{row}{n}" for row in ("AF", "F", "FC", "C", "CP", "P", "PO") for n in range(1, 7)]
    names += ["Fp1", "Fp2", "T7", "T8", "O1", "O2", "FT7", "TP8", "Fz", "Cz", "Pz", "Oz", "AFz", "POz"]
    places = {name: head.position(name) for name in names}
    for name, place in places.items():
        assert place is not None, name
        if name[-1] in "1357":
            mirrored = places.get(name[:-1] + str(int(name[-1]) + 1))
            assert mirrored is None or (mirrored[0], mirrored[1]) == pytest.approx((-place[0], place[1]))
    points = np.array([place for place in places.values() if place])
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + np.eye(len(points))
    assert apart.min() > 0.12


def test_traces_are_complete_and_continuous_however_often_one_looks() -> None:
    ring, traces = Ring(3, 4000, 500), Traces()
    setup = Setup(1, StreamInfo("a", ("x", "y", "z"), 500.0), ring)
    assert thinning(500.0) == 4 and traces.take(setup) is None
    random = np.random.default_rng(1)
    sent, found, numbers = 0, [], []
    for length in random.integers(1, 90, 60):
        ring.write((np.arange(sent, sent + length, dtype=float)[:, None] + [0, 1000, 2000]), 0.0, 0.0)
        sent += int(length)
        if (taken := traces.take(setup)) is not None:
            numbers += [taken[0] + i for i in range(len(taken[1][0]))]
            found.append(np.array(taken[1]))
    points = np.concatenate(found, axis=1)
    assert numbers == [*range(len(numbers))] and sent - 4 * len(numbers) < 4
    expected = 10 * (4.0 * np.arange(len(numbers)) + 1.5)  # means of four, in 0.1 µV, relative to the first sample
    assert np.abs(points - expected).max() <= 1
    ring.write(np.zeros((700, 3)), 0.0, 0.0)  # nobody looked for longer than the window
    late = traces.take(setup)
    assert late is not None and late[0] > numbers[-1] + 1 and len(late[1][0]) <= 125


def test_a_large_cap_is_cut_to_what_a_screen_can_show() -> None:
    ring, traces = Ring(256, 8000, 1000), Traces()
    setup = Setup(1, StreamInfo("a", tuple(f"c{i}" for i in range(256)), 1000.0), ring)
    traces.take(setup)
    ring.write(np.full((100, 256), 1e30), 0.0, 0.0)
    taken = traces.take(setup)
    assert taken is not None and len(taken[1]) == MOST_CHANNELS and len(taken[1][0]) == 12


def test_a_slow_tab_misses_updates_but_no_sheet() -> None:
    made = Viewer(SimpleNamespace())  # type: ignore[arg-type]
    made.offer("sheet 1", must=True)
    for number in range(20):
        made.offer(f"now {number}")
    made.answer("done")
    assert made.skipped == 20 - (MOST_WAITING - 1)
    made.offer("sheet 2", must=True)
    made.offer("now 20")
    sent = [*iter(made._next, "")]
    assert sent == ["done", "sheet 2", "now 20"]


def test_the_last_lines_of_the_log_are_kept() -> None:
    log, book = logging.getLogger("brainmusic_daemon.somewhere"), LogBook()
    log.setLevel(logging.INFO)
    book.start()
    try:
        for number in range(KEPT + 50):
            log.info("line %d", number)
        log.warning("x" * 2 * MOST_TEXT)
        logging.getLogger("brainmusic_daemon.service.screen").warning("5 s good: …")  # the status is no news
        book.handle(logging.LogRecord("", logging.INFO, "", 0, "%d", ("no number",), None))  # left out
    finally:
        book.stop()
    log.warning("after the end")
    lines = book.since(0)
    assert len(lines) == KEPT and lines[0].text == "line 51" and len(lines[-1].text) == MOST_TEXT
    assert lines[-1].level == "warning" and book.since(lines[-1].number) == lines[-1:]


# --- colours ----------------------------------------------------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    css = (STATIC / "style.css").read_text(encoding="utf-8")
    dark = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css[css.index(":root {") : css.index("color-scheme: dark")]))
    part = css[css.index(':root[data-theme="light"]') : css.index("color-scheme: light")]
    return {"dark": dark, "light": dark | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))}


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_can_be_read(theme: str) -> None:
    """WCAG AA: 4.5 for text, 3 for what is drawn."""
    ink = palettes()[theme]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for text in ("text", "muted", "good", "warn", "bad", "theta", "up", "down"):
        for ground in ("bg", "panel", "raised"):
            assert contrast(ink[text], ink[ground]) >= 4.5, (text, ground)
    for text, ground in (("on-accent", "accent"), ("on-panic", "panic")):
        assert contrast(ink[text], ink[ground]) >= 4.5, (text, ground)
    for drawn in ("accent", "edge", "note", "delta", "theta", "alpha", "beta", "gamma", "other", "good", "warn", "bad"):
        for ground in ("panel", "raised"):
            assert contrast(ink[drawn], ink[ground]) >= 3.0, (drawn, ground)


def test_no_colour_stands_outside_the_palette() -> None:
    css = (STATIC / "style.css").read_text(encoding="utf-8")
    rules = css[css.index("* { box-sizing") :]
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", rules)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://(?!\$)|@import|//cdn", text), file.name
        assert "innerHTML" not in text and "eval(" not in text, file.name


# --- in a browser -----------------------------------------------------------------------------------------------------

INKED = """((canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let inked = 0;
    for (let i = 3; i < pixels.length; i += 4) inked += pixels[i] > 0;
    return inked / (pixels.length / 4);
})(document.querySelector(%r))"""
SLIDE = """((slider) => {
    slider.value = %s;
    slider.dispatchEvent(new Event("input"));
})(document.querySelector(%r))"""
SMALL = """[...document.querySelectorAll("button, summary, input[type=range]")]
    .filter((element) => element.offsetParent)
    .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
    .filter(([name, box]) => box.height < 43.9 || box.width < 43.9)
    .map(([name, box]) => `${name} ${box.width}×${box.height}`)"""
NAMELESS = """[...document.querySelectorAll("button, input, select")]
    .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length))
    .map((element) => element.outerHTML)"""
FAINT = """(() => {
    const plain = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (x) => x <= 0.04045 * 255 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4;
    const light = (ink) => ink.reduce((sum, x, i) => sum + linear(x) * [0.2126, 0.7152, 0.0722][i], 0);
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(':disabled, svg, noscript')) continue;
        let ground = null, opacity = 1;
        for (let up = element; up; up = up.parentElement) {
            const style = getComputedStyle(up), [r, g, b, a = 1] = plain(style.backgroundColor);
            opacity *= Number(style.opacity);
            if (a === 1 && !ground) ground = [r, g, b];
        }
        const solid = plain(getComputedStyle(element).color).slice(0, 3);
        const ink = solid.map((x, i) => opacity * x + (1 - opacity) * ground[i]);
        const [bright, dark] = [light(ink), light(ground)].sort((x, y) => y - x);
        const ratio = (bright + 0.05) / (dark + 0.05), where = `${element.className} ${element.textContent.trim()}`;
        if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${where.slice(0, 50)}`);
    }
    return found;
})()"""
BOX = """((box) => box && [box.left, box.top, box.right, box.bottom])(
    document.querySelector(%r)?.getBoundingClientRect())"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("recordings")
    settings = ("web.enabled=true", "web.port=0", f"control.folder={str(folder)!r}", "music.preset=ensemble")
    with daemon(*settings, config="scenes", name="with-a-page") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        yield running


@pytest.fixture
def tab(chromium: Browser, playing: Daemon) -> Iterator[Tab]:
    made = opened(chromium, playing.web.url)
    yield made
    made.close()


def opened(chromium: Browser, url: str) -> Tab:
    made = chromium.tab()
    made.prefer("dark")
    made.size(1440, 1000)
    made.open(url)
    made.wait("window.brainmusic && brainmusic.traces.count > 20")
    return made


def text(tab: Tab, selector: str) -> str:
    return str(tab.run(f"document.querySelector({selector!r}).textContent"))


def eventually(tab: Tab, found: Callable[[], Any], what: str) -> None:
    """Wait for the daemon; the tab is asked meanwhile, so that its complaints are heard."""

    def look() -> Any:
        tab.run("1")
        return found()

    wait_for(look, 60, what)


@pytest.mark.real
def test_the_page_shows_what_is_going_on(tab: Tab, playing: Daemon) -> None:
    assert tab.run("document.title") == "with-a-page"
    tab.wait("document.querySelector('#contact').textContent.includes('of 8')")
    assert tab.run("document.querySelectorAll('#head circle.e').length") == 8
    assert tab.run("document.querySelectorAll('.feature').length") >= 12
    assert tab.run("document.querySelectorAll('.control').length") == 10
    tab.wait("document.querySelector('[data-control=tempo] .cause').textContent.includes('engagement')")
    tab.wait("brainmusic.roll.count > 3")
    assert "ms" in text(tab, "#total") and "simulator, 8 channels" in text(tab, "#source")
    logging.getLogger("brainmusic_daemon.test").warning("an electrode <b>fell</b> off")
    tab.wait("document.querySelector('#log .warning')?.textContent.includes('an electrode <b>fell</b> off')")
    assert tab.run("document.querySelector('#banner').hidden")
    assert tab.errors == []


@pytest.mark.real
def test_the_traces_move(tab: Tab) -> None:
    before = tab.run("[brainmusic.traces.count, document.querySelector('#traces').toDataURL()]")
    begun = time.monotonic()
    tab.wait(f"brainmusic.traces.count >= {before[0] + 120}")
    after = tab.run("[brainmusic.traces.count, document.querySelector('#traces').toDataURL()]")
    assert after[0] - before[0] <= 125 * (time.monotonic() - begun) + 125 and before[1] != after[1]
    for canvas in ("#traces", "#links", "#roll"):
        tab.wait(f"({INKED % canvas}) > 0.004")
        assert tab.run(INKED % canvas) < 0.6, canvas


@pytest.mark.real
def test_swaps_scenes_presets_and_undo_by_a_click(tab: Tab, playing: Daemon) -> None:
    tab.run(
        "(() => { const f = document.querySelector('#fade'); f.value = 0; f.dispatchEvent(new Event('input')); })()"
    )
    tab.click("[data-mapper=linear]")
    eventually(tab, lambda: playing.session.pipeline.host.playing.name == "linear", "for the linear mapper")
    tab.wait("document.querySelector('[data-mapper=linear]').classList.contains('on')")
    tab.click("[data-preset=tides]")
    eventually(tab, lambda: playing.mappers.history.step.preset == "tides", "for the preset")
    tab.wait("!document.querySelector('#undo').disabled")
    tab.click("#undo")
    eventually(tab, lambda: playing.mappers.history.step.preset == "ensemble", "for the undo")
    tab.wait("!document.querySelector('#redo').disabled")
    tab.click("#redo")
    eventually(tab, lambda: playing.mappers.history.step.preset == "tides", "for the redo")
    tab.press("2")
    eventually(tab, lambda: playing.mappers.history.step.origin == "scene storm", "for the scene")
    tab.click("[data-mapper=direct]")
    eventually(tab, lambda: playing.session.pipeline.host.playing.name == "direct", "for the direct mapper")
    assert tab.errors == []


@pytest.mark.real
def test_a_control_is_turned_frozen_and_inverted(tab: Tab, playing: Daemon) -> None:
    tab.click("[data-control=brightness] > button")
    settings = tab.run("[...document.querySelectorAll('[data-setting]')].map(e => e.dataset.setting)")
    assert settings == ["gain", "low", "high", "offset", "invert", "freeze", "smooth_s", "slew", "dead_zone"]
    shown = tab.run("[...document.querySelectorAll('.editor output')].map((output) => output.textContent)")
    assert shown[0] == "1.00" and all(shown)
    tab.run(SLIDE % (0.5, "[data-setting=gain]"))
    eventually(tab, lambda: route(playing)["gain"] == 2.0, "for the gain")
    tab.run(SLIDE % (0.6, "[data-setting=high]"))
    eventually(tab, lambda: route(playing)["high"] == 0.6, "for the range")
    tab.click("[data-setting=freeze]")
    eventually(tab, lambda: route(playing)["freeze"], "for the freeze")
    tab.wait("document.querySelector('[data-control=brightness] .flags').textContent === '❄'")
    tab.click("[data-setting=freeze]")
    tab.click("[data-setting=invert]")
    eventually(tab, lambda: route(playing)["invert"] and not route(playing)["freeze"], "for the inversion")
    assert tab.errors == []


def route(running: Daemon) -> dict[str, Any]:
    from brainmusic_daemon.service.dashboard import sheet

    found = {control["name"]: control["settings"] for control in sheet.write(running)["controls"]}
    return dict(found["brightness"])


@pytest.mark.real
def test_panic_mute_gain_rating_and_recording(tab: Tab, playing: Daemon) -> None:
    tab.click("#panic")
    eventually(tab, lambda: playing.sounding.panicked, "for the panic")
    tab.wait("document.querySelector('#panic').textContent === 'Resume'")
    tab.click("#panic")
    eventually(tab, lambda: not playing.sounding.panicked, "for the end of it")
    tab.wait("document.querySelector('#panic').textContent === 'Panic'")
    tab.press("m")
    eventually(tab, lambda: playing.sounding.muted, "for the mute")
    tab.wait("document.querySelector('#mute').getAttribute('aria-pressed') === 'true'")
    tab.press("m")
    eventually(tab, lambda: not playing.sounding.muted, "for its end")
    heard: list[float] = []
    leave = playing.session.journal.listen(lambda entry: heard.append(entry.value) if entry.kind == "rating" else None)
    tab.click("#rate-up")
    eventually(tab, lambda: heard == [1.0], "for a rating")  # of two at once the newest would count
    tab.click("[data-rate='-0.5']")
    eventually(tab, lambda: heard == [1.0, -0.5], "for the ratings")
    leave()
    tab.click("#record")
    eventually(tab, lambda: playing.recorder.status is not None, "for the recording")
    tab.wait("document.querySelector('#record').textContent === 'Stop recording'")
    tab.click("#record")
    eventually(tab, lambda: playing.recorder.status is None, "for its end")
    assert playing.recorder.last is not None and Path(playing.recorder.last.path).suffix == ".xdf"
    assert tab.errors == []


@pytest.mark.real
def test_keys_are_shown_and_do_nothing_while_one_types(tab: Tab, playing: Daemon) -> None:
    tab.press("?")
    tab.wait("document.querySelector('#keys').open")
    assert "panic" in text(tab, "#key-list")
    tab.press("r")
    tab.run("document.querySelector('#keys').close()")
    tab.run("document.querySelector('#every').open = true; document.querySelector('.command input').focus()")
    tab.press("p")
    tab.press("m")
    time.sleep(0.3)
    assert not playing.sounding.panicked and not playing.sounding.muted and playing.recorder.status is None


@pytest.mark.real
@pytest.mark.parametrize(("width", "height"), [(360, 740), (390, 844), (844, 390)])
def test_a_phone_can_steer_it(tab: Tab, width: int, height: int) -> None:
    tab.size(width, height, mobile=True)
    tab.wait("innerWidth <= 844")
    wide, inner = tab.run("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner == width
    assert tab.run(SMALL) == []
    for scrolled in (0, 100_000):
        tab.run(f"scrollTo(0, {scrolled})")
        box = tab.run(BOX % "#panic")
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height, "panic is always there"
    tab.click("[data-control=tempo] > button")
    box = tab.wait(BOX % ".editor")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert box[0] >= 0 and box[1] >= 0 and box[2] <= width
    tab.size(1440, 1000)


@pytest.mark.real
def test_nothing_grows_by_itself(tab: Tab) -> None:
    tab.size(800, 1200, scale=2)
    time.sleep(0.3)
    before = tab.run("document.documentElement.scrollHeight")
    time.sleep(1.0)
    assert abs(tab.run("document.documentElement.scrollHeight") - before) <= 60  # a line more or less


@pytest.mark.real
def test_dark_unless_light_is_wanted(tab: Tab) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert tab.run(ground) == "rgb(11, 13, 19)"
    tab.prefer("light")
    tab.wait(f"{ground} === 'rgb(242, 244, 248)'")
    tab.press("d")
    tab.wait(f"{ground} === 'rgb(11, 13, 19)'")
    tab.open(tab.run("location.href"))
    assert tab.run(ground) == "rgb(11, 13, 19)"  # it is remembered
    tab.run("localStorage.clear()")


@pytest.mark.real
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_is_shown_can_be_read_also_where_it_is_dimmed(tab: Tab, theme: str) -> None:
    """As the browser draws it: WCAG AA, with every opacity; what cannot be pressed now is excepted, as there."""
    tab.prefer(theme)
    tab.run("document.querySelector('.control').classList.add('still')")  # as what nothing drives
    tab.wait("[...document.querySelectorAll('.control .cause')].every((cause) => cause.textContent)")
    tab.run("document.querySelector('#every').open = true")
    tab.press("?")
    tab.wait("document.querySelector('#keys').open")
    assert tab.run("document.querySelectorAll('.command').length") > 10
    faint, limit = tab.run(FAINT), time.monotonic() + 5
    while faint and time.monotonic() < limit:  # colours glide when the theme changes
        faint = tab.run(FAINT)
    assert faint == []


@pytest.mark.real
def test_every_button_has_a_name_and_every_field_a_label(tab: Tab) -> None:
    assert tab.run(NAMELESS) == []


@pytest.mark.real
def test_it_says_when_the_headset_is_gone_and_when_it_is_back(chromium: Browser) -> None:
    with daemon("web.enabled=true", "web.port=0", "session.silence_s=1.0", name="losing") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        tab = opened(chromium, running.web.url)
        tab.wait("document.querySelector('#banner').hidden")
        source, away = running.session.acquisition._source, False
        read = source.read
        source.read = lambda timeout: time.sleep(0.02) if away else read(timeout)  # type: ignore[method-assign]
        away = True
        tab.wait("document.querySelector('#banner-title').textContent === 'The headset is gone'")
        assert not tab.run("document.querySelector('#banner').hidden")
        assert text(tab, "#state") == "lost" and "returns by itself" in text(tab, "#banner-text")
        away = False
        tab.wait("document.querySelector('#banner').hidden")
        tab.close()


@pytest.mark.real
def test_it_says_when_the_daemon_is_gone_and_comes_back_by_itself(chromium: Browser) -> None:
    with daemon("web.enabled=true", "web.port=0", name="leaving") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        port = running.web.port
        tab = opened(chromium, running.web.url)
    tab.wait("brainmusic.link === 'lost' && !document.querySelector('#banner').hidden")
    assert "No connection to the daemon" in text(tab, "#banner-title") and text(tab, "#state") == "offline"
    tab.click("#mute")
    tab.wait("document.querySelector('#toasts').textContent.includes('Not connected')")
    with daemon("web.enabled=true", f"web.port={port}", name="leaving"):
        tab.wait("brainmusic.link === 'open' && document.querySelector('#state').textContent !== 'offline'")
        before = tab.run("brainmusic.traces.count")
        tab.wait(f"brainmusic.traces.count > {before + 50}")
        tab.close()


@pytest.mark.real
def test_a_phone_that_wakes_up_connects_at_once(tab: Tab) -> None:
    """Timers of a page that is not seen come late or never: being seen again is what counts."""
    tab.run(
        "(() => { const c = brainmusic.connection; c.old = c.socket; c.socket.onclose = null; c.socket.close();"
        "clearTimeout(c.timer); })()"
    )
    tab.wait("brainmusic.connection.old.readyState === 3")
    assert tab.run("brainmusic.connection.socket === brainmusic.connection.old")
    tab.run("document.dispatchEvent(new Event('visibilitychange'))")
    tab.wait(
        "brainmusic.connection.socket !== brainmusic.connection.old && brainmusic.connection.socket.readyState === 1"
    )


@pytest.mark.real
def test_a_tab_in_the_background_draws_nothing_and_stays_up_to_date(tab: Tab) -> None:
    drawn = "document.querySelector('#traces').toDataURL()"
    tab.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 1)")
    before, count = tab.run(drawn), tab.run("brainmusic.traces.count")
    tab.wait(f"brainmusic.traces.count > {count + 60}")
    assert tab.run(drawn) == before and tab.run("brainmusic.link") == "open"
    tab.run("delete document.hidden")
    tab.wait(f"{drawn} !== {before!r}")


@pytest.mark.real
def test_a_token_in_the_fragment_opens_and_none_asks_for_it(chromium: Browser) -> None:
    with daemon("web.enabled=true", "web.port=0", "web.token=open-sesame", name="asking") as running:
        wait_for(lambda: running.web.port, 60, "for the web server")
        tab = opened(chromium, f"{running.web.url}#token=open-sesame")
        assert tab.run("location.hash") == "" and tab.errors == []
        tab.close()
        other = opened(chromium, running.web.url)  # the browser keeps it: a phone is let in when its tab was closed
        other.run("localStorage.removeItem('token')")
        other.open(running.web.url)
        other.wait("document.querySelector('#ask').open")
        other.run(
            "document.querySelector('#token').value = 'wrong-token'; document.querySelector('#ask-form button').click()"
        )
        time.sleep(1.0)
        other.wait("document.querySelector('#ask').open")
        other.run(
            "document.querySelector('#token').value = 'open-sesame'; document.querySelector('#ask-form button').click()"
        )
        other.wait("brainmusic.link === 'open' && brainmusic.traces.count > 5")
        other.close()

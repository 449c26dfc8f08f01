"""A real browser (Debian's chromium, headless), driven by Playwright: for tests of the page."""

from __future__ import annotations

import base64
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Playwright, sync_playwright

from tests import parts

PATIENCE_S = 60
# Playwright by itself would call a value that is a function.
RUN = "(script) => { const value = (0, eval)(script); return typeof value === 'function' ? undefined : value; }"


class Tab:
    """One page; `errors` is what it complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self._session = context.new_cdp_session(self.page)

    def _hear(self, told: ConsoleMessage) -> None:
        if told.type in ("error", "warning"):
            self.errors.append(f"{told.text} {told.location.get('url', '')}")

    def size(self, width: int, height: int, mobile: bool = False, scale: float = 1.0) -> None:
        # Of Playwright's contexts these are fixed once and for all; here a tab becomes a phone and a screen again.
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        self._session.send("Emulation.setDeviceMetricsOverride", metrics)
        self._session.send("Emulation.setTouchEmulationEnabled", {"enabled": mobile})

    def prefer(self, scheme: str) -> None:
        """Let the system prefer dark or light."""
        self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    def open(self, url: str) -> None:
        self.page.goto(url)

    def run(self, script: str) -> Any:
        """Return the value of the last expression of a script in the page."""
        return self.page.evaluate(RUN, script)

    def wait(self, script: str, seconds: float = PATIENCE_S) -> Any:
        """Return the value of an expression as soon as it is true."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if value := self.run(script):
                    return value
            except Error:  # not loaded yet
                pass
            self.page.wait_for_timeout(30)
        raise AssertionError(f"not within {seconds:g} s: {script}; {self.errors}")

    def click(self, selector: str) -> None:
        """Press where the element is, as a finger or a mouse does, once it stands still and nothing covers it."""
        self.page.click(selector)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def picture(self, path: Path, whole: bool = False) -> None:
        # Playwright's own pictures have the resolution of its context, not that of `size`.
        wanted = {"format": "png", "captureBeyondViewport": whole}
        path.write_bytes(base64.b64decode(self._session.send("Page.captureScreenshot", wanted)["data"]))

    def close(self) -> None:
        self.page.close()


class Browser:
    """Opens tabs, which share what the page keeps."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context

    def tab(self) -> Tab:
        return Tab(self._context)


class _Driver:
    """The one Playwright that a thread can have, for as long as the first of its browsers is open."""

    running: Playwright | None = None


@contextmanager
def browser(*before: str) -> Iterator[Browser]:
    """Run chromium until the block is left; `before` comes before its command line, e.g. nice."""
    program = Path(parts.program("chromium", "chromium"))
    with ExitStack() as stack:
        if before:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="brainmusic-browser-"))
            command = shlex.join([*before, str(program)])
            program = Path(folder) / "chromium"
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            program.chmod(0o755)
        if _Driver.running is None:
            _Driver.running = stack.enter_context(sync_playwright())
            stack.callback(setattr, _Driver, "running", None)
        chromium = _Driver.running.chromium.launch(executable_path=program, args=["--disable-gpu"])
        stack.callback(chromium.close)
        context = chromium.new_context(no_viewport=True)
        context.set_default_timeout(1000 * PATIENCE_S)
        yield Browser(context)

"""A real browser (Debian's chromium, headless), driven over the Chrome DevTools protocol: for tests of the page."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests import parts

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--hide-scrollbars"),
    "--remote-debugging-port=0",
)


class Tab:
    """One page; `errors` is what it complained about."""

    def __init__(self, socket: ClientConnection, numbers: Iterator[int]) -> None:
        self._socket, self._numbers = socket, numbers
        self.errors: list[str] = []
        self._target = self._call("Target.createTarget", url="about:blank", session=False)["targetId"]
        attached = self._call("Target.attachToTarget", targetId=self._target, flatten=True, session=False)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, session: bool = True, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(asked | ({"sessionId": self._session} if session else {})))
        while True:
            told = json.loads(self._socket.recv(timeout=60))
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])
            self._hear(told)

    def _hear(self, told: dict[str, Any]) -> None:
        if told.get("sessionId") != getattr(self, "_session", None):
            return
        about = told.get("params", {})
        if told["method"] == "Runtime.exceptionThrown":
            self.errors.append(str(about["exceptionDetails"].get("exception", about["exceptionDetails"])))
        elif told["method"] == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.errors.append(str(about["args"]))
        elif told["method"] == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")

    def size(self, width: int, height: int, mobile: bool = False, scale: float = 1.0) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def prefer(self, scheme: str) -> None:
        """Let the system prefer dark or light."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[feature])

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Return the value of an expression as soon as it is true."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if value := self.run(script):
                    return value
            except AssertionError:  # not loaded yet
                pass
            time.sleep(0.03)
        raise AssertionError(f"not within {seconds:g} s: {script}; {self.errors}")

    def click(self, selector: str) -> None:
        """Press where the element is, as a finger or a mouse does."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    def picture(self, path: Path, whole: bool = False) -> None:
        told = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def close(self) -> None:
        self._call("Target.closeTarget", targetId=self._target, session=False)


class Browser:
    """Opens tabs."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)

    def tab(self) -> Tab:
        return Tab(self._socket, self._numbers)


@contextmanager
def browser(*before: str) -> Iterator[Browser]:
    """Run chromium until the block is left; `before` comes before its command line, e.g. nice."""
    program = parts.program("chromium", "chromium")
    with tempfile.TemporaryDirectory(prefix="brainmusic-browser-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [*before, program, *FLAGS, f"--user-data-dir={folder}", "about:blank"], stderr=subprocess.PIPE, text=True
        )
        # A pipe that nobody reads fills up with its complaints, and then it stands still.
        drain = threading.Thread(target=deque, args=(process.stderr, 0), daemon=True)
        try:
            address = _address(process)
            drain.start()
            with connect(address, max_size=None, proxy=None, open_timeout=60) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            assert process.stderr is not None
            if drain.ident is not None:
                drain.join(10)
            if not drain.is_alive():
                process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("DevTools listening on "):
            return line.split()[-1]
    raise AssertionError("chromium did not start")

"""A running daemon in; what an evening asks of it, over and over: swaps, scenes, pieces, knobs, the page, metrics."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

from brainmusic_daemon.service import client

MAPPERS = ("default", "linear", "neural", "semantic", "latent", "blend")
PIECES = ("drone", "arpeggio", "ensemble", "pulse", "slow-bells", "tides")
SCENES = ("calm", "storm", "words")
_VIEW_S = 20.0  # a viewer of the page stays so long


class Busy:
    """Asks from two threads until it is stopped; `done` and `failed` say what came of it."""

    def __init__(self, name: str, port: int, away: Callable[[bool], None], *, hurry: float = 1.0) -> None:
        """`away` takes the headset away, or brings it back.  `hurry` 2: everything twice as often."""
        self._run, self._port, self._away = client.find(name), port, away
        self.done, self.failed = Counter[str](), Counter[str]()
        self.asked: list[tuple[float, str]] = []  # when (of the system's monotonic clock), and what
        self.births = self.refused = 0
        self._stop = threading.Event()
        swaps, scenes, pieces = (itertools.cycle(names) for names in (MAPPERS, SCENES, PIECES))
        knobs = itertools.cycle((0.6, 1.4, 1.0))
        each: list[tuple[float, Callable[[], None]]] = [
            (6.0, lambda: self._tell("mapper.load", next(swaps), 0.3)),
            (17.0, lambda: self._tell("scene", next(scenes), 0.5)),
            (7.0, lambda: self._tell("preset", next(pieces))),
            (5.0, lambda: self._tell("route", "loudness", "gain", next(knobs))),
            (4.0, lambda: self._tell("rate", 0.5)),
            (9.0, lambda: self._tell("target", "loudness", 0.5)),
            (11.0, lambda: self._tell("marker", "soak")),
            (3.0, lambda: self._tell("status")),
            (2.0, lambda: self._get("/metrics")),
            (2.5, lambda: self._get("/healthz")),
            (8.0, lambda: self._get("/")),
            (45.0, self._go_away),
        ]
        self._due = [[time.monotonic() + s / hurry, s / hurry, act] for s, act in each]
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._work, self._watch)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self) -> None:
        while not self._stop.wait(0.05):
            for entry in self._due:
                if time.monotonic() >= entry[0] and not self._stop.is_set():
                    entry[0] += entry[1]
                    entry[2]()

    def _tell(self, command: str, *arguments: Any) -> None:
        self.asked.append((time.perf_counter(), " ".join(map(str, (command, *arguments)))))
        try:
            answer = client.ask(self._run, command, arguments)
            self.refused += not answer.ok  # that is an answer too: a mapper may not drive what is to be turned
            self._count(command, bool(answer.text), "no answer")
        except (client.Away, TimeoutError) as error:
            self._count(command, False, str(error))

    def _get(self, path: str) -> None:
        self.asked.append((time.perf_counter(), path))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=20) as answer:
                self._count(path, answer.status == 200 and bool(answer.read()))
        except OSError as error:
            # 503 is an answer too: /healthz says so while an output is away, which none should be
            self._count(path, False, str(error))

    def _go_away(self) -> None:
        self.asked.append((time.perf_counter(), "headset away"))
        self._away(True)
        time.sleep(3.0)  # whole, also when it is to end: a shorter absence might go unnoticed, and it counts
        self._away(False)
        self.asked.append((time.perf_counter(), "headset back"))
        self.births += 1

    def _watch(self) -> None:
        """Look at the page, as a browser does: stay a while, leave, come again."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        while not self._stop.is_set():
            try:
                with connect(f"ws://127.0.0.1:{self._port}/ws", max_size=None) as viewer:
                    viewer.send('{"token": ""}')
                    until, seen = time.monotonic() + _VIEW_S, 0
                    while time.monotonic() < until and not self._stop.is_set():
                        try:
                            viewer.recv(timeout=1.0)
                            seen += 1
                        except TimeoutError:
                            continue
                    self._count("page", seen > 0, "saw nothing")
            except (OSError, WebSocketException) as error:
                self._count("page", False, str(error))
                self._stop.wait(1.0)

    def _count(self, what: str, good: bool, why: str = "") -> None:
        if good:
            self.done[what] += 1
        else:
            self.failed[f"{what}: {why}"] += 1

"""What a daemon sends over OSC, heard: when each tick came, and how long there was none."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HELD_UP_S = 2.5  # 0.02 on a machine that does nothing else


class Heard:
    """Listens at a port of its own; `ticks` are the times at which one came, s of `time.monotonic`."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self.ticks: list[float] = []

    @property
    def target(self) -> str:
        """Return the setting that lets a daemon send here."""
        return f'output.osc.targets=["127.0.0.1:{self._socket.getsockname()[1]}"]'

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(65536)
            except TimeoutError:
                continue
            if datagram.startswith(b"/brainmusic/control/tempo\0"):
                self.ticks.append(time.monotonic())

    def longest_gap(self, since: float) -> float:
        """Return the longest time without a tick since then, s."""
        ticks = [at for at in self.ticks if at > since]
        return max(b - a for a, b in itertools.pairwise([since, *ticks, time.monotonic()]))


@contextmanager
def heard() -> Iterator[Heard]:
    made = Heard()
    made._thread.start()
    try:
        yield made
    finally:
        made._stop.set()
        made._thread.join()
        made._socket.close()

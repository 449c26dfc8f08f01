"""Several UDP ports in; every datagram with the monotonic time of its arrival out."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from benchmarks.signal_data import Array

from brainmusic_daemon.service.osc_decoding import Malformed, messages

Reading = Callable[[str, Sequence[object]], Mapping[str, float]]  # address, arguments → value by channel


class Receiver:
    """A socket per name on 127.0.0.1, one thread for all of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.datagrams: dict[str, list[tuple[float, bytes]]] = {name: [] for name in names}
        self.ports: dict[str, int] = {}
        self._selector = selectors.DefaultSelector()
        for name in self.datagrams:
            here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            here.bind(("127.0.0.1", 0))
            here.setblocking(False)
            self.ports[name] = int(here.getsockname()[1])
            self._selector.register(here, selectors.EVENT_READ, name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.2):
                datagram = key.fileobj.recv(65536)  # type: ignore[union-attr]
                self.datagrams[key.data].append((time.perf_counter(), datagram))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2.0)
        for key in [*self._selector.get_map().values()]:
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def values(
    datagrams: Iterable[tuple[float, bytes]], reading: Reading, channels: Sequence[str]
) -> dict[str, tuple[Array, Array]]:
    """Return arrival times and values by channel; what is no OSC, or no alpha, is passed over."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in channels}
    for arrived, datagram in datagrams:
        try:
            told = [*messages(datagram)]
        except Malformed:
            continue
        for address, arguments in told:
            for name, value in reading(address, arguments).items():
                if name in found and np.isfinite(value):
                    found[name].append((arrived, float(value)))
    made = {name: np.array(rows, float).reshape(-1, 2) for name, rows in found.items()}
    return {name: (rows[:, 0], rows[:, 1]) for name, rows in made.items()}

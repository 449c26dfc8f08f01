"""A UDP port and a monitor of the sound in; when each tick and each note was received, and heard, out."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 48_000
_BEAT, _NOTE, _TICK = b"/brainmusic/heartbeat\0", b"/brainmusic/note\0", b"/brainmusic/drone\0"
_LOUD = 0.25  # of the loudest: a note begins

Array = npt.NDArray[np.float64]


class Receiver:
    """Keeps the times of ticks and notes, on the system's monotonic clock, and whether ticks came in order."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = int(self._socket.getsockname()[1])
        self.ticks, self.numbers, self.notes = array("d"), array("q"), array("d")
        self.datagrams = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="soak-osc", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(65536)
            except OSError:  # nothing for a while
                continue
            now = time.perf_counter()
            self.datagrams += 1
            if datagram.startswith(_TICK):
                self.ticks.append(now)
            elif datagram.startswith(_BEAT):
                self.numbers.append(struct.unpack(">i", datagram[-4:])[0])
            elif datagram.startswith(_NOTE):
                self.notes.append(now)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
        self._socket.close()


class Monitor:
    """Listens to a null sink; keeps the sound of some stretches only, a day of it would be 33 GB."""

    def __init__(self, server: Any, sink: str) -> None:
        command = ["parec", "-d", f"{sink}.monitor", "--format=float32le", f"--rate={RATE}", "--channels=2"]
        self._process = subprocess.Popen(
            [*command, "--latency-msec=5"], env=server.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._keep: list[tuple[float, bytes]] | None = None
        self._thread = threading.Thread(target=self._listen, name="soak-sound", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(1 << 14):  # type: ignore[attr-defined]
            keep = self._keep
            if keep is not None:
                keep.append((time.perf_counter(), data))

    def begin(self) -> None:
        self._keep = []

    def onsets(self) -> Array:
        """Return when the notes since `begin` were heard, seconds of the monotonic clock.

        A block cannot come before it was played, and most come soon after: the earliest, counted back to the first
        frame, tell when that was.
        """
        kept, self._keep = self._keep or [], None
        kept = kept[20:]  # what was waiting came in one go
        if not kept:
            return np.zeros(0)
        lengths = [len(data) for _, data in kept]
        origin = float(np.min(np.array([when for when, _ in kept]) - np.cumsum(lengths) / (8 * RATE)))
        data = b"".join(data for _, data in kept)
        sound = np.abs(np.frombuffer(data[: len(data) // 8 * 8], dtype="<f4").reshape(-1, 2)).max(axis=1)
        loud = np.flatnonzero(sound > _LOUD * np.percentile(sound, 99.8))
        first = loud[np.concatenate([[True], np.diff(loud) > 0.08 * RATE])] if len(loud) else loud
        return np.asarray(origin + first / RATE)

    def close(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3.0)
        self._thread.join(timeout=2.0)


def delays(heard: Array, played: Array, least: float = -0.005, most: float = 0.2) -> Array:
    """Return by how much each note of `played` was heard after its time; those that were not are left out.

    Both are sorted seconds of one clock; a note is the first that was heard within `least` … `most` of its time.
    """
    if not len(heard) or not len(played):
        return np.zeros(0)
    at = np.searchsorted(heard, played + least)
    there = at < len(heard)
    found = heard[np.minimum(at, len(heard) - 1)] - played
    return np.asarray(found[there & (found < most)])

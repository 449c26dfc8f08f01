"""A UDP socket and a monitor of the sound in; what came, each with the monotonic time of its coming, out."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.service.bench.marks import ADDRESS, MARK

SAMPLERATE = 48_000
_BLOCK = 2048  # bytes at most per read of the monitor: a quarter of 1,024 frames


class Receiver:
    """Keeps of every tick when its last datagram came, and the value of alpha that was in one of them."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = int(self._socket.getsockname()[1])
        self.first = 0.0  # datagram ever
        self.seen: list[tuple[int, float, float]] = []  # frame number, its last datagram's arrival, alpha or NaN
        self.ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="bench-osc", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        from brainmusic_daemon.service.osc_decoding import messages

        address = ADDRESS.encode() + b"\0"
        arrived, packet = 0.0, b""
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(65536)
            except OSError:  # nothing for a while
                continue
            now = time.perf_counter()
            if len(datagram) == MARK.size and datagram.startswith(b"#bench"):
                _, number, ready = MARK.unpack(datagram)
                if arrived:
                    value = float(next(iter(messages(packet)))[1][0]) if packet else np.nan  # type: ignore[arg-type]
                    self.seen.append((number, arrived, value))
                if ready:
                    self.ready.set()
                arrived, packet = 0.0, b""
            else:
                self.first = self.first or now
                arrived = now
                if datagram.startswith(address):
                    packet = datagram

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
        self._socket.close()


class Monitor:
    """Listens to what the default output of a PulseAudio or PipeWire server plays; `why`: why it cannot."""

    def __init__(self) -> None:
        self.why = ""
        self.blocks: list[tuple[float, bytes]] = []
        self._process: Any = None
        program = shutil.which("parec")
        if program is None:
            self.why = "there is no monitor to listen to: that needs a PulseAudio or PipeWire server and its `parec`"
            return
        command = [program, "-d", "@DEFAULT_MONITOR@", "--format=float32le", f"--rate={SAMPLERATE}", "--channels=2"]
        self._process = subprocess.Popen(
            [*command, "--latency-msec=5"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._listen, name="bench-sound", daemon=True)
        self._thread.start()
        time.sleep(0.3)
        if self._process.poll() is not None:
            self.why = "no sound server answers `parec`, so there is no monitor to listen to"

    def _listen(self) -> None:
        while data := self._process.stdout.read1(_BLOCK):
            self.blocks.append((time.perf_counter(), data))

    def close(self) -> tuple[npt.NDArray[np.float64], float]:
        """Return the loudness of every frame, and the time of the first; empty where nothing was heard.

        A block cannot come before it was played, and most come soon after: the earliest ever, counted back to the first
        frame, tell when that was.
        """
        if self._process is None:
            return np.zeros(0), 0.0
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3.0)
        self._thread.join(timeout=2.0)
        if not self.blocks:
            return np.zeros(0), 0.0
        times = np.array([when for when, _ in self.blocks])
        ends = np.cumsum([len(data) for _, data in self.blocks]) / (8 * SAMPLERATE)
        data = b"".join(data for _, data in self.blocks)
        frames = np.frombuffer(data[: len(data) // 8 * 8], dtype="<f4").reshape(-1, 2)
        origin = float(np.min((times - ends)[len(ends) // 20 :]))  # what was waiting when it began came in one go
        return np.abs(frames).max(axis=1).astype(np.float64), origin

"""Child process: the real daemon on the stimulus' stream, with a note of every tick's way through the stages.

python -m brainmusic_daemon.service.bench.subject PORT KEY=VALUE ...

`begin` on its input: what follows counts.  `end`: it stops, and prints one line of JSON.  What is added to the daemon
stands here: four looks at the clock per tick, one per chunk, and an output behind all others that tells the receiver
that a tick is complete.  Notes go to memory that is there before; all times are of the system's monotonic clock.
"""

from __future__ import annotations

import json
import math
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from brainmusic_daemon.service.bench.marks import FEATURE, MARK

_CHUNKS, _TICKS = 1 << 17, 1 << 15  # nine minutes of single samples, eleven of ticks
_GATE_S = 0.001
_SETTLED = 50  # ticks with a headset, before the receiver is told that all is ready
_MEMORY = 0.99  # of the highest and the lowest alpha seen, per tick


class Probe:
    """Notes when samples were read, and when each tick began, had its features, and had its controls."""

    def __init__(self, daemon: Any) -> None:
        self.chunks = np.full((_CHUNKS, 5), np.nan)  # read at, count, newest sample's first three values
        self.ticks = np.full((_TICKS, 7), np.nan)  # frame number, begun, features, controls, the three values
        self.n_chunks = self.n_ticks = 0
        self._begun = self._features = 0.0
        self._values = np.zeros(3)
        read = daemon.config.source.read
        pipeline = daemon.session.pipeline
        tick, frame = pipeline.tick, pipeline._frame

        def noted_read(timeout: float) -> Any:
            chunk = read(timeout)
            if chunk is not None and len(chunk.samples) and self.n_chunks < _CHUNKS:
                row = self.chunks[self.n_chunks]
                row[0], row[1], row[2:] = time.perf_counter(), len(chunk.samples), chunk.samples[-1, :3]
                self.n_chunks += 1
            return chunk

        def noted_tick(deadline: float, window: Any, *, alive: bool) -> Any:
            self._begun = time.perf_counter()
            np.add(window.samples[-1, :3], window.offset[:3], out=self._values)
            return tick(deadline, window, alive=alive)

        def noted_frame(features: Any, follow: float) -> Any:
            self._features = time.perf_counter()
            made = frame(features, follow)
            if features.names and self.n_ticks < _TICKS:
                row = self.ticks[self.n_ticks]
                row[0], row[1], row[2], row[3] = made.number, self._begun, self._features, time.perf_counter()
                row[4:] = self._values
                self.n_ticks += 1
            return made

        daemon.config.source.read, pipeline.tick, pipeline._frame = noted_read, noted_tick, noted_frame


class Witness:
    """The last output: tells that a tick's datagrams are complete, and opens and shuts the sound by alpha.

    The synth follows a control gently, as music wants it; a switch of 1 ms in the same callback can be timed.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self.daemon: Any = None
        self.gates: list[tuple[float, bool, int]] = []  # when, opened, frame
        self._low, self._high = math.inf, 0.0
        self._open, self._ticks, self.switching = True, 0, False

    def open(self, clock: Any, info: Any) -> None:
        """Nothing is held that would have to be opened."""

    def send(self, frame: Any) -> None:
        known = FEATURE in frame.features
        self._ticks += known
        ready = self.daemon.ready and self._ticks > _SETTLED
        self._socket.send(MARK.pack(b"#bench", frame.number, bool(ready)))
        if known and ready:
            self._switch(math.sqrt(max(frame.features[FEATURE], 0.0)), frame.number)

    def _switch(self, alpha: float, number: int) -> None:
        middle = 0.5 * (self._low + self._high)
        self._low = min(alpha, middle + _MEMORY * (self._low - middle)) if math.isfinite(self._low) else alpha
        self._high = max(alpha, middle + _MEMORY * (self._high - middle)) if math.isfinite(middle) else alpha
        wanted = alpha > 0.5 * (self._low + self._high)
        engine = getattr(self.daemon.config.outputs.get("audio"), "_engine", None)
        if engine is not None and self.switching and wanted != self._open:
            self._open = wanted
            engine.fade_now(float(wanted), _GATE_S)
            self.gates.append((time.perf_counter(), wanted, number))

    def close(self) -> None:
        self._socket.close()

    def counters(self) -> Mapping[str, float]:
        return {}


def main() -> None:
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.api import BrainmusicError
    from brainmusic_daemon.service.daemon import Daemon

    port, *overrides = sys.argv[1:]
    try:
        config = configuration.load("default", overrides)
        witness = Witness(int(port))
        config.outputs["witness"] = witness  # type: ignore[index]  # last: behind all that is measured
        daemon = Daemon(config)
        witness.daemon = daemon
        probe = Probe(daemon)
        found: dict[str, Any] = {}
        stop = threading.Event()
        threading.Thread(target=_obey, args=(daemon, witness, found, stop), daemon=True).start()
        daemon.run(stop)
    except BrainmusicError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    found["chunks"] = probe.chunks[: probe.n_chunks].tolist()
    found["passed"] = probe.ticks[: probe.n_ticks].tolist()
    found["gates"] = witness.gates
    sys.stdout.write(json.dumps(found))


def _obey(daemon: Any, witness: Witness, found: dict[str, Any], stop: threading.Event) -> None:
    """Take the orders; what is asked of the daemon at the end is asked before it stops."""
    from brainmusic_daemon.service.measures import resident_bytes

    cpu = since = 0.0
    before: dict[str, dict[str, float]] = {}
    for order in sys.stdin:
        if order.strip() == "begin":
            daemon.ticker.started()
            witness.switching = True
            cpu, since, before = time.process_time(), time.perf_counter(), daemon.host.counters()
        else:
            break
    if since:
        bank = daemon.session.pipeline.bank
        found |= {
            "cpu": (time.process_time() - cpu) / (time.perf_counter() - since),
            "bytes": resident_bytes(),
            "lateness": daemon.ticker.lateness.summary(),
            "duration": daemon.ticker.duration.summary(),
            "ticks": daemon.ticker.counters(),
            "tick_s": daemon.config.tick,
            "source": daemon.session.counters(),
            "before": before,
            "outputs": daemon.host.counters(),
            "lost": dict(daemon.host.lost),
            "delay_s": bank.spectral.delays["alpha"] if bank is not None else math.nan,
        }
    stop.set()


if __name__ == "__main__":
    main()

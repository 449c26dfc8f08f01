"""Child process: the real daemon, with every tick's lateness kept, and each tick's newest sample told to a witness.

    python -m benchmarks.inside SECONDS WITNESS_PORT CONFIG KEY=VALUE ...     (WITNESS_PORT 0: none)

Prints one line of JSON.  What is added to the daemon: a list in place of its histogram of lateness, and, with a witness,
an output at the very end that sends (tick number, value of the first channel's newest sample in µV, that sample's time)
from the window that this tick's features were computed from.  Times are those of the system's monotonic clock.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.common import percentiles

WITNESS = struct.Struct("<8sqdd")
MARK = b"#witness"


def main() -> None:
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service.daemon import Daemon
    from brainmusic_daemon.service.metrics import Histogram

    class Kept(Histogram):
        """A histogram that keeps the values too."""

        def __init__(self) -> None:
            super().__init__()
            self.values: list[float] = []

        def add(self, seconds: float) -> None:
            super().add(seconds)
            self.values.append(seconds)

    class Lateness(Kept):
        """Notes with every tick how many had been missed by then."""

        def __init__(self, noted: Callable[[], None]) -> None:
            super().__init__()
            self._noted = noted

        def add(self, seconds: float) -> None:
            super().add(seconds)
            self._noted()

    seconds, port, name, *overrides = sys.argv[1:]
    config = configuration.load(name, overrides)
    if int(port):
        config.outputs["witness"] = Witness(int(port))  # type: ignore[index]  last: sent after all that is measured
    daemon = Daemon(config)
    missed: list[int] = []
    daemon.ticker.lateness = lateness = Lateness(lambda: missed.append(daemon.ticker.missed))
    daemon.ticker.duration = duration = Kept()
    daemon.session.latency = latency = Kept()
    if int(port):
        config.outputs["witness"].watch(daemon)  # type: ignore[attr-defined]
    daemon.run(threading.Event(), seconds=float(seconds))
    settled = slice(next(i for i, gone in enumerate(missed) if i + gone >= 100), None)  # the start-up is told apart
    print(
        json.dumps(
            {
                "counters": daemon.ticker.counters(),
                "lateness": percentiles(lateness.values[settled]),
                "within_2_ms": sum(late <= 0.002 for late in lateness.values[settled]) / len(lateness.values[settled]),
                "within_2_ms_all": sum(late <= 0.002 for late in lateness.values) / len(lateness.values),
                "missed_settled": missed[-1] - missed[settled.start],
                "duration": percentiles(duration.values[settled]),
                "latency": percentiles(latency.values[settled]),
                "source": daemon.session.counters(),
                "outputs": daemon.host.counters(),
                "lost": dict(daemon.host.lost),
            }
        )
    )


class Witness:
    """An output that tells which sample was the newest in this tick's window."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._value = self._origin = 0.0

    def watch(self, daemon: Any) -> None:
        """Look at every window on its way into the pipeline."""
        inner, self._origin = daemon.session.pipeline.tick, daemon.clock._origin

        def tick(time: float, window: Any, *, alive: bool) -> Any:
            self._value = float(window.samples[-1, 0]) + float(window.offset[0])
            return inner(time, window, alive=alive)

        daemon.session.pipeline.tick = tick

    def open(self, clock: Any, info: Any) -> None:
        pass

    def send(self, frame: Any) -> None:
        sampled = frame.features.sample_time + self._origin
        self._socket.send(WITNESS.pack(MARK, frame.number, self._value, sampled))

    def close(self) -> None:
        self._socket.close()

    def counters(self) -> Mapping[str, float]:
        return {}


if __name__ == "__main__":
    main()

"""Child process: the real daemon, with every tick's lateness kept, and each tick's newest sample told to a witness.

    python -m benchmarks.inside SECONDS WITNESS_PORT CONFIG KEY=VALUE ...     (WITNESS_PORT 0: none)

Prints one line of JSON.  What is added to the daemon: notes around every tick, and, with a witness, an output at the
very end that sends (tick number, value of the first channel's newest sample in µV, that sample's time) from the window
that this tick's features were computed from.  Times are those of the system's monotonic clock.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from typing import Any

from benchmarks.common import percentiles

WITNESS = struct.Struct("<8sqdd")
MARK = b"#witness"


START_S = 2.0  # libraries are being loaded and devices opened: told apart


def main() -> None:
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service.daemon import Daemon

    seconds, port, name, *overrides = sys.argv[1:]
    config = configuration.load(name, overrides)
    witness = Witness(int(port)) if int(port) else None
    if witness is not None:
        config.outputs["witness"] = witness  # type: ignore[index]  last: sent after all that is measured
    daemon = Daemon(config)
    ticks = Ticks(daemon)
    if witness is not None:
        witness.watch(daemon)
    daemon.run(threading.Event(), seconds=float(seconds))
    print(
        json.dumps(
            {
                "all": ticks.summary(0.0),
                "settled": ticks.summary(START_S),
                "counters": daemon.ticker.counters(),
                "source": daemon.session.counters(),
                "outputs": daemon.host.counters(),
                "lost": dict(daemon.host.lost),
            }
        )
    )


class Ticks:
    """Every tick's deadline, beginning and end, noted around the daemon's own tick."""

    def __init__(self, daemon: Any) -> None:
        self._period = daemon.config.tick
        self._noted: list[tuple[float, float, float, float]] = []  # deadline, begun, ended, newest sample's time
        now, inner, session, noted = daemon.clock.now, daemon.ticker.tick, daemon.session, self._noted

        def tick(deadline: float) -> None:
            begun = now()
            inner(deadline)
            frame = session.frame
            noted.append((deadline, begun, now(), frame.features.sample_time if frame else -math.inf))

        daemon.ticker.tick = tick

    def summary(self, since: float) -> dict[str, Any]:
        """Return what happened to the deadlines after `since` (session seconds)."""
        noted = [tick for tick in self._noted if tick[0] >= since]
        due = round((noted[-1][0] - noted[0][0]) / self._period) + 1
        within = sum(begun - deadline <= 0.002 for deadline, begun, _, _ in noted)
        ages = [ended - sampled for _, _, ended, sampled in noted if math.isfinite(sampled)]
        return {
            "due": due,
            "missed": due - len(noted),
            "within_2_ms": within / due,
            "lateness": percentiles([begun - deadline for deadline, begun, _, _ in noted]),
            "duration": percentiles([ended - begun for _, begun, ended, _ in noted]),
            "latency": percentiles(ages) if ages else {},
        }


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

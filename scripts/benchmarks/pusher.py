"""Child process: an LSL outlet whose first channel counts its samples, each pushed at its own time and stamped then.

    python -m benchmarks.pusher NAME RATE CHANNELS     until a line comes in; then prints the time of every push

Times are those of the monotonic clock that liblsl and Python's perf_counter share on Linux; elsewhere the difference
is measured.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

import numpy as np


def main() -> None:
    import pylsl

    name, rate, n_channels = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    info = pylsl.StreamInfo(name, "EEG", n_channels, round(rate), "float32", f"id of {name}")
    channels = info.desc().append_child("channels")
    for label in ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")[:n_channels]:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet = pylsl.StreamOutlet(info, chunk_size=1)
    offset = statistics.median(pylsl.local_clock() - time.perf_counter() for _ in range(99))
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    rng = np.random.default_rng(1)
    pushed: list[float] = []
    begin, number = time.perf_counter(), 0
    while not stop.is_set():
        time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        row = rng.normal(scale=10.0, size=n_channels)
        row[0] = number
        now = time.perf_counter()
        pushed.append(now)
        outlet.push_sample(row.tolist(), now + offset)
        number += 1
    print("\n".join(map(repr, pushed)))


if __name__ == "__main__":
    main()

"""Child process: the stimulus as an LSL stream; prints the monotonic time of every push when told to stop.

python -m brainmusic_daemon.service.bench.sender NAME      until a line, or the end, of its input
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time

import numpy as np

from brainmusic_daemon import liblsl
from brainmusic_daemon.service.bench.stimulus import RATE_HZ, TRUE_RATE_HZ, Stimulus

_AT_ONCE = 250  # samples made at a time, between two pushes


def main() -> None:
    name = sys.argv[1]
    pylsl, stimulus = liblsl.load(), Stimulus()
    info = pylsl.StreamInfo(name, "EEG", len(stimulus.channels), RATE_HZ, "float32", f"id of {name}")
    channels = info.desc().append_child("channels")
    for label in stimulus.channels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet = pylsl.StreamOutlet(info, chunk_size=1)
    offset = statistics.median(pylsl.local_clock() - time.perf_counter() for _ in range(99))
    stop = threading.Event()
    threading.Thread(target=_wait, args=(stop,), daemon=True).start()
    pushed: list[float] = []
    rows = stimulus.samples(np.arange(_AT_ONCE)).tolist()
    begin = time.perf_counter()
    while not stop.is_set():
        number = len(pushed)
        time.sleep(max(0.0, begin + number / TRUE_RATE_HZ - time.perf_counter()))
        now = time.perf_counter()
        outlet.push_sample(rows[number % _AT_ONCE], now + offset)
        pushed.append(now)
        if len(pushed) % _AT_ONCE == 0:
            rows = stimulus.samples(np.arange(len(pushed), len(pushed) + _AT_ONCE)).tolist()
    sys.stdout.write(json.dumps(pushed))


def _wait(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == "__main__":
    main()

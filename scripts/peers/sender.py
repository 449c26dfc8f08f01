"""Child process: a minute as an LSL stream, sample by sample; prints when each was pushed.

    python -m peers.sender NAME FILE.npz

Eyes open until a line comes in; then eyes closed once; then eyes open again until the input ends.  Times are those of
the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from brainmusic_daemon import liblsl


def main() -> None:
    name, file = sys.argv[1:3]
    with np.load(file) as content:
        before, samples = content["before"].tolist(), content["samples"].tolist()
        channels, rate = content["channels"].tolist(), float(content["samplerate"])
    outlet = _outlet(name, channels, rate)
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(said,), daemon=True).start()
    begin, number = time.perf_counter(), 0

    def push(row: list[float]) -> float:
        nonlocal number
        time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        number += 1
        now = time.perf_counter()
        outlet.push_sample(row)
        return now

    row = before[0]
    for row in _round(before):
        push(row)
        if not said.empty():
            break
    said.get()
    pushed = [push(row) for row in _joined(row, samples, rate)]
    sys.stdout.write(json.dumps(pushed) + "\n")
    sys.stdout.flush()
    for row in _round(before):
        if not said.empty():
            return
        push(row)


def _outlet(name: str, channels: list[str], rate: float) -> Any:
    pylsl = liblsl.load()
    info = pylsl.StreamInfo(name, "EEG", len(channels), rate, "float32", name)
    node = info.desc().append_child("channels")
    for label in channels:
        channel = node.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
        channel.append_child_value("type", "EEG")
    return pylsl.StreamOutlet(info, chunk_size=1)


def _joined(last: list[float], rows: list[list[float]], rate: float) -> list[list[float]]:
    """Return the rows, their first second drawn to where the last one was: eyes close without a step."""
    made, n = np.array(rows), round(rate)
    fade = np.cos(np.linspace(0, np.pi / 2, n))[:, None] ** 2
    made[:n] += fade * (np.array(last) - made[0])
    return made.tolist()  # type: ignore[no-any-return]


def _round(rows: list[list[float]]) -> Iterator[list[float]]:
    """To the end and back again, for ever: without a jump."""
    while True:
        yield from rows
        yield from reversed(rows)


def _listen(said: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        said.put(line)
    said.put("")


if __name__ == "__main__":
    main()

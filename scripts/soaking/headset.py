"""Child process: a simulated person as an LSL stream that goes away and comes back when told to.

python -m soaking.headset NAME PPM      orders on its input: away, back, end; says at last how many samples it has sent
"""

from __future__ import annotations

import sys
import threading
import time
from queue import Empty, Queue
from typing import Any

import numpy as np

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.person import Person

_PERIOD_S = 60


def main() -> None:
    name, ppm = sys.argv[1], float(sys.argv[2])
    pylsl, person = liblsl.load(), Person()
    blocks = [person.block(j) for j in range(round(_PERIOD_S * person.samplerate / person.block_size))]
    rows = np.concatenate(blocks).astype(np.float32).tolist()
    orders: Queue[str] = Queue()
    threading.Thread(target=lambda: [orders.put(line.strip()) for line in sys.stdin], daemon=True).start()
    rate = person.samplerate * (1 + ppm * 1e-6)
    outlet: Any = _outlet(pylsl, name, person)
    begin, number, sent = time.perf_counter(), 0, 0
    while True:
        number += 1
        time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        if outlet is not None:
            outlet.push_sample(rows[number % len(rows)], pylsl.local_clock())
            sent += 1
        try:
            order = orders.get_nowait()
        except Empty:
            continue
        if order == "away":
            outlet = None  # liblsl closes it
        elif order == "back" and outlet is None:
            outlet = _outlet(pylsl, name, person)
        elif order == "end":
            break
    sys.stdout.write(f"{sent}\n")


def _outlet(pylsl: Any, name: str, person: Person) -> Any:
    info = pylsl.StreamInfo(name, "EEG", len(person.channels), person.samplerate, "float32", f"id of {name}")
    channels = info.desc().append_child("channels")
    for label in person.channels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    return pylsl.StreamOutlet(info, chunk_size=1)


if __name__ == "__main__":
    main()

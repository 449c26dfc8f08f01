"""Process numbers in; processor seconds and memory of each with all its children out, as JSON.  Needs psutil only.

python meter.py PID ...
"""

from __future__ import annotations

import json
import sys

import psutil


def measure(pid: int) -> dict[str, float]:
    """Return seconds of processor time, and MB: what is shared with others counts by its share where that is known."""
    seconds = memory = count = 0.0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        family = []
    for process in family:
        try:
            times, full = process.cpu_times(), process.memory_full_info()
        except psutil.Error:
            continue
        seconds += times.user + times.system
        memory += getattr(full, "pss", full.rss) / 1e6
        count += 1
    return {"cpu_s": seconds, "memory_mb": memory, "processes": count}


if __name__ == "__main__":
    sys.stdout.write(json.dumps({pid: measure(int(pid)) for pid in sys.argv[1:]}))

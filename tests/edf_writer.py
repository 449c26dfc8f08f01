"""Signals in microvolts in; the bytes of an EDF or BDF file out, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

_LIMITS = {"edf": (-32_768, 32_767), "bdf": (-8_388_608, 8_388_607)}


def write(
    path: Path, samples: np.ndarray, labels: Sequence[str], rate: int = 100, unit: str = "uV", physical: float = 3276.7
) -> np.ndarray:
    """Write (n_samples, n_channels), whole seconds; return what the file's resolution left of it."""
    kind = path.suffix[1:]
    low, high = _LIMITS[kind]
    count, records = len(labels), len(samples) // rate

    def field(values: Sequence[object], width: int) -> bytes:
        return b"".join(str(value).encode("latin-1")[:width].ljust(width) for value in values)

    head = (b"0       " if kind == "edf" else b"\xffBIOSEMI") + field(["X X X X", "Startdate X X X X"], 80)
    head += field(["01.01.26", "10.00.00", 256 * (count + 1)], 8) + field(["" if kind == "edf" else "24BIT"], 44)
    head += field([records, 1], 8) + field([count], 4) + field(labels, 16) + field([""] * count, 80)
    head += field([unit] * count, 8) + field([-physical] * count, 8) + field([physical] * count, 8)
    head += field([low] * count, 8) + field([high] * count, 8) + field([""] * count, 80)
    head += field([rate] * count, 8) + field([""] * count, 32)
    gain = 2 * physical / (high - low)
    digital = np.clip(np.round((samples + physical) / gain + low), low, high).astype(np.int64)
    body = bytearray()
    for record in range(records):
        for channel in range(count):
            values = digital[record * rate : (record + 1) * rate, channel]
            if kind == "edf":
                body += values.astype("<i2").tobytes()
            else:
                body += values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    path.write_bytes(head + bytes(body))
    return (digital - low) * gain - physical

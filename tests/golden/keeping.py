"""A session's name in, what is kept of it out, and back: one small file each, and why they were last written."""

from __future__ import annotations

import base64
import datetime
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.golden.fingerprint import Exact, Fingerprint

FOLDER = Path(__file__).parent / "kept"
HISTORY = Path(__file__).parent / "HISTORY.md"
_MACHINES = 2  # kinds of machines whose hashes are kept; those of the others are compared by means


def load(name: str, folder: Path = FOLDER) -> tuple[Fingerprint, dict[str, Exact]] | None:
    """Return the means and, per kind of machine, the hashes; None where nothing is kept."""
    file = folder / f"{name}.json"
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    means = json.loads(zlib.decompress(base64.b85decode(kept["means"])))
    found = Fingerprint(_rows(means["counts"]), _rows(means["means"]), tuple(map(tuple, means["bands"])))
    return found, {key: _exact(each, [*found.counts]) for key, each in kept["machines"].items()}


def save(name: str, means: Fingerprint, machines: Mapping[str, Exact], folder: Path = FOLDER) -> None:
    """Write a session's file."""
    folder.mkdir(exist_ok=True)
    newest = dict([*machines.items()][-_MACHINES:])
    plain = {"counts": means.counts, "means": means.means, "bands": means.bands}
    packed = base64.b85encode(zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 9)).decode()
    kept = {"machines": {key: _plain(each, [*means.counts]) for key, each in newest.items()}, "means": packed}
    (folder / f"{name}.json").write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")


def note(why: str, changed: list[str], history: Path = HISTORY) -> None:
    """Append why sessions were written anew."""
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    head = "# Why golden sessions were written anew\n\n" if not history.is_file() else ""
    with history.open("a", encoding="utf-8") as out:
        out.write(f"{head}- {today}: {why} ({', '.join(changed)})\n")


def _rows(rows: Mapping[str, list[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(row) for name, row in rows.items()}


def _plain(found: Exact, order: list[str]) -> dict[str, Any]:
    """Return it as JSON; the addresses' sums lie in the order of the means' addresses."""
    seconds = len(next(iter(found.addresses.values()), ()))
    sums = [crc for address in order for crc in found.addresses[address]]
    return {
        "osc": found.osc,
        "sound": found.sound,
        "ticks": _packed(found.ticks),
        "blocks": _packed(found.blocks),
        "seconds": seconds,
        "addresses": _packed(sums),
    }


def _exact(kept: Mapping[str, Any], order: list[str]) -> Exact:
    sums, seconds = _unpacked(kept["addresses"]), kept["seconds"]
    rows = {address: sums[i * seconds : (i + 1) * seconds] for i, address in enumerate(order)}
    return Exact(kept["osc"], kept["sound"], _unpacked(kept["ticks"]), rows, _unpacked(kept["blocks"]))


def _packed(numbers: tuple[int, ...] | list[int]) -> str:
    return base64.b85encode(struct.pack(f"<{len(numbers)}H", *numbers)).decode()


def _unpacked(text: str) -> tuple[int, ...]:
    data = base64.b85decode(text)
    return struct.unpack(f"<{len(data) // 2}H", data)

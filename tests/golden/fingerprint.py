"""What was taken in; its exact hashes, which hold on machines of one kind, and means that hold on all, out."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from tests.golden.taking import RATE, TICK_S, Taken

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "mne", "torch")
_PER_SECOND = round(1 / TICK_S)
_FLOOR_DB = -90.0
CENTRES_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000)


@dataclass(frozen=True, slots=True)
class Exact:
    """Hashes, and check sums by which the first difference is found; of one kind of machine."""

    osc: str  # SHA-256
    sound: str
    ticks: tuple[int, ...]  # 16 bits for the messages of each tick
    addresses: Mapping[str, tuple[int, ...]]  # 16 bits for each second of each address
    blocks: tuple[int, ...]  # 16 bits for each tick's sound


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Means per second: any machine comes near to them."""

    counts: Mapping[str, tuple[int, ...]]  # address → messages of each second
    means: Mapping[str, tuple[float, ...]]  # address → mean of all numbers of each second, 4 digits
    bands: tuple[tuple[float, ...], ...]  # for each second: level of each octave, dB, one digit


def machine() -> str:
    """Return what kind of machine this is: where it is the same, so is every bit.

    Names of processors say little about which of their instructions a library takes: so some arithmetic is done, and
    its last bits count too.
    """
    import numba
    from llvmlite import binding
    from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[attr-defined]

    there = sorted(name for name, present in features.items() if present)
    compiled_for = numba.config.CPU_NAME or binding.get_host_cpu_name()
    about = [
        platform.system(),
        platform.machine(),
        platform.python_version(),
        compiled_for,
        str(os.cpu_count()),
        *there,
    ]
    about += [f"{name} {_version(name)}" for name in _PACKAGES]
    return hashlib.sha256("\n".join(about).encode() + _last_bits()).hexdigest()[:16]


def _last_bits() -> bytes:
    """Return results of what the features stand on: products, transforms, solutions, functions."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(250, 64)), rng.normal(size=(250, 90))
    found: list[Any] = [a.T @ b, a.T.astype(np.float32) @ b.astype(np.float32), a @ b[0, :64]]
    found += [np.linalg.solve(a.T @ a, b[:64]), np.linalg.eigh(a.T @ a)[0], np.fft.rfft(b, axis=0)]
    found += [np.exp(a), np.log(np.abs(a)), np.sin(a), np.sqrt(np.abs(a)), a.sum(axis=0), a.std(axis=0)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in found)).digest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def exact(taken: Taken) -> Exact:
    """Return hashes and check sums of a session."""
    messages, seconds = taken.messages(), _seconds(taken)
    ticks = [0] * (seconds * _PER_SECOND + 1)
    addresses: dict[str, list[int]] = {}
    for tick, address, arguments in messages:
        text = repr((tick, address, arguments)).encode()
        at = min(tick, len(ticks) - 1)
        ticks[at] = zlib.crc32(text, ticks[at])
        row = addresses.setdefault(address, [0] * seconds)
        second = min(tick // _PER_SECOND, seconds - 1)
        row[second] = zlib.crc32(text, row[second])
    block = round(RATE * TICK_S)
    whole = taken.sound[: len(taken.sound) // block * block].reshape(-1, block * 2)
    return Exact(
        hashlib.sha256(taken.log).hexdigest(),
        hashlib.sha256(taken.sound.tobytes()).hexdigest(),
        tuple(crc & 0xFFFF for crc in ticks),
        {address: tuple(crc & 0xFFFF for crc in row) for address, row in addresses.items()},
        tuple(zlib.crc32(each.tobytes()) & 0xFFFF for each in whole),
    )


def fingerprint(taken: Taken) -> Fingerprint:
    """Return the means of a session."""
    seconds = _seconds(taken)
    counts: dict[str, list[int]] = {}
    sums: dict[str, list[list[float]]] = {}
    for tick, address, arguments in taken.messages():
        second = min(tick // _PER_SECOND, seconds - 1)
        counts.setdefault(address, [0] * seconds)[second] += 1
        numbers = [float(a) for a in arguments if isinstance(a, (int, float))]
        sums.setdefault(address, [[] for _ in range(seconds)])[second] += numbers
    means = {a: tuple(_short(np.mean(each)) if each else 0.0 for each in row) for a, row in sums.items()}
    return Fingerprint({a: tuple(row) for a, row in counts.items()}, means, _bands(taken, seconds))


def _seconds(taken: Taken) -> int:
    return max(1, round(len(taken.sound) / RATE))


def _short(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _bands(taken: Taken, seconds: int) -> tuple[tuple[float, ...], ...]:
    """Return the power of each octave, dB of full scale, second by second; what is silent is at the floor."""
    mono = taken.sound.astype(np.float64).sum(axis=1) / 2
    frequency = np.fft.rfftfreq(RATE, 1 / RATE)
    found = []
    for second in range(seconds):
        piece = mono[second * RATE : (second + 1) * RATE]
        power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), RATE)) ** 2 * 16 / 3 / RATE**2
        row = []
        for centre in CENTRES_HZ:
            total = power[(frequency >= centre / math.sqrt(2)) & (frequency < centre * math.sqrt(2))].sum()
            row.append(round(max(_FLOOR_DB, 10 * math.log10(total + 1e-20)), 1))
        found.append(tuple(row))
    return tuple(found)

"""Nothing in; what encoding OSC costs by our encoder and by other Python libraries, out."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks.common import CHECKOUT, Absent

from brainmusic_daemon.service.osc_decoding import Malformed, messages
from peers import environments
from peers.peer import PROGRAMS

LIBRARIES = ("brainmusic", "pyliblo3", "osc4py3", "oscpy", "python-osc")
ROUNDS = 5


def measure(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Return a row per library: medians of rounds in which all take turns, or why there is none."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LIBRARIES}
    why: dict[str, str] = {}
    for _ in range(rounds):
        for name in LIBRARIES:
            if name not in why:
                try:
                    found[name].append(_once(name))
                except Absent as reason:
                    why[name] = str(reason)
    rows: list[dict[str, Any]] = []
    for name, runs in found.items():
        if name in why:
            rows.append({"key": name, "why": why[name]})
            continue
        figures = {what: median(run[what] for run in runs) for what in ("message_us", "bundle_us")}
        rows.append({"key": name, "version": runs[0]["version"], **figures, "alike": _alike(runs[0]), "why": ""})
    return rows


def _once(name: str) -> dict[str, Any]:
    python = sys.executable if name == "brainmusic" else environments.python("encoders")
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)} if name == "brainmusic" else dict(os.environ)
    try:
        done = subprocess.run(
            [python, PROGRAMS / "encoders.py", name], env=env, capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        raise Absent("took more than 60 s") from None
    if done.returncode:
        raise Absent(done.stderr.strip().splitlines()[-1][:200])
    return dict(json.loads(done.stdout))


def _alike(run: dict[str, Any]) -> bool:
    """Tell whether what was encoded says what it should."""
    numbers = [struct.unpack(">f", struct.pack(">f", 0.5 + 0.001 * k))[0] for k in range(20)]
    try:
        [(address, arguments)] = messages(bytes.fromhex(run["message"]))
        bundle = [*messages(bytes.fromhex(run["bundle"]))]
    except (Malformed, ValueError):
        return False
    wanted = [(f"/bench/value/{k}", (number,)) for k, number in enumerate(numbers)]
    return (address, list(arguments)) == ("/bench", numbers) and bundle == wanted

"""Some peers and a minute in; all of them at the same time on the same stream, and what each delivered, out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks import machine
from benchmarks.common import Absent, lsl_environment

from peers import costs, environments
from peers.judge import Verdict, judge
from peers.peer import SCRIPTS, Peer, Stage
from peers.receiver import Receiver, values
from peers.stimulus import WATCHED, Minute

START_S = 90.0  # that a peer may need until its first datagram
WARM_S = 8.0  # that all of them run before the eyes close


@dataclass(frozen=True, slots=True)
class Found:
    """What one run of one peer came to: a verdict, or the reason why there is none."""

    key: str
    minute: str
    others: float | None  # share of the machine that other programs took meanwhile
    verdict: Verdict | None = None
    cpu: float = float("nan")  # of one core, %
    memory_mb: float = float("nan")
    processes: int = 0
    why: str = ""


def run(peers: Sequence[Peer], minute: Minute) -> list[Found]:
    """Play the minute to all of these peers at once."""
    for peer in peers:  # installing takes its time: before anything plays
        if peer.environment:
            try:
                environments.python(peer.environment)
            except Absent:
                continue  # told by its start
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="brainmusic-peers-") as folder, lsl_environment() as env:
        env = {**env, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        file = Path(folder) / "minute.npz"
        np.savez(
            file,
            before=minute.before,
            samples=minute.samples,
            channels=np.array(minute.channels),
            samplerate=minute.samplerate,
        )
        receiver = Receiver(peer.key for peer in peers)
        sender = subprocess.Popen(
            [sys.executable, "-m", "peers.sender", name, str(file)],
            env={**env, "PYTHONPATH": str(SCRIPTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            return _play(peers, minute, receiver, sender, name, Path(folder), env)
        finally:
            sender.kill()
            sender.wait()
            receiver.close()


def _play(
    peers: Sequence[Peer],
    minute: Minute,
    receiver: Receiver,
    sender: subprocess.Popen[str],
    name: str,
    folder: Path,
    env: dict[str, str],
) -> list[Found]:
    stages: dict[str, Stage] = {}
    why: dict[str, str] = {}
    try:
        for peer in peers:
            place = folder / peer.key
            place.mkdir()
            stage = Stage(
                *(name, receiver.ports[peer.key], minute.channels, WATCHED, minute.samplerate), folder=place, env=env
            )
            stages[peer.key] = stage
            try:
                peer.start(stage)
            except (Absent, OSError) as error:
                why[peer.key] = str(error)
        _wait(peers, receiver, stages, why)
        time.sleep(WARM_S)
        others = machine.Others()
        before, begun = costs.meter(stages, sender), time.perf_counter()
        pushed = np.array(_close_eyes(sender, len(minute.samples) / minute.samplerate))
        time.sleep(0.5)
        after, took = costs.meter(stages, sender), time.perf_counter() - begun
        share = costs.others(others.share(), before, after, took)
        found = []
        for peer in peers:
            if peer.key in why:
                found.append(Found(peer.key, minute.name, share, why=why[peer.key]))
                continue
            one, two = before.get(peer.key, {}), after.get(peer.key, {})
            cpu = 100 * (two.get("cpu_s", np.nan) - one.get("cpu_s", np.nan)) / took
            taken = (cpu, two.get("memory_mb", np.nan), int(two.get("processes", 0)))
            try:
                verdict = _judged(peer, receiver.datagrams[peer.key], minute, pushed)
            except ValueError as error:
                said = f"too little came: {error}; {stages[peer.key].said()}"
                found.append(Found(peer.key, minute.name, share, None, *taken, said))
                continue
            found.append(Found(peer.key, minute.name, share, verdict, *taken))
        return found
    finally:
        for stage in stages.values():
            stage.close()


def _wait(peers: Sequence[Peer], receiver: Receiver, stages: dict[str, Stage], why: dict[str, str]) -> None:
    """Wait until all deliver; who does not within the time is left out."""
    until = time.monotonic() + START_S
    waiting = [peer for peer in peers if peer.key not in why]
    while waiting and time.monotonic() < until:
        time.sleep(0.2)
        waiting = [
            peer
            for peer in waiting
            if not any(_alphas(peer, [one]) for one in receiver.datagrams[peer.key][-20:])
            and not _ended(peer, stages[peer.key], why)
        ]
    for peer in waiting:
        why[peer.key] = f"no alpha within {START_S:.0f} s: {stages[peer.key].said()}"


def _ended(peer: Peer, stage: Stage, why: dict[str, str]) -> bool:
    if any(process.poll() is not None for process in stage.processes):
        why[peer.key] = f"it ended: {stage.said()}"
    return peer.key in why


def _alphas(peer: Peer, datagrams: list[tuple[float, bytes]]) -> bool:
    found = values(datagrams, lambda address, arguments: peer.read(address, arguments, WATCHED), WATCHED)
    return any(len(times) for times, _ in found.values())


def _close_eyes(sender: subprocess.Popen[str], seconds: float) -> list[float]:
    assert sender.stdin is not None and sender.stdout is not None
    sender.stdin.write("now\n")
    sender.stdin.flush()
    line = sender.stdout.readline()
    if not line:
        raise RuntimeError(f"the sender ended before its {seconds:.0f} s were over")
    return list(map(float, json.loads(line)))


def _judged(peer: Peer, datagrams: list[tuple[float, bytes]], minute: Minute, pushed: np.ndarray) -> Verdict:
    found = values(datagrams, lambda address, arguments: peer.read(address, arguments, WATCHED), WATCHED)
    if peer.power:
        found = {name: (times, np.sqrt(np.maximum(powers, 0))) for name, (times, powers) in found.items()}
    return judge(found, minute.truth(), pushed)

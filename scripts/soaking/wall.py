"""Minutes in; the real daemon on the wall clock, with all that an evening asks of it, and what it came to, out.

LSL in from a headset that dies and returns, sound on a null sink, OSC to a socket, a recording, the page, swaps.  At
both ends a quiet stretch in which notes come at an even pace: by these timing is judged.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.service import client
from brainmusic_daemon.service.bench.processes import lsl_of_its_own
from soaking.busy import Busy
from soaking.ears import Array, Monitor, Receiver
from soaking.measure import Look, look

HERE = Path(__file__).parent
TICK = 0.02
_HEADSET_PPM = -80.0
_LOOK_S = 1.0
_START_S = 180.0  # a first start compiles


@dataclass(slots=True)
class Evening:
    """All that was noted."""

    seconds: float
    looks: list[Look]
    ticks: Array  # when a datagram of each tick came, s
    numbers: Any  # of the ticks, as heartbeats tell them
    note_arrivals: Array
    heard: tuple[Array, Array]  # onsets in the sound, at the beginning and at the end
    spans: tuple[tuple[float, float], tuple[float, float]]  # of these stretches
    played: Array  # when each note was to sound, as recorded
    recording: dict[str, int]  # samples of each stream
    recorded: dict[str, Any]  # what the daemon says of the recording
    times_in_order: bool
    status: dict[str, Any]
    busy: Busy
    said: list[str]
    exit_code: int
    stop_s: float
    files_left: int
    load: float
    asleep: int  # deadlines that a program missed, beside it, which only sleeps from one to the next


def evening(minutes: float, progress: Callable[[float], None]) -> Evening:
    """Play for so long."""
    with tempfile.TemporaryDirectory(prefix="brainmusic-soak-") as folder, lsl_of_its_own() as lsl:
        from tests.pulse import Pulse

        server = Pulse()
        receiver = Receiver()
        try:
            server.start()
            env = {**server.env, "LSLAPICFG": lsl["LSLAPICFG"], "XDG_STATE_HOME": folder}
            os.environ["XDG_RUNTIME_DIR"] = env["XDG_RUNTIME_DIR"]  # where the daemon tells how it is reached
            env["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])
            return _evening(60 * minutes, Path(folder), env, receiver, server, progress)
        finally:
            receiver.close()
            server.close()


def _evening(
    seconds: float,
    folder: Path,
    env: dict[str, str],
    receiver: Receiver,
    server: Any,
    progress: Callable[[float], None],
) -> Evening:
    from tests.pulse import SINK

    name = f"soak-{os.getpid()}"
    log, recording = folder / "soak.log", folder / "soak.xdf"
    settings = (
        *("source.kind=lsl", f"source.stream={name}", "session.patience_s=120", "session.status=false"),
        *("session.resume=false", "output.audio.device=pulse", "output.audio.frames=256", "web.port=0"),
        *("control.osc_port=0", f'output.osc.targets=["127.0.0.1:{receiver.port}"]', f"session.name={name}"),
    )
    command = [sys.executable, "-m", "brainmusic_daemon", "run", "--config", "scenes"]
    command += [part for setting in settings for part in ("--set", setting)]
    looks: list[Look] = []
    quiet_s = min(30.0, max(8.0, seconds / 6))
    monitor = sleeper = None
    with (
        _child([sys.executable, "-m", "soaking.headset", name, f"{_HEADSET_PPM:g}"], env) as headset,
        log.open("w") as err,
    ):
        daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        try:
            run = _reachable(name, daemon, log)
            port = int(_until(lambda: _ask(run, "status").get("web", {}).get("port"), daemon, log))
            _until(lambda: _ask(run, "status").get("state") == "good", daemon, log)
            monitor = Monitor(server, SINK)
            sleeper = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.ticks", f"{seconds - 8:g}"],
                env=env,
                stdout=subprocess.PIPE,
                text=True,
            )
            client.ask(run, "record.start", [str(recording)])
            begun = time.perf_counter()
            first = _quiet(run, monitor, quiet_s)
            busy = Busy(
                name, port, lambda gone: _order(headset, "away" if gone else "back"), hurry=max(1.0, 240 / seconds)
            )
            while (passed := time.perf_counter() - begun) < seconds - quiet_s - 6:
                looks.append(look(daemon.pid, passed))
                if daemon.poll() is not None:
                    break
                progress(passed / seconds)
                time.sleep(_LOOK_S)
            busy.stop()
            _order(headset, "back")
            _until(lambda: _ask(run, "status").get("state") == "good", daemon, log)
            last = _quiet(run, monitor, quiet_s)
            looks.append(look(daemon.pid, time.perf_counter() - begun))
            status = _ask(run, "status")
            answer = client.ask(run, "record.stop", [])
            ended = time.perf_counter()
            client.ask(run, "stop", [])
            code = daemon.wait(60)
            stop_s = time.perf_counter() - ended
            slept = json.loads(sleeper.communicate(timeout=60)[0])
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
            if monitor is not None:
                monitor.close()
            if sleeper is not None:
                sleeper.kill()
                sleeper.wait()
    counts, played, ordered = _read(recording)
    left = len([*Path(env["XDG_RUNTIME_DIR"]).glob(f"**/{name}.json")])
    recorded = {**(status.get("recording") or {}), "answer": answer.text}
    said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    arrays = np.array(receiver.ticks), np.array(receiver.numbers), np.array(receiver.notes)
    spans = (first[0], last[0])
    return Evening(
        *(seconds, looks, *arrays, (first[1], last[1]), spans, played, counts, recorded, ordered, status, busy, said),
        *(code, stop_s, left, os.getloadavg()[0], int(slept["missed"])),
    )


def _quiet(run: Any, monitor: Monitor, seconds: float) -> tuple[tuple[float, float], Array]:
    """Let notes come at an even pace for a while; return from when to when, and when each was heard."""
    client.ask(run, "mapper.load", [str(HERE / "steady.toml"), 0.2])
    client.ask(run, "preset", [str(HERE / "steps.toml")])
    time.sleep(min(4.0, seconds / 2))  # what sounded before has faded
    monitor.begin()
    begun = time.perf_counter()
    time.sleep(seconds)
    ended = time.perf_counter()
    return (begun + 0.5, ended - 0.5), monitor.onsets()


def _read(recording: Path) -> tuple[dict[str, int], Array, bool]:
    """Return samples of each stream, when each note was to sound, and whether the streams' times only rise."""
    from brainmusic_daemon.acquisition.formats.xdf_file import streams

    found, _ = streams(recording)
    counts = {stream.name: len(stream.times) for stream in found}
    notes = next((np.sort(stream.times) for stream in found if stream.name == "brainmusic.notes"), np.zeros(0))
    steady = [stream for stream in found if stream.name in ("brainmusic.features", "brainmusic.controls")]
    return counts, notes, all(bool((np.diff(stream.times) > 0).all()) for stream in steady)


def _ask(run: Any, command: str) -> dict[str, Any]:
    with contextlib.suppress(client.Away, TimeoutError):
        return client.ask(run, command, []).data
    return {}


def _reachable(name: str, daemon: Any, log: Path) -> Any:
    from brainmusic_daemon.service import run_file

    def found() -> Any:
        run = run_file.read(name)
        return run if run is not None and client.is_alive(run) else None

    return _until(found, daemon, log)


def _until(ready: Callable[[], Any], daemon: Any, log: Path) -> Any:
    limit = time.monotonic() + _START_S
    while not (found := ready()):
        if daemon.poll() is not None or time.monotonic() > limit:
            tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
            raise RuntimeError(f"the daemon did not come up, or back:\n{tail}")
        time.sleep(0.1)
    return found


@contextmanager
def _child(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()


def _order(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def missing() -> str:
    """Return which program of the real parts is not on this machine; nothing when all are."""
    for program, package in (("pulseaudio", "pulseaudio"), ("parec", "pulseaudio-utils")):
        if not shutil.which(program):
            return f"the Debian package {package} (program {program})"
    return ""

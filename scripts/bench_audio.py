"""Measure the synth and the audio output on this machine, and print the figures of docs/bench-audio.md.

    python scripts/bench_audio.py [--live SECONDS] [--json]

The live part plays on a private PulseAudio null sink (Debian: pulseaudio pulseaudio-utils libasound2-plugins), the
comparison needs SuperCollider (supercollider-server supercollider-language); what is absent is left out, and said.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine

    Change = Callable[[Engine], object]

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

RATE = 48_000
FULL = {"loudness": 0.7, "brightness": 1.0, "complexity": 1.0, "noise_amount": 0.3, "reverb": 0.6, "density": 0.7}


def start_up() -> dict[str, float]:
    """Compile in an empty cache, then load from it, each in a process of its own."""
    code = "from brainmusic_daemon.outputs.audio import warm_up; print(warm_up(lambda text: None))"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_CACHE_HOME": folder}
        runs = [
            float(subprocess.run([sys.executable, "-c", code], env=env, cwd=CHECKOUT, capture_output=True).stdout)
            for _ in range(2)
        ]
    return {"first compilation, s": runs[0], "from the cache (numba's import included), s": runs[1]}


def bank(engine: Engine, partials: int) -> None:
    """All voices with this many audible partials, noise and room on: the heaviest sound there is."""
    from brainmusic_daemon.synth import layout as at

    engine.voicing.write(FULL | {"fundamental_frequency": 100.0}, engine._row[2:])
    row = engine._row[2:]
    row[at.VOICE_FREQUENCY : at.VOICE_LEVEL] = 100.0 + 7.0 * np.arange(at.MAX_VOICES)
    row[at.VOICE_LEVEL : at.VOICE_PAN] = 0.1
    spectrum = np.zeros((at.MAX_VOICES, at.MAX_PARTIALS))
    spectrum[:, :partials] = np.random.default_rng().uniform(0.2, 1.0, (at.MAX_VOICES, partials)) / partials
    row[at.SPECTRUM : at.TARGETS] = spectrum.ravel()
    engine._row[:2] = 0, at.SET_TARGETS
    engine._push_row()


def speed() -> dict[str, float]:
    """Seconds of sound per second of CPU, in blocks of 256 frames with controls every 21 ms."""
    from brainmusic_daemon.api import CONTROL

    rest = {name: control.rest for name, control in CONTROL.items()}
    latents = {f"z.{i}": 0.5 for i in range(8)}
    return {
        "the drone at rest, x real time": median(lambda: rendered(lambda engine: engine.control(rest))),
        "all voices, bright, x real time": median(lambda: rendered(lambda engine: engine.control(FULL))),
        "the same in the timbre space, x real time": median(
            lambda: rendered(lambda engine: engine.control(FULL | latents))
        ),
        "one tick of voicing, us": 1e6 * voicing(rest),
        "one tick of voicing with latents, us": 1e6 * voicing(rest | latents),
    }


def rendered(change: Change, seconds: float = 10.0) -> float:
    """Return seconds of sound per CPU second; `change` comes every fourth block of 256 frames."""
    from brainmusic_daemon.synth.engine import Engine

    engine = Engine()
    change(engine)
    engine.render(RATE // 2)
    begin = time.process_time()
    for block in range(int(seconds * RATE / 256)):
        if block % 4 == 0:
            change(engine)
        engine.render(256)
    return seconds / (time.process_time() - begin)


def median(measure: Callable[[], float], times: int = 5) -> float:
    return float(np.median([measure() for _ in range(times)]))


def voicing(values: dict[str, float]) -> float:
    """Return the seconds that one tick's controls take until they are in the queue."""
    from brainmusic_daemon.synth.engine import Engine

    engine, took = Engine(), []
    for number in range(300):
        begin = time.perf_counter()
        engine.control(values)
        took.append(time.perf_counter() - begin)
        if number % 50 == 0:
            engine.render(256)
    return float(np.median(took))


def against_scsynth(times: int = 5) -> dict[str, float]:
    """The same work by both, in turns, so that whatever else the machine does falls on both."""
    from scripts.bench_scsynth import Opponent

    found = {}
    for partials in (64, 100):
        opponent, ours, theirs = Opponent(partials), [], []
        try:
            for _ in range(times):
                ours.append(rendered(lambda engine, partials=partials: bank(engine, partials)))  # type: ignore[misc]
                theirs.append(opponent.speed())
        finally:
            opponent.close()
        what = f"8 voices of {partials} partials, noise, room"
        found[f"{what}, x real time"] = float(np.median(ours))
        found[f"{what}: scsynth, x real time"] = float(np.median(theirs))
        found[f"{what}: times scsynth, median of {times} pairs"] = float(np.median(np.divide(ours, theirs)))
        found[f"{what}: times scsynth, lowest pair"] = float(np.min(np.divide(ours, theirs)))
    return found


def blocks() -> dict[str, float]:
    """How much of a block's time the callback needs, with the heaviest sound."""
    from brainmusic_daemon.synth.engine import Engine

    found = {}
    for frames in (128, 256):
        engine = Engine()
        engine.control(FULL)
        out = np.empty((frames, 2), dtype=np.float32)
        took = []
        for block in range(20 * RATE // frames):
            if block % 8 == 0:
                engine.control(FULL)
            begin = time.perf_counter()
            engine._render(engine.floats, engine.integers, out, frames)
            took.append(time.perf_counter() - begin)
        worst = float(np.quantile(took, 0.999))
        found[f"99.9 % of {frames}-frame blocks, % of the block"] = 100 * worst / (frames / RATE)
    return found


def live(seconds: float, frames: int) -> None:
    """Child: play beside two busy threads, and print the counters."""
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.outputs.audio import Audio
    from tests.frames import make_frame, make_info

    audio, stop = Audio(frames=frames), threading.Event()
    audio.open(WallClock(), make_info())

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    def transform() -> None:
        x = np.random.default_rng(1).normal(size=(64, 512))
        while not stop.is_set():
            np.fft.rfft(x)

    threads = [threading.Thread(target=work, daemon=True) for work in (spin, transform)]
    for thread in threads:
        thread.start()
    begin, number = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        audio.send(make_frame(number, controls=FULL))
        number += 1
        time.sleep(0.02)
    stop.set()
    counters = dict(audio.counters())
    audio.close()
    print(json.dumps(counters))


def heard(frames: int, parec: list[str], trials: int = 15) -> None:
    """Child: raise the loudness at a known moment, and print after how many ms the capture is louder."""
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.outputs.audio import Audio
    from tests.frames import make_frame, make_info

    audio = Audio(frames=frames)
    audio.open(WallClock(), make_info())
    quiet = {"loudness": 0.1, "attack_time": 0.01, "reverb": 0.0, "density": 0.0, "fundamental_frequency": 300.0}
    audio.send(make_frame(0, controls=quiet))
    capture = subprocess.Popen(parec, stdout=subprocess.PIPE)
    assert capture.stdout is not None
    descriptor = capture.stdout.fileno()
    delays, rng, settled, level, sent = [], np.random.default_rng(5), time.monotonic() + 1.0, 0.0, 0.0
    wait = 0.0
    while len(delays) < trials:
        data = np.frombuffer(os.read(descriptor, 1 << 12), dtype="<f4")
        now, loudest = time.monotonic(), float(np.abs(data).max(initial=0.0))
        if sent and loudest > 1.6 * level:
            delays.append(1000 * (now - sent))
            audio.send(make_frame(0, controls=quiet))
            sent, level, settled, wait = 0.0, 0.0, now + 0.7, float(rng.uniform(0.3, 0.6))
        elif not sent and now > settled:
            level = max(level, loudest)
            if now > settled + 0.3 + wait:
                audio.send(make_frame(0, controls={**quiet, "loudness": 1.0}))
                sent = time.monotonic()
    capture.terminate()
    capture.wait()
    audio.close()
    print(json.dumps({"median": float(np.median(delays)), "worst": max(delays)}))


@contextmanager
def plain_player(env: dict[str, str], frames: int) -> Iterator[Callable[[], int]]:
    """Let pacat play silence with the same buffering; gives a function that tells its underruns until then."""
    command = ["pacat", "-v", "--raw", "--format=float32le", f"--rate={RATE}", "--channels=2", "/dev/zero"]
    command.append(f"--latency-msec={max(1, round(2 * frames / RATE * 1000))}")
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, errors="replace")
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield lambda: sum("underrun" in line for line in lines)
    finally:
        process.terminate()
        process.wait()


def on_the_null_sink(seconds: float) -> dict[str, float]:
    from tests.pulse import SINK, Pulse

    server, found = Pulse(), {}
    server.start()
    parec = ["parec", "-d", f"{SINK}.monitor", "--format=float32le", f"--rate={RATE}", "--channels=2"]
    parec.append("--latency-msec=5")

    def child(*arguments: object) -> dict[str, float]:
        command = [sys.executable, __file__, *map(str, arguments)]
        done = subprocess.run(command, env=server.env, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    try:
        for frames in (256, 128):
            with plain_player(server.env, frames) as underruns:
                counters = child("--child-live", seconds, frames)
                plainly = underruns()
            found[f"underflows in {seconds:g} s at {frames} frames beside busy threads"] = counters["underflows"]
            found[f"underruns of pacat, a plain C player, at the same time with {frames} frames"] = plainly
            found[f"callback load at {frames} frames, %"] = 100 * counters["load"]
        for frames in (256, 128):
            delays = child("--child-heard", frames, *parec)
            found[f"control to captured sound at {frames} frames, median ms"] = delays["median"]
            found[f"control to captured sound at {frames} frames, worst of 15, ms"] = delays["worst"]
    finally:
        server.close()
    return found


def main() -> None:
    if sys.argv[1:2] == ["--child-live"]:
        live(float(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--child-heard"]:
        heard(int(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=float, default=60.0, help="seconds to play at each block size; 0: not at all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from scripts.bench_sound import measure

    found = start_up() | speed() | blocks() | measure()
    if shutil.which("scsynth") and shutil.which("sclang"):
        found |= against_scsynth()
    else:
        print("no comparison: scsynth or sclang is absent (supercollider-server supercollider-language)")
    if options.live:
        found |= on_the_null_sink(options.live)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("| what | figure |\n|---|---|")
        for name, value in found.items():
            print(f"| {name} | {value:.3g} |")


if __name__ == "__main__":
    main()

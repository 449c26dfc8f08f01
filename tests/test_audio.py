"""The audio output, on a real device (PulseAudio's null sink): what is played is what was asked for, without a gap."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.api import OutputLost
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.synth.engine import warm_up
from tests import parts
from tests.frames import make_frame, make_info
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture

PLAYER = """
import json, sys, threading, time
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.audio import Audio
from tests.frames import make_frame, make_info
task = json.loads(sys.argv[1])
audio = Audio(**task["settings"])
audio.open(WallClock(), make_info())
stop = False
def spin():
    n = 0
    while not stop:
        n += 1
if task.get("busy"):
    threading.Thread(target=spin, daemon=True).start()
first, begin, number = None, time.monotonic(), 0
while (now := time.monotonic() - begin) < task["seconds"]:
    values = task["controls"] if now < task.get("change_at", 1e9) else task["then"]
    audio.send(make_frame(number, controls=values))
    number += 1
    time.sleep(0.02)
    if number % 25 == 0:
        print(json.dumps(dict(audio.counters())), flush=True)
stop = True
if task.get("panic"):
    audio.panic()
    time.sleep(0.3)
before = time.monotonic()
audio.close()
print(json.dumps({**audio.counters(), "close_s": time.monotonic() - before}), flush=True)
"""
ATTEMPTS = 6
CONTROLS = {
    "fundamental_frequency": 220.0,
    "loudness": 0.8,
    "brightness": 0.3,
    "noise_amount": 0.0,
    "reverb": 0.2,
    "attack_time": 0.02,
    "tempo": 60.0,
    "mode": 0.5,
    "complexity": 0.0,
    "density": 0.0,
}


def player(server: Pulse, **task: Any) -> subprocess.Popen[str]:
    """Start a process that plays on the server: PortAudio reads the environment when it starts."""
    task = {"settings": {}, "controls": CONTROLS, **task}
    command = [sys.executable, "-c", PLAYER, json.dumps(task)]
    return subprocess.Popen(command, env=server.env, cwd=parts.CHECKOUT, stdout=subprocess.PIPE, text=True)


def play(server: Pulse, **task: Any) -> tuple[dict[str, float], np.ndarray]:
    """Play, and return the last counters and what the monitor captured."""
    warm_up(lambda text: None)
    with server.capture() as file:
        process = player(server, **task)
        out, _ = process.communicate(timeout=60)
        time.sleep(0.1)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1]), server.sound(file).astype(np.float64)


def fundamental(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / 48_000)
    power[hz < 180] = 0.0  # the octave below the root
    return float(hz[power.argmax()])


@pytest.mark.real
def test_the_monitor_hears_the_fundamental_beside_a_busy_thread(pulse: Pulse) -> None:  # noqa: F811
    """A callback that waited for Python would leave a gap in every other block, each time.

    A busy machine may cost a block now and then, which also a C player loses: scripts/bench measures that.
    """
    seen: list[tuple[float, int]] = []
    while True:
        counters, sound = play(pulse, seconds=3.0, busy=True)
        heard = np.flatnonzero(np.abs(sound[:, 0]) > 1e-3)
        middle = sound[heard[0] + 24_000 : heard[0] + 24_000 + 72_000]
        assert fundamental(middle) == pytest.approx(220.0, rel=0.01)
        assert counters["callbacks"] > 400
        assert counters["close_s"] < 3.0
        assert counters["controls_lost"] == counters["failed"] == counters["reopened"] == 0
        gaps = np.flatnonzero(np.abs(np.diff(sound, 2, axis=0)).max(axis=1) > 0.01)
        seen.append((counters["underflows"], np.count_nonzero(np.diff(gaps, prepend=-48_000) > 4_800)))
        if max(seen[-1]) <= 5:
            return
        assert len(seen) < ATTEMPTS, f"(underflows, gaps heard) each time: {seen}"


@pytest.mark.real
def test_a_change_of_controls_is_heard(pulse: Pulse) -> None:  # noqa: F811
    then = {**CONTROLS, "fundamental_frequency": 330.0}
    _, sound = play(pulse, seconds=3.0, change_at=1.5, then=then)
    heard = np.flatnonzero(np.abs(sound[:, 0]) > 1e-3)
    assert fundamental(sound[heard[0] + 12_000 : heard[0] + 48_000]) == pytest.approx(220.0, rel=0.01)
    assert fundamental(sound[heard[-1] - 48_000 : heard[-1] - 12_000]) == pytest.approx(330.0, rel=0.01)


@pytest.mark.real
def test_panic_is_silence(pulse: Pulse) -> None:  # noqa: F811
    _, sound = play(pulse, seconds=1.5, panic=True)
    loud = np.flatnonzero(np.abs(sound).max(axis=1) > 1e-3)
    assert len(loud) > 24_000
    last = sound[loud[-1] - 4_800 : loud[-1]]
    assert np.abs(last).max() > 0.01  # it ends within 100 ms, not in a long fade


@pytest.mark.real
def test_a_device_that_vanishes_is_opened_again(pulse: Pulse) -> None:  # noqa: F811
    warm_up(lambda text: None)
    process = player(pulse, seconds=9.0)
    assert process.stdout is not None
    counters: list[dict[str, float]] = []

    def until(condition: str, seconds: float = 12.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            line = process.stdout.readline()  # type: ignore[union-attr]
            if not line:
                break
            counters.append(json.loads(line))
            if eval(condition, {}, {"c": counters[-1]}):
                return
        pytest.fail(f"never saw {condition}: {counters[-1:]}")

    try:
        until("c['callbacks'] > 50")
        pulse.kill()
        until("c['running'] == 0")
        pulse.start()
        until("c['reopened'] == 1 and c['running'] == 1")
        with pulse.capture() as file:
            time.sleep(1.0)
        assert np.abs(pulse.sound(file)).max() > 0.01
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def test_no_device_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    monkeypatch.setattr(sounddevice, "query_devices", lambda *_: [])
    with pytest.raises(OutputLost, match=r"no audio device.*brainmusic render") as caught:
        Audio().open(WallClock(), make_info())
    assert "\n" not in str(caught.value)


def test_an_unknown_device_lists_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    found = [{"index": 3, "name": "Speakers", "max_output_channels": 2}]
    monkeypatch.setattr(sounddevice, "query_devices", lambda *_: found)
    audio = Audio(device="headphones")
    with pytest.raises(OutputLost, match="no audio device 'headphones'; there is 3 'Speakers'"):
        audio.open(WallClock(), make_info())
    audio.close()


def test_a_missing_portaudio_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(OutputLost, match="libportaudio2"):
        Audio().open(WallClock(), make_info())


def test_another_sounddevice_is_refused_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    found = [{"index": 0, "name": "x", "max_output_channels": 2, "default_samplerate": 48_000.0}]
    monkeypatch.setattr(sounddevice, "query_devices", lambda *_: found)
    monkeypatch.setattr(sounddevice, "check_output_settings", lambda **_: None)
    monkeypatch.delattr(sounddevice, "_StreamBase")
    with pytest.raises(OutputLost, match="_StreamBase"):
        Audio().open(WallClock(), make_info())


def test_sending_and_closing_without_a_device_are_harmless() -> None:
    audio = Audio()
    audio.send(make_frame(0))
    audio.panic()
    audio.close()
    audio.close()
    assert audio.counters()["running"] == 0

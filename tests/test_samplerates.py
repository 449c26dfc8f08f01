"""The same music at every sample rate: pitch, envelopes, room, level; and nothing where the rate has no room for it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from brainmusic_daemon.api import Drone
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine, warm_up
from brainmusic_daemon.synth.voicing import Array, Voicing
from tests.listening import PLAIN
from tests.parts import CHECKOUT
from tests.receivers import jack

RATES = pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
SILENT = Drone(root_hz=110.0, tones=0, level=0.0, breath=0.0, notes=1.0)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


class Dry(Voicing):
    """One note of the synth without what moves it on purpose: ensemble, room and drift."""

    def __init__(self, hz: float) -> None:
        super().__init__()
        self.drone = SILENT
        self.note_hz[:] = hz

    def write(self, controls: Mapping[str, float], out: Array) -> None:
        super().write(controls, out)
        out[at.CHORUS] = out[at.WET] = out[at.DRIFT] = 0.0


def tone(rate: int, hz: float, seconds: float) -> np.ndarray:
    """Return one steady, bright note."""
    engine = Engine(rate, voicing=Dry(hz))
    engine.control({**PLAIN, "mode": 1.0, "brightness": 1.0})
    engine.note_on(0, 4, hz, 0.5, -1.0, 0.005, 600.0)
    engine.render(rate // 4)
    return engine.render(int(seconds * rate))[:, 0].astype(np.float64)


def lines(sound: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and levels in dB of a spectrum whose window falls off by 180 dB (Kaiser, beta 24)."""
    window = np.kaiser(len(sound), 24.0)
    level = np.abs(np.fft.rfft(sound * window)) / window.sum() * 2
    return np.fft.rfftfreq(len(sound), 1 / rate), 20 * np.log10(level + 1e-12)


@RATES
@pytest.mark.parametrize("hz", [55.0, 220.0, 931.0])
def test_pitch_is_right_to_a_twentieth_of_a_cent(rate: int, hz: float) -> None:
    sound = tone(rate, hz, 4.0)
    turning = sound * np.exp(-2j * np.pi * hz / rate * np.arange(len(sound))) * np.kaiser(len(sound), 12.0)
    half = len(sound) // 2
    phase = np.angle(turning[half:].sum() / turning[:half].sum())  # over 2 s, between the halves' centres of weight
    assert abs(1200 / math.log(2) * phase / (2 * math.pi * hz)) < 0.05


@RATES
def test_attack_decay_and_release_take_their_seconds(rate: int) -> None:
    """Attack: the time to 95 %; decay and release: time constants.  Read where the kernel keeps the envelopes."""
    engine = Engine(rate, voicing=Dry(440.0))
    engine.control(PLAIN)
    engine.note_on(0, 4, 440.0, 0.5, 0.0, 0.3, 1.0, 0.0, 0.2)
    engine.note_on(0, 5, 440.0, 0.5, 0.0, 0.005, 9.0, 0.5, 0.2)
    held, struck = {}, {}
    for _ in range(200):
        engine.render(rate // 100)
        now = engine.frame // at.QUANTUM * at.QUANTUM / rate
        held[round(now, 2)], struck[round(now, 2)] = engine.floats[at.V_ENV + 4], engine.floats[at.V_ENV + 5]
    assert held[0.3] == pytest.approx(0.95, abs=0.01)
    assert held[1.2] / held[0.99] == pytest.approx(math.exp(-1), rel=0.05)
    assert struck[1.1] / struck[0.1] == pytest.approx(math.exp(-2), rel=0.05)


def ringing(rate: int, reverb: float, t60_s: float) -> float:
    """Return how long the room rings, in seconds for 60 dB."""
    engine = Engine(rate)
    engine.voicing.drone = SILENT
    engine.voicing.note_hz[:] = 300.0
    engine.control({**PLAIN, "brightness": 0.0, "reverb": reverb})
    engine.note_on(rate // 4, 4, 300.0, 0.5, 0.0, 0.005, 1.0, 0.0, 0.005)
    engine.render(rate + rate // 2)  # 0.25 s after its end
    power = (engine.render(round(t60_s * rate)).astype(np.float64) ** 2).sum(axis=1)
    energy = np.cumsum(power[::-1])[::-1]  # Schroeder's integral
    level = 10 * np.log10(energy / energy[0])
    begin, end = np.argmax(level < -5), np.argmax(level < -25)
    return float(3 * (end - begin) / rate)


@pytest.mark.parametrize(("reverb", "t60_s"), [(0.3, 0.7 * 12**0.3), (0.8, 0.7 * 12**0.8)])
def test_the_room_rings_as_long_at_every_rate(reverb: float, t60_s: float) -> None:
    found = [ringing(rate, reverb, t60_s) for rate in (44_100, 48_000, 96_000)]
    assert max(found) < 1.05 * min(found)
    assert found[1] == pytest.approx(t60_s, rel=0.25)  # damped a little, as rooms are


@RATES
def test_no_partial_reaches_nyquist_and_no_alias_is_heard(rate: int) -> None:
    """Notes over the whole range, brightest: all that is no harmonic below Nyquist is 80 dB down."""
    for hz in 440.0 * 2.0 ** (np.arange(-30, 48, 7.3) / 12):
        hertz, level = lines(tone(rate, float(hz), 1.0), rate)
        number = np.round(hertz / hz)
        harmonic = (np.abs(hertz - number * hz) < 12) & (number >= 1) & (number * hz < 0.49 * rate)
        assert (level[~harmonic] - level.max()).max() < -80


PLAYER = """
import json, logging, time
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.audio import Audio
from tests.frames import make_frame, make_info
logging.basicConfig(level=logging.WARNING, format="%(message)s")
audio = Audio(device="system", samplerate=44_100, frames=1_024)
audio.open(WallClock(), make_info())
for number in range(50):
    audio.send(make_frame(number))
    time.sleep(0.02)
print(json.dumps(dict(audio.counters())))
audio.close()
"""


@pytest.mark.real
def test_a_rate_that_the_device_refuses_gives_way_to_its_own() -> None:
    """JACK knows one rate, here 48 kHz, and refuses all others."""
    with jack() as env:
        done = subprocess.run(
            [sys.executable, "-c", PLAYER],
            env={**os.environ, **env}, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    counters = json.loads(done.stdout)
    assert done.stderr.strip() == "audio device 'system' refuses 44100 Hz; using its own 48000 Hz"
    assert counters["samplerate"] == 48_000
    assert counters["callbacks"] > 20
    assert counters["failed"] == counters["reopened"] == 0

"""The engine: the same bits however blocks are cut, notes on the frame, counting queues, nothing above the ceiling."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROLS, Drone
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import CEILING, Engine, warm_up
from brainmusic_daemon.synth.limiter import LATENCY
from brainmusic_daemon.synth.oscillators import sine_cosine
from brainmusic_daemon.synth.voicing import NINTH
from tests.listening import PLAIN, RATE, TICK, bend, play


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


def restless(frames: int, blocks: list[int], gain_db: float = 0.0) -> np.ndarray:
    """Render a fixed sequence of wild controls and notes in the given block sizes, over and over."""
    engine, rng = Engine(gain_db=gain_db), np.random.default_rng(7)
    for tick in range(frames // TICK + 1):
        engine.control({c.name: rng.uniform(c.low, c.high) for c in CONTROLS}, tick * 967)
    for note in range(frames // 1500):
        engine.note_on(700 + note * 1483, note % 8, 150.0 + 20 * note, 0.4, 0.3, 0.01, 0.02)
    out, done, at_block = [], 0, 0
    while done < frames:
        n = min(blocks[at_block % len(blocks)], frames - done)
        out.append(engine.render(n))
        done, at_block = done + n, at_block + 1
    return np.concatenate(out)


@pytest.mark.parametrize("blocks", [[256], [1], [64], [24_000], [37, 101, 3, 512, 64]], ids=str)
def test_the_sound_does_not_depend_on_the_block_size(blocks: list[int]) -> None:
    whole = restless(24_000, [TICK], gain_db=18)  # loud, so that the limiter works too
    assert np.array_equal(restless(24_000, blocks, gain_db=18), whole)
    assert np.abs(whole).max() > 0.3


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_any_blocks_give_the_same_sound(blocks: list[int]) -> None:
    assert np.array_equal(restless(8_000, blocks), restless(8_000, [8_000]))


def test_the_oscillator_is_exact() -> None:
    turns = np.random.default_rng(1).uniform(-3, 3, 2000)
    pairs = np.array([sine_cosine(t) for t in turns])
    assert np.abs(pairs[:, 0] - np.sin(2 * np.pi * turns)).max() < 1e-12
    assert np.abs(pairs[:, 1] - np.cos(2 * np.pi * turns)).max() < 1e-12


@pytest.mark.parametrize("onset", [5_000, 5_056, 5_119, 5_120])
def test_a_note_starts_on_its_frame(onset: int) -> None:
    engine = Engine()
    silent = {**PLAIN, "complexity": 0.0}  # the ninth does not sound
    engine.control(silent)
    quiet, loud = engine.render(8_000), Engine()
    loud.control(silent)
    loud.note_on(onset, NINTH, 440.0, 0.5, 0.0, 0.01, 0.1)
    changed = np.flatnonzero((loud.render(8_000) != quiet).any(axis=1))
    assert onset + LATENCY <= changed[0] <= onset + LATENCY + 2  # a sine starts at 0: its first frame changes nothing


def test_a_note_ends_and_the_drone_comes_back() -> None:
    engine = Engine()
    engine.control(PLAIN)
    engine.note_on(4_800, 5, 880.0, 2.0, 0.0, 0.005, 0.1)
    engine.note_free(96_000, 5)
    engine.render(12_000)
    assert engine.integers[at.VOICE_GATE + 5] == 0
    engine.render(90_000)
    assert engine.integers[at.VOICE_NOTE + 5] == 0


def test_full_queues_count_and_never_block() -> None:
    engine = Engine()
    taken = [engine.control(PLAIN) for _ in range(at.STATE_ROWS + 9)]
    notes = [engine.note_on(10**6, 0, 440.0, 0.1, 0.0, 0.1, 0.1) for _ in range(at.EVENT_ROWS + 4)]
    assert taken.count(False) == 10  # the fade-in holds one row
    assert notes.count(False) == 4
    assert engine.counters()["controls_lost"] == 10
    assert engine.counters()["notes_lost"] == 4
    engine.render(64)
    assert engine.control(PLAIN)


def test_bad_values_are_held_or_clamped_and_counted() -> None:
    engine, plain = Engine(), Engine()
    for e in (engine, plain):
        e.control(PLAIN)
    bad = {**PLAIN, "fundamental_frequency": math.nan, "brightness": math.inf, "unheard_of": 1.0}
    del bad["mode"]
    engine.control(bad)
    plain.control(PLAIN)
    assert np.array_equal(engine.render(9_600), plain.render(9_600))
    assert engine.counters()["controls_repaired"] == 2
    engine.control({"loudness": 99.0})
    plain.control({"loudness": 1.0})
    assert np.array_equal(engine.render(9_600), plain.render(9_600))
    assert engine.counters()["controls_repaired"] == 3


def test_broken_targets_never_reach_the_sound() -> None:
    engine = Engine()
    engine.control(PLAIN)
    engine._row[2:] = np.nan
    engine._row[:2] = 0, at.SET_TARGETS
    engine._push_row()
    sound = engine.render(9_600)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 0.01
    assert engine.counters()["frames_repaired"] == at.TARGETS


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_nothing_exceeds_the_ceiling(rate: int) -> None:
    from scipy.signal import resample_poly

    engine, rng = Engine(rate, gain_db=30), np.random.default_rng(3)
    out = []
    for _ in range(100):
        engine.control({c.name: (c.low, c.high)[rng.integers(2)] for c in CONTROLS})
        out.append(engine.render(rate // 50))
    sound = np.concatenate(out).astype(np.float64)
    assert engine.counters()["frames_limited"] > len(sound) / 2
    peak = np.abs(resample_poly(sound, 8, 1, axis=0)).max()
    assert 20 * math.log10(peak) <= -1.0
    assert peak > 0.7 * CEILING


def test_what_stays_below_the_ceiling_is_not_touched() -> None:
    quiet, loud = play(0.5, gain_db=-12), play(0.5)
    assert np.abs(loud * 10 ** (-12 / 20) - quiet).max() < 1e-7


def test_fades_and_panic() -> None:
    engine = Engine()
    engine.control({**PLAIN, "reverb": 1.0})
    start = engine.render(2_400)
    assert np.abs(start[:200]).max() < 0.02 * np.abs(engine.render(24_000)).max()
    engine.panic()
    engine.render(2_400)  # 50 ms
    assert np.abs(engine.render(4_800)).max() < 1e-6
    engine.fade(1.0, 0.1)
    first = engine.render(48)
    assert np.abs(first).max() < 1e-3  # the room is empty: nothing comes back at once
    assert np.abs(engine.render(9_600)).max() > 0.01


def test_panic_ends_notes_and_room_within_50_ms_and_nothing_of_them_comes_back() -> None:
    engine = Engine()
    engine.voicing.drone = Drone(110.0, 1, 0.0, 0.0, 1.0)
    engine.control({**PLAIN, "reverb": 1.0, "attack_time": 0.01})
    for voice in range(3, 8):
        engine.note_on(1_000, voice, 200.0 * voice, 0.4, 0.0, 0.01, 60.0, 0.0, 5.0)
    engine.render(RATE)
    for voice in range(1, 3):
        engine.note_on(engine.frame + 1_500, voice, 150.0 * voice, 0.4, 0.0, 0.01, 60.0)  # waits already
    assert np.abs(engine.render(960)).max() > 0.05
    engine.fade_now(0.0, 0.02, wipe=True)
    engine.render(2_400 - 70)  # 50 ms, the limiter's look-ahead included
    assert np.abs(engine.render(RATE)).max() < 1e-7
    engine.fade_now(1.0, 0.05)
    assert np.abs(engine.render(RATE)).max() < 1e-6  # neither the notes nor their room
    engine.note_on(engine.frame + 500, 3, 440.0, 0.4, 0.0, 0.01, 1.0)
    again = engine.render(RATE).astype(np.float64)
    assert np.abs(again).max() > 0.02
    assert bend(again[:1_000]) < 2 * bend(again[5_000:20_000])


def test_no_dc() -> None:
    assert np.abs(play(4.0, noise_amount=0.3, reverb=0.5).mean(axis=0)).max() < 1e-4


def test_silence_is_silent_and_free_of_denormal_numbers() -> None:
    engine = Engine()
    engine.control({**PLAIN, "reverb": 1.0})
    engine.render(RATE)
    engine.fade(0.0, 0.1)
    engine.render(RATE)
    assert np.abs(engine.render(RATE)).max() < 1e-12
    lines = engine.floats[at.LINE : at.STATE_QUEUE]
    assert not ((lines != 0) & (np.abs(lines) < 1e-300)).any()


@pytest.mark.parametrize("name", [c.name for c in CONTROLS[:10]])
def test_a_step_of_a_control_does_not_click(name: str) -> None:
    control = next(c for c in CONTROLS if c.name == name)
    calm = {"attack_time": 0.01, "density": 0.5, "complexity": 1.0}
    steady = max(bend(play(1.5, **{**calm, name: value})) for value in (control.low, control.high))
    for values in ((control.low, control.high), (control.high, control.low)):
        engine = Engine()
        engine.control({**PLAIN, **calm, name: values[0]})
        engine.render(RATE)
        engine.control({**PLAIN, **calm, name: values[1]})
        assert bend(engine.render(RATE // 2).astype(np.float64)) <= 1.15 * steady


def test_the_engine_says_which_rates_it_renders() -> None:
    with pytest.raises(ValueError, match="not at 1000"):
        Engine(1_000)


def test_importing_the_outputs_costs_nothing_heavy() -> None:
    code = (
        "import sys, brainmusic_daemon.outputs.audio, brainmusic_daemon.outputs.wav;"
        "print([m for m in ('numba', 'sounddevice', 'soundfile', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_compilation_is_announced_and_the_cache_is_used(tmp_path: Path) -> None:
    code = (
        "from brainmusic_daemon.synth.engine import warm_up; said = []; warm_up(said.append); print(len(said));"
        "from brainmusic_daemon.jit import cache_folder; import pathlib, brainmusic_daemon.synth as s;"
        "print(cache_folder(pathlib.Path(s.__file__).parent))"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    def run() -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        ).stdout.split()

    first, second = run(), run()
    assert (first[0], second[0]) == ("2", "0")
    assert first[1] == second[1]


def test_notes_neither_click_at_their_ends_nor_when_a_voice_is_taken_over() -> None:
    """Two hundred notes, many of them cut off by the next one on the same voice at another pitch."""

    def sound(note: Callable[[Engine, int], object]) -> np.ndarray:
        engine = Engine()
        engine.control({**PLAIN, "complexity": 0.0})
        for number in range(200):
            note(engine, 4_800 + number * 1_201)
        return engine.render(6 * RATE)[RATE // 4 :].astype(np.float64)

    pitches = [400.0, 640.0, 500.0]
    held = max(
        bend(sound(lambda engine, at_frame, hz=hz: engine.note_on(at_frame, NINTH, hz, 0.3, 0.0, 0.01, 1.0)))  # type: ignore[misc]
        for hz in pitches
    )
    taken = bend(
        sound(lambda engine, n: engine.note_on(n, NINTH, pitches[n // 1_201 % 3], 0.3, 0.2, 0.005, 0.02 + n % 7 / 50))
    )
    assert taken <= 1.15 * held

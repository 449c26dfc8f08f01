"""One piece after another while playing: pulse, tonal centre and scale go on, and no hand-over clicks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from brainmusic_daemon.api import Drone, Note
from brainmusic_daemon.music import preset
from brainmusic_daemon.music.preset import Preset
from brainmusic_daemon.music.score import Score, follow
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.notes import Notes
from tests.listening import RATE
from tests.test_music import REST, TICK, beats_only

BUSY: Mapping[str, float] = {
    **REST,
    "fundamental_frequency": 180.0,
    "loudness": 0.7,
    "brightness": 0.5,
    "noise_amount": 0.0,
    "reverb": 0.0,
    "attack_time": 0.05,
    "tempo": 120.0,
    "complexity": 0.8,
    "density": 0.8,
}
Tick = tuple[float, tuple[Note, ...], Drone | None]
PAIRS = [*itertools.permutations(preset.names(), 2)]


def played(
    pieces: Sequence[Preset], seconds: float, *, switch: float = 6.0, controls: Mapping[str, float] = BUSY
) -> list[Tick]:
    """Return the ticks of pieces that follow each other at `switch`; the successors are made a second before."""
    score = now = Score(pieces[0], 1, TICK)
    found: list[Tick] = []
    for number in range(round(seconds / TICK)):
        time = number * TICK
        if number == round((switch - 1.0) / TICK):
            for piece in pieces[1:]:
                now = follow(now, piece, 2)
        if number == round(switch / TICK):
            score = now
        found.append((time, score.advance(time, controls), score.drone(controls)))
    return found


def onsets(ticks: Sequence[Tick]) -> list[float]:
    return [note.time for _, notes, _ in ticks for note in notes]


def test_the_beat_goes_on_and_none_is_lost_or_played_twice() -> None:
    between = preset.load("drone")
    for pieces in ([beats_only()] * 2, [beats_only()] * 3, [beats_only(), between, beats_only()]):
        gaps = np.diff(onsets(played(pieces, 20.0)))
        assert gaps == pytest.approx(60 / 120, abs=1e-9)


def test_the_tempo_is_kept_and_then_led_to_that_of_the_new_piece() -> None:
    slow = beats_only(tempo=(30.0, 60.0))
    times = onsets(played([beats_only(), slow], 60.0))
    tempos = 60.0 / np.diff(times)
    last = next(n for n, time in enumerate(times) if time > 6.0)
    assert tempos[: last - 1] == pytest.approx(120.0)
    assert 100 < tempos[last] <= 120  # 120 BPM in one piece are 51 in the other
    assert (np.diff(tempos) < 1e-9).all()
    assert tempos[-1] == pytest.approx(51.0, rel=0.01)


@pytest.mark.parametrize(("before", "after"), [p for p in PAIRS if "drone" not in p])
def test_tonal_centre_and_scale_carry_over(before: str, after: str) -> None:
    high = {**REST, "fundamental_frequency": 210.0, "mode": 0.95}
    old = Score(preset.load(before), 1, TICK)
    for number in range(3000):
        old.advance(number * TICK, high)
        old.drone(high)
    assert old._harmony is not None
    centre, scale = old._harmony.root, old._harmony.scale
    new = follow(old, preset.load(after), 1)
    for number in range(3000, 3200):  # however far the pitch moves meanwhile
        new.advance(number * TICK, {**high, "fundamental_frequency": 400.0})
    assert new._harmony is not None
    assert (new._harmony.root - centre) % 12 == 0
    if len(new._harmony.scale) == len(scale):
        assert len({*new._harmony.scale} ^ {*scale}) <= 2


def test_steady_tones_glide_to_the_pitch_of_a_plain_piece() -> None:
    ticks = played([preset.load("slow-bells"), preset.load("drone")], 12.0, controls={**BUSY, "loudness": 0.5})
    drones = [drone for time, _, drone in ticks if time >= 6.0]
    gliding = list(itertools.takewhile(lambda drone: drone is not None, drones))
    pitches = [12 * math.log2(drone.root_hz / 180.0) for drone in gliding if drone is not None]
    assert pitches
    assert abs(pitches[-1]) < 0.15
    assert max(abs(b - a) for a, b in itertools.pairwise(pitches)) < 0.2 * max(1.0, abs(pitches[0]))
    assert drones[len(gliding) :].count(None) == len(drones) - len(gliding)
    assert len(gliding) < 1.5 / TICK


def sound(ticks: Sequence[Tick]) -> np.ndarray:
    engine = Engine()
    notes = Notes(engine)
    out = []
    for _, some, drone in ticks:
        notes.play(some, lambda time: round(time * RATE), drone)
        engine.voicing.drone = drone
        engine.control(BUSY)
        out.append(engine.render(round(TICK * RATE)))
    assert engine.counters()["notes_lost"] == 0
    return np.concatenate(out).astype(np.float64)


def bends(ticks: Sequence[Tick], begin: float, end: float) -> np.ndarray:
    """Return the largest second difference of each 20 ms."""
    second = np.abs(np.diff(sound(ticks), n=2, axis=0)).max(axis=1)[round(begin * RATE) : round(end * RATE)]
    return np.asarray(second[: len(second) // 960 * 960].reshape(-1, 960).max(axis=1))


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_no_hand_over_clicks(before: str, after: str) -> None:
    """At no moment does the sound bend more than the two pieces do there, each played without the other."""
    ticks = played([preset.load(before), preset.load(after)], 10.0)
    first = [(t, notes if t < 6.0 else (), drone if t < 6.0 else ticks[299][2]) for t, notes, drone in ticks]
    second = [(t, notes if t >= 6.0 else (), drone if t >= 6.0 else ticks[-1][2]) for t, notes, drone in ticks]
    alone = bends(first, 5.9, 10.0) + bends(second, 5.9, 10.0)
    assert (bends(ticks, 5.9, 10.0) / (alone + 0.05 * alone.max())).max() < 1.5


@pytest.mark.parametrize("attack", [0.005, 0.2])
def test_voices_change_hands_in_silence(attack: float) -> None:
    """A voice that plays a note becomes a tone of the drone and the other way round, over and over."""
    few, many = Drone(110.0, 0, 0.5, 0.0, 1.0), Drone(110.0, 3, 0.5, 0.0, 1.0)
    ticks: list[Tick] = []
    for number in range(600):
        time = number * TICK
        some = tuple(Note(time + 0.03, 45 + 3 * n, 0.6, 2.0, attack=attack) for n in range(5) if number % 50 == 10 * n)
        ticks.append((time, some, (few, many, None)[number // 40 % 3]))
    steady = bends([(t, notes, few) for t, notes, _ in ticks], 1.0, 12.0).max()
    assert bends(ticks, 1.0, 12.0).max() < 1.5 * steady


def test_a_voice_is_the_drones_again_after_its_note() -> None:
    engine = Engine()
    notes = Notes(engine)
    for number in range(200):
        drone = Drone(110.0, 0 if number < 50 else 3, 0.5, 0.0, 1.0)
        some = [Note(0.5, 60 + n, 0.5, 60.0, release=5.0) for n in range(8)] if number == 20 else []
        notes.play(some, lambda time: round(time * RATE), drone)
        engine.voicing.drone = drone
        engine.control(BUSY)
        engine.render(round(TICK * RATE))
        if number == 49:
            assert [*engine.integers[at.VOICE_NOTE :][:8]] == [1] * 8
    engine.render(3 * RATE)  # a release of 5 s does not keep it
    assert [*engine.integers[at.VOICE_NOTE :][:8]] == [0] * 3 + [1] * 5
    assert (engine.floats[at.V_LEFT :][:3] > 0.01).all()

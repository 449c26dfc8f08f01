"""Notes as sound: on their frames, without clicks, within the limits of level, whatever the controls do."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brainmusic_daemon.api import Controls, Drone, Frame, Note
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.music import preset
from brainmusic_daemon.music.preset import Layer, Preset
from brainmusic_daemon.music.score import Score
from brainmusic_daemon.outputs.streamclock import StreamClock
from brainmusic_daemon.outputs.wav import Wav
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.layout import NOTE_ON
from brainmusic_daemon.synth.notes import Notes
from tests.frames import make_frame, make_info
from tests.listening import PLAIN, RATE, bend, lufs, share
from tests.test_music import TICK, moving

BELOW = Drone(root_hz=110.0, tones=0, level=0.0, breath=0.0, notes=1.0)
PLAYED = [name for name in preset.names() if not preset.load(name).plain]


def frames_of(piece: Preset, seconds: float, controls=moving) -> list[Frame]:  # type: ignore[no-untyped-def]
    score, found = Score(piece, 1, TICK), []
    blank = make_frame(0)
    for number in range(1, int(seconds / TICK) + 1):
        time = number * TICK
        values = dict(controls(time))
        notes = score.advance(time, values)
        found.append(Frame(time, number, blank.features, Controls(time, values), notes, score.drone(values)))
    return found


def rendered(path: Path, frames: list[Frame], rate: int = RATE) -> np.ndarray:
    """Return what `render` would write for these frames."""
    clock = VirtualClock()
    wav = Wav(path=path, samplerate=rate, subtype="FLOAT")
    wav.open(clock, make_info())
    for frame in frames:
        clock.wait_until(frame.time)
        wav.send(frame)
    wav.close()
    assert wav.counters()["notes_lost"] == 0
    return soundfile.read(path)[0]


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_onsets_in_the_file_are_those_of_the_score(rate: int, tmp_path: Path) -> None:
    """The score with and without a note differ from the frame of its onset on, not one earlier, at most one later."""
    layer = Layer(plays="arpeggio", range=(48, 84), steps=14, density=(1, 1), length=0.3, release=0.01)
    piece = Preset(layer={"test": layer}, breath=0.0, tempo=(77.7, 133.3))
    frames = frames_of(piece, 4.0, lambda t: {**PLAIN, "tempo": 50 + 20 * t})
    whole = rendered(tmp_path / "all.wav", frames, rate)
    delays = []
    notes = [note for frame in frames for note in frame.notes]
    for pick in (0, 3, 7, 11):
        unheard = replace(notes[pick], velocity=0.0)
        without = [
            replace(frame, notes=tuple(unheard if note is notes[pick] else note for note in frame.notes))
            for frame in frames
        ]
        changed = np.abs(rendered(tmp_path / "one.wav", without, rate) - whole).max(axis=1)
        delays.append(int(np.argmax(changed > 0)) - round(notes[pick].time * rate))
    assert max(delays) - min(delays) <= 1  # all behind the limiter's look-ahead alike
    assert min(delays) >= 0
    assert max(delays) < 0.003 * rate


def test_struck_sounds_fade_and_darken_and_sustained_ones_do_not() -> None:
    def sound(decay: float) -> np.ndarray:
        engine = Engine()
        engine.voicing.drone = BELOW
        engine.control({**PLAIN, "brightness": 0.8})
        engine.note_on(0, 3, 220.0, 0.7, 0.0, 0.005, 3.0, decay, 0.2)
        return engine.render(3 * RATE).astype(np.float64)

    def loud(x: np.ndarray) -> float:
        return float(np.sqrt((x**2).mean()))

    def colour(x: np.ndarray) -> float:
        return share(x, 800.0, 20_000.0)

    early, late = slice(RATE // 4, RATE // 2), slice(RATE, RATE * 5 // 4)
    struck, held = sound(0.5), sound(0.0)
    assert loud(struck[late]) < 0.35 * loud(struck[early])
    assert colour(struck[late]) < 0.4 * colour(struck[early])
    assert loud(held[late]) == pytest.approx(loud(held[early]), rel=0.1)
    assert colour(held[late]) == pytest.approx(colour(held[early]), rel=0.25)


def test_a_note_gets_its_own_voice_again_else_a_free_one_else_the_oldest() -> None:
    engine = Engine()
    notes = Notes(engine)
    drone = Drone(110.0, 3, 0.5, 0.5, 1.0)
    chosen: list[int] = []
    engine.note_row = lambda row: (row[1] == NOTE_ON and chosen.append(row[2])) or True  # type: ignore[method-assign,assignment,func-returns-value]

    def play(*some: Note) -> list[int]:
        chosen.clear()
        notes.play(some, lambda t: round(t * RATE), drone)
        return [*chosen]

    first = play(*(Note(0.1 * n, 60 + n, 0.5, 10.0) for n in range(5)))
    assert sorted(first) == [3, 4, 5, 6, 7]  # the drone keeps its three
    assert play(Note(1.0, 62, 0.5, 1.0)) == [first[2]]  # its own pitch again
    assert play(Note(1.1, 70, 0.5, 1.0)) == [first[0]]  # the oldest makes way
    assert notes.stolen == 1
    assert play(Note(2.5, 71, 0.5, 1.0)) == [first[2]]  # 62 was let go at 2.0
    assert play(Note(60.0, 72, 0.5, 1.0))[0] in range(3, 8)
    assert notes.stolen == 1


def test_without_a_drone_that_says_how_voices_are_shared_no_note_is_played() -> None:
    engine = Engine()
    Notes(engine).play([Note(0.0, 60, 1.0, 1.0)], lambda t: 0, None)
    engine.control(PLAIN)
    plain = Engine()
    plain.control(PLAIN)
    assert (engine.render(4800) == plain.render(4800)).all()


@pytest.mark.parametrize(
    "wrong",
    [{name: value} for name in ("velocity", "duration", "pan", "attack", "decay", "release")
     for value in (math.nan, math.inf, -1e300, 1e300)]
    + [{"duration": 0.0}, {"velocity": -0.5}]
    + [{"pitch": value} for value in (math.nan, -math.inf, 1e6, -1e6)] + [{"time": math.nan}],
    ids=str,
)  # fmt: skip
def test_a_note_out_of_range_is_put_right_or_left_out_and_the_next_one_is_heard(wrong: dict[str, float]) -> None:
    engine = Engine()
    engine.voicing.drone = BELOW
    engine.control(PLAIN)
    notes = Notes(engine)
    bad = replace(Note(0.1, 60.0, 0.8, 0.1), **wrong)
    notes.play([bad, Note(0.8, 62.0, 0.8, 0.2)], lambda t: round(t * RATE), BELOW)
    sound = engine.render(RATE)
    assert engine.voicing.repaired == 1
    assert engine.counters()["frames_repaired"] == 0  # a NaN in the room would stay there
    assert 0.005 < np.abs(sound[round(0.8 * RATE) :]).max() < 0.5


def test_a_note_of_no_length_is_short_but_heard() -> None:
    engine = Engine()
    engine.voicing.drone = BELOW
    engine.control(PLAIN)
    Notes(engine).play([Note(0.0, 60.0, 0.8, -1.0, attack=0.004)], lambda t: round(t * RATE), BELOW)
    assert np.abs(engine.render(RATE)).max() > 0.005


def test_hundreds_of_notes_a_beat_neither_click_nor_get_lost(tmp_path: Path) -> None:
    """Far more than eight voices can hold: they make way for each other, and it bends little more than four a beat."""

    def sound(per_beat: int) -> np.ndarray:
        layer = {"plays": "arpeggio", "range": [40, 64], "steps": min(per_beat, 64), "density": [1, 1], "attack": 0.004}
        layers = {str(number): {**layer, "turn": number} for number in range(max(1, per_beat // 64))}
        piece = preset.parse({"beats": 1, "tempo": [120, 120], "layer": layers}, "x")
        frames = frames_of(piece, 3.0, lambda t: {**PLAIN, "brightness": 0.2})
        assert sum(len(frame.notes) for frame in frames) > 5 * per_beat
        return rendered(tmp_path / "x.wav", frames)[RATE:]

    few, many = sound(4), sound(192)
    assert bend(many) < 1.5 * bend(few)
    assert np.sqrt((many**2).mean()) > 0.8 * np.sqrt((few**2).mean())


@pytest.mark.parametrize("name", PLAYED)
def test_no_note_clicks_not_even_on_a_stolen_voice(name: str, tmp_path: Path) -> None:
    """Around every onset the sound bends no more than it does within the notes, however fast they come."""
    frames = frames_of(
        preset.load(name),
        12.0,
        lambda t: {**PLAIN, "tempo": 150.0, "density": 1.0, "complexity": 1.0, "brightness": 0.9},
    )
    sound = rendered(tmp_path / "x.wav", frames)
    second = np.abs(np.diff(sound, n=2, axis=0)).max(axis=1)
    near = np.zeros(len(second), dtype=bool)
    for frame in frames:
        for note in frame.notes:
            at = round(note.time * RATE)
            near[max(0, at - 96) : at + 480] = True
    assert near.any()
    assert second[near].max() < 1.3 * second[~near].max()


@pytest.mark.parametrize("name", preset.names())
def test_level_peak_and_dc_stay_within_limits_while_every_control_moves(name: str, tmp_path: Path) -> None:
    from scipy.signal import resample_poly

    sound = rendered(tmp_path / "x.wav", frames_of(preset.load(name), 60.0))
    assert np.isfinite(sound).all()
    peak = max(np.abs(resample_poly(part, 4, 1, axis=0)).max() for part in np.array_split(sound, 10))
    assert 20 * math.log10(peak) <= -1.0
    assert np.abs(sound.mean(axis=0)).max() < 1e-5
    assert -32 < lufs(sound) < -14


@pytest.mark.parametrize("name", PLAYED)
def test_presets_are_about_as_loud_as_the_drone(name: str, tmp_path: Path) -> None:
    middle = {"loudness": 0.6, "brightness": 0.45, "reverb": 0.4, "density": 0.5, "complexity": 0.5, "tempo": 90.0,
              "attack_time": 0.1, "noise_amount": 0.08, "fundamental_frequency": 180.0, "mode": 0.5}  # fmt: skip
    drone = rendered(tmp_path / "d.wav", frames_of(preset.load("drone"), 20.0, lambda t: middle))
    music = rendered(tmp_path / "m.wav", frames_of(preset.load(name), 40.0, lambda t: middle))
    assert abs(lufs(music[RATE * 2 :]) - lufs(drone[RATE * 2 :])) < 4.0


def test_the_stream_clock_is_steady_under_blocks_and_follows_drift() -> None:
    """Blocks of 256 frames, asked for four at a time, from a card that runs 100 ppm fast: notes stay evenly spaced."""
    rng = np.random.default_rng(3)
    stream = StreamClock(RATE)
    speed, placed, due = RATE * 1.0001, [], 1.0
    for number in range(15_000):
        now = number * TICK + abs(rng.normal(0, 0.0004))
        rendered_frames = int((now + 0.021) * speed // 1024) * 1024
        stream.observe(now, rendered_frames)
        if now + 0.03 >= due:
            placed.append((due, stream.frame_of(due)))
            due += 0.25
    times, frames = np.array(placed[40:]).T
    gaps = np.diff(frames) / np.diff(times) / speed - 1
    assert np.abs(gaps).max() * 0.25 < 0.0003  # no note is moved by more than 0.3 ms against its neighbour
    late = frames / speed - times
    assert late.max() - late.min() < 0.003
    assert stream.late <= 3


def test_a_stream_that_stood_still_is_taken_up_anew() -> None:
    stream = StreamClock(RATE)
    for number in range(200):
        stream.observe(number * TICK, number * 960)
    stream.observe(200 * TICK, 190 * 960)  # it stood still for 0.2 s
    assert stream.frame_of(200 * TICK + 0.04) == pytest.approx(190 * 960 + 1920, abs=2)


def test_one_hiccup_of_a_device_does_not_hold_up_all_notes_after_it() -> None:
    """A device that has once asked for 80 ms more than usual: notes come late then, and slowly less so."""
    stream, placed = StreamClock(RATE), []
    for number in range(10_000):
        now = number * TICK
        hiccup = 0.08 if 20.0 <= now < 20.5 else 0.0
        stream.observe(now, round((now + 0.02 + hiccup) * RATE))
        if number % 10 == 0:
            placed.append((now + 0.03, stream.frame_of(now + 0.03)))
    times, frames = np.array(placed).T
    late = frames / RATE - times
    late -= late[50]  # 10 s in: as ever
    assert late.max() > 0.05
    assert abs(late[-1]) < 0.004
    assert np.diff(late[110:]).min() > -0.0005
    assert stream.late < 20


def test_bend_hears_a_click() -> None:
    """The judge itself: a step of a hundredth shows."""
    t = np.arange(RATE) / RATE
    sound = np.stack([np.sin(2 * np.pi * 220 * t)] * 2, axis=1) * 0.2
    clicked = sound.copy()
    clicked[RATE // 2 :] += 0.01
    assert bend(clicked) > 3 * bend(sound)

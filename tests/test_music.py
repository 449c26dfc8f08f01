"""The score: deterministic, a pulse that never jumps, scales and densities in order, chords led closely; presets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from brainmusic_daemon import config
from brainmusic_daemon.api import CONTROL, CONTROLS, ConfigError, Note
from brainmusic_daemon.music import chords, preset, rhythm, scales
from brainmusic_daemon.music.dice import throw
from brainmusic_daemon.music.preset import Layer, Preset
from brainmusic_daemon.music.score import Score, stepped

TICK = 0.02
REST: Mapping[str, float] = {control.name: control.rest for control in CONTROLS}
PLAYED = [name for name in preset.names() if not preset.load(name).plain]


def moving(time: float) -> dict[str, float]:
    """Return controls that all move, each at a pace of its own, over their whole ranges, tempo in jumps."""
    found = {}
    for number, control in enumerate(CONTROLS):
        share = 0.5 - 0.5 * math.cos(2 * math.pi * time / (7.0 + 3.1 * number))
        found[control.name] = control.low + share * (control.high - control.low)
    found["tempo"] = (50.0, 150.0, 90.0)[int(time * 3) % 3]
    return found


def play(
    piece: Preset,
    seconds: float,
    controls: Callable[[float], Mapping[str, float]] = moving,
    *,
    seed: int = 1,
    presence: float = 1.0,
) -> list[tuple[float, Note]]:
    """Return (time of the tick, note) of all notes."""
    score = Score(piece, seed, TICK)
    times = [number * TICK for number in range(int(seconds / TICK))]
    return [(time, note) for time in times for note in score.advance(time, controls(time), presence)]


def at(**changed: float) -> Callable[[float], Mapping[str, float]]:
    return lambda _time: {**REST, **changed}


def beats_only(**changed: object) -> Preset:
    layer = Layer(plays="chord", range=(48, 72), steps=4, density=(1.0, 1.0))
    return Preset(**{"chord": (1, 1), "layer": {"beat": layer}, **changed})  # type: ignore[arg-type]


def test_the_same_seed_plays_the_same_and_another_does_not() -> None:
    piece = preset.load("ensemble")
    assert play(piece, 60) == play(piece, 60)
    assert play(piece, 60, seed=2) != play(piece, 60)


def test_dice_have_no_pattern_and_no_memory() -> None:
    thrown = [throw(1, 2, n) for n in range(2000)]
    assert thrown == [throw(1, 2, n) for n in range(2000)]
    assert all(0 <= x < 1 for x in thrown)
    assert abs(sum(thrown) / 2000 - 0.5) < 0.03
    assert abs(sum((a - 0.5) * (b - 0.5) for a, b in itertools.pairwise(thrown)) / 2000) < 0.01


def test_the_pulse_is_the_integral_of_the_tempo_whatever_the_tempo_does() -> None:
    """Tempo jumps between its extremes at every tick, then thrice a second: no beat is lost, doubled or early."""
    for controls in (lambda t: {**REST, "tempo": 50.0 if round(t / TICK) % 2 else 150.0}, moving):
        onsets = [note.time for _, note in play(beats_only(), 120, controls)]
        gaps = [b - a for a, b in itertools.pairwise(onsets)]
        assert min(gaps) >= 60 / 150 - 1e-9
        assert max(gaps) <= 60 / 50 + 1e-9
        beats = sum(controls(n * TICK)["tempo"] / 60 * TICK for n in range(round(120 / TICK)))
        assert abs(len(onsets) - beats) <= 1.5


def test_between_two_beats_exactly_one_beat_of_tempo_has_passed() -> None:
    found = play(beats_only(), 60, moving)
    ticks = [moving(n * TICK)["tempo"] / 60 for n in range(3100)]

    def phase(time: float) -> float:  # a tick's tempo holds from one tick to two ticks after it
        whole, part = divmod(time / TICK - 1, 1)
        return sum(ticks[: int(whole)]) * TICK + ticks[int(whole)] * part * TICK

    for (_, a), (_, b) in itertools.pairwise(found):
        assert phase(b.time) - phase(a.time) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", PLAYED)
def test_notes_come_a_tick_or_two_ahead_and_in_order(name: str) -> None:
    found = play(preset.load(name), 60)
    assert found
    for time, note in found:
        assert time + TICK - 1e-9 <= note.time <= time + 2 * TICK + 1e-9
    assert [note.time for _, note in found] == sorted(note.time for _, note in found)


def test_missed_ticks_leave_a_hole_and_nothing_in_the_past() -> None:
    score = Score(beats_only(), 1, TICK)
    before = [note for n in range(100) for note in score.advance(n * TICK, REST)]
    late = score.advance(12.0, REST)
    after = [note for n in range(100) for note in score.advance(12.02 + n * TICK, REST)]
    assert all(note.time >= 12.0 for note in late)
    assert score.late >= 9
    period = 60 / REST["tempo"]
    for note in after:  # on the same grid as before
        assert (note.time - before[0].time) / period == pytest.approx(round((note.time - before[0].time) / period))


def test_a_computer_that_slept_goes_on_where_it_was() -> None:
    score = Score(preset.load("pulse"), 1, TICK)
    for n in range(100):
        score.advance(n * TICK, REST)
    woken = [note for n in range(100) for note in score.advance(3600 * 8 + n * TICK, REST)]
    assert woken
    assert score.late == 0


def test_controls_beyond_their_ranges_are_clamped() -> None:
    piece = preset.load("ensemble")
    wild = dict.fromkeys(REST, -5.0), dict.fromkeys(REST, 1e9)
    ends = {c.name: c.low for c in CONTROLS}, {c.name: c.high for c in CONTROLS}
    for beyond, end in zip(wild, ends, strict=True):
        assert play(piece, 30, lambda _, v=beyond: v) == play(piece, 30, lambda _, v=end: v)  # type: ignore[misc]


@pytest.mark.parametrize("name", PLAYED)
def test_the_mode_climbs_its_ladder_rung_by_rung_at_bars(name: str) -> None:
    piece = preset.load(name)
    score = Score(piece, 1, TICK)
    rungs, last = [], None
    for n in range(int(240 / TICK)):
        time = n * TICK
        score.advance(time, {**REST, "tempo": 150.0, "mode": min(1.0, max(0.0, time / 120 - 0.5))})
        harmony = score._harmony
        assert harmony is not None
        if harmony is not last:
            rungs.append(piece.scales.index(next(s for s in piece.scales if scales.SCALES[s] == harmony.scale)))
            last = harmony
    assert rungs[-1] == len(piece.scales) - 1
    low = rungs.index(min(rungs))
    assert rungs[low:] == sorted(rungs[low:])
    assert all(abs(b - a) <= 1 for a, b in itertools.pairwise(rungs))


def test_a_mode_on_the_edge_does_not_flutter() -> None:
    now = 2
    seen = set()
    for n in range(100):
        now = scales.rung(0.5 + (0.02 if n % 2 else -0.02), 6, now)
        seen.add(now)
    assert len(seen) == 1


def test_church_modes_and_pentatonics_stand_from_dark_to_bright() -> None:
    church = ["locrian", "phrygian", "aeolian", "dorian", "mixolydian", "ionian", "lydian"]
    assert sorted(church, key=lambda name: scales.brightness(scales.SCALES[name])) == church
    assert scales.ladder_problem(church) == ""
    assert "brighter" in scales.ladder_problem(["ionian", "dorian"])
    for lower, upper in itertools.pairwise(church):  # a rung changes a single tone
        assert len({*scales.SCALES[lower]} ^ {*scales.SCALES[upper]}) == 2


@pytest.mark.parametrize("name", PLAYED)
def test_more_density_never_means_fewer_notes(name: str) -> None:
    piece = preset.load(name)
    counts = [len(play(piece, 60, at(density=density / 10))) for density in range(11)]
    assert counts == sorted(counts)
    assert counts[-1] > 1.3 * counts[0]


@pytest.mark.parametrize("pattern", [rhythm.euclid, rhythm.metric])
def test_patterns_have_their_hits_and_begin_with_one(pattern: Callable[[int, int], tuple[bool, ...]]) -> None:
    for steps in range(1, 33):
        for hits in range(steps + 1):
            assert sum(pattern(hits, steps)) == hits
            assert hits == 0 or pattern(hits, steps)[0]


def test_euclid_is_even_and_metric_keeps_what_was_there() -> None:
    assert "".join("x" if hit else "." for hit in rhythm.euclid(3, 8)) == "x..x..x."
    for steps in (8, 12, 16):
        for hits in range(1, steps + 1):
            places = [step for step in range(steps) if rhythm.euclid(hits, steps)[step]]
            gaps = {(b - a) % steps or steps for a, b in zip(places, places[1:] + places[:1], strict=True)}
            assert max(gaps) - min(gaps) <= 1
            sparser, fuller = rhythm.metric(hits - 1, steps), rhythm.metric(hits, steps)
            assert all(not a or b for a, b in zip(sparser, fuller, strict=True))


@pytest.mark.parametrize("name", PLAYED)
def test_chords_are_led_closely(name: str) -> None:
    """Every chord of a preset into every other, on every rung: no voice leaps, the whole chord is there, in range."""
    piece = preset.load(name)
    for size in range(piece.chord[0], piece.chord[1] + 1):
        every = [chords.tones(scales.SCALES[s], d, size) for s in piece.scales for d in range(len(scales.SCALES[s]))]
        for first, second in itertools.product(every, every):
            before = chords.place([60 + tone for tone in first], 54, 74)
            after = chords.lead(before, [60 + tone for tone in second], 46, 82)
            assert {p % 12 for p in after} == {(60 + tone) % 12 for tone in second}
            assert all(46 <= p <= 82 for p in after)
            if len(after) == len(before):
                moves = [abs(a - b) for a, b in zip(before, after, strict=True)]
                assert max(moves) <= 6
                assert sum(moves) <= 3 * size


def test_common_tones_stay() -> None:
    c_major, a_minor = (60, 64, 67), (57, 60, 64)
    assert chords.lead(c_major, a_minor, 48, 72) == (60, 64, 69)


def test_the_tonal_centre_steps_by_consonances_and_settles() -> None:
    centre, seen = 50.0, [50.0]
    for _ in range(10):
        centre = stepped(centre, 71.0)
        seen.append(centre)
    assert all(abs(b - a) in (0, 3, 4, 5, 7, 12) for a, b in itertools.pairwise(seen))
    assert abs(seen[-1] - 71.0) <= 2
    assert stepped(50.0, 51.4) == 50.0  # near enough


def test_complexity_gives_chords_more_tones() -> None:
    sizes = [chords.size_for(c / 20, 3, 5) for c in range(21)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (3, 5)


@pytest.mark.parametrize("name", preset.names())
def test_every_preset_conforms(name: str) -> None:
    piece = preset.load(name)
    assert piece.title
    assert piece.about
    layers = [*piece.layer.values()]
    assert piece.plain or any(layer.follow for layer in layers)  # else attack_time would do nothing
    low, high = min([layer.range[0] for layer in layers] or [0]), max([layer.range[1] for layer in layers] or [0])
    for _, note in play(piece, 120):
        assert low <= note.pitch <= high
        assert 0 < note.velocity <= 1
        assert 0.01 < note.duration < 60
        assert abs(note.pan) <= 1
        assert note.attack >= 0.004
    score = Score(piece, 1, TICK)
    for n in range(1000):
        score.advance(n * TICK, moving(n * TICK))
        drone = score.drone(moving(n * TICK))
        assert (drone is None) == piece.plain
        if drone is not None:
            assert CONTROL["fundamental_frequency"].low / 5 < drone.root_hz < CONTROL["fundamental_frequency"].high * 5
            assert 0 <= drone.tones <= 3


@pytest.mark.parametrize("name", PLAYED)
def test_without_a_signal_the_music_thins_out_but_goes_on(name: str) -> None:
    piece = preset.load(name)
    there, away = play(piece, 240, at(density=0.5)), play(piece, 240, at(density=0.5), presence=0.0)
    assert 3 <= len(away) < len(there)
    onsets = [0.0, *(note.time for _, note in away), 240.0]
    assert max(b - a for a, b in itertools.pairwise(onsets)) < 60


def test_a_wrong_preset_is_refused_with_everything_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'scales = ["dorain"]\ntempoo = [1, 2]\n[layer.a]\nplays = "arpegio"\nrange = [60, 62]\nstep = 3\n', "utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        preset.load(str(path))
    text = str(caught.value)
    for part in (str(path), "did you mean 'dorian'", "did you mean 'tempo'", "layer.a.plays", "did you mean 'steps'"):
        assert part in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('scales = ["ionian", "dorian"]', "from dark to bright"),
        ('scales = ["yo", "ionian"]', "one size"),
        ('scales = ["yo"]\nchord = [3, 6]', "only 5"),
        ('[layer.a]\nplays = "pad"\nrange = [60, 62]', "octave"),
        ('[layer.a]\nplays = "pad"\nrange = [50, 72]\ndensity = [0.8, 0.2]', "fewer notes"),
        ("tempo = [100, 50]", "slowest, fastest"),
        ("", "nothing to hear"),
        ("drone = 1\nprogression = [0, 100000]", "progression"),
        ("layer = 3", "layer"),
        ("= 3", "not valid TOML"),
    ],
)
def test_each_mistake_has_its_message(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        preset.load(str(path))


def test_a_preset_is_chosen_by_name_or_path_in_the_configuration(tmp_path: Path) -> None:
    assert config.load().preset.plain  # the default is the drone
    assert config.load(overrides=["music.preset=arpeggio"]).preset.title == "Arpeggio"
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\ndrone = 1', encoding="utf-8")
    assert config.load(overrides=[f"music.preset={path}"]).preset.title == "Mine"
    with pytest.raises(ConfigError, match="did you mean 'arpeggio'"):
        config.load(overrides=["music.preset=arpegio"])

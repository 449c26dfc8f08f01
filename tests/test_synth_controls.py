"""Every control is heard, and does what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.api import CONTROLS
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.voicing import LOUD_LUFS, QUIET_LUFS
from tests.listening import PLAIN, RATE, centroid, envelope, level_db, lufs, play, share, spectrum, tone


@pytest.mark.parametrize("f0", [100.0, 147.0, 333.0, 500.0])
def test_fundamental_frequency_is_the_root(f0: float) -> None:
    sound = play(2.0, fundamental_frequency=f0, complexity=0.0)
    hz, power = spectrum(sound)
    near = (hz > f0 * 0.97) & (hz < f0 * 1.03)
    assert hz[near][power[near].argmax()] == pytest.approx(f0, rel=0.004)
    assert tone(sound, f0) > 0.2


def test_loudness_goes_in_even_steps() -> None:
    levels = [lufs(play(2.0, loudness=x)) for x in (0.1, 0.4, 0.7, 1.0)]
    step = (LOUD_LUFS - QUIET_LUFS) / 3
    assert np.diff(levels) == pytest.approx([step] * 3, abs=0.3)
    assert levels[-1] == pytest.approx(LOUD_LUFS, abs=1.5)


def test_loudness_stays_when_other_controls_move() -> None:
    levels = []
    for control in CONTROLS[:10]:
        if control.name not in ("loudness", "density", "tempo", "attack_time"):  # a pulse has gaps
            levels += [lufs(play(3.0, **{control.name: x})) for x in (control.low, control.high)]
    assert max(levels) - min(levels) < 2.5


def test_brightness_opens_the_spectrum() -> None:
    centres = [centroid(play(1.0, brightness=x)) for x in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert all(np.diff(centres) > 0)
    assert centres[-1] > 2 * centres[0]


def test_noise_amount_is_breath_between_the_harmonics() -> None:
    def between(sound: np.ndarray) -> float:
        hz, power = spectrum(sound)
        distance = np.abs(hz / 22.0 - np.round(hz / 22.0))  # every tone of the chord lies on multiples of 22 Hz
        return float(power[(distance > 0.3) & (hz > 100)].sum() / power.sum())

    shares = [between(play(2.0, noise_amount=x, complexity=0.0)) for x in (0.0, 0.25, 0.5)]
    assert shares[0] < 1e-3
    assert shares[2] > 2 * shares[1] > 0.02


def test_noise_follows_brightness() -> None:
    dark, bright = (play(1.0, noise_amount=0.5, brightness=x) for x in (0.0, 1.0))
    assert share(bright, 4_000, 12_000) > 4 * share(dark, 4_000, 12_000)


def test_reverb_rings_on() -> None:
    from brainmusic_daemon.synth.engine import Engine

    def tail(reverb: float) -> float:
        engine = Engine()
        engine.control({**PLAIN, "reverb": reverb})
        engine.render(2 * RATE)
        before = level_db(engine.render(RATE // 2).astype(float))
        engine.voicing.write({}, engine._row[2:])
        engine._row[2 + at.VOICE_LEVEL : 2 + at.VOICE_PAN] = 0.0  # all voices off; the room stays
        engine._row[:2] = 0, at.SET_TARGETS
        engine._push_row()
        engine.render(RATE)
        return level_db(engine.render(RATE // 4).astype(float)) - before

    tails = [tail(x) for x in (0.0, 0.5, 1.0)]
    assert tails[0] < -60
    assert tails[0] < tails[1] - 10 < tails[2] - 15
    assert tails[2] > -25


def test_attack_time_softens_the_onset() -> None:
    def at_first(attack: float) -> float:
        engine = Engine()
        engine.control({**PLAIN, "loudness": 0.1, "attack_time": attack, "complexity": 0.0})
        engine.render(RATE)
        engine.control({**PLAIN, "attack_time": attack, "complexity": 1.0})  # the seventh and ninth come in
        sound = engine.render(RATE).astype(float)
        power = [share(part, 475.0, 515.0) * (part**2).sum() for part in (sound[:9_600], sound[38_400:])]
        return float(power[0] / power[1])

    assert at_first(0.01) > at_first(0.1) > 2 * at_first(0.5)


def test_tempo_is_the_rate_of_the_pulse() -> None:
    for bpm in (60.0, 90.0, 150.0):
        env = envelope(play(16.0, tempo=bpm, density=1.0, attack_time=0.02, complexity=0.3))
        power = np.abs(np.fft.rfft((env - env.mean()) * np.hanning(len(env))))
        hz = np.fft.rfftfreq(len(env), 1_920 / RATE)
        beat = bpm / 60
        near = np.abs(hz - beat) < 0.12
        aside = np.abs(hz - beat * 1.27) < 0.12
        assert power[near].max() > 8 * power[aside].max()


def test_density_deepens_the_pulse() -> None:
    def depth(density: float) -> float:
        env = envelope(play(8.0, density=density, tempo=60.0, attack_time=0.02))
        return float(env.std() / env.mean())

    assert depth(1.0) > 1.5 * depth(0.0)


def test_mode_turns_minor_into_major() -> None:
    dark, bright = play(2.0, mode=0.0), play(2.0, mode=1.0)
    minor, major = 220.0 * 12 / 5, 220.0 * 5 / 2
    assert tone(dark, minor) > 20 * tone(dark, major)  # the octave below has a partial at the major third
    assert tone(bright, major) > 100 * tone(bright, minor)


def test_mode_has_no_jump() -> None:
    both = [
        (tone(s, 220.0 * 12 / 5), tone(s, 220.0 * 5 / 2)) for s in (play(1.0, mode=m) for m in np.linspace(0, 1, 21))
    ]
    assert np.abs(np.diff(np.array(both), axis=0)).max() < 0.05


def test_complexity_adds_tones() -> None:
    few, many = play(2.0, complexity=0.0), play(2.0, complexity=1.0)
    for ratio in (9 / 4, 1.85):  # ninth and seventh
        hz = 220.0 * ratio
        assert share(many, hz * 0.98, hz * 1.02) > 30 * share(few, hz * 0.98, hz * 1.02)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_nothing_folds_back_at_nyquist(rate: int) -> None:
    """With 500 Hz and full brightness, every line of the spectrum is a line of the chord."""
    engine = Engine(rate)
    values = {"fundamental_frequency": 500.0, "brightness": 1.0, "complexity": 0.0, "mode": 1.0}
    engine.voicing.write({**PLAIN, **values}, engine._row[2:])
    engine._row[2 + at.CHORUS] = engine._row[2 + at.WET] = engine._row[2 + at.DRIFT] = 0.0  # oscillators only
    engine._row[:2] = 0, at.SET_TARGETS
    engine._push_row()
    engine.render(rate)
    hz, power = spectrum(engine.render(2 * rate).astype(float), rate)
    distance = np.abs(hz - 250.0 * np.round(hz / 250.0))  # of sub, root, fifth, octave, third: all multiples of 250
    assert 10 * np.log10(power[distance > 60].max() / power.max()) < -80
    assert 10 * np.log10(power[hz > 0.492 * rate].max() / power.max()) < -80


def test_two_sides_differ_but_belong_together() -> None:
    sound = play(3.0, complexity=1.0, reverb=0.5)
    correlation = np.corrcoef(sound.T)[0, 1]
    assert 0.2 < correlation < 0.95
    left, right = (level_db(sound[:, [side, side]]) for side in (0, 1))
    assert abs(left - right) < 3.0

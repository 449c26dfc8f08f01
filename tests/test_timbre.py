"""The timbre space: zero is the plain sound, a small step is a small step, every latent counts, nothing gets loose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, ConfigError
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.outputs.wav import Wav
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth import timbre_space as space
from brainmusic_daemon.synth.engine import Engine, warm_up
from brainmusic_daemon.synth.timbre import k_weight
from brainmusic_daemon.synth.voicing import ROOT, Voicing
from tests.frames import make_frame, make_info
from tests.listening import PLAIN, RATE, bend, centroid, lufs, play

LATENTS = [f"z.{i}" for i in range(space.LATENTS)]
STEEPEST = 25.0  # dB of the spectral distance per unit of z, anywhere in the cube (measured: see docs/sound.md)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


def latents(z: np.ndarray) -> dict[str, float]:
    return dict(zip(LATENTS, map(float, z), strict=True))


def targets(**controls: float) -> np.ndarray:
    out = np.zeros(at.TARGETS)
    Voicing().write({**PLAIN, **controls}, out)
    return out


def heard(z: np.ndarray, f0: float = 220.0, brightness: float = 0.5) -> np.ndarray:
    """Return the root's levels in third octaves, dB, nothing 50 dB below the whole: what an ear tells apart."""
    spectrum = targets(**latents(z), fundamental_frequency=f0, brightness=brightness)[at.SPECTRUM :]
    power = spectrum[ROOT * at.MAX_PARTIALS :][: at.MAX_PARTIALS] ** 2
    octaves = np.log2(f0 * np.arange(1, 101))[:, None] - np.log2(80.0 * 2.0 ** (np.arange(22) / 3))
    bells = np.exp(-0.5 * (octaves * 6) ** 2)
    share = bells / np.maximum(bells.sum(axis=1, keepdims=True), 1e-3)
    return np.asarray(10 * np.log10(power @ share / power.sum() + 1e-5))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def corners(count: int = 40, seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    inside = rng.uniform(-1, 1, (count, space.LATENTS))
    return np.concatenate([inside, np.sign(inside[: count // 4])])


def test_zero_is_the_plain_sound_to_the_last_bit() -> None:
    without, zero = Engine(), Engine()
    without.control(PLAIN)
    zero.control({**PLAIN, **latents(np.zeros(8))})
    assert np.array_equal(without.render(RATE // 4), zero.render(RATE // 4))


def test_near_zero_is_nearly_the_plain_sound() -> None:
    for z in corners():
        assert distance(heard(1e-3 * z), heard(np.zeros(8))) < 0.1


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.lists(st.floats(-1, 1), min_size=8, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_small_step_is_a_small_step_in_sound(place: list[float], towards: list[float]) -> None:
    z = np.array(place)
    there = np.clip(z + 0.04 * np.array(towards), -1, 1)  # a tick at the fastest slew
    assert distance(heard(z), heard(there)) <= STEEPEST * np.linalg.norm(there - z) + 1e-6


@pytest.mark.parametrize("latent", range(8))
def test_every_latent_is_heard(latent: int) -> None:
    z = np.zeros(8)
    z[latent] = 1.0
    assert distance(heard(z), heard(-z)) > 1.5


def test_latents_do_different_things() -> None:
    moves = np.stack([heard(row) - heard(-row) for row in np.eye(8)])
    singular = np.linalg.svd(moves / np.linalg.norm(moves, axis=1, keepdims=True), compute_uv=False)
    assert singular[-1] > 0.1  # 0 where one of them were a mixture of the others


def test_brightness_opens_the_spectrum_wherever_the_latents_are() -> None:
    hz = 220.0 * np.arange(1, 101)
    for z in corners(20):
        powers = [targets(**latents(z), brightness=b)[at.SPECTRUM :][:100] ** 2 for b in (0.0, 0.33, 0.66, 1.0)]
        assert (np.diff([p @ hz / p.sum() for p in powers]) > 0).all()


@pytest.mark.parametrize("f0", [100.0, 500.0])
def test_every_tone_keeps_its_power(f0: float) -> None:
    weight = np.vectorize(k_weight)(f0 * np.arange(1, 101))
    for z in corners():
        root = targets(**latents(z), fundamental_frequency=f0)[at.SPECTRUM :][:100]
        assert weight @ root**2 == pytest.approx(2.0, rel=0.01)


def test_loudness_stays_when_latents_move() -> None:
    levels = [lufs(play(1.5, **latents(z), noise_amount=0.3)) for z in corners(8)]
    assert max(levels) - min(levels) < 3.0


def test_noise_follows_the_latents() -> None:
    def breath(z: np.ndarray) -> float:
        noise = targets(**latents(z), noise_amount=0.5)[at.NOISE : at.NOISE + at.NOISE_BANDS]
        return float(noise**2 @ np.arange(at.NOISE_BANDS) / (noise @ noise))

    centres = [breath(z) for z in corners()]
    assert max(centres) - min(centres) > 3.0  # bands of half an octave


def test_the_sound_differs() -> None:
    z = np.zeros(8)
    z[0] = 1.0
    assert abs(np.log2(centroid(play(1.0, **latents(z))) / centroid(play(1.0, **latents(-z))))) > 0.3


@pytest.mark.parametrize("latent", [0, 3, 7])
def test_a_jump_of_a_latent_does_not_click(latent: int) -> None:
    name, calm = LATENTS[latent], {**PLAIN, "attack_time": 0.01}
    steady = max(bend(play(1.0, **{**calm, name: value})) for value in (-1.0, 1.0))
    engine = Engine()
    engine.control({**calm, name: -1.0})
    engine.render(RATE)
    engine.control({**calm, name: 1.0})
    assert bend(engine.render(RATE // 2).astype(np.float64)) <= 1.15 * steady


def test_bad_latents_are_held_or_clamped() -> None:
    good, bad = targets(**{"z.0": 1.0}), targets(**{"z.0": 9.0})
    assert np.array_equal(good, bad)
    voicing, out = Voicing(), np.zeros(at.TARGETS)
    voicing.write({**PLAIN, "z.0": 1.0}, out)
    voicing.write({"z.0": float("nan")}, out)
    assert np.array_equal(out, good)
    assert voicing.repaired == 1


def test_the_space_is_small_and_reaches_as_far_as_the_controls() -> None:
    assert space.DEFAULT.stat().st_size < 200_000
    assert (CONTROL["z.0"].low, CONTROL["z.0"].high) == (-1.0, 1.0)
    source, body, noise = space.load().decode(np.ones(8))
    assert (source.shape, body.shape, noise.shape) == ((100,), (33,), (16,))


@pytest.mark.parametrize("kind", ["absent", "text", "pickle", "shape", "nan"])
def test_what_is_no_space_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "space.npz"
    if kind == "text":
        path.write_text("not a space", encoding="utf-8")
    elif kind == "pickle":
        np.savez(path, w0=np.array([{"a": 1}], dtype=object), b0=np.zeros(1))
    elif kind == "shape":
        np.savez(path, w0=np.zeros((7, 149)), b0=np.zeros(149))
    elif kind == "nan":
        np.savez(path, w0=np.full((8, 149), np.nan), b0=np.zeros(149))
    with pytest.raises(ConfigError, match="is not a timbre space"):
        space.load(path)


def mirrored(path: Path) -> Path:
    """Write the project's space with its latents turned round."""
    with np.load(space.DEFAULT) as file:
        layers = {name: file[name] for name in file.files}
    np.savez(path, **{**layers, "w0": -layers["w0"]})
    return path


def test_a_space_of_ones_own_is_what_the_latents_move_in(tmp_path: Path) -> None:
    clock, frames = VirtualClock(), []
    for own in (None, mirrored(tmp_path / "mine.npz")):
        wav = Wav(path=tmp_path / "x.wav", subtype="FLOAT", timbre=own)
        wav.open(clock, make_info())
        for sign in (1.0, -1.0):
            wav.send(make_frame(0, controls={**PLAIN, "z.0": 0.8 * sign, "z.3": -0.5 * sign}, time=clock.now()))
            clock.wait_until(clock.now() + 1.0)
        wav.close()
        frames.append(soundfile.read(tmp_path / "x.wav")[0])
    ours, mine = (centroid(x[RATE // 2 : RATE]) for x in frames)
    assert mine != pytest.approx(ours, rel=0.1)
    assert mine == pytest.approx(centroid(frames[0][RATE * 3 // 2 :][: RATE // 2]), rel=0.05)  # what z and -z were


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.write_bytes(b""), "is not a timbre space"),
        (lambda path: path.write_bytes(b"no zip at all"), "is not a timbre space"),
        (lambda path: path.write_bytes(space.DEFAULT.read_bytes()[:-200]), "is not a timbre space"),
        (lambda path: np.savez(path, a=np.zeros(3), b=np.zeros(2)), "there is no array"),
        (lambda path: np.savez(path), "0 layers"),
        (lambda path: np.savez(path, w0=np.zeros((8, 9)), b0=np.zeros(9)), "do not lead from 8 latents"),
        (lambda path: np.savez(path, w0=np.zeros(8), b0=np.zeros(9)), "matrices"),
        (lambda path: np.savez(path, w0=np.array([{}], dtype=object), b0=np.zeros(9)), "is not a timbre space"),
        (
            lambda path: np.savez_compressed(path, w0=np.zeros((8, 400_000)), b0=np.zeros(400_000)),
            "at most are allowed",
        ),
    ],
)
@pytest.mark.parametrize("output", [Audio, Wav])
def test_a_file_that_is_no_space_is_refused_when_the_configuration_is_read(
    output: type[Any], write: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.npz"
    write(path)
    with pytest.raises(ConfigError, match=says) as caught:
        output(timbre=path, **({"path": tmp_path / "x.wav"} if output is Wav else {}))
    assert "mine.npz" in str(caught.value)
    assert "\n" not in str(caught.value)

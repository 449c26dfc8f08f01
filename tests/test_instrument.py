"""A TorchScript export as the instrument: decoded into the ring, heard without gaps, refused with a clear word."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.outputs.wav import Wav
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine, warm_up
from brainmusic_daemon.synth.instrument_model import Model, load
from brainmusic_daemon.synth.instrument_resample import HALF, Resampler
from tests.frames import make_frame, make_info
from tests.listening import RATE, bend, lufs, spectrum
from tests.parts import CHECKOUT
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture

torch = pytest.importorskip("torch", reason="needs the extra: neural")

# Exports are TorchScript, whatever torch says of making new ones.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

PURE = {"loudness": 0.7, "reverb": 0.0, "density": 0.0}


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


class Tone(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A small model with RAVE's interface: z.0 is the pitch, 300 Hz ± an octave; it streams.

    The last latent is an offset.
    """

    def __init__(self, ratio: int = 512, latents: int = 4, channels: int = 2, sr: int = 48_000) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([latents, ratio, channels, 1]))
        self.register_buffer("phase", torch.zeros(1, dtype=torch.float64))
        self.ratio, self.channels, self.sr = ratio, channels, sr

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        pitch = z[:, 0].double().repeat_interleave(self.ratio, 1)
        turns = torch.cumsum(300.0 * 2.0**pitch / self.sr, 1) + self.phase
        self.phase = turns[:, -1] % 1.0
        sound = 0.05 * torch.sin(2.0 * math.pi * turns).float() + 0.01 * z[:, -1].repeat_interleave(self.ratio, 1)
        return sound.unsqueeze(1).repeat(1, self.channels, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.decode(z)


class Wrong(Tone):
    """Answers with half of the frames that it states."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, self.channels, z.shape[2] * self.ratio // 2)


class Flat(Tone):
    """Forgets the dimension of channels."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, z.shape[2] * self.ratio)


class Slow(Tone):
    """Computes far longer than its sound lasts."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        x = torch.ones(200, 200)
        for _ in range(300 * z.shape[2]):
            x = torch.tanh(x @ x)
        return x[0, 0] * torch.ones(1, self.channels, z.shape[2] * self.ratio)


class Broken(Tone):
    """Gives NaN and infinity now and then."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        sound = 0.1 * torch.ones(1, self.channels, z.shape[2] * self.ratio)
        sound[:, :, ::97] = math.nan
        sound[:, :, ::89] = math.inf
        return sound


class Noisy(Tone):
    """Draws what is not in the latents at random, as RAVE does."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.randn(1, self.channels, z.shape[2] * self.ratio)


class Undecided(torch.nn.Module):  # type: ignore[misc,name-defined]
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z


def export(folder: Path, module: Any) -> Path:
    path = folder / f"{type(module).__name__}.ts"
    with warnings.catch_warnings():  # fixtures of a module come before the mark
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module.eval()).save(str(path))
    return path


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("model"), Tone())


def playing(model: Model, rate: float = RATE, scale: float = 1.0, **controls: float) -> Engine:
    engine = Engine(rate)
    engine.control({**PURE, **controls})
    engine.play_model(model, scale)
    return engine


def pitch(sound: np.ndarray, rate: float = RATE) -> float:
    hz, power = spectrum(sound.astype(float), rate)
    return float(hz[power.argmax()])


# What is heard


@pytest.mark.parametrize("z", [-1.0, 0.0, 1.0])
def test_a_latent_is_heard(tone: Path, z: float) -> None:
    engine = playing(load(tone, RATE), **{"z.0": z})
    engine.render(RATE // 2)
    assert pitch(engine.render(RATE)) == pytest.approx(300.0 * 2.0**z, rel=0.004)


def test_the_scale_of_the_latents(tone: Path) -> None:
    engine = playing(load(tone, RATE), scale=2.0, **{"z.0": 0.5})
    engine.render(RATE // 2)
    assert pitch(engine.render(RATE)) == pytest.approx(600.0, rel=0.004)


def test_latents_beyond_those_of_the_synth_stay_at_zero(tmp_path: Path) -> None:
    engine = playing(load(export(tmp_path, Tone(latents=12)), RATE), **{f"z.{i}": 0.5 for i in range(8)})
    engine.render(RATE // 2)
    assert engine.instrument is not None
    assert engine.instrument._latents.tolist() == [0.5] * 8 + [0.0] * 4


def test_latents_of_a_mapper_reach_every_dimension_in_the_models_own_unit(tmp_path: Path) -> None:
    engine = playing(load(export(tmp_path, Tone(latents=12)), RATE), scale=2.0)
    assert engine.instrument is not None
    driven = {f"latent.{i}": (i - 6) / 4 for i in range(14)}  # two more than the model has
    engine.control({**PURE, **driven, "latent.3": math.nan, "latent.4": 1e9})
    engine.render(RATE // 2)
    assert engine.instrument._latents.tolist() == [-1.5, -1.25, -1.0, 0.0, 10.0, *((i - 6) / 4 for i in range(5, 12))]


def test_a_latent_of_a_mapper_is_heard_and_gives_way_to_the_timbre_space(tone: Path) -> None:
    engine = playing(load(tone, RATE), scale=1.0)
    engine.control({**PURE, "latent.0": 1.0})
    engine.render(RATE // 2)
    assert pitch(engine.render(RATE)) == pytest.approx(600.0, rel=0.004)
    engine.control({**PURE, "latent.0": 0.0, "z.0": -1.0})  # another mapper: what was driven rests
    engine.render(RATE // 2)
    assert pitch(engine.render(RATE)) == pytest.approx(150.0, rel=0.004)


@pytest.mark.parametrize("own", [44_100, 48_000, 32_000])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_model_keeps_its_pitch_at_any_rate(tmp_path: Path, own: int, rate: int) -> None:
    engine = playing(load(export(tmp_path, Tone(sr=own)), rate), rate)
    engine.render(rate // 2)
    assert pitch(engine.render(rate), rate) == pytest.approx(300.0, abs=1.5)


def test_one_channel_comes_from_the_middle(tmp_path: Path) -> None:
    engine = playing(load(export(tmp_path, Tone(channels=1)), RATE))
    engine.render(RATE // 2)
    both = engine.floats[at.RING : at.RING + RATE].reshape(-1, 2)
    assert np.array_equal(both[:, 0], both[:, 1])
    assert np.abs(both).max() > 0.01


def test_loudness_is_that_of_the_control(tone: Path) -> None:
    from brainmusic_daemon.synth.voicing import LOUD_LUFS

    engine = playing(load(tone, RATE), loudness=1.0)
    engine.render(RATE)
    assert lufs(engine.render(3 * RATE).astype(float)) == pytest.approx(LOUD_LUFS, abs=2.0)


def test_blocks_do_not_matter_offline(tmp_path: Path) -> None:
    path = export(tmp_path, Noisy())
    whole = playing(load(path, RATE)).render(20_000)
    engine = playing(load(path, RATE))
    cut = np.concatenate([engine.render(n) for n in (1, 255, 4_096, 13, 9_000, 6_635)])
    assert np.array_equal(whole, cut)
    assert np.abs(whole).max() > 0.01


def test_what_is_not_finite_is_silence(tmp_path: Path) -> None:
    engine = playing(load(export(tmp_path, Broken()), RATE))
    assert np.isfinite(engine.render(RATE)).all()
    assert engine.counters()["frames_repaired"] == 0


# The ring


def test_a_starved_ring_fades_counts_and_fills_up_again() -> None:
    from brainmusic_daemon.synth.instrument_ring import NOT_STARTED, write_ring

    engine = Engine()
    engine.control(PURE)
    n, block = engine.integers, np.sin(2 * np.pi * 200 * np.arange(48_000) / RATE)[:, None].repeat(2, 1)
    n[at.INSTRUMENT], n[at.RING_FILL], n[at.RING_WAITING] = 1, 2_000, NOT_STARTED
    engine.render(RATE // 2)
    assert n[at.RING_STARVED] == 0  # it has not begun yet
    write_ring(engine.floats, n, block[:4_800])
    engine.render(4_000)
    gap = engine.render(4_000).astype(float)
    assert n[at.RING_STARVED] == 4_000 - 800
    loud = np.abs(gap[:800]).max()
    assert np.abs(gap[-1_000:]).max() < 0.05 * loud  # what is left is the room
    assert bend(gap) < 0.1 * loud  # a sound that is cut off bends by about its level
    write_ring(engine.floats, n, block[:1_000])
    assert np.abs(engine.render(500)).max() < 0.05 * loud  # less than it waits for
    write_ring(engine.floats, n, block[1_000:9_000])
    assert np.abs(engine.render(2_000)).max() > 0.5 * loud


def test_a_worker_keeps_the_ring_filled(tone: Path) -> None:
    engine = Engine()
    engine.control(PURE)
    engine.play_model(load(tone, RATE), 1.0, live_block=256)
    player = engine.instrument
    assert player is not None
    out, heard = np.empty((256, 2), dtype=np.float32), []
    begin = time.monotonic()
    for block in range(300):  # as a callback would come
        time.sleep(max(0.0, begin + block * 256 / RATE - time.monotonic()))
        engine._render(engine.floats, engine.integers, out, 256)
        heard.append(out.copy())
    player.stop()
    sound = np.concatenate(heard)[RATE // 2 :].astype(float)
    assert pitch(sound) == pytest.approx(300.0, abs=3)
    assert engine.counters()["instrument_starved"] < 0.2 * len(sound)  # 0 on a machine that is not overloaded
    assert player.latency_s < 0.2
    assert not any(thread.name == "instrument" for thread in threading.enumerate())


def test_a_model_that_fails_later_is_counted(tone: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(tone, RATE)
    engine = playing(model)
    object.__setattr__(model, "module", None)
    with caplog.at_level(logging.ERROR):
        assert np.abs(engine.render(4_000)).max() < 1e-6
    assert engine.counters()["instrument_failed"] >= 2
    assert len(caplog.records) == 1


# What is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [(Wrong, "not the 1024"), (Flat, "the answer is"), (Slow, "too slow"), (Undecided, "has no 'decode'")],
)
def test_a_model_that_cannot_be_played_is_refused(tmp_path: Path, make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(export(tmp_path, make()), RATE)


@pytest.mark.parametrize("params", [[4, 512, 1], [0, 512, 1, 1], [4, 512, 7, 1], [4, 512, 1, 2], [4, 1 << 20, 1, 1]])
def test_wrong_parameters_are_refused(tmp_path: Path, params: list[int]) -> None:
    module = Tone()
    module.decode_params = torch.tensor(params)
    with pytest.raises(ConfigError, match=r"decode_params|at most"):
        load(export(tmp_path, module), RATE)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.ts"
    text.write_text("a text", encoding="utf-8")
    weights = tmp_path / "weights.ts"
    torch.save({"a": torch.zeros(3)}, weights)
    for path in (text, weights):
        with pytest.raises(ConfigError, match="is no TorchScript file"):
            load(path, RATE)
    with pytest.raises(ConfigError, match="there is no model"):
        load(tmp_path / "absent.ts", RATE)


def test_a_file_without_a_rate_is_taken_at_the_outputs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Rateless(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("decode_params", torch.tensor([2, 64, 1, 1]))

        @torch.jit.export
        def decode(self, z: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 1, z.shape[2] * 64)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.decode(z)

    with caplog.at_level(logging.WARNING):
        assert load(export(tmp_path, Rateless()), 44_100).samplerate == 44_100
    assert "states no sample rate" in caplog.text


@pytest.mark.parametrize("make", [Audio, lambda **settings: Wav(path=Path("a.wav"), **settings)], ids=["audio", "wav"])
def test_settings_that_do_not_go_together(make: Any) -> None:
    with pytest.raises(ConfigError, match="needs the file"):
        make(instrument="torchscript")
    with pytest.raises(ConfigError, match="has no effect"):
        make(model=Path("x.ts"))


# Through the outputs


def test_a_file_of_a_models_sound(tmp_path: Path, tone: Path) -> None:
    import soundfile

    clock = VirtualClock()
    out = Wav(path=tmp_path / "a.wav", instrument="torchscript", model=tone, latent_scale=1.0)
    out.open(clock, make_info())
    for number in range(100):
        clock.wait_until(number * 0.02)
        out.send(make_frame(number, controls={**PURE, "z.0": 0.5}))
    out.close()
    sound, rate = soundfile.read(tmp_path / "a.wav")
    assert pitch(sound[rate // 2 :], rate) == pytest.approx(300.0 * 2**0.5, rel=0.01)
    assert out.counters()["instrument_failed"] == 0


PLAYER = """
import json, sys, time
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.audio import Audio
from tests.frames import make_frame, make_info
out = Audio(instrument="torchscript", model=sys.argv[1], latent_scale=1.0, frames=512)
out.open(WallClock(), make_info())
for number in range(150):
    out.send(make_frame(number, controls={"loudness": 0.7, "reverb": 0.0, "z.0": 1.0}))
    time.sleep(0.02)
counts = dict(out.counters())
out.close()
print(json.dumps(counts))
"""


@pytest.mark.real
def test_a_model_on_a_device(pulse: Pulse, tone: Path) -> None:  # noqa: F811
    command = [sys.executable, "-c", PLAYER, str(tone)]
    with pulse.capture() as file:
        done = subprocess.run(command, env=pulse.env, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout.splitlines()[-1])
    sound = pulse.sound(file)
    heard = np.flatnonzero(np.abs(sound).max(axis=1) > 1e-3)
    assert pitch(sound[heard[-1] - RATE : heard[-1]]) == pytest.approx(600.0, rel=0.02)
    assert 0 < counts["instrument_latency_s"] < 0.5
    assert 0 < counts["instrument_load"] < 1
    assert counts["instrument_starved"] < RATE  # 0 on a machine that is not overloaded


def test_the_resampler_has_no_seams() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(44_100) / 44_100)[:, None].repeat(2, 1)
    whole = Resampler(44_100, 48_000)(tone)
    cut = Resampler(44_100, 48_000)
    pieces = np.concatenate([cut(piece) for piece in np.split(tone, [1, 700, 701, 30_000])])
    assert np.allclose(whole, pieces, atol=1e-12)
    n = np.arange(2_000, 40_000)
    wanted = np.sin(2 * np.pi * 1_000 * (n / 48_000 - HALF / 44_100))
    assert np.abs(whole[n, 0] - wanted).max() < 2e-3
    assert len(whole) == pytest.approx(48_000, abs=2 * HALF)

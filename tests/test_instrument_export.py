"""A model as `nn~` exports have it: methods and their parameters in buffers, convolutions that keep their past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra neural")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit's own

from brainmusic_daemon.api import latent  # noqa: E402
from brainmusic_daemon.synth.engine import Engine, warm_up  # noqa: E402
from brainmusic_daemon.synth.instrument_model import load  # noqa: E402
from tests.listening import PLAIN, RATE  # noqa: E402

LATENTS, RATIO, BANDS = 6, 1_024, 16


class CachedConv(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A causal convolution whose past is a buffer, as in cached convolutions for streaming (Caillon & Esling 2022)."""

    def __init__(self, inside: int, outside: int, size: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(inside, outside, size)
        self.register_buffer("pad", torch.zeros(1, inside, size - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.pad, x], 2)
        self.pad.copy_(x[..., x.shape[-1] - self.pad.shape[-1] :])
        return self.conv(x)


class Decoder(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Latents up by 64, then 16 bands to samples, with a noise-free tanh between: RAVE's decoder in small."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = CachedConv(LATENTS, 32, 3)
        self.up = torch.nn.Upsample(scale_factor=RATIO // BANDS)
        self.second = CachedConv(32, BANDS, 9)
        self.last = CachedConv(1, 1, 33)
        self.register_buffer("encode_params", torch.tensor([1, 1, LATENTS, RATIO]))
        self.register_buffer("decode_params", torch.tensor([LATENTS, RATIO, 1, 1]))
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))
        self.sr = 44_100

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["encode", "decode", "forward"]

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., ::1024].repeat(1, 6, 1)

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        x = self.second(torch.tanh(self.up(self.first(z))))
        x = x.permute(0, 2, 1).reshape(1, 1, -1)  # the bands stand for consecutive samples
        return torch.tanh(self.last(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "export.ts"
    torch.jit.script(Decoder().eval()).save(str(path))
    return path


def test_the_state_of_its_convolutions_makes_it_seamless_in_any_chunks(file: Path) -> None:
    """Decoded piece by piece, by the engine's own chunks, it is the sound of one decoding of everything."""
    module: Any = torch.jit.load(str(file))
    z = torch.randn(1, LATENTS, 40)
    with torch.no_grad():
        for buffer in (module.first.pad, module.second.pad, module.last.pad):
            buffer.zero_()
        whole = module.decode(z)
        for buffer in (module.first.pad, module.second.pad, module.last.pad):
            buffer.zero_()
        pieces = torch.cat([module.decode(z[..., k : k + 1]) for k in range(40)], 2)
    assert torch.allclose(whole, pieces, atol=1e-5)

    model = load(file, RATE)
    engine = Engine(RATE)
    engine.play_model(model, 1.0)
    names = [latent(number).name for number in range(LATENTS)]
    engine.control({**PLAIN, **dict.fromkeys(names, 1.0)})
    engine.render(RATE)
    steady = engine.render(RATE).astype(np.float64)[:, 0]
    assert np.abs(steady).max() > 1e-3
    period = round(RATIO * RATE / 44_100)  # a seam would come back with every latent frame, or with every chunk
    power = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))) ** 2
    seam = power[round(RATE / period) :: round(RATE / period)][:100].sum()
    assert np.isfinite(steady).all()
    assert seam < 0.2 * power.sum()


def test_its_parameters_are_read_and_its_other_methods_are_of_no_harm(file: Path) -> None:
    model = load(file, RATE)
    assert (model.latents, model.ratio, model.samplerate) == (LATENTS, RATIO, 44_100)

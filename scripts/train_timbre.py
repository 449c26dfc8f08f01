"""Train the timbre space on spectra of physical models, and write it, a picture and its figures.

    python scripts/train_timbre.py [--steps 4000] [--out FILE.npz] [--picture FILE.png]

Needs the extras `neural` and `learn`; the same seed gives the same space on the same machine.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from brainmusic_daemon.synth import timbre_space as space  # noqa: E402
from brainmusic_daemon.synth.timbre import k_weight  # noqa: E402
from scripts.train_timbre_models import FAMILIES, K  # noqa: E402
from scripts.train_timbre_picture import BAND_HZ, draw  # noqa: E402

Array = npt.NDArray[np.float64]

SEED = 8
F0S = np.array([104.0, 155.0, 233.0, 349.0, 494.0])  # Hz, over the range of the control
BRIGHT = np.linspace(0.0, 1.0, 21)
NOISE_HZ = 75.0 * 2.0 ** (np.arange(16) / 2)
FLOOR = 1e-5  # of the whole power: nothing 50 dB below it counts
HIDDEN = 64
OUT = 100 + len(space.BODY_HZ) + 16
k_weights = np.vectorize(k_weight)


def _bands() -> Array:
    """Return which share of a partial's power each band takes, (f0s, 100, bands): bells of a third of an octave."""
    octaves = np.log2(F0S[:, None] * K)[:, :, None] - np.log2(BAND_HZ)
    bell = np.exp(-0.5 * (octaves / (1 / 6)) ** 2)
    audible = (F0S[:, None] * K < 16_000)[:, :, None]
    return np.asarray(audible * bell / np.maximum(bell.sum(axis=2, keepdims=True), 1e-3))


BANDS = _bands()
WEIGHT = k_weights(F0S[:, None] * K)  # K-weighting of every partial, (f0s, 100)
NOISE_WEIGHT = k_weights(NOISE_HZ) * NOISE_HZ


def base_db(brightness: float) -> Array:
    """Return the plain sound at a brightness (mode 0.5), (f0s, 100) dB: the formula of synth.timbre.spectra."""
    hz = F0S[:, None] * K
    plain = K ** -(1.9 - brightness) / (1 + (hz / (600.0 * 2.0 ** (4.0 * brightness))) ** 2)
    return np.asarray(20 * np.log10(np.where(K % 2 == 0, 0.8, 1.0) * plain))


def base_noise_db(brightness: float) -> Array:
    """Return the plain breath at a brightness for a tone of 233 Hz, (16,) dB."""
    centre = 233.0 * 3.0 * 2.0 ** (2.2 * brightness)
    bell = -0.5 * (np.log2(NOISE_HZ / centre) / (0.7 + 0.5 * brightness)) ** 2 * 8.686
    return np.asarray(np.maximum(bell, -space.REACH_DB))


def loudness_bands(decibels: torch.Tensor, bands: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(…, f0s, 100) dB → (…, f0s, bands) dB of third octaves at a K-weighted power of 1, nothing below −50."""
    power = 10 ** (decibels / 10)
    power = power / (power * weight).sum(-1, keepdim=True)
    return 10 * torch.log10(torch.einsum("...fk,fkb->...fb", power, bands) + FLOOR)


def noise_bands(decibels: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(…, 16) dB → the same at a power of 1, nothing below −30."""
    power = 10 ** (decibels / 10) * weight
    return 10 * torch.log10(power / power.sum(-1, keepdim=True) + 1e-3)


@dataclass(frozen=True, slots=True)
class Tones:
    """A row per tone; everything in dB."""

    family: npt.NDArray[np.int64]
    bright: Array  # (n,) the plain sound that is nearest
    plain: torch.Tensor  # (n, f0s, 100) that plain sound
    bands: torch.Tensor  # (n, f0s, bands) the model, as heard
    colour: torch.Tensor  # (n, OUT) what the decoder has to add, part by part
    plain_noise: torch.Tensor  # (n, 16)
    noise: torch.Tensor  # (n, 16) the model's noise, as heard
    inputs: torch.Tensor  # (n, …) what the encoder sees


class Scale:
    bands = torch.from_numpy(BANDS)
    weight = torch.from_numpy(WEIGHT)
    noise = torch.from_numpy(NOISE_WEIGHT)
    body = torch.from_numpy(
        np.stack([[np.interp(np.log2(f * K), space.BODY_OCTAVES, row) for f in F0S] for row in np.eye(33)])
    )  # (33, f0s, 100)


def make(count: int, rng: np.random.Generator) -> Tones:
    """Draw `count` tones of every family."""
    family, total, source, body, noise = [], [], [], [], []
    for number, model in enumerate(FAMILIES.values()):
        for _ in range(count):
            tone = model(rng, space.BODY_HZ, NOISE_HZ)
            family.append(number)
            source.append(tone.source)
            body.append(tone.body)
            noise.append(tone.noise)
            total.append(tone.source + [np.interp(np.log2(f * K), space.BODY_OCTAVES, tone.body) for f in F0S])
    bands = loudness_bands(torch.from_numpy(np.array(total)), Scale.bands, Scale.weight)
    plains = np.stack([base_db(b) for b in BRIGHT])
    heard = loudness_bands(torch.from_numpy(plains), Scale.bands, Scale.weight)
    away = torch.stack([(bands - one).square().mean((1, 2)) for one in heard])
    nearest = away.argmin(0).numpy()
    plain = plains[nearest]
    plain_noise = np.stack([base_noise_db(b) for b in BRIGHT])[nearest]
    noise_heard = noise_bands(torch.from_numpy(np.array(noise)), Scale.noise)
    rest = np.array(source) - plain[:, 2]  # at 233 Hz; what of it is body is found by the loss on the bands
    rest = np.clip(rest - np.median(rest[:, :20], axis=1, keepdims=True), -36, 36)
    bodies = np.array(body) - np.mean(body, axis=1, keepdims=True)
    noise_rest = np.clip(np.array(noise) - np.maximum(plain_noise, -30), -24, 24)
    colour = torch.from_numpy(np.concatenate([rest, bodies, noise_rest], axis=1))
    inputs = torch.cat([bands.flatten(1) / 20, colour / 20], 1)
    return Tones(
        np.array(family),
        BRIGHT[nearest],
        torch.from_numpy(plain),
        bands,
        colour,
        torch.from_numpy(plain_noise),
        noise_heard,
        inputs,
    )


class Decoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = [space.LATENTS, HIDDEN, HIDDEN, OUT]
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(a, b, dtype=torch.float64) for a, b in itertools.pairwise(sizes)
        )
        self.scale = 20.0  # dB

    def raw(self, z: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            z = torch.tanh(layer(z))
        return self.scale * self.layers[-1](z)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        moved = self.raw(z) - self.raw(torch.zeros_like(z[:1]))
        return space.REACH_DB * torch.tanh(moved / space.REACH_DB)


def heard(out: torch.Tensor, tones: Tones, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bands and noise bands of the synth with these colours."""
    source, body, noise = out[:, :100], out[:, 100:-16], out[:, -16:]
    decibels = tones.plain[rows] + source[:, None, :] + torch.einsum("nb,bfk->nfk", body, Scale.body)
    bands = loudness_bands(decibels, Scale.bands, Scale.weight)
    return bands, noise_bands(tones.plain_noise[rows] + noise, Scale.noise)


def errors(out: torch.Tensor, tones: Tones, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean square of what is heard wrong, per tone: partials (dB²), noise (dB²)."""
    bands, noise = heard(out, tones, rows)
    return (bands - tones.bands[rows]).square().mean((1, 2)), (noise - tones.noise[rows]).square().mean(1)


def train(tones: Tones, steps: int) -> tuple[Decoder, torch.nn.Module, list[float]]:
    torch.manual_seed(SEED)
    decoder = Decoder()
    encoder = torch.nn.Sequential(
        torch.nn.Linear(tones.inputs.shape[1], 128, dtype=torch.float64),
        torch.nn.Tanh(),
        torch.nn.Linear(128, space.LATENTS, dtype=torch.float64),
    )
    parameters = [*decoder.parameters(), *encoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    picker = torch.Generator().manual_seed(SEED)
    target = 0.2 * torch.eye(space.LATENTS, dtype=torch.float64)  # variance of each latent; 1/3 fills the cube evenly
    history = []
    for step in range(steps):
        rows = torch.randint(len(tones.family), (256,), generator=picker)
        z = torch.tanh(encoder(tones.inputs[rows]))
        z = (z + 0.03 * torch.randn(z.shape, generator=picker, dtype=torch.float64)).clamp(-1, 1)
        out = decoder(z)
        bands, noise = errors(out, tones, rows)
        parts = (out[:, :100] - tones.colour[rows, :100]).square().mean()
        # smooth everywhere, not only where the tones lie: the derivative along a random direction at a random place
        place = 2 * torch.rand(64, space.LATENTS, generator=picker, dtype=torch.float64) - 1
        along = torch.nn.functional.normalize(torch.randn(place.shape, generator=picker, dtype=torch.float64), dim=1)
        moved = (decoder((place + 0.05 * along).clamp(-1, 1)) - decoder(place)) / 0.05
        centred = z - z.mean(0)
        spread = (centred.T @ centred / len(z) - target).square().sum() + z.mean(0).square().sum()
        loss = bands.mean() + 0.3 * noise.mean() + 0.004 * parts + 0.002 * moved.square().mean() + 40 * spread
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        history.append(float(bands.mean().detach()))
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step}: partials {bands.mean().sqrt():.2f} dB, noise {noise.mean().sqrt():.2f} dB", flush=True)
    return decoder, encoder, history


def reach(decode: torch.nn.Module, tones: Tones, z: torch.Tensor, steps: int = 250) -> torch.Tensor:
    """Return the latents, inside the cube, whose sound is nearest to each tone."""
    free = torch.atanh(z.detach().clamp(-0.97, 0.97)).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    for _ in range(steps):
        bands, noise = errors(decode(torch.tanh(free)), tones, slice(None))
        loss = (bands + 0.3 * noise).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.tanh(free).detach()


class Linear(torch.nn.Module):
    """The opponent: the first eight principal components of the colours (not centred: zero stays the plain sound)."""

    def __init__(self, tones: Tones) -> None:
        super().__init__()
        _, _, rows = torch.linalg.svd(tones.colour, full_matrices=False)
        places = tones.colour @ rows[: space.LATENTS].T
        self.axes = rows[: space.LATENTS] * torch.quantile(places.abs(), 0.98, dim=0)[:, None]

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ self.axes


def save(decoder: Decoder, order: list[int], path: Path) -> None:
    """Write the layers, the latent that moves the sound most first."""
    arrays = {}
    for number, layer in enumerate(decoder.layers):
        scale = decoder.scale if number == len(decoder.layers) - 1 else 1.0
        weight = layer.weight.detach().numpy().T * scale
        arrays[f"w{number}"] = (weight[order] if number == 0 else weight).astype(np.float32)
        arrays[f"b{number}"] = (layer.bias.detach().numpy() * scale).astype(np.float32)
    np.savez_compressed(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=space.DEFAULT)
    parser.add_argument("--picture", type=Path, default=CHECKOUT / "docs" / "images" / "timbre-space.png")
    options = parser.parse_args()
    begin, rng = time.monotonic(), np.random.default_rng(SEED)
    tones, unseen = make(500, rng), make(60, rng)
    decoder, encoder, history = train(tones, options.steps)
    for parameter in decoder.parameters():
        parameter.requires_grad_(False)
    z = reach(decoder, unseen, torch.tanh(encoder(unseen.inputs)))
    nothing = torch.zeros(len(unseen.family), OUT, dtype=torch.float64)
    linear = Linear(tones)
    flat = reach(linear, unseen, torch.zeros_like(z))
    plain, pca, found = (errors(out, unseen, slice(None)) for out in (nothing, linear(flat), decoder(z)))
    effect = torch.stack(
        [(decoder(row) - decoder(-row)).square().mean().sqrt() for row in torch.eye(8).double()[:, None]]
    )
    order = effect.argsort(descending=True).tolist()
    save(decoder, order, options.out)
    print("\n| family | nearest plain sound, dB | PCA, 8 axes, dB | this space, dB | its noise, dB | z |")
    print("|---|---|---|---|---|---|")
    for number, name in enumerate([*FAMILIES, "all"]):
        rows = torch.from_numpy(unseen.family == number if number < len(FAMILIES) else unseen.family >= 0)
        cells = [float(e[rows].mean().sqrt()) for e in (plain[0], pca[0], found[0], found[1])]
        middle = " ".join(f"{x:+.2f}" for x in z[rows][:, order].median(0).values) if number < len(FAMILIES) else ""
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + f" | {middle} |")
    error = found[0].sqrt()
    most, worst = float(error.quantile(0.95)), float(error.max())
    print(f"\n95 % of the unseen tones within {most:.1f} dB, all within {worst:.1f} dB")
    print(f"spread of each latent: {' '.join(f'{x:.2f}' for x in z[:, order].std(0))}")
    print(f"effect of each latent, −1 to 1, dB: {' '.join(f'{x:.1f}' for x in effect[order])}")
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB, {time.monotonic() - begin:.0f} s")
    reached = heard(decoder(z), unseen, slice(None))[0].numpy()
    draw(options.picture, list(FAMILIES), unseen.family, z[:, order].numpy(), reached, unseen.bands.numpy(), history)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    main()

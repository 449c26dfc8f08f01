#!/usr/bin/env python3
"""Make the two small models that come with the program, configs/models/*.safetensors, from a law stated here.

    scripts/make_models.py [--out FOLDER]

They are for first notes: a person's own model comes from `brainmusic train`.  The law is written down in `music`: what
the direct mapper's wiring does, with the bends and the interplay that a matrix cannot have.  Features are drawn at
random, as they hang together in EEG; a network (64-64, tanh) and a ridge regression learn the law from them.  The
scores printed are on draws that neither has seen.  Needs the extra "neural"; a minute on one core.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.mapping.model_file import save

Array = npt.NDArray[np.float64]

FEATURES = ("theta", "alpha", "beta", "gamma", "engagement", "activation", "theta_alpha", "asymmetry")
DRIVEN = (
    *("fundamental_frequency", "loudness", "brightness", "noise_amount", "reverb"),
    *("attack_time", "tempo", "mode", "complexity", "density"),
)
ROWS, SEED, EPOCHS, BATCH, ALPHA = 20_000, 1, 40, 256, 1.0
HIDDEN, DROPOUT = (64, 64), 0.0  # the law is known everywhere: there is nothing to be careful about


def draw(rows: int, rng: np.random.Generator) -> Array:
    """Return (rows, features) of 0..1 around 0.5: bands that rise and fall together, and what follows from them."""
    together = 0.5 * rng.normal(size=(rows, 1))
    theta, alpha, beta, gamma = (together + rng.normal(size=(rows, 4))).T
    own = 0.3 * rng.normal(size=(rows, 4))  # the features are computed from other electrodes than the bands
    engagement = beta - 0.5 * (alpha + theta) + own[:, 0]
    activation = 0.5 * (beta + gamma) + own[:, 1]
    theta_alpha = 0.7 * (theta - alpha) + own[:, 2]
    asymmetry = rng.normal(size=rows) + own[:, 3]
    stacked = np.stack([theta, alpha, beta, gamma, engagement, activation, theta_alpha, asymmetry], axis=1)
    return np.asarray(1 / (1 + np.exp(-1.5 * stacked)))


def music(x: Array) -> Array:
    """Return (rows, controls) in their units: the law."""
    f = dict(zip(FEATURES, x.T, strict=True))

    def rising(u: Array) -> Array:  # gentle at both ends
        return u * u * (3 - 2 * u)

    calm = f["alpha"] * (1 - f["engagement"])  # alpha counts as rest only where nobody works
    drive = f["engagement"] * f["activation"]
    y = {
        "fundamental_frequency": 110 * 4 ** np.clip(f["engagement"] - 0.3 * (calm - 0.25), 0, 1),
        "loudness": 0.2 + 0.7 * f["activation"] * (1 - 0.4 * calm),
        "brightness": 0.05 + 0.85 * rising(f["theta_alpha"]) * (1 - 0.5 * calm) ** 2,
        "noise_amount": 0.3 * f["beta"] ** 2 * (1 - 0.5 * f["theta"]),
        "reverb": 0.1 + 0.7 * np.maximum(f["alpha"], 1 - f["activation"]) ** 1.5,
        "attack_time": 0.01 * 40 ** (1 - rising(f["engagement"])),
        "tempo": 50 + 60 * f["engagement"] + 30 * drive,
        "mode": 1 / (1 + np.exp(-(2 + 6 * drive) * (f["asymmetry"] - 0.5))),  # the busier, the plainer its mood
        "complexity": 0.1 + 0.8 * f["theta_alpha"] * (0.4 + 0.6 * f["engagement"]),
        "density": 0.1 + 0.7 * rising(np.clip(0.5 + f["beta"] - f["alpha"], 0, 1)) * (0.5 + 0.5 * f["activation"]),
    }
    return np.stack([np.clip(y[name], CONTROL[name].low, CONTROL[name].high) for name in DRIVEN], axis=1)


def ridge(x: Array, y: Array) -> tuple[tuple[Array, Array], ...]:
    """Return the one layer of a ridge regression, for standardised x."""
    w = np.linalg.solve(x.T @ x + ALPHA * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    return ((w, y.mean(0)),)


def network(x: Array, y: Array) -> tuple[tuple[Array, Array], ...]:
    """Return the layers of a perceptron that learned y (rows, controls) from standardised x."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    mean, std = y.mean(0), y.std(0)
    sizes = (x.shape[1], *HIDDEN, y.shape[1])
    parts: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        parts += [torch.nn.Tanh()] if parts else []
        parts.append(torch.nn.Linear(inputs, outputs))
    net = torch.nn.Sequential(*parts)
    features, targets = torch.from_numpy(x).float(), torch.from_numpy((y - mean) / std).float()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(net(features[some]), targets[some]).backward()
            optimiser.step()
        schedule.step()
    layers = [
        (part.weight.detach().numpy().T.astype(np.float64), part.bias.detach().numpy().astype(np.float64))
        for part in net
        if isinstance(part, torch.nn.Linear)
    ]
    w, b = layers[-1]
    layers[-1] = (w * std, b * std + mean)
    return tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in layers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "configs" / "models")
    out = parser.parse_args().out
    rng = np.random.default_rng(SEED)
    x, unseen = draw(ROWS, rng), draw(ROWS // 4, rng)
    y, wanted = music(x), music(unseen)
    mean, std = x.mean(0), x.std(0)
    z = (x - mean) / std
    controls = tuple(CONTROL[name] for name in DRIVEN)
    for kind, layers, activation in (("linear", ridge(z, y), ""), ("neural", network(z, y), "tanh")):
        recipe = {"recipe": "scripts/make_models.py", "rows": ROWS, "seed": SEED}
        model = Model(kind, FEATURES, controls, mean, std, layers, activation, DROPOUT, recipe)
        error = ((model.predict(unseen) - wanted) ** 2).sum(0) / ((wanted - wanted.mean(0)) ** 2).sum(0)
        scores = {name: round(1 - float(e), 4) for name, e in zip(DRIVEN, error, strict=True)}
        model = Model(kind, FEATURES, controls, mean, std, layers, activation, DROPOUT, recipe | {"r2": scores})
        path = save(out / f"{kind}.safetensors", model)
        print(f"{path}: {path.stat().st_size:,} bytes, {model.weights:,} weights; R2 on draws not seen:")
        print("  " + ", ".join(f"{name} {score:.3f}" for name, score in scores.items()))


if __name__ == "__main__":
    main()

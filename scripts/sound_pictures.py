"""Draw the effect of every control of the synth as spectrograms into docs/images.

    python scripts/sound_pictures.py [FOLDER]

Needs the extra `learn` (matplotlib).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from brainmusic_daemon.api import CONTROL, CONTROLS  # noqa: E402
from brainmusic_daemon.synth.engine import Engine  # noqa: E402
from tests.listening import PLAIN, RATE, TICK  # noqa: E402

SECONDS = 6.0
BESIDE = {  # what else must be so that the control is heard
    "attack_time": {"density": 1.0, "tempo": 120.0},
    "tempo": {"density": 1.0, "attack_time": 0.02},
    "density": {"attack_time": 0.02, "tempo": 120.0},
    "reverb": {"density": 1.0, "attack_time": 0.02, "tempo": 100.0},
    "mode": {"complexity": 0.6, "brightness": 0.2},
    "complexity": {"brightness": 0.2},
}


def sweep(name: str) -> np.ndarray:
    """Return the sound, (frames,), of one control going from its low to its high end."""
    engine, control = Engine(), CONTROL[name]
    ticks = int(SECONDS * RATE / TICK)
    values = {**PLAIN, "complexity": 0.0, **BESIDE.get(name, {})}
    if name.startswith("z."):
        values |= {"noise_amount": 0.03, "brightness": 0.6}
    engine.control({**values, name: control.low})
    engine.render(RATE)
    out = []
    for tick in range(ticks):
        engine.control({**values, name: control.low + (control.high - control.low) * tick / (ticks - 1)})
        out.append(engine.render(TICK))
    return np.concatenate(out).astype(np.float64).sum(axis=1)


def draw(path: Path, names: list[str]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(2, len(names) // 2, figsize=(11, 5.2), constrained_layout=True)
    for axis, name in zip(axes.flat, names, strict=True):
        axis.specgram(
            sweep(name),
            NFFT=2_048,
            Fs=RATE,
            noverlap=1_024,
            cmap="magma",
            vmin=-95 if name in BESIDE else -115,
            vmax=-38,
        )
        control = CONTROL[name]
        axis.set(ylim=(0, 1_800 if name in BESIDE else 6_000))
        axis.set_title(f"{name}\n{control.low:g} → {control.high:g} {control.unit}", fontsize=9)
        axis.set_xticks([])
    for row in axes:
        row[0].set_ylabel("Hz")
    figure.savefig(path, dpi=80)
    with Image.open(path) as picture:  # few colours: a spectrogram is noise to a PNG, and files stay below 200 kB
        small = picture.convert("RGB").quantize(40)
    small.save(path, optimize=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs" / "images"
    names = [control.name for control in CONTROLS]
    for file, some in (("controls", names[:10]), ("latents", names[10:])):
        draw(folder / f"sound-{file}.png", some)
        print(folder / f"sound-{file}.png")


if __name__ == "__main__":
    main()

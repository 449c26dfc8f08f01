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

from brainmusic_daemon.api import CONTROL, CONTROLS, Drone  # noqa: E402
from brainmusic_daemon.synth.engine import Engine  # noqa: E402
from tests.listening import PLAIN, RATE, TICK  # noqa: E402

SECONDS = 6.0
STRUCK = ("reverb",)  # shown with a struck note every second: what stays after it is the room
LEVEL = ("loudness", "reverb", "attack_time", "tempo", "density")  # what happens in time: the level is drawn, too
BESIDE = {  # what else must be so that the control is heard
    "attack_time": {"density": 1.0, "tempo": 120.0},
    "tempo": {"density": 1.0, "attack_time": 0.02},
    "density": {"attack_time": 0.02, "tempo": 120.0},
    "reverb": {"brightness": 0.6},
    "mode": {"complexity": 0.6, "brightness": 0.2},
    "complexity": {"brightness": 0.2},
}


def sweep(name: str, still: bool = False) -> np.ndarray:
    """Return the sound, (frames,), of one control going from its low to its high end; `still`: staying at rest."""
    engine, control = Engine(), CONTROL[name]
    ticks = int(SECONDS * RATE / TICK)
    low, high = (control.rest, control.rest) if still else (control.low, control.high)
    values = {**PLAIN, "complexity": 0.0, **BESIDE.get(name, {})}
    if name.startswith("z."):
        values |= {"noise_amount": 0.03, "brightness": 0.6}
    if name in STRUCK:
        engine.voicing.drone = Drone(110.0, 0, 0.0, 0.0, 1.0)
    engine.control({**values, name: low})
    engine.render(RATE)
    out = []
    for second in range(int(SECONDS) if name in STRUCK else 0):
        engine.note_on((second + 1) * RATE + RATE // 10, second % 8, 330.0, 1.0, 0.0, 0.004, 0.1, 0.05, 0.03)
    for tick in range(ticks):
        engine.control({**values, name: low + (high - low) * tick / (ticks - 1)})
        out.append(engine.render(TICK))
    return np.concatenate(out).astype(np.float64).sum(axis=1)


def level(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the times in s, and the level of each 10 ms in dB."""
    block = RATE // 100
    blocks = sound[: len(sound) // block * block].reshape(-1, block)
    return np.arange(len(blocks)) / 100, 10 * np.log10((blocks**2).mean(axis=1) + 1e-12)


def change(sound: np.ndarray, plain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times in s, thirds of octaves in Hz, and by how many dB each is above that of the plain sound."""
    size = RATE // 4
    starts = range(0, len(sound) - size + 1, size // 4)
    hz = np.fft.rfftfreq(size, 1 / RATE)
    centres = 125.0 * 2.0 ** (np.arange(20) / 3)
    near = [abs(np.log2(np.maximum(hz, 1) / centre)) < 1 / 6 for centre in centres]

    def bands(x: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft([x[at : at + size] * np.hanning(size) for at in starts], axis=1)) ** 2
        return 10 * np.log10(np.stack([power[:, some].sum(axis=1) for some in near], axis=1) + 1e-9)

    return np.array(starts) / RATE + 0.125, centres, (bands(sound) - bands(plain)).T


def draw(path: Path, names: list[str]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(2, len(names) // 2, figsize=(11, 5.2), constrained_layout=True)
    for axis, name in zip(axes.flat, names, strict=True):
        sound, control = sweep(name), CONTROL[name]
        axis.set_title(f"{name}\n{control.low:g} → {control.high:g} {control.unit}", fontsize=9)
        axis.set_xticks([])
        if name.startswith("z."):
            map_ = axis.pcolormesh(*change(sound, sweep(name, still=True)), cmap="coolwarm", vmin=-20, vmax=20)
            axis.set(yscale="log")
            continue
        axis.specgram(
            sound,
            NFFT=2_048,
            Fs=RATE,
            noverlap=1_024,
            cmap="magma",
            vmin=-95 if name in BESIDE else -115,
            vmax=-38,
        )
        axis.set(ylim=(0, 1_800 if name in BESIDE else 6_000))
        if name in LEVEL:
            line = axis.twinx()
            line.plot(*level(sound), color="white", linewidth=0.8)
            line.set(xlim=(0, SECONDS), ylim=(-70, -10) if name in ("loudness", *STRUCK) else (-40, -14), yticks=[])
    if names[0].startswith("z."):
        figure.colorbar(map_, ax=axes, label="dB above the plain sound", shrink=0.8)
    for row in axes:
        row[0].set_ylabel("Hz")
    figure.savefig(path, dpi=80)
    with Image.open(path) as picture:  # few colours: a spectrogram is noise to a PNG, and files stay below 200 kB
        small = picture.convert("RGB").quantize(96)
    small.save(path, optimize=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs" / "images"
    names = [control.name for control in CONTROLS]
    for file, some in (("controls", names[:10]), ("latents", names[10:])):
        draw(folder / f"sound-{file}.png", some)
        print(folder / f"sound-{file}.png")


if __name__ == "__main__":
    main()

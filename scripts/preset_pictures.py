"""Render a recording with every preset and draw the sounds as spectrograms.

    python scripts/preset_pictures.py RECORDING [--seconds 40] [--out docs/images/presets.png]

Needs the extra `learn` (matplotlib).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))


def rendered(recording: Path, name: str, seconds: float, folder: Path) -> tuple[np.ndarray, int]:
    """Return the sound of `brainmusic render`, (frames,), and its sample rate."""
    import soundfile

    path = folder / f"{name}.wav"
    command = [sys.executable, "-m", "brainmusic_daemon", "render", str(recording), "--wav", str(path)]
    subprocess.run([*command, "--for", str(seconds), "--set", f"music.preset={name}"], check=True, cwd=CHECKOUT)
    sound, rate = soundfile.read(path)
    return sound.sum(axis=1), rate


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    from brainmusic_daemon.music import preset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images" / "presets.png")
    options = parser.parse_args()
    names = preset.names()
    figure, axes = plt.subplots(2, (len(names) + 1) // 2, figsize=(11, 5.6), constrained_layout=True)
    with tempfile.TemporaryDirectory() as folder:
        for axis, name in zip(axes.flat, names, strict=False):
            sound, rate = rendered(options.recording.resolve(), name, options.seconds, Path(folder))
            axis.specgram(sound, NFFT=4_096, Fs=rate, noverlap=3_072, vmin=-120, vmax=-40, cmap="magma")
            axis.set_yscale("symlog", linthresh=200)
            axis.set_ylim(40, 10_000)
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("s", fontsize=8)
            axis.tick_params(labelsize=7)
    axes.flat[0].set_ylabel("Hz", fontsize=8)
    figure.savefig(options.out, dpi=70)
    picture = Image.open(options.out).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    picture.save(options.out, optimize=True)
    sys.stdout.write(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()

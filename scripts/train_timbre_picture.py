"""The trained timbre space in, one picture out: how well families are reached, and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

BAND_HZ = 80.0 * 2.0 ** (np.arange(22) / 3)  # third octaves, 80 Hz to 10 kHz

Array = npt.NDArray[np.float64]


def draw(
    path: Path,
    names: list[str],
    family: npt.NDArray[np.int64],
    z: Array,
    made: Array,
    wanted: Array,
    history: list[float],
) -> None:
    """made, wanted: (tones, f0s, bands) dB."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(11, 8), constrained_layout=True)
    for number, name in enumerate(names):
        axis = axes.flat[number]
        for place, colour in zip(np.flatnonzero(family == number)[:3], ("C0", "C1", "C2"), strict=True):
            axis.semilogx(BAND_HZ, wanted[place, 2], color=colour, lw=1)
            axis.semilogx(BAND_HZ, made[place, 2], color=colour, lw=1, ls="--")
        axis.set(title=f"{name}, 233 Hz: model — , reached - -", ylim=(-55, 5), ylabel="dB")
    axis = axes.flat[len(names)]
    for number, name in enumerate(names):
        axis.plot(z[family == number, 0], z[family == number, 1], ".", ms=4, label=name)
    axis.set(title="where the families lie", xlabel="z.0", ylabel="z.1", xlim=(-1, 1), ylim=(-1, 1))
    axis.legend(fontsize=6)
    axis = axes.flat[len(names) + 1]
    smooth = np.convolve(history, np.ones(50) / 50, mode="valid")
    axis.semilogy(np.sqrt(smooth))
    axis.set(title="training: what is heard wrong, dB", xlabel="step")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)

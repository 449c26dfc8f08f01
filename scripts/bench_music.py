"""Render every preset with every control moving, and print its level, peak, offset and clicks, and what a tick costs.

python scripts/bench_music.py [--seconds 600] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

RATE, TICK = 48_000, 0.02


def moving(at: float) -> dict[str, float]:
    """Return all controls, `z.*` too: every other minute they sweep their ranges, each at a pace of its own, tempo in
    jumps; in the minutes between each leaps three times a second to one of its ends or to anywhere."""
    from brainmusic_daemon.api import CONTROLS

    if int(at / 60) % 2:
        rng = np.random.default_rng(int(at * 3))
        places = np.where(
            rng.random(len(CONTROLS)) < 0.5, rng.integers(2, size=len(CONTROLS)), rng.random(len(CONTROLS))
        )
        return {c.name: float(c.low + (c.high - c.low) * place) for c, place in zip(CONTROLS, places, strict=True)}
    found = {}
    for number, control in enumerate(CONTROLS):
        share = 0.5 - 0.5 * math.cos(2 * math.pi * at / (7.0 + 3.1 * number))
        found[control.name] = control.low + share * (control.high - control.low)
    found["tempo"] = (50.0, 150.0, 90.0)[int(at * 3) % 3]
    return found


def true_peak(sound: np.ndarray) -> float:
    """Return the largest magnitude between the samples: 16-fold oversampled (ITU-R BS.1770-4 asks for four), 96 taps a
    phase, flat to 0.1 dB up to 22 kHz at 48 kHz; only where a sample is within 14 dB of the largest."""
    from scipy.signal import firwin, resample_poly

    taps = firwin(96 * 16 + 1, 1.0 / 16, window=("kaiser", 8.0))
    top = np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound).max(axis=1) >= 0.2 * top)
    found = float(top)
    for part in np.split(loud, np.flatnonzero(np.diff(loud) > 256) + 1):
        piece = sound[max(0, part[0] - 128) : part[-1] + 129]
        found = max(found, float(np.abs(resample_poly(piece, 16, 1, axis=0, window=taps)).max()))
    return found


def measure(name: str, seconds: float, folder: Path) -> dict[str, float]:
    """Render a preset as `brainmusic render` would, and judge the file."""
    import soundfile
    from scipy.signal import lfilter

    from brainmusic_daemon.api import Controls, Frame
    from brainmusic_daemon.clock import VirtualClock
    from brainmusic_daemon.music import preset
    from brainmusic_daemon.music.score import Score
    from brainmusic_daemon.outputs.wav import Wav
    from tests.frames import make_frame, make_info

    clock, blank = VirtualClock(), make_frame(0)
    score = Score(preset.load(name), 1, TICK)
    wav = Wav(path=folder / f"{name}.wav", samplerate=RATE, subtype="FLOAT")
    wav.open(clock, make_info())
    costs, notes, onsets = [], 0, []
    begin = time.perf_counter()
    for number in range(1, int(seconds / TICK) + 1):
        at = number * TICK
        values = moving(at)
        before = time.perf_counter()
        new = score.advance(at, values)
        drone = score.drone(values)
        costs.append(time.perf_counter() - before)
        notes += len(new)
        onsets += [round(note.time * RATE) for note in new]
        clock.wait_until(at)
        wav.send(Frame(at, number, blank.features, Controls(at, values), new, drone))
    wav.close()
    elapsed = time.perf_counter() - begin

    near = np.zeros(int(seconds * RATE) + RATE, dtype=bool)
    for onset in onsets:
        near[max(0, onset - 96) : onset + 480] = True
    peak, total, power, at_onset, elsewhere, frames = 0.0, np.zeros(2), 0.0, [0.0], [0.0], 0
    states, before_block = [np.zeros((2, 2)), np.zeros((2, 2))], np.zeros((0, 2))
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]
    cut = [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]
    for block in soundfile.blocks(folder / f"{name}.wav", blocksize=10 * RATE, always_2d=True):
        peak = max(peak, true_peak(np.concatenate([before_block, block])))
        before_block = block[-256:]
        total += block.sum(axis=0)
        weighted, states[0] = lfilter(*shelf, block, axis=0, zi=states[0])
        weighted, states[1] = lfilter(*cut, weighted, axis=0, zi=states[1])
        power += float((weighted**2).sum())
        bends = np.abs(np.diff(block, n=2, axis=0)).max(axis=1)
        here = near[frames + 1 : frames + 1 + len(bends)]
        at_onset.append(float(bends[here].max(initial=0.0)))
        elsewhere.append(float(bends[~here].max(initial=0.0)))
        frames += len(block)
    return {
        "loudness, LUFS": -0.691 + 10 * math.log10(power / frames),
        "true peak, dBTP": 20 * math.log10(peak),
        "DC": float(np.abs(total / frames).max()),
        "notes a second": notes / seconds,
        "sharpest bend at onsets / elsewhere": max(at_onset) / max(elsewhere) if notes else 0.0,
        "score, us a tick (mean)": 1e6 * float(np.mean(costs)),
        "score, us a tick (99.9 %)": 1e6 * float(np.quantile(costs, 0.999)),
        "x real time": seconds / elapsed,
    }


def main() -> None:
    from brainmusic_daemon.music import preset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measure(name, options.seconds, Path(folder)) for name in preset.names()}
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    heads = list(next(iter(found.values())))
    sys.stdout.write("| preset | " + " | ".join(heads) + " |\n|" + "---|" * (len(heads) + 1) + "\n")
    for name, row in found.items():
        sys.stdout.write(f"| `{name}` | " + " | ".join(f"{value:.3g}" for value in row.values()) + " |\n")


if __name__ == "__main__":
    main()

"""What can be measured on the rendered samples: aliasing, loudness, peaks, DC, silence after a panic."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from brainmusic_daemon.api import CONTROLS  # noqa: E402
from brainmusic_daemon.synth import layout as at  # noqa: E402
from brainmusic_daemon.synth.engine import Engine  # noqa: E402
from tests.listening import PLAIN, RATE, lufs, play, spectrum  # noqa: E402


def aliasing() -> dict[str, float]:
    """One voice of 100 equal partials alone, in 60 steps from 90 Hz to 8 kHz: what is not a partial is an alias."""
    worst, above = -300.0, -300.0
    for f0 in np.geomspace(90.0, 8_000.0, 60):
        engine = Engine()
        engine.voicing.write(PLAIN, engine._row[2:])
        row = engine._row[2:]
        row[at.CHORUS] = row[at.WET] = row[at.DRIFT] = 0.0
        row[at.NOISE : at.VOICE_FREQUENCY] = 0.0
        row[at.VOICE_LEVEL : at.VOICE_PAN] = 0.0
        row[at.VOICE_LEVEL] = 0.01
        row[at.VOICE_DEPTH] = 0.0
        row[at.VOICE_FREQUENCY] = f0
        row[at.SPECTRUM : at.SPECTRUM + at.MAX_PARTIALS] = 1.0
        engine._row[:2] = 0, at.SET_TARGETS
        engine._push_row()
        engine.render(RATE)
        hz, power = spectrum(engine.render(RATE).astype(np.float64))
        nearest = np.clip(np.round(hz / f0), 1, 100) * f0
        alias = (np.abs(hz - nearest) > 8) & (hz > 20)
        worst = max(worst, 10 * np.log10(power[alias].max() / power.max()))
        above = max(above, 10 * np.log10(power[hz > 0.492 * RATE].max() / power.max()))
    return {"worst alias of 100 partials, 90 Hz to 8 kHz, dB": worst, "worst above 0.492 of the rate, dB": above}


def loudness() -> dict[str, float]:
    """27 places of pitch, brightness and complexity, and 12 of the timbre space, at one loudness."""
    ends = [
        {"fundamental_frequency": f0, "brightness": b, "complexity": c}
        for f0 in (100.0, 220.0, 500.0)
        for b in (0.0, 0.5, 1.0)
        for c in (0.0, 0.5, 1.0)
    ]
    levels = np.array([lufs(play(3.0, **values)) for values in ends])
    rng = np.random.default_rng(2)
    places = [{f"z.{i}": float(x) for i, x in enumerate(rng.uniform(-1, 1, 8))} for _ in range(12)]
    moved = np.array([lufs(play(3.0, **values)) for values in places])
    return {
        "loudness over pitch, brightness, complexity: ± LU": float(np.ptp(levels)) / 2,
        "loudness over the timbre space: ± LU": float(np.ptp(moved)) / 2,
    }


def peaks(seconds: int = 600, gain_db: float = 12.0) -> dict[str, float]:
    """Every control jumping ten times a second, at the highest gain there is."""
    from scipy.signal import resample_poly

    engine, rng = Engine(gain_db=gain_db), np.random.default_rng(3)
    peak, total = 0.0, np.zeros(2)
    for _ in range(seconds // 5):
        blocks = []
        for _ in range(50):
            engine.control({c.name: (c.low, c.high, rng.uniform(c.low, c.high))[rng.integers(3)] for c in CONTROLS})
            blocks.append(engine.render(RATE // 10))
        sound = np.concatenate(blocks).astype(np.float64)
        total += sound.sum(axis=0)
        peak = max(peak, float(np.abs(resample_poly(sound, 4, 1, axis=0)[256:-256]).max()))
    counters = engine.counters()
    return {
        f"{seconds} s of jumping controls at +{gain_db:g} dB: true peak, dBTP": 20 * np.log10(peak),
        "… frames limited, %": 100 * counters["frames_limited"] / (seconds * RATE),
        "… DC, dBFS": float(20 * np.log10(np.abs(total / (seconds * RATE)).max() + 1e-30)),
        "… frames that were not finite": counters["frames_repaired"],
    }


def panic() -> dict[str, float]:
    """Milliseconds from `panic` to the last frame above −80 dBFS, in a loud, long room."""
    engine = Engine()
    engine.control({**PLAIN, "loudness": 1.0, "reverb": 1.0, "complexity": 1.0, "noise_amount": 0.5})
    engine.render(3 * RATE)
    engine.panic()
    loud = np.flatnonzero(np.abs(engine.render(RATE)).max(axis=1) > 1e-4)
    return {"panic to below −80 dBFS, ms": 1000 * float(loud.max(initial=0)) / RATE}


def measure() -> dict[str, float]:
    return aliasing() | loudness() | peaks() | panic()


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"| {name} | {value:.3g} |")

"""What a real device plays is, sample by sample, what the offline renderer makes of the same controls and notes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine, warm_up
from tests import parts
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture

SECONDS = 4.0
ATTEMPTS = 8
# Controls apply at a frame of their own, a little ahead, and all that the audio output gives to its synth is kept.
PLAYER = """
import json, sys
from dataclasses import replace
import numpy as np
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.music import preset
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.synth.engine import Engine
from tests.frames import make_info
from tests.test_music import moving
from tests.test_music_sound import frames_of

task = json.loads(sys.argv[1])
rows, notes, late = [], [], [0]
push_row, push_note = Engine._push_row, Engine._push_note

def row(self):
    self._row[0] = self.frame + 8_192
    rows.append((self, self._row.copy()))  # the warm-up has a synth of its own
    return push_row(self)

def note(self):
    late[0] += self._note[0] <= self.frame + 1_024
    notes.append(self._note.copy())
    return push_note(self)

frames = frames_of(preset.load("arpeggio"), task["seconds"], lambda time: {**moving(time), "density": 0.7})
Engine._push_row, Engine._push_note = row, note
audio = Audio(samplerate=task["rate"], frames=2_048, latency="high")
clock = WallClock()
audio.open(clock, make_info())
for frame in frames:
    clock.wait_until(frame.time)
    ahead = tuple(replace(note, time=note.time + 0.3) for note in frame.notes if note.time > 1.0)
    audio.send(replace(frame, notes=ahead))
counters, engine = dict(audio.counters()), audio._engine
audio.close()
np.savez(task["file"], rows=[row for owner, row in rows if owner is engine], notes=notes)
print(json.dumps({**counters, "too_late": int(late[0])}), flush=True)
"""


def offline(file: Path, rate: int) -> np.ndarray:
    """Render what the audio output gave to its synth."""
    with np.load(file) as given:
        rows, notes = [*given["rows"]], [*given["notes"]]
    engine = Engine(rate)
    engine.integers[at.STATE_TAIL] = engine.integers[at.STATE_HEAD]  # its own fade; what was given holds one
    out = []
    end = int((SECONDS - 0.5) * rate)
    while engine.frame < end:
        while rows and rows[0][0] < engine.frame + at.QUANTUM * 4:
            engine._row[:] = rows.pop(0)
            assert engine._push_row()
        while notes and notes[0][0] < engine.frame + at.QUANTUM * 64:
            assert engine.note_row(notes.pop(0))
        out.append(engine.render(at.QUANTUM * 4))
    return np.concatenate(out).astype(np.float64)


def hold(server: Pulse, folder: Path, rate: int, judge: Callable[[np.ndarray, np.ndarray], str]) -> None:
    """Play until `judge` finds no fault with what was captured at 48 kHz beside the offline render of the same.

    On a machine that is busy with other things the device runs dry now and then, a note comes after its frame, or the
    recorder misses a block: what is wrong with the sound itself is wrong every time.
    """
    warm_up(lambda text: None)
    seen = []
    for _ in range(ATTEMPTS):
        counters, heard = attempt(server, folder / "given.npz", rate)
        assert counters["notes"] > 8
        fault = f"{counters['underflows']:.0f} underflows, {counters['too_late']:.0f} notes too late"
        if not counters["underflows"] and not counters["too_late"]:
            fault = judge(heard, offline(folder / "given.npz", rate))
        if not fault:
            return
        seen.append(fault)
    pytest.fail(f"none of {ATTEMPTS} captures is as it ought to be: {'; '.join(seen)}")


def attempt(server: Pulse, file_given: Path, rate: int) -> tuple[dict[str, float], np.ndarray]:
    """Play once; return the counters and what was captured."""
    task = {"seconds": SECONDS, "rate": rate, "file": str(file_given)}
    with server.capture() as file:
        process = subprocess.run(
            [sys.executable, "-c", PLAYER, json.dumps(task)],
            env=server.env, cwd=parts.CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=90, check=True,
        )  # fmt: skip
        time.sleep(0.2)
    return json.loads(process.stdout.splitlines()[-1]), server.sound(file).astype(np.float64)


def lag_of(heard: np.ndarray, rendered: np.ndarray) -> int:
    """Return where in `heard` the sound `rendered` begins."""
    size = 1 << (len(heard) + len(rendered)).bit_length()
    product = np.fft.rfft(heard[:, 0], size) * np.conj(np.fft.rfft(rendered[:, 0], size))
    return int(np.fft.irfft(product, size)[: len(heard)].argmax())


@pytest.mark.real
def test_the_monitor_hears_the_offline_render_to_the_last_bit(pulse: Pulse, tmp_path: Path) -> None:  # noqa: F811
    def judge(heard: np.ndarray, rendered: np.ndarray) -> str:
        assert np.abs(rendered).max() > 0.02
        lag = lag_of(heard, rendered)
        part = heard[lag : lag + len(rendered)]
        if part.shape != rendered.shape:
            return f"only {len(part)} of {len(rendered)} frames were captured"
        different = np.flatnonzero((part != rendered).any(axis=1))
        return f"{len(different)} frames differ, from {different[0]} on" if len(different) else ""

    hold(pulse, tmp_path, 48_000, judge)


@pytest.mark.real
def test_a_stream_at_another_rate_differs_by_the_servers_resampler_only(pulse: Pulse, tmp_path: Path) -> None:  # noqa: F811
    """44.1 kHz, which the server turns into 48: beside the offline render resampled by us, where both are flat."""

    def judge(heard: np.ndarray, rendered: np.ndarray) -> str:
        residual = residual_db(heard, rendered)
        return f"{residual:.1f} dB remain" if residual > -60 else ""  # -71 with speex-float-1, the usual one

    hold(pulse, tmp_path, 44_100, judge)


def residual_db(heard: np.ndarray, rendered: np.ndarray) -> float:
    """Return what is left of `heard`, at 48 kHz, without `rendered`, at 44.1 kHz, but for a delay; 60 Hz to 8 kHz."""
    from scipy.signal import resample_poly

    wanted = resample_poly(rendered, 160, 147, axis=0, window=("kaiser", 12.0))
    lag = lag_of(heard, wanted)
    size = 1 << 17
    begin = 24_000
    if len(heard) < lag + begin + size:
        return math.inf
    a = np.fft.rfft(heard[lag + begin : lag + begin + size] * np.hanning(size)[:, None], axis=0)
    b = np.fft.rfft(wanted[begin : begin + size] * np.hanning(size)[:, None], axis=0)
    hz = np.fft.rfftfreq(size, 1 / 48_000)
    band = (hz > 60) & (hz < 8_000)
    product = (a * np.conj(b)).sum(axis=1)[band]
    slope = np.angle((product[1:] * np.conj(product[:-1])).sum())  # delay by a part of a frame
    shifted = b[band] * np.exp(1j * (hz[band] / hz[1] * slope))[:, None]
    turn = np.angle((a[band] * np.conj(shifted)).sum())
    rest = a[band] - shifted * np.exp(1j * turn)
    return float(10 * math.log10((np.abs(rest) ** 2).sum() / (np.abs(b[band]) ** 2).sum()))

"""The work of the synth's heaviest sound, rendered by SuperCollider's `scsynth -N`: seconds of sound per CPU second.

Eight voices of as many sines as asked for, with a lagged amplitude each, set anew 50 times a second, panned; breath of
16 band-passes a side over white noise; FreeVerb2 (eight combs and four all-passes a side; ours is a feedback delay
network of eight lines with four all-passes); a limiter.  Needs supercollider-server and supercollider-language.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.parts import free_port, program  # noqa: E402
from tests.receivers import sclang, wait_for  # noqa: E402

RATE, VOICES, BLOCK = 48_000, 8, 256
BASE_HZ, STEP_HZ = 100.0, 7.0  # of the voices, as in bench_audio.bank

_DEFINITIONS = """
SynthDef(\\voice, {{ |freq = 100, pan = 0|
    var amps = \\amps.kr(0 ! {partials}, 0.02);
    var sines = {partials}.collect {{ |k| SinOsc.ar(freq * (k + 1), 0, amps[k]) }};
    Out.ar(16, Pan2.ar(Mix(sines), pan));
}}).writeDefFile("{folder}");
SynthDef(\\space, {{
    var bands = \\bands.kr(0 ! 16, 0.02);
    var breath = 2.collect {{
        var white = WhiteNoise.ar;
        Mix(16.collect {{ |j| BPF.ar(white, 75 * (2 ** (j / 2)), 1 / 2.2, bands[j]) }});
    }};
    var dry = In.ar(16, 2) + breath;
    Out.ar(0, Limiter.ar(FreeVerb2.ar(dry[0], dry[1], 0.4, 0.8, 0.5), 0.84, 0.0015));
}}).writeDefFile("{folder}");
"definitions-written".postln;
0.exit;
"""


def define(folder: Path, partials: int) -> None:
    """Let sclang write the two definitions."""
    script, lines = folder / "define.scd", []
    script.write_text(_DEFINITIONS.format(folder=folder, partials=partials), encoding="utf-8")
    with sclang(script, lines.append, free_port()):
        wait_for(lambda: "definitions-written" in lines, timeout=120, what=f"for sclang: {lines[-5:]}")


def message(address: str, *values: int | float | str | bytes) -> bytes:
    """Return an OSC message."""

    def padded(data: bytes) -> bytes:
        return data + b"\0" * (4 - len(data) % 4)

    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, body = tags + "s", body + padded(value.encode())
        elif isinstance(value, bytes):
            tags, body = tags + "b", body + struct.pack(">i", len(value)) + value + b"\0" * (-len(value) % 4)
        elif isinstance(value, int):
            tags, body = tags + "i", body + struct.pack(">i", value)
        else:
            tags, body = tags + "f", body + struct.pack(">f", value)
    return padded(address.encode()) + padded(tags.encode()) + body


def bundle(seconds: float, messages: Sequence[bytes]) -> bytes:
    """Return one entry of a score: its size, then a bundle."""
    whole = int(seconds)
    data = b"#bundle\0" + struct.pack(">II", whole, int((seconds - whole) * 2**32))
    for one in messages:
        data += struct.pack(">i", len(one)) + one
    return struct.pack(">i", len(data)) + data


def score(folder: Path, partials: int, seconds: float) -> bytes:
    """Everything that is played, with new amplitudes for every partial every 20 ms."""
    rng = np.random.default_rng(1)
    begin = [message("/d_recv", (folder / f"{name}.scsyndef").read_bytes()) for name in ("voice", "space")]
    begin.append(message("/s_new", "space", 999, 1, 0))
    begin += [
        message("/s_new", "voice", 1000 + v, 0, 0, "freq", BASE_HZ + STEP_HZ * v, "pan", -0.7 + 0.2 * v)
        for v in range(VOICES)
    ]
    entries = [bundle(0.0, begin)]
    for tick in range(1, int(seconds * 50)):
        sets = [
            message("/n_setn", 1000 + v, "amps", partials, *map(float, rng.uniform(0.1, 0.5, partials) / partials))
            for v in range(VOICES)
        ]
        sets.append(message("/n_setn", 999, "bands", 16, *map(float, rng.uniform(0.005, 0.01, 16))))
        entries.append(bundle(tick * 0.02, sets))
    entries.append(bundle(seconds, [message("/c_set", 0, 0)]))
    return b"".join(entries)


def render(folder: Path, partials: int, seconds: float) -> float:
    """Render, and return the CPU seconds it took; the sound is in folder/out.wav."""
    (folder / "score.osc").write_bytes(score(folder, partials, seconds))
    scsynth = program("scsynth", "supercollider-server")
    output = folder / "out.wav"
    options = ["-o", "2", "-w", "1024", "-z", str(BLOCK), "-m", "65536"]
    command = [scsynth, "-N", str(folder / "score.osc"), "_", str(output), str(RATE), "WAV", "float", *options]
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    _, status, usage = os.wait4(os.posix_spawn(scsynth, command, environment, file_actions=actions), 0)
    os.close(log)
    if status != 0:
        raise RuntimeError(f"scsynth ended with {status}: {(folder / 'log.txt').read_text()[-400:]}")
    return usage.ru_utime + usage.ru_stime


def check(folder: Path, partials: int, seconds: float) -> float:
    """Return the level in dB; fail where nothing, or not every partial, was rendered (scsynth says nothing then)."""
    import soundfile

    sound, rate = soundfile.read(folder / "out.wav")
    if rate != RATE or abs(len(sound) / RATE - seconds) > 0.1:
        raise RuntimeError(
            f"scsynth rendered {len(sound)} frames at {rate} Hz: {(folder / 'log.txt').read_text()[-400:]}"
        )
    part = sound[RATE // 2 : RATE // 2 + RATE, 0]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    for k in (1, partials // 2, partials):
        hz = round(BASE_HZ * k)
        if power[hz - 1 : hz + 2].max() < 5 * np.median(power[hz - 60 : hz - 10]):
            raise RuntimeError(f"partial {k} of the first voice is not in scsynth's sound: it rendered something else")
    level = 10 * np.log10((sound**2).sum(axis=1).mean() + 1e-30)
    if not -40 < level < 0:
        raise RuntimeError(f"scsynth's sound has a level of {level:.0f} dB: it failed silently")
    return float(level)


class Opponent:
    """Compiled once, rendered as often as wanted."""

    def __init__(self, partials: int) -> None:
        self.partials = partials
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        define(self.folder, partials)

    def speed(self, seconds: float = 10.0) -> float:
        """Return seconds of sound per CPU second, the program's start (a render of 1 s) taken off."""
        start = render(self.folder, self.partials, 1.0)
        whole = render(self.folder, self.partials, 1.0 + seconds)
        check(self.folder, self.partials, 1.0 + seconds)
        return seconds / (whole - start)

    def close(self) -> None:
        self._folder.cleanup()


if __name__ == "__main__":
    for partials in (64, 100):
        opponent = Opponent(partials)
        print(partials, "partials:", [round(opponent.speed(), 1) for _ in range(3)], "x real time")
        opponent.close()

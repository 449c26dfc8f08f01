"""Sound files: as long as the session, the same bits each time, readable even when the run was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.outputs.wav import FADE_S, Wav
from brainmusic_daemon.synth.engine import Engine
from tests import parts
from tests.faults import find
from tests.frames import make_frame, make_info

TICK = 1 / 49.3  # no whole number of frames: rounding must not add up


def write(path: Path, ticks: int, **settings: object) -> Wav:
    wav, clock = Wav(path=path, **settings), VirtualClock()  # type: ignore[arg-type]
    wav.open(clock, make_info())
    for tick in range(ticks):
        clock.wait_until(tick * TICK)
        wav.send(make_frame(tick, time=tick * TICK))
    clock.wait_until(ticks * TICK)
    wav.close()
    return wav


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_file_is_exactly_as_long_as_the_session(tmp_path: Path, name: str) -> None:
    wav = write(tmp_path / name, 201)
    info = soundfile.info(tmp_path / name)
    assert info.frames == round(201 * TICK * 48_000) == wav.counters()["frames_written"]
    assert (info.samplerate, info.channels, info.subtype) == (48_000, 2, "PCM_24")
    sound, _ = soundfile.read(tmp_path / name)
    assert np.abs(sound).max() > 0.001
    assert np.abs(sound[-1]).max() == 0.0


def test_the_same_session_gives_the_same_file(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 60)
    write(tmp_path / "b.wav", 60)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_the_file_holds_the_engines_sound(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 50, subtype="FLOAT", samplerate=44_100, gain_db=-3.0)
    sound, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    engine = Engine(44_100, -3.0)
    for tick in range(50):
        engine.render(round(tick * TICK * 44_100) - engine.frame)
        engine.control(make_frame(tick).controls.values)
    again = Engine(44_100, -3.0)
    for tick in range(50):
        again.control(make_frame(tick).controls.values, round(tick * TICK * 44_100))
    expected = again.render(len(sound))
    keep = len(sound) - round(FADE_S * rate)
    assert np.array_equal(sound[:keep], expected[:keep])


def test_many_ticks_are_written_in_blocks(tmp_path: Path) -> None:
    wav = write(tmp_path / "a.wav", 500)
    whole, _ = soundfile.read(tmp_path / "a.wav")
    assert len(whole) == wav.counters()["frames_written"]
    assert np.abs(np.diff(whole, 2, axis=0)).max() < 0.01  # no seam between blocks


def test_a_live_run_is_written_by_a_thread(tmp_path: Path) -> None:
    wav = Wav(path=tmp_path / "live.wav")
    clock = WallClock()
    wav.open(clock, make_info())
    for tick in range(10):
        wav.send(make_frame(tick, time=clock.now() + 0.02 * tick))
    wav.close()
    wav.close()
    assert soundfile.info(tmp_path / "live.wav").frames >= round(0.18 * 48_000)
    assert wav.counters()["ticks_lost"] == 0


def test_a_killed_run_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.wav import Wav
from tests.frames import make_frame, make_info
wav = Wav(path=Path({str(tmp_path / "killed.wav")!r}))
wav.open(VirtualClock(), make_info())
for tick in range(200):
    wav.send(make_frame(tick))
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=parts.CHECKOUT, capture_output=True, text=True)
    row = find("sound-killed")
    assert row.state == "ends" and done.returncode == 9 and done.stderr == row.message
    sound, _ = soundfile.read(tmp_path / "killed.wav")
    assert len(sound) > 48_000
    assert np.abs(sound).max() > 0.001


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "out.mp3"}, "ends in .wav or .flac"),
        ({"path": "out"}, "ends in .wav or .flac"),
        ({"path": "out.flac", "subtype": "FLOAT"}, "FLAC has no subtype FLOAT"),
    ],
)
def test_what_cannot_be_written_is_said_at_once(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wav(**settings)  # type: ignore[arg-type]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    wav = Wav(path=tmp_path / "no" / "out.wav")
    with pytest.raises(ConfigError, match="there is no folder"):
        wav.open(VirtualClock(), make_info())
    wav.close()


def test_a_full_disk_is_counted_and_never_raised(tmp_path: Path) -> None:
    parts.require(Path("/dev/full").exists(), "a system with /dev/full")
    (tmp_path / "full.wav").symlink_to("/dev/full")
    wav = Wav(path=tmp_path / "full.wav")
    try:
        wav.open(VirtualClock(), make_info())
    except ConfigError:
        return  # libsndfile may notice at once: then it is said
    for tick in range(200):
        wav.send(make_frame(tick))
    wav.close()
    assert wav.counters()["failed"] > 0

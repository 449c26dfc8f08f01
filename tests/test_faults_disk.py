"""Disks that are full, slow, deleted: the music goes on, what was written can be read, and the user is told."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import daemons, parts
from tests.daemons import shell
from tests.faults import find
from tests.heard import HELD_UP_S, heard
from tests.receivers import wait_for

SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no open file, and has no named pipes")


def samples_in(path: Path) -> int:
    from brainmusic_daemon.acquisition.recording import formats

    return len(formats.load(path).samples)


def test_what_is_deleted_while_it_is_written_comes_back(tmp_path: Path) -> None:
    """Somebody tidies up: the folder of all files is gone, while the daemon writes them."""
    folder = tmp_path / "evening"
    folder.mkdir()
    names = {"csv": "t.csv", "jsonl": "t.jsonl", "wav": "t.wav"}
    files = [
        s for kind, name in names.items() for s in (f"output.{kind}.kind={kind}", f"output.{kind}.path={folder / name}")
    ]
    with heard() as osc, daemons.process(osc.target, *files, name="tidied") as running:
        assert shell("tell", "record.start", str(folder / "t.xdf"), "--name", "tidied").returncode == 0
        wait_for(lambda: all((folder / name).exists() for name in (*names.values(), "t.xdf")), 60, "for the files")
        wait_for(lambda: (folder / "t.wav").stat().st_size > 100_000, 60, "for sound")
        shutil.rmtree(folder)
        begin, back = time.monotonic(), dict[str, float]()

        def are_back() -> bool:
            for name in (*names.values(), "t.xdf"):
                if name not in back and (folder / name).exists():
                    back[name] = time.monotonic() - begin
            return len(back) == 4

        wait_for(are_back, 60, "for the files")
        for name in back:
            running.wait_for(f"{name}' was deleted while it is being written")
        assert osc.longest_gap(begin) < HELD_UP_S
        rows = {"t.xdf": "recording-deleted", "t.wav": "sound-file-deleted", "t.csv": "table-deleted"}
        for name in back:
            fault = find(rows.get(name, "table-deleted"))
            assert fault.says(line.replace("t.jsonl", "t.csv") for line in running.said if name in line), running.said
            assert fault.seconds is not None and back[name] <= fault.seconds + SLOW_S, back
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        running._reader.join(10)
        ended = next(line for line in running.said if line.startswith("recorded"))
    assert samples_in(folder / "t.xdf") == int(ended.split(" simulator")[0].rsplit(" ", 1)[1])
    with (folder / "t.csv").open(newline="", encoding="utf-8") as table:
        times = [float(row["time"]) for row in csv.DictReader(table)]
    assert max(np.diff(times)) < HELD_UP_S and times[0] < 5.0  # from before it was deleted, without a hole
    lines = [json.loads(line) for line in (folder / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["time"] < 5.0 and lines[-1]["time"] > times[-1] - 2.0
    assert soundfile.info(folder / "t.wav").duration > times[-1] - 3.0


def test_a_pipe_that_nobody_reads_holds_up_no_tick(tmp_path: Path) -> None:
    """As a disk in a network that has gone: whoever writes, waits.  And what plays can be kept nowhere."""
    pipe = tmp_path / "t.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        import fcntl
        import termios

        held = bytearray(4)  # how much waits in the pipe
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        settings = ("output.csv.kind=csv", f"output.csv.path={pipe}")
        blocked = tmp_path / "state"
        blocked.write_text("a file where a folder should be")
        env = {"XDG_STATE_HOME": str(blocked)}
        with heard() as osc, daemons.process(osc.target, *settings, name="stuck", env=env) as running:
            begin = time.monotonic()
            wait_for(lambda: not fcntl.ioctl(reader, termios.FIONREAD, held) and any(held), 30, "for rows in the pipe")
            before = len(osc.ticks)
            wait_for(lambda: len(osc.ticks) > before + 150, 30, "for ticks")
            assert osc.longest_gap(begin) < HELD_UP_S
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(30) == 0
            running._reader.join(10)
            assert find("table-disk-hangs").says(running.said), running.said
            assert find("nothing-can-be-kept").says(running.said), running.said
            assert "Traceback" not in "".join(running.said)
    finally:
        os.close(reader)


FULL = """
import resource, signal, sys
from pathlib import Path
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.wav import Wav
from tests.frames import make_frame, make_info
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
wav, clock = Wav(path=Path(sys.argv[1])), VirtualClock()
wav.open(clock, make_info())
for tick in range(400):
    if tick == 100:
        resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1]).stat().st_size + 60_001, hard))
    if tick == 250:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    clock.wait_until(tick * 0.02)
    wav.send(make_frame(tick, time=tick * 0.02))
clock.wait_until(8.0)
wav.close()
print(wav.counters()["failed"])
"""


def test_sound_keeps_its_time_across_a_full_disk(tmp_path: Path) -> None:
    """Full for three seconds, in the middle of a frame: not one sample is missing or in the wrong place."""

    def written(name: str, text: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", text, str(tmp_path / name)],
            cwd=parts.CHECKOUT, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout, done.stderr

    out, said = written("full.wav", FULL)
    assert float(out) >= 1 and find("sound-disk-full").says(said.splitlines()), said
    assert said.count("cannot write") == 1 and said.count("goes on") == 1
    written("room.wav", FULL.replace("+ 60_001", "+ 60_000_000"))
    full, _ = soundfile.read(tmp_path / "full.wav")
    room, _ = soundfile.read(tmp_path / "room.wav")
    assert len(full) == len(room) == 8 * 48_000
    np.testing.assert_array_equal(full, room)

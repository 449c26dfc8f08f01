"""The machine runs out of memory, files, threads, processor: the music goes on, and the rest when there is more."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.outputs import xdf_chunks
from brainmusic_daemon.outputs.xdf_file import XdfFile
from brainmusic_daemon.service import client, run_file
from tests import daemons
from tests.daemons import shell
from tests.faults import find
from tests.heard import HELD_UP_S, heard
from tests.receivers import wait_for
from tests.test_faults_user_code import configured, mapper
from tests.test_xdf_file import EEG, put

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes another process's limits")


@linux
def test_out_of_files_it_plays_and_is_heard_again_when_there_are_some() -> None:
    import resource

    name = "no-files"
    with heard() as osc, daemons.process(osc.target, name=name) as running:
        pid, run = running.process.pid, run_file.read(name)
        assert run is not None and client.ask(run, "ping", ()).ok
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        free = 1 << 20
        for _ in range(5):  # those of a moment ago are closed by and by
            time.sleep(0.1)
            taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
            free = min(free, *({*range(len(taken) + 1)} - taken))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
        begin = time.monotonic()
        with pytest.raises((TimeoutError, client.Away)):
            client.ask(run, "ping", (), timeout=1.0)
        wait_for(lambda: find("out-of-files").says(running.said), 20, f"for a word: {running.said[-3:]}")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert client.ask(run, "ping", (), timeout=find("out-of-files").seconds or 0).ok
        assert osc.longest_gap(begin) < HELD_UP_S
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0 and "Traceback" not in "".join(running.said)


def test_out_of_threads_it_is_heard_again_when_there_are_some(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = threading.Thread.start

    def refused(self: threading.Thread) -> None:
        if self.name == "control-client":
            raise RuntimeError("can't start new thread")
        real(self)

    with daemons.daemon(name="no-threads"):
        run = run_file.read("no-threads")
        assert run is not None
        with monkeypatch.context() as there:
            there.setattr(threading.Thread, "start", refused)
            for _ in range(20):  # more than there are places
                with pytest.raises(client.Away):
                    client.ask(run, "ping", (), timeout=5.0)
        assert client.ask(run, "ping", (), timeout=5.0).ok
    assert len([message for message in caplog.messages if find("out-of-threads").says([message])]) == 1


@linux
def test_out_of_memory_beside_the_tick_it_plays_on(tmp_path: Path) -> None:
    """A mapper that wants more than the system gives, while it is being prepared."""
    import resource

    name, greedy = "no-memory", mapper(tmp_path, prepare="self.kept = bytearray(1 << 33)")
    with heard() as osc, daemons.process(osc.target, config=configured(tmp_path), name=name) as running:
        pid = running.process.pid
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (used + (200 << 20), resource.prlimit(pid, resource.RLIMIT_AS)[1]))
        begin = time.monotonic()
        done = shell("swap", str(greedy), "--name", name)
        assert done.returncode == 2 and find("out-of-memory").says([done.stderr]), done.stderr
        assert shell("swap", "linear", "--name", name).returncode == 0
        assert osc.longest_gap(begin) < HELD_UP_S
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0 and "Traceback" not in "".join(running.said)


def test_out_of_memory_a_recording_goes_on_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, refusals = xdf_chunks.samples, [0]

    def samples(*arguments: Any) -> bytes:
        refusals[0] += 1
        if refusals[0] in (2, 3):
            raise MemoryError
        return real(*arguments)

    monkeypatch.setattr(xdf_chunks, "samples", samples)
    file = XdfFile(tmp_path / "a.xdf", {}, 0.0)
    number = file.add(EEG)
    for second in range(5):
        put(file, number, 250 * second, np.zeros((250, 2)))
        file.flush(sync=False)
    file.close()
    assert file.samples() == {EEG.name: 1250} and file.lost == 0 and refusals[0] >= 5
    assert len([message for message in caplog.messages if find("recording-out-of-memory").says([message])]) == 1

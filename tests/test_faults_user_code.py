"""Code of others (mappers, features, sources, outputs) that fails, prints, leaks, starts threads, ends the process."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import Chunk, Clock, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.service import kept as memory
from brainmusic_daemon.service import weight
from brainmusic_daemon.service.kept import Kept
from brainmusic_daemon.service.session import Session
from tests import daemons
from tests.faults import find
from tests.heard import HELD_UP_S, heard
from tests.receivers import wait_for
from tests.test_session import Listener

MINE = """
import os, sys, threading, time
from brainmusic_daemon.api import CONTROL, plugin

@plugin
class Mine:
    '''Of a test.'''

    controls = (CONTROL["tempo"],)

    def prepare(self, names, tick):
        self.begun = time.monotonic()
        PREPARE

    def map(self, features):
        MAP
        return {"tempo": 100.0}

    def explain(self, features):
        return {}
"""
BUSY_S = 10.0  # that a machine with other work may take longer
CONFIG = '[source]\nkind = "simulator"\n[output.osc]\n'


def configured(folder: Path, *lines: str) -> Path:
    file = folder / "mine.toml"
    file.write_text("\n".join([CONFIG, *lines]), encoding="utf-8")
    return file


def mapper(folder: Path, act: str = "pass", prepare: str = "pass") -> Path:
    file = folder / "mine.py"
    file.write_text(MINE.replace("MAP", act).replace("PREPARE", prepare), encoding="utf-8")
    return file


@pytest.mark.skipif(sys.platform == "win32", reason="needs a program that ends as on POSIX")
def test_a_mapper_that_ends_the_process_is_left_aside_after_some_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a service manager does is done here: start it again whenever it ends.  No code in the same process could.

    It has ended twice when this begins.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = configured(tmp_path)
    bomb = mapper(tmp_path, act="if time.monotonic() > self.begun + 0.5: os._exit(7)")
    name, starts = "bombed", 0
    resolved = configuration.load(config, [f"session.name={name}"])
    table, written = {"kind": str(bomb)}, memory.fingerprint(resolved.tables)
    memory.write(Kept(1, name, str(config), written, "mine.py", table, str(tmp_path), "drone", 1, attempts=2))
    with heard() as osc:
        while True:
            running = daemons.Process(osc.target, "session.resume=true", name=name, config=config)
            try:
                wait_for(lambda: running.process.poll() is not None or len(running.said) > 3, 60)  # noqa: B023
                begin = time.monotonic()
                if starts:
                    running.wait_for("did not last")
                    wait_for(lambda: any(at > begin + 1 for at in osc.ticks), 30, "for music")  # noqa: B023
                    assert find("mapper-ends-the-process").says(running.said), running.said
                    break
                assert running.process.wait(30) == 7 and "playing on where it was" in "".join(running.said)
                starts += 1
            finally:
                running.end()


def test_a_leak_is_told_and_a_large_load_is_not(caplog: pytest.LogCaptureFixture) -> None:
    used = [200e6]
    looking = weight.Weight(lambda: used[0], lambda: "mine.py")

    def pass_by(seconds: float, per_second: float) -> None:
        for _ in range(round(seconds)):
            pass_by.now += 1.0  # type: ignore[attr-defined]
            used[0] += per_second
            looking.look(pass_by.now)  # type: ignore[attr-defined]

    pass_by.now = 0.0  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING):
        pass_by(60, 0.0)
        used[0] += 900e6  # a large model
        pass_by(600, 20e3)
        assert not caplog.records
        pass_by(60, 5e6)
        assert 1 <= len(caplog.records) <= 2 and find("mapper-leaks").says([caplog.messages[0]])
        pass_by(600, 0.0)
        assert len(caplog.records) <= 2


def test_threads_of_a_mapper_leave_the_tick_its_turn(tmp_path: Path) -> None:
    """Four that compute without end in Python: as many as could be meant well."""
    spin = "all(True for _ in iter(int, 1))"
    start = f"[threading.Thread(target=lambda: {spin}, daemon=True).start() for _ in range(4)]"
    mapper(tmp_path, prepare=start)
    config = configured(tmp_path, '[mapper]\nkind = "mine.py"', "[swap]\nbudget_ms = 15")
    with heard() as osc, daemons.process(osc.target, config=config, name="busy") as running:
        wait_for(lambda: len(osc.ticks) > 20, 60, "for ticks")
        first, best = time.monotonic(), 0
        for _ in range(30):  # whatever else the machine has to do for a while
            begin = time.monotonic()
            time.sleep(1.0)
            best = max(best, len([at for at in osc.ticks if at > begin]))
            if best >= 36:
                break
        # Of 50, with nothing else to do: 45 to 50; at most 29 with the interpreter's usual turns of 5 ms.
        assert best >= 36, best
        row = find("mapper-starts-threads")
        assert row.seconds == 0.0 and osc.longest_gap(first) < HELD_UP_S
        assert not row.message and not any("mine.py' took" in line for line in running.said), running.said
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0


def test_a_mapper_that_prints_where_nobody_reads_is_replaced(tmp_path: Path) -> None:
    mapper(tmp_path, act="sys.stdout.write('x' * 4096); sys.stdout.flush()")
    config = configured(tmp_path, '[mapper]\nkind = "mine.py"')
    with heard() as osc:
        command = [*daemons.COMMAND, "run", "--config", str(config)]
        for setting in (*daemons.QUIET, osc.target, "session.name=printing"):
            command += ["--set", setting]
        said: list[str] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            limit = threading.Timer(60, process.kill)  # so that it fails instead of waiting for ever
            limit.start()
            for line in process.stderr:
                said.append(line)
                if find("mapper-prints").says([line]):
                    break
            limit.cancel()
            begin = time.monotonic()
            time.sleep(0.5)
            assert osc.longest_gap(begin) < HELD_UP_S
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            said += [*process.stderr]
    assert find("mapper-prints").says(said) and "Traceback" not in "".join(said), said
    assert process.returncode == 0


@plugin
class Leaving:
    """A source that wants to end the program when it is read for the first time."""

    def __init__(self) -> None:
        self.reads, self.read_at = 0, list[float]()  # s of the session

    def open(self, clock: Clock) -> StreamInfo:
        self._clock = clock
        return StreamInfo("leaving", ("O1", "O2"), 250.0)

    def read(self, timeout: float) -> Chunk | None:
        self.reads += 1
        self.read_at.append(self._clock.now())
        if self.reads < 3:
            sys.exit("no more")
        self._clock.wait_until(self._clock.now() + 0.02)
        return None

    def close(self) -> None:
        pass


def test_a_source_that_wants_to_end_the_program_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    from brainmusic_daemon.clock import WallClock

    row = find("source-exits")
    config = configuration.load(None, ["output.audio.enabled=false", "output.osc.enabled=false"])
    source = Leaving()
    session = Session(config, WallClock(), source)
    session.acquisition.start()
    try:
        wait_for(lambda: source.reads > 4, 30, "for it to be read again")
        assert session.acquisition.state is not SourceState.FAILED
        assert row.says(caplog.messages) and session.tick(0.02).features.state == row.state
        assert row.seconds is not None and max(np.diff(source.read_at)) <= row.seconds + BUSY_S
    finally:
        session.acquisition.stop()


def played(session: Session, clock: VirtualClock, begin: int, ticks: int) -> None:
    for number in range(begin, begin + ticks):
        clock.wait_until(number * 0.02)
        session.acquisition.pump()
        session.attach()
        session.tick(number * 0.02)


def test_an_output_that_wants_to_end_the_program_is_told_and_the_others_play(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Exits(Listener):
        def send(self, frame: object) -> None:
            raise SystemExit(3)

    clock = VirtualClock()
    session = Session(configuration.load(None, ["output.audio.enabled=false"]), clock)
    last = Listener()
    session.outputs = (Exits(), last)
    played(session, clock, 1, 50)
    assert len(last.frames) == 50 and session.output_failures == 50
    assert [record for record in caplog.records if find("output-raises").says([record.getMessage()])] != []
    assert caplog.text.count("failed: SystemExit") == 1
    session.pipeline.host.leave()


def test_a_feature_that_fails_stays_where_it_is_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from brainmusic_daemon.features.engagement import Engagement

    real, calls = Engagement.compute, [0]

    def fails(self: Engagement, analysis: object) -> object:
        calls[0] += 1
        if calls[0] > 100:
            raise ArithmeticError("not today")
        return real(self, analysis)  # type: ignore[arg-type]

    monkeypatch.setattr(Engagement, "compute", fails)
    clock = VirtualClock()
    session = Session(configuration.load(None, ["output.audio.enabled=false"]), clock)
    listener = Listener()
    session.outputs = (listener,)
    played(session, clock, 1, 300)
    after = [frame.features for frame in listener.frames[150:]]
    assert calls[0] > 200 and len({features["raw.engagement"] for features in after}) == 1
    assert len({features["raw.alpha"] for features in after}) > 100
    assert len([m for m in caplog.messages if find("feature-raises").says([m])]) == 1
    session.pipeline.host.leave()

"""Signals at every rung of both ladders, a program that is put to sleep, a terminal and a log that nobody reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.acquisition.recording import formats
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import run_file
from tests import daemons, parts, rungs
from tests.daemons import shell
from tests.faults import find
from tests.heard import HELD_UP_S, Heard, heard
from tests.receivers import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to one process")

SLOW_S = 20.0  # that a busy machine may take longer to load a program; 0 on one that does nothing else
ROWS = {
    **{"TERM": "terminated-anywhere", "INT": "interrupted-anywhere", "HUP": "hung-up-anywhere"},
    **{"STOP": "put-to-sleep", "KILL": "killed-anywhere"},
}
CODES = {"exit 0": 0, "exit 130": 130, "as before": 0, "ends": -9}  # by the state of a row


@pytest.mark.parametrize("name", ROWS)
def test_at_every_rung_of_both_ladders(name: str, tmp_path: Path) -> None:
    """Each is a program of its own that records, and is hit exactly before it climbs the rung.

    What does not end it hits one program at all rungs.
    """
    row = find(ROWS[name])
    ladder = [*rungs.START, *rungs.STOP] if name in ("TERM", "INT", "KILL") else [rungs.EVERY]
    command = [sys.executable, "-m", "tests.rungs", str(tmp_path), *(f"{rung}:{name}" for rung in ladder)]
    done = subprocess.run(command, cwd=parts.CHECKOUT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["rung"] for each in found) == sorted(ladder)
    for each in found:
        place, said = each["place"], (tmp_path / f"{each['place']}.log").read_text()
        here = f"{name} before '{each['rung']}': {each}\n{said}"
        assert each["code"] == CODES[row.state] and not each["left"], here
        assert "Traceback" not in said and "Error" not in said, here
        if name == "KILL":
            kept = samples(tmp_path / f"{place}.xdf")
            assert kept > 0 or each["rung"] in rungs.START, here  # the first quarter second may not be in it
            continue
        assert not run_file.path(f"rung-{place}").exists(), here
        ended = re.search(r"^recorded .* (\d+) simulator", said, re.MULTILINE)
        assert samples(tmp_path / f"{place}.xdf") == (int(ended[1]) if ended else 0), here
        assert ended or each["rung"] in rungs.START, here
        assert not ended or row.says([ended[0]]), here
        if name == "HUP":  # it ends when it was to end, and not before
            lasted = re.search(r"^stopped after ([\d.]+) s", said, re.MULTILINE)
            assert row.seconds is not None and lasted and float(lasted[1]) >= rungs.SECONDS - row.seconds, here
    if name == "KILL":  # what it has left behind is no obstacle
        begun = time.monotonic()
        with daemons.process(name=f"rung-{found[0]['place']}") as again:
            assert row.seconds is not None and time.monotonic() - begun <= row.seconds + SLOW_S
            assert again.process.poll() is None and not row.message


def samples(path: Path) -> int:
    """Return how many samples of the headset a recording holds; 0: there is none, or none has come."""
    if not path.exists():
        return 0
    try:
        return len(formats.load(path).samples)
    except ConfigError:
        return 0


HANGING = """
import sys, time
from brainmusic_daemon import cli
from brainmusic_daemon.service.host import OutputHost
OutputHost.stop = lambda self: time.sleep(60)
sys.argv[1:] = sys.argv[1].split()
cli.main()
"""


def test_a_second_signal_ends_at_once_what_hangs_at_its_end() -> None:
    with heard() as osc:
        words = "run" + "".join(f" --set {setting}" for setting in (*daemons.QUIET, osc.target, "session.name=hangs"))
        command = [sys.executable, "-c", HANGING, words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_for(lambda: osc.ticks, 60, "for ticks")
                process.send_signal(signal.SIGINT)
                time.sleep(1.0)
                assert process.poll() is None
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=10)
            finally:
                process.kill()
    assert process.returncode == 130 and find("signalled-twice").says([said]) and "Traceback" not in said


def test_put_to_sleep_and_woken_it_goes_on_without_a_burst(tmp_path: Path) -> None:
    with heard() as osc, daemons.process(osc.target, name="asleep") as running:
        assert shell("tell", "record.start", str(tmp_path / "a.xdf"), "--name", "asleep").returncode == 0
        time.sleep(0.5)
        running.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        woken = time.monotonic()
        running.process.send_signal(signal.SIGCONT)
        wait_for(lambda: any(at > woken for at in osc.ticks), 30, "for a tick")
        assert osc.ticks[-1] - woken < find("put-to-sleep").seconds + 1.0  # type: ignore[operator]
        time.sleep(1.5)
        since = [at for at in osc.ticks if at > woken]
        assert len([at for at in since if at < woken + 0.3]) < 40, "a burst of what was missed"  # 75 + 15 are owed
        assert len(since) > 50
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
    assert samples(tmp_path / "a.xdf") > 200


@contextmanager
def logging_to(pipe: int, osc: Heard, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon whose standard error is a pipe, which is closed here."""
    command = [*daemons.COMMAND, "run"]
    for setting in (*daemons.QUIET[:-1], osc.target, f"session.name={name}"):
        command += ["--set", setting]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=pipe) as process:
        os.close(pipe)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def following(osc: Heard, name: str, state: str) -> None:
    """Wait until the music follows a headset, as the shell is told."""

    def attached() -> bool:
        done = shell("status", "--json", "--name", name)
        return done.returncode == 0 and json.loads(done.stdout)["state"] in ("calibrating", state)

    wait_for(lambda: osc.ticks, 60, "for ticks")
    wait_for(attached, 30, "for the headset")


def test_a_log_whose_reader_has_gone_ends_nothing() -> None:
    (reader, writer), row = os.pipe(), find("log-reader-gone")
    with heard() as osc, logging_to(writer, osc, "unread") as process:
        assert os.read(reader, 1)
        os.close(reader)
        following(osc, "unread", row.state)
        begin = time.monotonic()
        assert shell("swap", "linear", "--name", "unread").returncode == 0  # one more line
        time.sleep(1.0)
        assert process.poll() is None and osc.longest_gap(begin) < (row.seconds or 0.0) + HELD_UP_S
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_log_that_nobody_reads_holds_up_nobody() -> None:
    """As a terminal that was stopped with Ctrl-S, or a pipe to a program that hangs: who writes there, waits."""
    (reader, writer), row = os.pipe(), find("log-not-read")
    try:
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 512)
        os.set_blocking(writer, True)
        with heard() as osc, logging_to(writer, osc, "stopped") as process:
            following(osc, "stopped", row.state)
            begin = time.monotonic()
            assert shell("swap", "linear", "--name", "stopped").returncode == 0
            time.sleep(0.5)
            assert row.seconds is not None and osc.longest_gap(begin) < row.seconds + HELD_UP_S
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        os.close(reader)


def test_without_any_streams_it_plays() -> None:
    """As a service of old was started: standard input, output and error are closed."""
    words = " ".join(f"--set '{setting}'" for setting in (*daemons.QUIET, "session.name=closed"))
    with heard() as osc:
        line = f"exec {' '.join(daemons.COMMAND)} run {words} --set '{osc.target}' --for 1.5 <&- >&- 2>&-"
        done = subprocess.run(["sh", "-c", line], timeout=60, check=False)
        assert done.returncode == 0 and np.diff(osc.ticks).max() < 1.0

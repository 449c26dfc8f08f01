"""However the program ends, it ends with its exit code: no traceback, no crash in a library still at work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from brainmusic_daemon import cli
from tests import parts
from tests.faults import find

STARTS_S = 20.0  # that a program takes to load on a busy machine

HANGING = """
import sys, threading, brainmusic_daemon.cli as cli
threading.Thread(target=threading.Event().wait, daemon={daemon}).start() if {daemon} else None
import atexit; atexit.register(print, "farewell")
sys.stdout.write("all written, ")
cli._leave(4)
"""


@pytest.mark.parametrize(("daemon", "said"), [(True, "all written, "), (False, "all written, farewell\n")])
def test_a_thread_left_behind_does_not_meet_the_end_of_the_interpreter(daemon: bool, said: str) -> None:
    row, begun = find("left-threads"), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGING.format(daemon=daemon)], capture_output=True, text=True, timeout=30, check=False
    )
    assert row.seconds is not None and time.monotonic() - begun <= row.seconds + STARTS_S
    assert row.state == "ends with its own exit code"
    assert (done.returncode, done.stdout, done.stderr) == (4, said, row.message)


def test_ctrl_c_before_the_command_begins_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_command", interrupted)
    monkeypatch.setattr(cli, "_leave", sys.exit)
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 130


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "brainmusic_daemon", "check"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as pipe:
        assert pipe.stdout is not None and pipe.stderr is not None
        pipe.stdout.close()
        assert pipe.stderr.read() == b"" and pipe.wait(timeout=30) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to one process")
@pytest.mark.parametrize(
    ("sent", "code", "last"),
    [
        ([signal.SIGINT], 130, "stopped after"),
        ([signal.SIGTERM], 0, "stopped after"),
        ([signal.SIGINT, signal.SIGINT], 130, ""),
    ],
)
def test_signals_stop_a_run_in_good_order(sent: list[signal.Signals], code: int, last: str) -> None:
    command = [sys.executable, "-m", "brainmusic_daemon", "run", "--set", "output.audio.enabled=false"]
    command += ["--set", f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]']
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("calibrating" in line for line in lines)  # ticks follow the simulated person
        for number in sent:
            process.send_signal(number)
        said = "".join(lines)
        assert process.wait(timeout=30) == code
    assert last in said and "Traceback" not in said


def test_ctrl_c_without_a_headset_is_no_error_message() -> None:
    command = [sys.executable, "-m", "brainmusic_daemon", "run", "--set", "output.audio.enabled=false"]
    command += ["--set", "source.kind=brainflow", "--set", "source.board=CYTON_BOARD"]
    command += ["--set", "source.serial_port=/dev/ttyNONE", "--set", "session.patience_s=inf"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("waiting" in line for line in lines)
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        said = "".join(lines)
        assert process.wait(timeout=30) == (130 if sys.platform != "win32" else 1)
    assert "Traceback" not in said and "lost" not in said

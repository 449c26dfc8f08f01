"""However the program ends, it ends with its exit code: no traceback, no crash in a library still at work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brainmusic_daemon import cli

HANGING = """
import sys, threading, brainmusic_daemon.cli as cli
threading.Thread(target=threading.Event().wait, daemon={daemon}).start() if {daemon} else None
import atexit; atexit.register(print, "farewell")
sys.stdout.write("all written, ")
cli._leave(4)
"""


@pytest.mark.parametrize(("daemon", "said"), [(True, "all written, "), (False, "all written, farewell\n")])
def test_a_thread_left_behind_does_not_meet_the_end_of_the_interpreter(daemon: bool, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING.format(daemon=daemon)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, said, "")


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

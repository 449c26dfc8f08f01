"""Configurations that are half written or wrong while the daemon plays: it plays on as it was."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests import daemons
from tests.faults import find
from tests.heard import HELD_UP_S, heard
from tests.test_mappers import CONFIG, Stage, wait_for

SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else


def test_a_configuration_that_is_emptied_first_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Many programs save by emptying the file and filling it again, and nobody knows how long they take."""
    row = find("saved-by-emptying-first")
    stage = Stage(tmp_path)
    stage.play(1.0)
    stage.mappers.start()
    try:
        time.sleep(1.0)  # the system's notices begin
        stage.file.write_text("")
        time.sleep(1.0)  # several times longer than it is waited for that a file settles
        assert stage.mappers.history.step.origin == "start" and not stage.mappers.refusals
        assert not caplog.messages and not row.message
        stage.file.write_text(CONFIG.replace("output = [60, 120]", "output = [70, 120]"))
        written = time.monotonic()
        wait_for(lambda: stage.mappers.history.step.origin == "file")
        assert row.seconds is not None and time.monotonic() - written <= row.seconds + SLOW_S
        assert stage.mappers.history.step.table["routes"]["tempo"]["output"] == [70, 120]
    finally:
        stage.mappers.stop()
        stage.session.pipeline.host.leave()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_hang_up_with_a_broken_configuration_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[source]\nkind = "simulator"\n[output.osc]\n', encoding="utf-8")
    with heard() as osc, daemons.process(osc.target, "swap.watch=false", config=file, name="half") as running:
        begin = time.monotonic()
        for text, row in (("[source]\nkind = ", "hang-up-half-written"), ("[sorce]\n", "hang-up-unknown-key")):
            file.write_text(text, encoding="utf-8")
            running.process.send_signal(signal.SIGHUP)
            daemons.wait_for(lambda row=row: find(row).says(running.said), 30, f"for {row}: {running.said[-3:]}")  # type: ignore[misc]
        assert osc.longest_gap(begin) < HELD_UP_S
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert "Traceback" not in "".join(running.said)

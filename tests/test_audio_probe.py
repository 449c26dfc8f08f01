"""PortAudio that crashes in the search for devices: in a process that may die of it, not in the daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brainmusic_daemon.api import OutputLost
from brainmusic_daemon.outputs import audio_probe
from brainmusic_daemon.outputs.audio_probe import Probe
from tests import parts
from tests.daemons import COMMAND, Process, process
from tests.receivers import wait_for

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ALSA is Linux's")
BROKEN = {"ALSA_CONFIG_PATH": "/dev/null"}


def portaudio() -> None:
    import ctypes.util

    parts.require(ctypes.util.find_library("portaudio"), "the Debian package libportaudio2")


@linux
@pytest.mark.real
def test_a_configuration_that_crashes_portaudio_is_told_and_the_daemon_plays_on_without_sound() -> None:
    portaudio()
    running: Process
    with process("output.audio.enabled=true", name="no-alsa", env=BROKEN) as running:
        said = running.wait_for("no sound:")
        assert "SIGABRT" in said and "ALSA_CONFIG_PATH" in said
        assert running.process.poll() is None
        running.process.terminate()
        assert running.process.wait(30) == 0


@linux
@pytest.mark.real
def test_devices_are_listed_without_sound_where_the_search_would_crash() -> None:
    portaudio()
    import os

    done = subprocess.run(
        [*COMMAND, "devices", "--json"], capture_output=True, text=True, timeout=120, env={**os.environ, **BROKEN}
    )
    assert done.returncode == 0 and "SIGABRT" in done.stdout + done.stderr and '"boards"' in done.stdout


@linux
@pytest.mark.parametrize(
    ("look", "said"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import sys, os; print('why it was', file=sys.stderr, flush=True); os.kill(os.getpid(), 11)", "why it was"),
        ("import time; time.sleep(60)", "hangs"),
    ],
)
def test_what_became_of_the_search_is_told(monkeypatch: pytest.MonkeyPatch, look: str, said: str) -> None:
    monkeypatch.setattr(audio_probe, "_LOOK", look)
    monkeypatch.setattr(audio_probe, "_LONGEST_S", 1.0)
    with pytest.raises(OutputLost, match=said):
        Probe().verdict()


@linux
@pytest.mark.parametrize("look", ["", "raise OSError('no such library')"])
def test_what_is_no_crash_is_left_to_the_one_who_opens_the_device(monkeypatch: pytest.MonkeyPatch, look: str) -> None:
    monkeypatch.setattr(audio_probe, "_LOOK", look)
    probe = Probe()
    wait_for(lambda: probe._process is None or probe._process.poll() is not None)
    probe.verdict()
    probe.verdict()  # once more is harmless

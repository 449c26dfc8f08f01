"""The real process and its signals: at every point of start and stop, once and twice; no click at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import daemons
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture
from tests.receivers import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to one process")

STEP_S = 0.095
ALONE = (*daemons.QUIET, "web.enabled=false", "session.name=signalled")


def start(number: int) -> subprocess.Popen[str]:
    settings = (*ALONE[:-1], f"session.name=signalled-{number}")
    command = [*daemons.COMMAND, "run", *(part for setting in settings for part in ("--set", setting))]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], sent: float, within: float) -> str:
    """Return what it said; it must have ended in time."""
    try:
        _, said = process.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        pytest.fail(f"it does not end: {process.args} {said[-500:]}")
    took = time.monotonic() - sent
    assert took < within, f"{took:.2f} s: {said[-500:]}"
    return said


def test_at_every_point_of_the_start() -> None:
    """Two daemons at a time, one with a signal and one with two, at growing delays up to two seconds."""
    for step in range(22):
        pair = [start(step), start(100 + step)]
        numbers = [signal.SIGTERM, signal.SIGINT][:: 1 if step % 2 else -1]
        time.sleep(step * STEP_S)
        sent = time.monotonic()
        for process, number in zip(pair, numbers, strict=True):
            process.send_signal(number)
        time.sleep(0.03)
        pair[1].send_signal(numbers[1])
        for process, number in zip(pair, numbers, strict=True):
            said = ended(process, sent, 8.0)  # 1 s, on a machine that does nothing else
            here = f"{number.name} after {step * STEP_S:g} s: {process.returncode} {said[-800:]}"
            if "KeyboardInterrupt" in said and "brainmusic_daemon/service" not in said:
                assert step * STEP_S < 1.5, here  # Python itself, before it has read a line of ours
                continue
            assert "Traceback" not in said, here
            allowed = {130} if number is signal.SIGINT else {0}
            allowed |= {-number} if "streaming" not in said else set()  # before there are handlers: the system's way
            allowed |= {130} if process is pair[1] else set()
            assert process.returncode in allowed, here


def test_a_stop_takes_less_than_a_second_and_a_second_signal_none() -> None:
    with daemons.process("web.enabled=false", name="stops") as running:
        time.sleep(0.5)
        sent = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert time.monotonic() - sent < 4.0  # below 1 on a machine that does nothing else
    with daemons.process("web.enabled=false", name="stops") as running:
        time.sleep(0.5)
        sent = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.002)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 130
        assert time.monotonic() - sent < 3.0


@pytest.mark.real
def test_the_end_is_a_fade_and_no_click(pulse: Pulse) -> None:  # noqa: F811
    """What a null sink was given, as its monitor heard it.

    On a machine that is busy with other things a capture has a gap now and then; an end that clicks does so each time.
    """
    seen: list[str] = []
    while fault := broken_off(pulse):
        seen.append(fault)
        assert len(seen) < 5, seen


def broken_off(pulse: Pulse) -> str:  # noqa: F811
    """Play, stop and look at the end of the capture; return what is wrong with it, empty: nothing."""
    settings = ("output.osc.enabled=false", "output.audio.device=pulse", "control.osc_port=0", "session.status=false")
    env = {**pulse.env, "XDG_RUNTIME_DIR": str(pulse.folder)}
    with (
        pulse.capture() as file,
        daemons.process(*settings, "web.enabled=false", name="fades", env=env, quiet=False) as running,
    ):
        wait_for(lambda: np.abs(pulse.sound(file)[-4_800:]).max(initial=0) > 0.01, 60, "for sound")
        time.sleep(1.0)
        sent = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        took = time.monotonic() - sent
        time.sleep(0.3)
        sound = pulse.sound(file).mean(axis=1)
    assert took < 6.0, took  # 0.6 s alone
    last = int(np.flatnonzero(np.abs(sound) > 1e-4)[-1])
    before, fade = sound[last - 24_000 : last - 12_000], sound[last - 4_800 : last + 1]
    parts = [np.abs(part).max() for part in np.array_split(fade, 8)]
    if not (parts[0] > 4 * parts[-1] and parts[-1] < 0.1 * np.abs(before).max()):
        return f"it breaks off instead of fading: {parts}"
    steps = np.abs(np.diff(sound[last - 4_800 : last + 4_800]))
    usual = float(np.abs(np.diff(before)).max())
    return "" if steps.max() <= 1.5 * usual else f"a step of {steps.max():.4f}, where {usual:.4f} is usual"

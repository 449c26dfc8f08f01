"""Clocks jump, stand, drift and lie: the music and the recording are what docs/reliability.md says."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.api import Frame
from tests import daemons
from tests.faults.bed import BEGIN, TICK, Flow, Heard, Wire, back_after, check, find, listen, recorded, undisturbed
from tests.heard import HELD_UP_S
from tests.receivers import wait_for

AFTER = slice(round(BEGIN * 250), None)


def stepped(name: str, step: float, folder: Path, numbered: bool = True) -> Heard:
    """Let the headset's clock jump at second BEGIN; its times are off from then on, so only the sound is compared."""
    row, flow = find(name), Flow.healthy(numbered=numbered)
    flow.times[AFTER] += step
    source = Wire(flow)
    heard = listen(source, record=folder / f"{step}.xdf")
    assert heard.finite() and recorded(heard, source)
    assert {*heard.states(BEGIN)} - {"good"} == {row.state} - {"good"}
    assert not row.message or row.says(heard.said)
    assert row.seconds is not None
    assert back_after(heard, BEGIN, undisturbed(), ages=False) <= row.seconds
    return heard


def ages(heard: Heard) -> list[float]:
    return [frame.time - frame.features.sample_time for frame in heard.frames if frame.time > BEGIN + 2]


@pytest.mark.parametrize("step", [0.1, 3600.0, 9e9])
def test_the_headsets_clock_jumps_ahead(step: float, tmp_path: Path) -> None:
    heard = stepped("headset-clock-forward", step, tmp_path)
    assert heard.counts == {"clock_steps": 1}
    assert min(ages(heard)) >= -0.5, "nothing was measured after it came"


@pytest.mark.parametrize("step", [-0.1, -3600.0])
def test_the_headsets_clock_jumps_back(step: float, tmp_path: Path) -> None:
    heard = stepped("headset-clock-back", step, tmp_path)
    assert heard.counts == {"clock_steps": 1, "backward": 1}
    assert max(ages(heard)) < 0.2


@pytest.mark.parametrize("step", [2.0, 3600.0])
def test_the_clock_jumps_ahead_without_numbers(step: float, tmp_path: Path) -> None:
    heard = stepped("headset-clock-forward-without-numbers", step, tmp_path, numbered=False)
    assert heard.counts["restarts"] == 1 and heard.counts.get("lost", 0) < 600
    assert max(map(abs, ages(heard))) < 0.5


@pytest.mark.parametrize("step", [-2.0, -3600.0])
def test_the_clock_jumps_back_without_numbers(step: float, tmp_path: Path) -> None:
    heard = stepped("headset-clock-back-without-numbers", step, tmp_path, numbered=False)
    assert heard.counts == {"clock_steps": 1, "backward": 1, "restarts": 1}


@pytest.mark.parametrize("numbered", [True, False])
def test_times_that_are_no_numbers(numbered: bool, tmp_path: Path) -> None:
    flow = Flow.healthy(numbered=numbered)
    flow.times[flow.between(15, 18)] = np.resize([np.nan, np.inf, -np.inf], 750)
    assert check("no-time-stamps", flow, 18, tmp_path).counts == {"nonfinite": 750}


def test_times_that_stand_still(tmp_path: Path) -> None:
    flow = Flow.healthy()
    there = flow.between(15, 18)
    flow.times[there] = flow.times[there][0]
    heard = check("standing-time-stamps", flow, 18, tmp_path)
    assert back_after(heard, 18, undisturbed(), ages=False) <= 0.5


@pytest.mark.parametrize("numbers", [lambda k: np.where(k < 3750, k, k - 3750), lambda k: k + (k >= 3750) * 10**9])
def test_the_counter_restarts(numbers, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    flow = Flow.healthy()
    flow.numbers = numbers(np.arange(len(flow.times)))
    heard = check("headset-counter-restarts", flow, BEGIN, tmp_path)
    assert heard.counts == {"clock_steps": 1, "restarts": 1}


@pytest.mark.parametrize(("true", "hz"), [(275.0, "9.1"), (225.0, "11.1"), (500.0, "5.0")])
def test_a_wrong_rate_is_told(true: float, hz: str) -> None:
    flow = Flow.healthy(30, numbered=False)
    flow.times, flow.arrivals = flow.times * 250 / true, flow.arrivals * 250 / true
    heard = listen(Wire(flow), 14.0)
    row = find("wrong-nominal-rate")
    assert row.says(heard.said) and f"10 Hz are taken for {hz} Hz" in " ".join(heard.said)
    assert "lost" not in heard.states(0.1) and heard.finite()


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_a_rate_that_is_nearly_right_is_not_complained_of(share: float) -> None:
    flow = Flow.healthy(30)
    flow.times, flow.arrivals = flow.times * (1 + share), flow.arrivals * (1 + share)
    assert not any("samples a second" in line for line in listen(Wire(flow), 28.0).said)


def test_the_computers_clock_is_set(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    row, frames = find("clock-set-by-a-time-server"), list[tuple[float, Frame]]()
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    with daemons.daemon("web.enabled=false", name="clock-set") as daemon:
        wait_for(lambda: daemon.session.frame is not None and daemon.session.frame.features.state != "lost", 60)
        missed, said = daemon.ticker.missed, len(caplog.messages)
        daemon.session.tap = lambda frame: frames.append((time.perf_counter(), frame))
        for hour in (3600.0, -3600.0, 0.0):
            ahead[0], count = hour, len(frames)
            wait_for(lambda count=count: len(frames) > count + 30, 30, "for the music, which goes on")  # type: ignore[misc]
        daemon.session.tap = None
        assert daemon.ticker.missed - missed < 1_500  # half a minute; an hour would be 180,000
    begin, first = frames[0][0], frames[0][1].time
    off = [at for at, frame in frames if abs(frame.time - first - (at - begin)) > HELD_UP_S]
    assert TICK * len(off) == row.seconds and all(b.time > a.time for (_, a), (_, b) in itertools.pairwise(frames))
    assert {str(frame.features.state) for _, frame in frames} <= {"calibrating", row.state}
    assert "".join(caplog.messages[said:]) == row.message

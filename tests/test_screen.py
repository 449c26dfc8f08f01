"""The status on the terminal: nothing is cut at any width, and what is bad is named."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import Controls, Features, Frame, State, StreamInfo
from brainmusic_daemon.service import screen, status
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.scribe import Scribe
from brainmusic_daemon.service.status import Driven, Status

NAMES = ("fundamental_frequency", "loudness", "brightness", "noise", "reverb", "attack", "tempo", "mode", "complexity")


def shown(channels: int = 8, bad: int = 0, state: str = "good", **outputs: dict[str, float]) -> Status:
    return Status(
        seconds=12.0,
        state=state,
        source="amp, 8 channels at 250 Hz",
        quality=tuple((f"E{i}", 0.0 if i < bad else 1.0) for i in range(channels)),
        features=tuple((f"feature_{i}", i / 9) for i in range(10)),
        drives=tuple(Driven(name, "0.123 BPM", "theta_alpha ↑") for name in NAMES),
        analysis_delay_ms=75.0,
        band_delays_ms={"delta": 300.0},
        latency={"p50_ms": 5.0, "p99_ms": 9.0},
        jitter={},
        ticks={"ticks": 600, "late": 1, "missed": 0, "failed": 0},
        source_counters={"gaps": 2},
        outputs=outputs or {"osc": {"listening.127.0.0.1:57120": 0.0}},
        lost={"audio": "no sound"},
    )


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_everything_is_there_at_any_width(width: int) -> None:
    look = shown()
    text = screen.picture(look, width).plain
    assert all(len(line) <= width for line in text.splitlines()) or width == 40  # where one cell alone is wider
    words = [name for name, _ in look.quality] + [name for name, _ in look.features]
    words += [f"{name} 0.123 BPM ← theta_alpha ↑" for name in NAMES]
    words += ["75 ms", "ticks 600", "glitches gaps 2", "nobody listens at 127.0.0.1:57120", "not open: audio"]
    assert all(word in text for word in words)
    assert len(text.splitlines()) <= 12 or width == 40


def test_the_bands_and_the_features_that_are_shown_are_one_row_of_100_columns() -> None:
    daemon = Daemon(configuration.load())
    session = daemon.session
    session.pipeline.prepare(StreamInfo("new", ("Fp1", "Fp2", "O1", "O2"), 250.0))
    bank = session.pipeline.bank
    assert bank is not None
    values = {control.name: control.rest for control in session.pipeline.host.controls}
    now = Features(1.0, 1.0, bank.names, np.full(len(bank.names), 0.5), bank.index, ("Cz",), np.ones(1), State.GOOD)
    session.frame = Frame(1.0, 0, now, Controls(1.0, values))
    look = status.snapshot(daemon)
    assert len(look.features) == 9
    (row,) = (line for line in screen.picture(look, 100).plain.splitlines() if line.startswith("brain"))
    assert all(name in row for name, _ in look.features)


def test_of_many_electrodes_the_bad_ones_are_named() -> None:
    text = screen.picture(shown(channels=64, bad=2), 80).plain
    contact = next(line for line in text.splitlines() if line.startswith("contact"))
    assert contact.split() == ["contact", "62", "of", "64", "usable", "○E0", "○E1"]


def test_failed_ticks_and_lost_data_are_glitches() -> None:
    look = shown(table={"lost": 3.0, "rows": 100.0})
    look.ticks["failed"] = 7
    text = " ".join(screen.picture(look, 80).plain.split())
    assert "table lost 3" in text and "failed ticks 7" in text and "rows" not in text


def test_the_last_frame_of_the_headset_before_explains_nothing() -> None:
    daemon = Daemon(configuration.load())
    session = daemon.session
    session.pipeline.prepare(StreamInfo("new", ("Fp1", "Fp2", "O1", "O2"), 250.0))
    values = {control.name: control.rest for control in session.pipeline.host.controls}
    old = Features(1.0, 1.0, ("alpha",), np.array([0.5]), {"alpha": 0}, ("Cz",), np.ones(1), State.GOOD)
    session.frame = Frame(1.0, 0, old, Controls(1.0, values))
    assert {driven.cause for driven in status.snapshot(daemon).drives} == {""}


def test_before_there_is_a_headset_nothing_is_lost() -> None:
    daemon = Daemon(configuration.load())
    daemon.session.frame = daemon.session.pipeline.idle(0.0)
    assert status.snapshot(daemon).state == "waiting"
    daemon.session.acquisition.seen = True  # it is there, and being prepared for
    assert status.snapshot(daemon).state == "waiting"


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_last_row_shows_the_recording_and_what_the_keys_do(width: int, tmp_path: Path) -> None:
    daemon = Daemon(configuration.load(None, ["output.audio.enabled=false"]))
    looking = screen.Screen(daemon, Scribe(logging.NullHandler()), "+ - better, worse   space mute, unmute")
    assert [cell.plain for cell in looking._footer()] == ["+ - better, worse", "space mute, unmute"]
    daemon.recorder.start(tmp_path / "evening.xdf")
    try:
        text = screen.picture(shown(), width, looking._footer()).plain
    finally:
        daemon.recorder.stop()
    assert all(word in text for word in ("● evening.xdf", "0:00 0.0 MB", "+ - better, worse", "space mute, unmute"))

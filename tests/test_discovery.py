"""What `brainmusic devices` lists, with a real stream on this machine."""

from __future__ import annotations

import json
import time

import pytest

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import discovery


def test_boards_are_listed_without_hardware() -> None:
    assert {"CYTON_BOARD", "MUSE_2_BOARD", "SYNTHETIC_BOARD"} <= set(discovery.board_names())
    assert "NO_BOARD" not in discovery.board_names()


@pytest.mark.real
def test_everything_in_text_and_json() -> None:
    import pylsl

    name = f"devices {time.monotonic_ns()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 4, 256, "float32", "me"))
    begin = time.perf_counter()
    found = discovery.everything()
    assert time.perf_counter() - begin < 10
    (stream,) = [s for s in found.lsl if s["name"] == name]
    assert (stream["type"], stream["channels"], stream["rate"], stream["source_id"]) == ("EEG", 4, 256.0, "me")
    text = discovery.as_text(found)
    assert f"{name}  (EEG, 4 × float32 at 256 Hz" in text and "muse_2" in text
    assert json.loads(discovery.as_json(found))["boards"] == found.boards
    del outlet


def test_what_is_absent_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> list[str]:
        raise ConfigError("MIDI needs more packages")

    monkeypatch.setattr(discovery, "midi_outputs", fails)
    monkeypatch.setattr(discovery, "lsl_streams", list)
    monkeypatch.setattr(discovery, "audio_outputs", list)
    found = discovery.everything()
    assert found.missing == {"midi": "MIDI needs more packages"}
    text = discovery.as_text(found)
    assert "MIDI needs more packages" in text and "none found" in text

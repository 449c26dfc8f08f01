"""The JSONL output: line for line what the wire carries."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from brainmusic_daemon.api import ConfigError, Event, Frame, Note, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.jsonl import Jsonl
from brainmusic_daemon.outputs.osc import Osc
from tests.frames import make_frame, make_info


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def as_sent(value: Any) -> Any:
    """Return a number of the file as it was on the wire: it has only the digits that tell one float32 from another."""
    return float(np.float32(value)) if isinstance(value, float) else value


def session() -> list[Frame]:
    """Return a second and a half with everything in it that may happen."""
    frames = []
    for number in range(75):
        notes = [Note(number * 0.02, 60.6, 0.1, 1 / 3)] if number % 10 == 0 else []
        notes += [Note(0, 60, math.nan, 1)] if number == 20 else []
        state = State.CALIBRATING if number < 33 else State.GOOD
        values = {"alpha": math.nan} if number in (5, 6) else {"beta": 1e300 if number == 7 else 1e-9}
        channels = ("O1", "O 2") if number >= 60 else ("TP9", "AF7", "AF8", "TP10")
        controls = {"loudness": 0.1, "z.0": 0.7} if number >= 40 else None
        events = [Event("blink", 0.0, 1 / 3), Event("alpha burst", 0.0, math.nan)] if number in (11, 62) else []
        given = {"channels": channels, "values": values, "controls": controls, "notes": notes, "events": events}
        frames.append(make_frame(number, state=state, **given))  # type: ignore[arg-type]
    return frames


def written(path: Path, frames: list[Frame], **settings: Any) -> list[Mapping[str, Any]]:
    out = Jsonl(path=path, **settings)
    out.open(VirtualClock(), make_info())
    for frame in frames:
        out.send(frame)
    out.close()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"features": ["*"], "controls": ["loudness"]},
        {"features": [], "controls": []},
        {"rate_hz": 10},
        {"heartbeat_s": 0.1},
        {"dialect": "muse"},
        {"dialect": "wekinator", "features": ["alpha*"]},
    ],
)
def test_every_line_is_a_datagram_of_osc(tmp_path: Path, wire: socket.socket, settings: dict[str, Any]) -> None:
    osc = Osc(targets=[f"127.0.0.1:{wire.getsockname()[1]}"], **settings)
    osc.open(VirtualClock(), make_info())
    sent = []
    for frame in session():
        osc.send(frame)
        while True:
            try:
                (message,) = OscPacket(wire.recv(65536)).messages
            except BlockingIOError:
                break
            sent.append((round(frame.time, 6), message.message.address, list(message.message.params)))
    count = osc.counters()["sent"]
    osc.close()  # says that it stops, which belongs to no tick
    lines = written(tmp_path / "out.jsonl", session(), **settings)
    assert [(line["time"], line["address"]) for line in lines] == [(when, address) for when, address, _ in sent]
    for line, (_, _, arguments) in zip(lines, sent, strict=True):
        assert [type(value) for value in line["args"]] == [type(value) for value in arguments]
        assert [as_sent(value) for value in line["args"]] == arguments
    assert len(lines) == count


def test_no_line_holds_a_non_finite_value_and_what_is_withheld_is_counted(tmp_path: Path) -> None:
    out = Jsonl(path=tmp_path / "out.jsonl")
    out.open(VirtualClock(), make_info())
    for frame in session():
        out.send(frame)
    out.close()
    text = (tmp_path / "out.jsonl").read_text()
    assert not any(word in text for word in ("null", "NaN", "nan", "inf"))
    assert out.counters()["withheld"] == 7  # alpha twice, beta once, one note, its tone, two events
    assert out.counters()["messages"] == len(text.splitlines())


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", session())
    written(tmp_path / "b.jsonl", session())
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_opened_again_it_goes_on_in_the_same_file(tmp_path: Path) -> None:
    out = Jsonl(path=tmp_path / "out.jsonl", features=["alpha"], controls=[])
    for number in range(2):
        out.open(VirtualClock(), make_info())
        out.send(make_frame(number))
        out.close()
        out.close()
    out.send(make_frame(2))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["time"] for line in lines if line["address"] == "/brainmusic/feature/alpha"] == [0.0, 0.02]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        Jsonl(path=tmp_path / "missing" / "out.jsonl").open(VirtualClock(), make_info())

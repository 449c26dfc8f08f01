"""Panic, mute and gain at the outputs: past the tick, without a click, and kept when an output is away."""

from __future__ import annotations

import socket
from dataclasses import replace

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from brainmusic_daemon.api import Note, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.outputs.midi import Midi
from brainmusic_daemon.outputs.osc import Osc
from brainmusic_daemon.service.sounding import Sounding
from brainmusic_daemon.synth.engine import Engine, warm_up
from tests.frames import make_frame
from tests.listening import PLAIN, RATE

NOTHING = StreamInfo("", (), 0.0)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm_up(lambda text: None)


def playing(reverb: float = 1.0) -> Engine:
    engine = Engine()
    engine.control({**PLAIN, "reverb": reverb})
    engine.render(RATE)
    return engine


def test_a_fade_past_the_queue_is_silence_within_50_ms_and_empties_the_room() -> None:
    engine = playing()
    while engine.control(PLAIN):  # the queue is full: the tick is late, and hours of controls wait
        pass
    engine.fade_now(0.0, 0.02, wipe=True)
    sound = engine.render(int(0.05 * RATE))
    assert np.abs(sound[int(0.03 * RATE) :]).max() < 1e-4
    assert np.abs(engine.render(RATE)).max() < 1e-6
    engine.fade_now(1.0, 0.3)
    assert np.abs(engine.render(48)).max() < 1e-3  # nothing of the old room comes back at once
    assert np.abs(engine.render(RATE)).max() > 0.01


@pytest.mark.parametrize(
    "act", [lambda e: e.fade_now(0.0, 0.3), lambda e: e.set_gain(-30.0), lambda e: e.set_gain(6.0)]
)
def test_mute_and_gain_do_not_click(act) -> None:  # type: ignore[no-untyped-def]
    engine, same = playing(), playing()
    act(engine)
    changed, plain = engine.render(RATE), same.render(RATE)
    second = lambda sound: np.abs(np.diff(sound, 2, axis=0)).max()  # noqa: E731
    assert not np.array_equal(changed, plain)
    assert second(changed) < 2.2 * second(plain)  # 6 dB more are twice as much


def test_gain_is_in_decibels() -> None:
    engine, same = playing(), playing()
    engine.set_gain(-20.0)
    engine.render(RATE), same.render(RATE)
    loud, quiet = same.render(RATE), engine.render(RATE)
    assert 20 * np.log10(np.std(quiet) / np.std(loud)) == pytest.approx(-20.0, abs=0.05)


def test_the_audio_output_keeps_what_it_was_told_until_the_device_is_there() -> None:
    audio = Audio()
    audio.panic()
    audio.gain(-12.0)
    assert audio._silent and audio._gain_db == -12.0
    audio.mute(False)
    assert not audio._silent


def test_the_level_is_the_configured_one_until_another_is_set() -> None:
    sounding = Sounding({"midi": Midi(controls={}), "audio": Audio(gain_db=-30.0)})
    assert sounding.gain_db == -30.0 and sounding.set_db is None  # nothing to keep for the next start
    assert sounding.gain(-29.5) == 1
    assert (sounding.gain_db, sounding.set_db) == (-29.5, -29.5)
    silent = Sounding({"midi": Midi(controls={})})
    assert silent.gain(-3.0) == 0 and silent.gain_db is None


def test_osc_sends_no_notes_in_silence_and_says_what_it_is_asked_to() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        osc = Osc(targets=[f"127.0.0.1:{receiver.getsockname()[1]}"], features=["alpha"], controls=["tempo"])
        osc.open(VirtualClock(), NOTHING)

        def heard(number: int) -> set[str]:
            osc.send(make_frame(number, notes=(Note(0.02 * number, 60.0, 0.5, 0.2),)))
            found = set()
            receiver.settimeout(0.5)
            try:
                while True:
                    found.add(OscMessage(receiver.recv(65536)).address)
            except TimeoutError:
                return found

        sounding = Sounding({"osc": osc})
        assert "/brainmusic/note" in heard(1)
        sounding.panic()
        assert (first := OscMessage(receiver.recv(65536))).address == "/brainmusic/panic" and first.params == [1]
        quiet = heard(2)
        assert "/brainmusic/note" not in quiet and "/brainmusic/control/tempo" in quiet
        sounding.mute(False)
        assert {"/brainmusic/note", "/brainmusic/panic", "/brainmusic/mute"} <= heard(3)
        osc.say("/brainmusic/explain/tempo", ("alpha", float("nan")))
        assert not {"/brainmusic/explain/tempo"} & heard(4)  # never a value that is none
        osc.close()
        osc.say("/brainmusic/explain/tempo", ("alpha", 0.5))


class Port:
    """Stands for rtmidi's port, which this machine may not have; what is sent over a real one, test_midi hears."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, ...]] = []

    def send_message(self, data: tuple[int, ...]) -> None:
        self.sent.append(tuple(data))


def test_midi_ends_its_notes_and_begins_none_until_the_silence_is_over() -> None:
    midi, port = Midi(controls={}), Port()
    midi._port, midi._clock = port, VirtualClock()
    frame = make_frame(1, notes=(Note(0.0, 60.0, 0.5, 5.0),))
    midi.send(frame)
    assert (0x90, 60, 64) in port.sent
    port.sent.clear()
    midi.panic()
    assert {(0x80, 60, 0), (0xB0, 120, 0), (0xB0, 123, 0)} <= {*port.sent}
    port.sent.clear()
    midi.send(replace(frame, number=2))
    assert not port.sent
    midi.mute(False)
    midi.send(replace(frame, number=3))
    assert (0x90, 60, 64) in port.sent
    port.sent.clear()
    midi.mute(True)
    assert (0x80, 60, 0) in port.sent and (0xB0, 120, 0) not in port.sent  # what rings may ring on


def test_an_output_that_fails_does_not_keep_the_others_sounding(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def panic(self) -> None:
            raise RuntimeError("stuck")

    midi = Midi(controls={})
    Sounding({"broken": Broken(), "midi": midi}).panic()  # type: ignore[dict-item]
    assert midi._silent

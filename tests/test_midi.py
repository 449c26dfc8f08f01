"""MIDI: every note ends, controllers flood nobody, the file is exact, ports are real ones of JACK."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from brainmusic_daemon.api import ConfigError, Note, OutputLost
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.outputs.midi import Midi
from brainmusic_daemon.outputs.midi_events import Bytes, Events
from brainmusic_daemon.outputs.smf import Smf
from brainmusic_daemon.service import host as hosting
from brainmusic_daemon.service.host import OutputHost
from brainmusic_daemon.service.sounding import Sounding
from tests.faults import find
from tests.frames import make_frame, make_info
from tests.parts import require
from tests.receivers import jack, wait_for

mido = pytest.importorskip("mido")


def played(events: Events, notes: list[Note], seconds: float = 10.0, tick: float = 0.02) -> list[tuple[float, Bytes]]:
    """Hand the notes over two ticks ahead, as a score does; return all messages."""
    found: list[tuple[float, Bytes]] = []
    for number in range(int(seconds / tick)):
        time = number * tick
        new = [note for note in notes if time < note.time - 2 * tick + 1e-9 <= time + tick]
        events.take(make_frame(number, time=time, notes=new))
        found += events.due(time)
    return found


def test_a_pitch_that_begins_again_ends_first_and_once() -> None:
    notes = [Note(1.0, 60, 0.5, 2.0), Note(2.0, 60, 0.5, 2.0), Note(2.0, 64, 0.5, 0.5)]
    messages = [(t, m[0] & 0xF0, m[1]) for t, m in played(Events(controls={}), notes)]
    assert messages == [
        (1.0, 0x90, 60), (2.0, 0x80, 60), (2.0, 0x90, 60), (2.0, 0x90, 64), (2.5, 0x80, 64), (4.0, 0x80, 60),
    ]  # fmt: skip


def test_channels_velocities_and_pitches_are_what_midi_can_say() -> None:
    events = Events(channel=14, controls={})
    notes = [Note(1, 60.4, 0.5, 1, channel=3), Note(1, 200, 0.0, 1), Note(1, float("nan"), 1, 1)]
    begins = [m for _, m in played(events, notes) if m[0] & 0xF0 == 0x90]
    assert begins == [(0x91, 60, 64), (0x9E, 127, 1)]


def test_a_controller_changes_at_most_so_often_and_ends_where_the_control_is() -> None:
    events = Events(controls={"loudness": 7, "brightness": 74}, rate_hz=10.0)
    found: list[tuple[float, Bytes]] = []
    for number in range(200):
        time = number * 0.02
        loud = 0.1 + 0.9 * min(number / 100, 1.0)
        events.take(make_frame(number, time=time, controls={"loudness": loud, "brightness": 0.5}))
        found += events.due(time)
    loudness = [(t, m[2]) for t, m in found if m[1] == 7]
    assert [value for _, value in loudness] == sorted({value for _, value in loudness})
    assert loudness[-1][1] == 127
    assert min(b - a for (a, _), (b, _) in itertools.pairwise(loudness)) >= 0.1 - 1e-9
    assert 15 <= len(loudness) <= 22
    assert len([m for _, m in found if m[1] == 74]) == 1  # it never changed
    assert events.limited > 50


def test_silence_ends_what_sounds_and_forgets_what_waits() -> None:
    events = Events(controls={})
    events.take(make_frame(0, time=0.0, notes=[Note(0.0, 60, 1, 5), Note(0.04, 62, 1, 5)]))
    assert [m for _, m in events.due(0.0)] == [(0x90, 60, 127)]
    ended = [m for _, m in events.silence(0.02, hard=True)]
    assert ended[0] == (0x80, 60, 0)
    assert {m[1] for m in ended[1:]} == {120, 121, 123}
    assert [*events.due(100.0)] == []


@pytest.mark.parametrize(
    ("controls", "says"),
    [({"loudnes": 7}, "did you mean 'loudness'"), ({"mode": 128}, "0 to 119"), ({"mode": 7, "loudness": 7}, "share")],
)
def test_wrong_controllers_are_refused(controls: dict[str, int], says: str, tmp_path: Path) -> None:
    for made in (lambda: Midi(controls=controls), lambda: Smf(path=tmp_path / "x.mid", controls=controls)):
        with pytest.raises(ConfigError, match=says):
            made()


def test_the_file_holds_every_note_within_a_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "piece.mid"
    smf = Smf(path=path)
    clock = VirtualClock(3.0)  # a session that has been going on
    smf.open(clock, make_info())
    notes = [Note(3.1 + 0.1234567 * n, 50 + n % 20, 0.5, 0.2, channel=n % 3) for n in range(300)]
    for number in range(2000):
        time = 3.0 + number * 0.02
        new = [note for note in notes if time < note.time - 0.04 + 1e-9 <= time + 0.02]
        smf.send(make_frame(number, time=time, notes=new))
    smf.close()
    at, begun, held = 0.0, [], 0
    for message in mido.MidiFile(path):
        at += message.time
        if message.type == "note_on":
            begun.append((at + 3.0, message.note, message.channel))
            held += 1
        held -= message.type == "note_off"
    assert held == 0
    assert [b[1:] for b in begun] == [(round(n.pitch), n.channel) for n in notes]
    assert max(abs(b[0] - note.time) for b, note in zip(begun, notes, strict=True)) < 0.0005


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"):
        Smf(path=tmp_path / "absent" / "x.mid").open(VirtualClock(), make_info())


def test_without_a_midi_system_or_port_the_way_out_is_said() -> None:
    rtmidi = pytest.importorskip("rtmidi")
    known = [rtmidi.get_api_name(number) for number in rtmidi.get_compiled_api()]
    row, said = find("midi-none"), list[str]()
    with pytest.raises(OutputLost, match="there is no system 'jakc' here") as caught:
        Midi(api="jakc").open(VirtualClock(), make_info())
    said.append(str(caught.value))
    if "dummy" in known:
        with pytest.raises(OutputLost, match="no MIDI port") as caught:
            Midi(api="dummy", port="nobody").open(VirtualClock(), make_info())
        said.append(str(caught.value))
    assert all(row.says([text]) for text in said), said
    assert row.seconds == max(hosting._RETRY_S), "the longest pause between two looks for it"


class SlowPort:
    """Takes its time over the begin of a note."""

    def __init__(self) -> None:
        self.got: list[Bytes] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def send_message(self, data: Bytes) -> None:
        if data[0] & 0xF0 == 0x90:
            self.entered.set()
            self.go_on.wait(30.0)
        self.got.append(data)

    def close_port(self) -> None: ...

    def delete(self) -> None: ...


@pytest.mark.parametrize("end", ["panic", "mute", "close"])
def test_a_note_that_is_being_sent_is_ended_after_it_began(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has taken a note from the queue, and hangs over it, when everything is asked to end."""
    port, clock = SlowPort(), WallClock()
    midi = Midi(controls={})
    monkeypatch.setattr(midi, "_open_port", lambda: port)
    midi.open(clock, make_info())
    midi.send(make_frame(0, time=clock.now(), notes=[Note(clock.now(), 60, 0.5, 60.0)]))
    assert port.entered.wait(30.0)
    act = {"panic": midi.panic, "mute": lambda: midi.mute(True), "close": midi.close}[end]
    ending = threading.Thread(target=act)
    ending.start()
    ending.join(0.1)  # it has had time to get ahead
    port.go_on.set()
    ending.join(30.0)
    wait_for(lambda: (0x80, 60, 0) in port.got, 30, "for the end of the note")
    midi.close()
    assert [data[0] & 0xF0 for data in port.got if data[0] & 0xF0 in (0x80, 0x90)][:2] == [0x90, 0x80]


def test_a_port_that_hangs_holds_up_neither_panic_nor_mute_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    port, clock = SlowPort(), WallClock()
    midi, told = Midi(controls={}), list[str]()

    class Sound:
        """Sounds here, and stands behind MIDI in the configuration."""

        def gain(self, decibels: float) -> None: ...

        def mute(self, on: bool) -> None:
            told.append("mute")

        def panic(self) -> None:
            told.append("panic")

    monkeypatch.setattr(midi, "_open_port", lambda: port)
    monkeypatch.setattr(midi, "mute", lambda on: (told.append("midi"), Midi.mute(midi, on)))
    outputs = {"midi": midi, "audio": Sound()}
    sounding, host = Sounding(outputs), OutputHost(outputs, clock, make_info(), lambda outputs: None)  # type: ignore[arg-type]
    midi.open(clock, make_info())
    host._open = dict(outputs)  # type: ignore[assignment]
    midi.send(make_frame(0, time=clock.now(), notes=[Note(clock.now(), 60, 0.5, 60.0)]))
    assert port.entered.wait(30.0)
    begun = time.monotonic()
    sounding.panic()
    sounding.mute(True)
    for _ in range(1000):
        midi.panic()
    host.fade()
    assert time.monotonic() - begun < 0.5
    assert told == ["panic", "mute", "midi", "mute", "midi"], "what sounds here is silent first"
    assert len(midi._endings) < 10
    port.go_on.set()
    wait_for(lambda: (0xB0, 120, 0) in port.got and (0x80, 60, 0) in port.got, 30, "for the ends")
    assert port.got.index((0x80, 60, 0)) > port.got.index(next(data for data in port.got if data[0] == 0x90))
    midi.close()


def test_a_port_that_hangs_for_ever_is_left_behind_and_another_one_opened(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, fresh, clock = SlowPort(), SlowPort(), WallClock()
    midi, waiting = Midi(controls={}), [stuck, fresh]
    fresh.go_on.set()
    monkeypatch.setattr(midi, "_open_port", lambda: waiting.pop(0))
    midi.open(clock, make_info())
    midi.send(make_frame(0, time=clock.now(), notes=[Note(clock.now(), 60, 0.5, 60.0)]))
    assert stuck.entered.wait(30.0)
    begun = time.monotonic()
    midi.close()
    assert time.monotonic() - begun < 1.0 and "leaving it behind" in caplog.text
    midi.open(clock, make_info())
    midi.send(make_frame(1, time=clock.now(), notes=[Note(clock.now(), 62, 0.5, 0.05)]))
    wait_for(lambda: (0x80, 62, 0) in fresh.got, 30, "for a note on the other port")
    stuck.go_on.set()
    wait_for(
        lambda: sum(thread.name == "midi" for thread in threading.enumerate()) == 1, 30, "for the old thread's end"
    )
    assert all(data[1] != 62 for data in stuck.got)
    midi.close()


_LISTENER = """
import sys, time, json, rtmidi
got = []
jack = next(n for n in rtmidi.get_compiled_api() if rtmidi.get_api_name(n) == "jack")
heard = rtmidi.MidiIn(jack, name="listener")
for _ in range(400):
    ports = [n for n, name in enumerate(heard.get_ports()) if "brainmusic" in name]
    if ports:
        break
    time.sleep(0.02)
heard.open_port(ports[0])
print("listening", flush=True)
end = time.monotonic() + 20
done = False
while time.monotonic() < end and not done:
    found = heard.get_message()
    if found is None:
        time.sleep(0.0005)
        continue
    got.append([time.monotonic(), *found[0]])
    done = found[0][0] & 0xF0 == 0xB0 and found[0][1] == 121
print(json.dumps(got), flush=True)
"""

_PLAYER = """
import sys, time
from brainmusic_daemon.api import Note
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.midi import Midi
from tests.frames import make_frame, make_info
clock = WallClock()
midi = Midi(api="jack", virtual=True)
midi.open(clock, make_info())
sys.stdin.readline()
begin = clock.now() + 0.1
origin = time.monotonic() - clock.now()
times = []
for number in range(50):
    clock.wait_until(begin + 0.02 * number)
    notes = []
    if number % 5 == 0:
        onset = begin + 0.02 * number + 0.0331
        times.append(onset + origin)
        notes = [Note(onset, 60 + number // 5, 0.5, 0.05)]
    midi.send(make_frame(number, time=begin + 0.02 * number, notes=notes))
clock.wait_until(clock.now() + 0.2)
midi.send(make_frame(99, time=clock.now(), notes=[Note(clock.now(), 90, 0.5, 60.0)]))
clock.wait_until(clock.now() + 0.1)
midi.close()
assert midi.counters()["errors"] == 0, midi.counters()
print(times)
"""


@pytest.mark.real
def test_notes_arrive_on_time_over_jack_and_all_end() -> None:
    import json

    rtmidi = pytest.importorskip("rtmidi")
    require("jack" in [rtmidi.get_api_name(number) for number in rtmidi.get_compiled_api()], "python-rtmidi with JACK")
    with jack() as env:
        environment = {**os.environ, **env, "PYTHONPATH": str(Path(__file__).parent.parent)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
        with (
            subprocess.Popen([sys.executable, "-c", _PLAYER], **pipes) as player,  # type: ignore[call-overload]
            subprocess.Popen([sys.executable, "-c", _LISTENER], **pipes) as listener,  # type: ignore[call-overload]
        ):
            assert listener.stdout.readline() == "listening\n"
            sent, _ = player.communicate("go\n", timeout=30)
            got = json.loads(listener.communicate(timeout=30)[0])
    onsets = json.loads(sent.splitlines()[-1])
    begins = [entry for entry in got if entry[1] & 0xF0 == 0x90]
    assert [entry[2] for entry in begins] == [*range(60, 70), 90]
    ends = [entry[2] for entry in got if entry[1] & 0xF0 == 0x80]
    assert ends == [*range(60, 70), 90]  # the last one is held for a minute: closing ended it
    late = [entry[0] - onset for entry, onset in zip(begins, onsets, strict=False)]
    assert min(late) > -0.002
    assert sorted(late)[len(late) // 2] < 1.0  # below 0.02, as JACK hands over once a period of 5.3 ms
    assert {entry[2] for entry in got if entry[1] & 0xF0 == 0xB0} >= {7, 74, 121, 123}

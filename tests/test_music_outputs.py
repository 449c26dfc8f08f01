"""A score played live: to Pure Data, over UDP at the onset, in bundles tagged to the millisecond, to the sound card."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.api import Controls, Frame, Note
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.music import preset
from brainmusic_daemon.music.score import Score
from brainmusic_daemon.outputs.osc import AHEAD_S, Osc
from brainmusic_daemon.outputs.osc_encoding import NTP_EPOCH_S
from brainmusic_daemon.outputs.schedule import Schedule
from tests.frames import make_frame, make_info
from tests.parts import free_port
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture
from tests.receivers import pd_receiver, wait_for
from tests.test_music import REST, TICK


def perform(osc: Osc, seconds: float, clock: WallClock) -> list[Note]:
    """Play an arpeggio live; return its notes."""
    score = Score(preset.load("arpeggio"), 1, TICK)
    blank, found = make_frame(0, controls={}), []
    values = {**REST, "tempo": 150.0, "density": 0.8}
    begin = clock.now() + 0.05
    for number in range(int(seconds / TICK)):
        at = begin + number * TICK
        clock.wait_until(at)
        notes = score.advance(at, values)
        found += notes
        osc.send(Frame(at, number, blank.features, Controls(at, {}), notes))
    clock.wait_until(clock.now() + 0.1)
    return found


def look(clock: WallClock) -> tuple[float, float]:
    """Return how long it took to read both clocks, and the Unix time of session time 0."""
    before, unix, after = clock.now(), time.time(), clock.now()
    return after - before, unix - (before + after) / 2


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, list[tuple[float, bytes]]]]:
    """Receive on a UDP port in a thread; gives (monotonic time, datagram)."""
    received: list[tuple[float, bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(0.1)
        done = threading.Event()

        def work() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    data = ear.recv(2048)
                    received.append((time.perf_counter(), data))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield ear.getsockname()[1], received
        finally:
            done.set()
            thread.join()


def test_plain_notes_leave_at_their_onsets() -> None:
    with listening() as (port, received):
        clock = WallClock()
        origin = time.perf_counter() - clock.now()
        osc = Osc(targets=[f"127.0.0.1:{port}"], features=["none"])
        osc.open(clock, make_info())
        notes = perform(osc, 2.0, clock)
        osc.close()
    arrived = [at - origin for at, data in received if data.startswith(b"/brainmusic/note")]
    assert len(arrived) == len(notes) > 10
    late = np.array(arrived) - [note.time for note in notes]
    assert late.min() > -0.001
    assert np.median(late) < 0.005  # far below a tick, which is how far they would be off if they left with it


def test_tags_are_the_onsets_within_a_millisecond() -> None:
    with listening() as (port, received):
        clock = WallClock()
        osc = Osc(targets=[f"127.0.0.1:{port}"], features=["none"], mode="bundle", timetag="scsynth")
        osc.open(clock, make_info())
        unix = min((span, unix) for span, unix in (look(clock) for _ in range(100)))[1]
        notes = perform(osc, 2.0, clock)
        osc.close()
    tags = []
    for _, data in received:
        if b"/brainmusic/note" in data:
            seconds, fraction = struct.unpack(">II", data[8:16])
            tags.append(seconds - NTP_EPOCH_S + fraction / 2**32 - unix - AHEAD_S)
    assert len(tags) == len(notes) > 10
    assert np.abs(np.array(tags) - [note.time for note in notes]).max() < 0.001


@pytest.mark.real
def test_a_score_arrives_in_pure_data() -> None:
    port = free_port()
    with pd_receiver(port) as received:
        clock = WallClock()
        osc = Osc(targets=[f"127.0.0.1:{port}"], features=["none"])
        osc.open(clock, make_info())
        notes = perform(osc, 2.0, clock)

        def heard() -> list[list[float]]:
            return [[*map(float, args)] for address, args in received if address == "/brainmusic/note"]

        wait_for(lambda: len(heard()) >= len(notes), 30, "for the notes")
        osc.close()
    wanted = [[round(note.pitch), note.velocity, note.duration] for note in notes]
    np.testing.assert_allclose(heard(), wanted, rtol=1e-5)


def test_a_schedule_keeps_order_survives_errors_and_forgets_on_closing() -> None:
    clock = WallClock()
    schedule = Schedule(clock, "test")
    called: list[str] = []
    now = clock.now()
    schedule.at(now + 0.06, lambda: called.append("second"))
    schedule.at(now + 0.03, lambda: called.append("first"))
    schedule.at(now + 0.04, lambda: called[99])
    schedule.at(now + 60, lambda: called.append("never"))
    wait_for(lambda: "second" in called)
    schedule.close()
    schedule.close()
    assert called == ["first", "second"]
    assert schedule.failed == 1


ATTEMPTS = 8
_PLAYER = """
import json, sys
from brainmusic_daemon.api import Controls, Drone, Frame, Note
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.audio import Audio
from tests.frames import make_frame, make_info
from tests.listening import PLAIN
clock = WallClock()
audio = Audio(device="pulse", frames=1_024, latency="high")
audio.open(clock, make_info())
blank = make_frame(0)
drone = Drone(110.0, 0, 0.0, 0.0, 1.0)
values = {**PLAIN, "brightness": 0.0}
begin, due, onsets = clock.now() + 0.2, 0.0, []
for number in range(200):
    at = begin + number * 0.02
    clock.wait_until(at)
    notes = ()
    if number * 0.02 >= due:
        onset = begin + due + 0.0314
        onsets.append(onset)
        notes = (Note(onset, 69.0, 0.9, 0.04, attack=0.004, release=0.01),)
        due += 0.2437
    audio.send(Frame(at, number, blank.features, Controls(at, values), notes, drone))
clock.wait_until(clock.now() + 0.3)
print(json.dumps([onsets, dict(audio.counters())]))
audio.close()
"""


def unevenness(pulse: Pulse) -> str:  # noqa: F811
    """Play a row of notes and measure their onsets in the capture; return what is wrong, empty: nothing."""
    env = {**pulse.env, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with pulse.capture() as file:
        done = subprocess.run([sys.executable, "-c", _PLAYER], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    onsets, counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["notes"] == len(onsets)
    if counts["underflows"] or counts["notes_late"] > 2:  # each shifts what follows
        return f"{counts['underflows']:.0f} underflows, {counts['notes_late']:.0f} notes late"
    sound = np.abs(pulse.sound(file)).max(axis=1)
    quiet = np.convolve(sound, np.ones(480) / 480, mode="same")  # 10 ms
    loud = quiet > 0.3 * quiet.max()
    begins = np.flatnonzero(loud[1:] & ~loud[:-1])
    begins = begins[np.concatenate([[True], np.diff(begins) > 4_800])]
    if len(begins) != len(onsets):
        return f"{len(begins)} of {len(onsets)} notes heard"
    error = (begins - begins[0]) / pulse.samplerate - (np.array(onsets) - onsets[0])
    steps = np.abs(np.diff(error[5:]))
    middle, most = 1000 * float(np.median(steps)), 1000 * float(steps.max())
    return f"neighbours moved by {middle:.2f} ms, {most:.2f} at most" if middle > 0.5 or most > 2.0 else ""


@pytest.mark.real
def test_notes_are_as_evenly_spaced_in_the_sound_as_in_the_score(pulse: Pulse) -> None:  # noqa: F811
    """A machine that is busy with other things spoils a capture now and then; uneven notes spoil every one."""
    seen: list[str] = []
    while fault := unevenness(pulse):
        seen.append(fault)
        assert len(seen) < ATTEMPTS, seen


def test_a_render_is_the_same_each_time_and_its_files_agree(tmp_path: Path) -> None:
    """The whole daemon, offline: the simulated person plays an arpeggio; sound, MIDI and OSC twice."""
    from brainmusic_daemon import config, registry
    from brainmusic_daemon.service.render import render

    mido = pytest.importorskip("mido")
    made = []
    for turn in range(2):
        names = {"wav": f"{turn}.wav", "smf": f"{turn}.mid", "jsonl": f"{turn}.jsonl"}
        outputs = {
            kind: registry.build("output", kind, {"path": str(tmp_path / name)}, kind) for kind, name in names.items()
        }
        render(config.load(overrides=["music.preset=arpeggio"]), outputs, seconds=12.0)
        made.append([(tmp_path / name).read_bytes() for name in names.values()])
    assert made[0] == made[1]
    lines = [json.loads(line) for line in made[0][2].splitlines()]
    sent = sorted((line["time"], line["args"][0]) for line in lines if line["address"] == "/brainmusic/note")
    at, played = 0.0, []
    for message in mido.MidiFile(tmp_path / "0.mid"):
        at += message.time
        if message.type == "note_on":
            played.append((at, message.note))
    assert len(sent) == len(played) > 10
    for (a, pitch), (b, other) in zip(sent, sorted(played), strict=True):
        assert pitch == other
        assert abs(a - b) < 0.001


def test_the_default_sends_no_notes_and_leaves_the_synth_its_chord() -> None:
    from brainmusic_daemon import config
    from brainmusic_daemon.pipeline import Pipeline

    pipeline = Pipeline(config.load())
    frames = [pipeline.idle(number * TICK) for number in range(200)]
    assert all(frame.notes == () and frame.drone is None for frame in frames)
    playing = Pipeline(config.load(overrides=["music.preset=pulse"]))
    frames = [playing.idle(number * TICK) for number in range(2000)]
    assert sum(len(frame.notes) for frame in frames) > 3  # nobody is there: thinned out, not dead
    assert all(frame.drone is not None for frame in frames)

"""Devices come and go while a daemon plays: each is found again alone, and none takes another down."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon import liblsl
from brainmusic_daemon.api import Chunk, Clock, Frame, OutputLost, SourceLost, State, StreamInfo
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.service import host as hosting
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.host import OutputHost
from tests import daemons, parts
from tests.daemons import shell
from tests.faults import find
from tests.frames import TICK_S, make_info
from tests.heard import HELD_UP_S
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture
from tests.receivers import jack, wait_for

SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else

# --- the host ---------------------------------------------------------------------------------------------------------


class Unplugged:
    """An output whose device is pulled out when it is told to, and takes two attempts to come back."""

    def __init__(self) -> None:
        self.gone = ""
        self.opened = self.closed = self.refused = 0

    def open(self, clock: Clock, info: StreamInfo) -> None:
        self.gone = ""
        self.opened += 1
        if self.opened in (2, 3):
            self.refused += 1
            raise OutputLost("not there")

    def send(self, frame: object) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def counters(self) -> dict[str, float]:
        return {}


def test_an_output_that_is_gone_is_closed_and_opened_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = find("output-pulled-out")
    assert row.seconds == max(hosting._RETRY_S), "the longest pause between two looks for it"
    monkeypatch.setattr(hosting, "_RETRY_S", (0.02,))
    monkeypatch.setattr(hosting, "_LOOK_S", 0.01)
    seen: list[int] = []
    steady, loose = Unplugged(), Unplugged()
    loose_host = OutputHost({"steady": steady, "loose": loose}, WallClock(), make_info(), lambda o: seen.append(len(o)))
    loose_host.start()
    wait_for(lambda: seen[-1:] == [2])
    loose.gone = "the port is gone"
    wait_for(lambda: loose.opened == 4 and seen[-1] == 2)
    assert (loose.closed, loose.refused, steady.opened, steady.closed) == (1, 2, 1, 0)
    assert seen[:4] == [1, 2, 1, 2] and loose_host.lost == {}
    assert [row.says([message]) for message in caplog.messages].count(True) == 1, caplog.messages
    loose_host.stop()
    assert not any(thread.name.startswith("open-") for thread in threading.enumerate())


def test_pauses_grow_and_are_left_to_chance() -> None:
    made = OutputHost({}, WallClock(), make_info(), lambda outputs: None)
    pauses = [[made._pause(tries) for _ in range(50)] for tries in range(6)]
    assert all(len({*some}) > 10 for some in pauses)
    assert all(max(a) <= 1.3 * min(b) or a is b for a, b in itertools.pairwise(pauses[:4]))
    assert max(pauses[5]) <= hosting._RETRY_S[-1]


# --- sound and MIDI, for real -----------------------------------------------------------------------------------------


@pytest.mark.real
def test_sound_comes_back_and_osc_goes_on(pulse: Pulse) -> None:  # noqa: F811
    """The audio server is killed in mid-run and started anew."""
    row = find("audio-gone")
    env = {**pulse.env, "XDG_RUNTIME_DIR": str(pulse.folder)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc:
        osc.bind(("127.0.0.1", 0))
        osc.settimeout(1.0)
        arrived: list[float] = []
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    osc.recv(65536)
                    arrived.append(time.monotonic())
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        settings = ("output.audio.device=pulse", "web.enabled=false", "control.osc_port=0", "session.status=false")
        target = f'output.osc.targets=["127.0.0.1:{osc.getsockname()[1]}"]'
        with daemons.process(*settings, target, name="pulled", env=env, quiet=False) as running:
            with pulse.capture() as file:
                wait_for(lambda: np.abs(pulse.sound(file)).max(initial=0) > 0.01, 60, "for sound")
            begin = time.monotonic()
            pulse.kill()
            wait_for(lambda: row.says(running.said), 60, f"for a word: {running.said[-5:]}")
            before = len(arrived)
            wait_for(lambda: len(arrived) > before + 1_000, 30, "for OSC")  # some twenty datagrams a tick
            pulse.start()
            there = time.monotonic()
            running.wait_for("the audio device is back")
            end = time.monotonic()
            assert row.seconds is not None and end - there <= row.seconds + SLOW_S
            with pulse.capture() as file:
                wait_for(lambda: np.abs(pulse.sound(file)).max(initial=0) > 0.01, 60, "for sound again")
        done.set()
        listener.join()
    ticks = [at for at in arrived if begin < at < end]
    assert max(b - a for a, b in itertools.pairwise([begin, *ticks, end])) < HELD_UP_S


@pytest.mark.real
def test_a_midi_port_that_vanishes_is_found_again() -> None:
    pytest.importorskip("rtmidi")
    row = find("midi-gone")
    code = (
        "import rtmidi, sys\n"
        "api = next(a for a in rtmidi.get_compiled_api() if rtmidi.get_api_name(a) == 'jack')\n"
        "port = rtmidi.MidiIn(api, name='drummer'); port.open_virtual_port('in')\n"
        "print('there', flush=True); sys.stdin.read()\n"
    )

    @contextmanager
    def instrument(env: dict[str, str]) -> Iterator[None]:
        with subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stdin is not None
            assert process.stdout.readline() == "there\n"
            try:
                yield
            finally:
                process.kill()

    with jack() as found:
        env = {**os.environ, **found}
        settings = ("output.midi.port=drummer", "output.midi.api=jack", "web.enabled=false")
        with instrument(env):
            running = daemons.Process(*settings, name="drummer", env=env)
            try:
                running.wait_for("getting to know")
                wait_for(lambda: sent("drummer") > 0)
            except BaseException:
                running.end()
                raise
        try:
            gone = running.wait_for("the MIDI port 'drummer:in' is gone")
            assert row.says([gone])
            with instrument(env):
                there = time.monotonic()
                running.wait_for("output 'midi' is back")
                assert row.seconds is not None and time.monotonic() - there <= row.seconds + SLOW_S
                wait_for(lambda: sent("drummer") > 0)
        finally:
            running.end()


def sent(name: str) -> float:
    return float(json.loads(shell("status", "--json", "--name", name).stdout)["outputs"]["midi"]["sent"])


# --- the headset ------------------------------------------------------------------------------------------------------


class Mortal:
    """A headset that dies when it is told to and can be had again at once: a rhythm at 10 Hz, in real time."""

    def __init__(self) -> None:
        self.dead = False
        self.opened = 0

    def open(self, clock: Clock) -> StreamInfo:
        if self.dead:
            raise SourceLost("source 'mortal' is switched off")
        self.opened += 1
        self._clock, self._at = clock, clock.now()
        return replace(make_info(), name="mortal")

    def read(self, timeout: float) -> Chunk | None:
        if self.dead:
            raise SourceLost("source 'mortal' has died")
        info = make_info()
        count = int((self._clock.now() - self._at) * info.samplerate)
        if not count:
            self._clock.wait_until(self._clock.now() + 0.01)
            return None
        times = self._at + np.arange(1, count + 1) / info.samplerate
        self._at = float(times[-1])
        wave = 20 * np.sin(2 * np.pi * 10 * times)[:, None] + np.random.default_rng(count).normal(
            0, 5, (count, len(info.channels))
        )
        return Chunk(wave, times)

    def close(self) -> None:
        pass


@contextmanager
def mortal(*more: str) -> Iterator[tuple[Daemon, Mortal]]:
    source = Mortal()
    settings = [*daemons.QUIET, "session.name=mortal", "web.enabled=false", "session.silence_s=0.3"]
    settings += more
    settings.append(f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]')
    made = Daemon(replace(configuration.load(None, settings), source=source))
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    try:
        yield made, source
    finally:
        stop.set()
        thread.join(40)
    assert not thread.is_alive()


def state(daemon: Daemon) -> State | None:
    return daemon.session.frame.features.state if daemon.session.frame is not None else None


def open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - nothing to be done with the names
    except OSError:
        return 0


def test_a_headset_that_dies_and_lives_again_leaves_nothing_behind() -> None:
    before = {*threading.enumerate()}
    with mortal() as (daemon, source):
        wait_for(lambda: daemon.session.attached and state(daemon) not in (None, State.LOST), 60)
        threads = files = 0
        away, back = list[float](), list[float]()
        for number in range(15):
            source.dead, died = True, time.monotonic()
            wait_for(lambda: state(daemon) is State.LOST)
            away.append(time.monotonic() - died)
            opened = source.opened
            source.dead, lives = False, time.monotonic()
            wait_for(lambda before=opened: source.opened > before and state(daemon) is not State.LOST)  # type: ignore[misc]
            back.append(time.monotonic() - lives)
            if number == 1:
                threads, files = threading.active_count(), open_files()
        assert sorted(away)[7] < SLOW_S and sorted(back)[7] < SLOW_S  # 1 s at most, on a machine of its own
        assert daemon.session.counters()["reconnects"] >= 15 and source.opened > 15  # a busy machine is silent, too
        wait_for(lambda: threading.active_count() <= threads and open_files() <= files + 1)
        assert daemon.ticker.failed == 0
    wait_for(lambda: not {t for t in threading.enumerate() if t not in before and not t.name.startswith("mapper")})


def test_an_osc_host_that_is_known_later_is_played_to_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that the network learns while the music plays, as with a tablet that is switched on last."""
    from brainmusic_daemon.outputs import osc_target
    from brainmusic_daemon.outputs.osc import Osc
    from tests.frames import make_frame

    row, known, real = find("osc-host-unknown"), threading.Event(), socket.getaddrinfo
    assert row.seconds == max(osc_target.LOOK_S), "the longest pause between two looks for it"

    def resolve(host: str, *more: object, **named: object) -> object:
        if host != "tablet.local":
            return real(host, *more, **named)  # type: ignore[arg-type]
        if not known.is_set():
            raise socket.gaierror(-2, "Name or service not known")
        return real("127.0.0.1", *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(osc_target, "LOOK_S", (0.02, 0.05))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tablet:
        tablet.bind(("127.0.0.1", 0))
        tablet.settimeout(0.2)  # nothing comes
        output = Osc(targets=[f"127.0.0.1:{parts.free_port()}", f"tablet.local:{tablet.getsockname()[1]}"])
        output.open(WallClock(), make_info())
        output.send(make_frame(0))
        with pytest.raises(TimeoutError):
            tablet.recv(4096)
        assert row.says(caplog.messages), caplog.messages
        known.set()
        wait_for(lambda: len(output._targets) == 2)
        output.send(make_frame(1))
        tablet.settimeout(20)
        assert tablet.recv(4096).startswith(b"/brainmusic/")
        output.close()
    wait_for(lambda: not any(thread.name == "osc-names" for thread in threading.enumerate()))


@pytest.mark.parametrize("trouble", [False, True], ids=["in silence", "nobody listens any more"])
def test_an_osc_host_that_gets_another_address_is_found_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: bool
) -> None:
    """A tablet with a new lease, after days: asked for beside the tick, now and then, and soon where sending fails."""
    from brainmusic_daemon.outputs import osc_target
    from brainmusic_daemon.outputs.osc import Osc
    from tests.frames import make_frame

    row = find("osc-host-moves")
    assert row.seconds == max(osc_target.LOOK_S), "the longest pause between two looks for it"
    at, real, threads, asked = ["127.0.0.1"], socket.getaddrinfo, set[str](), [0.0]

    def resolve(host: str, *more: object, **named: object) -> object:
        if host != "tablet.local":
            return real(host, *more, **named)  # type: ignore[arg-type]
        threads.add(threading.current_thread().name)
        asked.append(time.monotonic())
        if not at:
            raise socket.gaierror(-2, "Name or service not known")
        return real(at[0], *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(osc_target, "LOOK_S", (0.02, 600.0 if trouble else 0.05))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as before,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as after,
    ):
        before.bind(("127.0.0.1", 0))
        port = before.getsockname()[1]
        after.bind(("127.0.0.2", port))
        for each in (before, after):
            each.settimeout(0.2)
        caplog.set_level("INFO", "brainmusic_daemon")
        output = Osc(targets=[f"tablet.local:{port}"])
        output.open(WallClock(), make_info())
        output.send(make_frame(0))
        assert before.recv(4096)
        time.sleep(0.3)  # of looking: it is where it was
        output.send(make_frame(1))
        assert before.recv(4096)
        at.clear()  # it is off, and not known: where it was is as good as anything
        time.sleep(0.2)
        output.send(make_frame(2))
        assert before.recv(4096)
        if trouble:  # the next look would be twice as far away as the last one was
            wait_for(lambda: len(asked) > 4 and asked[-1] - asked[-2] > 1.0)
            before.close()
        at.append("127.0.0.2")

        def arrives() -> bool:
            output.send(make_frame(3))
            try:
                return bool(after.recv(4096))
            except TimeoutError:
                return False

        wait_for(arrives, 1.4 if trouble else 20, "for what is sent to the new address")
        output.close()
    assert row.says(caplog.messages), caplog.messages
    assert threads == {threading.current_thread().name, "osc-names"}, "never asked by the tick"
    wait_for(lambda: not any(thread.name == "osc-names" for thread in threading.enumerate()))


class Outlet:
    """A headset's program on LSL, with a sibling of the same name and id, as Muse programs have."""

    def __init__(self) -> None:
        pylsl = liblsl.load()
        self._outlets = []
        for kind, names in (("ACC", ("x", "y", "z")), ("EEG", ("Fp1", "Fp2", "O1", "O2"))):
            info = pylsl.StreamInfo("reborn", kind, len(names), 250, "float32", "reborn-1")
            channels = info.desc().append_child("channels")
            for name in names:
                channel = channels.append_child("channel")
                channel.append_child_value("label", name)
                channel.append_child_value("unit", "microvolts")
            self._outlets.append(pylsl.StreamOutlet(info))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._push)
        self._thread.start()

    def _push(self) -> None:
        random = np.random.default_rng(0)
        while not self._stop.wait(0.02):
            self._outlets[1].push_chunk(random.normal(0, 20, (5, 4)).tolist())

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._outlets.clear()


@pytest.mark.real
def test_an_lsl_stream_that_comes_back_is_heard_within_a_second() -> None:
    row, outlet = find("stream-comes-back"), Outlet()
    settings = ("source.kind=lsl", "source.stream=reborn", "web.enabled=false", "session.patience_s=inf")
    try:
        with daemons.daemon(*settings, name="reborn") as daemon:
            wait_for(lambda: state(daemon) is not State.LOST)
            seconds = []
            for away_s in (0.0, 0.4, 3.3):
                outlet.end()
                wait_for(lambda: state(daemon) == row.state)
                time.sleep(away_s)
                outlet, begun = Outlet(), time.monotonic()
                wait_for(lambda: state(daemon) is not State.LOST)
                seconds.append(time.monotonic() - begun)
                assert daemon.session.acquisition.info is not None
                assert daemon.session.acquisition.info.channels == ("Fp1", "Fp2", "O1", "O2")
            assert row.seconds is not None
            assert sorted(seconds)[1] <= row.seconds + 1.0, seconds  # below 1 on a machine that does nothing else
    finally:
        outlet.end()


# --- the laptop's sleep -----------------------------------------------------------------------------------------------


class Jumping(WallClock):
    """A clock that goes on while the computer sleeps, as it does on Windows; on Linux and Macs it stands still then."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0.0

    def now(self) -> float:
        return super().now() + self.slept


@pytest.mark.parametrize("asleep_s", [3.0, 3_600.0])
def test_after_a_sleep_there_is_no_burst_of_what_was_missed(
    asleep_s: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither of ticks nor of notes nor of samples: the music goes on from now."""
    monkeypatch.setattr("brainmusic_daemon.service.daemon.WallClock", Jumping)
    row, frames, follow = find("sleep-and-wake"), list[tuple[float, Frame]](), list[float]()
    with mortal("music.preset=arpeggio") as (daemon, _):
        clock = daemon.clock
        assert isinstance(clock, Jumping)
        wait_for(lambda: daemon.session.attached and state(daemon) is not State.LOST, 60)

        def heard(frame: Frame) -> None:
            assert daemon.session.pipeline.bank is not None
            follow.append(daemon.session.pipeline.bank.follow)
            frames.append((time.monotonic(), frame))

        daemon.session.tap = heard
        wait_for(lambda: sum(len(frame.notes) for _, frame in frames) >= 4, 60)
        usual = sum(len(frame.notes) for _, frame in frames) / (time.monotonic() - frames[0][0])  # a second
        woke, missed = time.monotonic(), daemon.ticker.missed
        clock.slept = asleep_s
        wait_for(lambda: any(at > woke and frame.features.state is State.LOST for at, frame in list(frames)))
        wait_for(lambda: follow[-1] > 0.99)
        daemon.session.tap = None
        assert daemon.ticker.failed == 0
    after = [frame for at, frame in frames if at > woke]
    awake_s = frames[-1][0] - woke
    assert row.seconds is not None and awake_s <= row.seconds + SLOW_S and row.says(caplog.messages)
    assert {str(frame.features.state) for frame in after} - {"calibrating", "good"} == {*row.state.split(", ")}
    assert daemon.ticker.missed - missed >= 0.9 * asleep_s / TICK_S  # skipped and counted, not run after
    notes = [len(frame.notes) for frame in after]
    assert len(after) < awake_s / TICK_S + 25 and sum(notes) < 2 * awake_s * usual + 10 and max(notes) < 10

"""The LSL source against real outlets on this machine."""

from __future__ import annotations

import itertools
import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.lsl import Lsl
from brainmusic_daemon.acquisition.lsl_streams import described, visible
from brainmusic_daemon.acquisition.supervisor import Acquisition
from brainmusic_daemon.api import Chunk, ConfigError, SourceLost
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.service.session import Session
from tests.faults import find
from tests.receivers import wait_for

pytestmark = pytest.mark.real
_numbers = itertools.count()


def _name() -> str:
    """Return a name no other test uses: outlets live on for a moment."""
    return f"brainmusic test {next(_numbers)} {time.monotonic_ns()}"


def _outlet(
    name: str,
    labels: Sequence[str] = ("O1", "O2"),
    unit: str = "microvolts",
    kind: str = "EEG",
    rate: float = 250.0,
    fmt: str = "float32",
    count: int = 0,
    kinds: Sequence[str] = (),
    source_id: str = "",
) -> Any:
    import pylsl

    info = pylsl.StreamInfo(name, kind, count or len(labels), rate, fmt, source_id or f"id of {name}")
    channels = info.desc().append_child("channels") if labels else None
    for i, label in enumerate(labels):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        if unit:
            channel.append_child_value("unit", unit)
        if kinds:
            channel.append_child_value("type", kinds[i])
    return pylsl.StreamOutlet(info)


@contextmanager
def _opened(source: Lsl) -> Iterator[tuple[Lsl, Any, WallClock]]:
    clock = WallClock()
    try:
        yield source, source.open(clock), clock
    finally:
        source.close()


@contextmanager
def _streaming(push: Callable[[int], None], rate: float) -> Iterator[None]:
    """Call `push(i)` at the rate, from another thread."""
    stop, begin = threading.Event(), time.perf_counter()

    def run() -> None:
        for i in itertools.count():
            if stop.wait(max(0.0, begin + i / rate - time.perf_counter())):
                return
            push(i)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _collect(source: Lsl, n: int, patience: float = 5.0) -> Chunk:
    chunks: list[Chunk] = []
    end = time.perf_counter() + patience
    while sum(len(chunk.times) for chunk in chunks) < n and time.perf_counter() < end:
        chunk = source.read(0.1)
        if chunk is not None:
            chunks.append(chunk)
    return Chunk(np.concatenate([c.samples for c in chunks]), np.concatenate([c.times for c in chunks]))


def _played(fault: str, source: Lsl, caplog: pytest.LogCaptureFixture) -> Session:
    """Let the chain play the source, and hold what is announced and told against the row of this name."""
    row, session = find(fault), Session(configuration.load(None, ["output.audio.enabled=false"]), WallClock(), source)

    def comes() -> bool:
        session.acquisition.pump()
        return session.acquisition.seen

    with caplog.at_level(logging.INFO, "brainmusic_daemon"):
        wait_for(comes)
    session.attach()
    assert session.tick(session.clock.now()).features.state == row.state
    assert not row.message or row.says(caplog.messages), caplog.messages
    return session


@pytest.mark.parametrize("fmt", ["float32", "double64", "int8", "int16", "int32", "int64"])
def test_values_times_and_labels_arrive(fmt: str) -> None:
    import pylsl

    name = _name()
    outlet = _outlet(name, ["Fp1.", "cz", "EEG O2"], fmt=fmt)
    with _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (source, info, clock):
        assert info.channels == ("Fp1", "Cz", "O2")
        assert info.samplerate == 250
        assert info.uid == f"id of {name}"
        sent = np.arange(60).reshape(20, 3)
        now = pylsl.local_clock()
        at = clock.now()
        for i, row in enumerate(sent):
            outlet.push_sample(row.tolist(), now + i * 0.004)
        got = _collect(source, 20)
    assert got.samples.dtype == np.float64
    assert got.samples.tolist() == sent.tolist()
    assert got.first is None
    np.testing.assert_allclose(got.times, at + np.arange(20) * 0.004, atol=2e-3)  # the clock offset is estimated
    np.testing.assert_allclose(np.diff(got.times), 0.004, atol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("volts", 1e6), ("mV", 1e3), ("µV", 1.0), ("nV", 1e-3)])
def test_units_become_microvolts(unit: str, factor: float) -> None:
    name = _name()
    outlet = _outlet(name, unit=unit)
    with _opened(Lsl(name=name)) as (source, _, _clock):
        outlet.push_sample([2.0, -4.0])
        assert _collect(source, 1).samples.tolist() == [[2 * factor, -4 * factor]]


def test_volts_without_a_unit_are_recognised() -> None:
    name, noise = _name(), np.random.default_rng(1).standard_normal((10_000, 2)) * 2e-5
    outlet = _outlet(name, unit="")
    with (
        _streaming(lambda i: outlet.push_sample(noise[i].tolist()), 250),
        _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (source, info, _),
    ):
        assert "volts" in info.details["units"]
        assert 10 < _collect(source, 50).samples.std() < 40


def test_volts_that_are_microvolts_are_recognised(caplog: pytest.LogCaptureFixture) -> None:
    name, noise = _name(), np.random.default_rng(1).standard_normal((10_000, 2)) * 20
    outlet, source = _outlet(name, unit="volts"), Lsl(type="EEG", source_id=f"id of {name}")
    with _streaming(lambda i: outlet.push_sample(noise[i].tolist()), 250):
        session = _played("wrong-unit", source, caplog)
        assert 10 < _collect(source, 50).samples.std() < 40
        session.acquisition.stop()


def test_descriptions_that_are_short_doubled_or_missing() -> None:
    for labels, count, expected in (
        (["O1", "O1"], 2, ("O1", "O1-2")),
        (["O1"], 3, ("O1", "Ch2", "Ch3")),
        ([], 2, ("Ch1", "Ch2")),
        (["a", "b", "c"], 2, ("a", "b")),
    ):
        name = _name()
        outlet = _outlet(name, labels, count=count)
        with _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (_, info, _clock):
            assert info.channels == expected
        del outlet


def test_other_channels_are_left_out() -> None:
    name = _name()
    outlet = _outlet(name, ["O1", "X", "O2", "TRIG"], kinds=["EEG", "ACC", "EEG", "TRIG"])
    with _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (source, info, _):
        assert info.channels == ("O1", "O2")
        assert info.details["left out"] == "X, TRIG"
        for i in range(3):
            outlet.push_sample([1.0 + i, 9.0, 2.0, 9.0])
        assert _collect(source, 3).samples.tolist() == [[1, 2], [2, 2], [3, 2]]


def test_names_can_be_given_and_must_fit() -> None:
    name = _name()
    outlet = _outlet(name)
    with _opened(Lsl(type="EEG", source_id=f"id of {name}", names=["Fz", "Pz"])) as (_, info, _clock):
        assert info.channels == ("Fz", "Pz")
    with pytest.raises(ConfigError, match="1 names for 2 channels"):
        Lsl(type="EEG", source_id=f"id of {name}", names=["Fz"]).open(WallClock())
    del outlet


def test_rate_zero_is_estimated(caplog: pytest.LogCaptureFixture) -> None:
    name = _name()
    outlet, source, heard = _outlet(name, rate=0.0), Lsl(type="EEG", source_id=f"id of {name}"), list[Chunk]()
    with _streaming(lambda i: outlet.push_sample([i, i]), 125):
        read = source.read

        def listen(timeout: float) -> Chunk | None:
            chunk = read(timeout)
            heard.extend([chunk] if chunk is not None else [])
            return chunk

        source.read = listen  # type: ignore[method-assign]
        session = _played("no-rate", source, caplog)
        info = session.acquisition.info
        assert info is not None and info.samplerate == pytest.approx(125, rel=0.05)
        _collect(source, 20)
        session.acquisition.stop()
    got = np.concatenate([chunk.samples for chunk in heard])
    assert np.array_equal(np.diff(got[:, 0]), np.ones(len(got) - 1))  # nothing lost while listening


def test_rate_zero_and_silence_is_lost() -> None:
    row, name = find("no-rate-and-no-samples"), _name()
    outlet = _outlet(name, rate=0.0)
    acquisition = Acquisition(Lsl(type="EEG", source_id=f"id of {name}"), WallClock(), window_s=1.0)
    acquisition.pump()
    assert isinstance(acquisition.error, SourceLost) and acquisition.state == row.state
    assert row.says([acquisition.last_message]), acquisition.last_message
    del outlet


def test_not_found_lists_what_is_there() -> None:
    name = _name()
    outlet = _outlet(name, kind="Gaze")
    with pytest.raises(SourceLost, match=rf"no LSL stream with name='nobody'.*{name}' \(type Gaze, 2 × float32"):
        Lsl(stream="nobody", wait_s=0.6).open(WallClock())
    del outlet


def test_text_is_refused() -> None:
    name = _name()
    outlet = _outlet(name, ["x"], kind="Markers", fmt="string", rate=0)
    row = find("text-stream")
    with pytest.raises(ConfigError) as caught:
        Lsl(stream=name).open(WallClock())
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"
    del outlet


def test_found_by_predicate_and_by_source_id() -> None:
    name = _name()
    outlet = _outlet(name, source_id=f'odd "id" {name}')
    with _opened(Lsl(predicate=f"starts-with(name,'{name[:-2]}') and count(desc/channels/channel)=2")) as (_, info, _c):
        assert info.name == name
    with _opened(Lsl(source_id=f'odd "id" {name}')) as (_, info, _c):
        assert info.name == name
    del outlet


def test_eeg_is_chosen_among_streams_of_one_name() -> None:
    name = _name()
    others = [_outlet(name, kind=kind, source_id=f"{name} {kind}") for kind in ("PPG", "ACC", "EEG", "GYRO")]
    with _opened(Lsl(stream=name)) as (_, info, _clock):
        assert info.uid == f"{name} EEG"
    del others


@pytest.mark.parametrize(("title", "kind"), [("EEG", "some headset"), ("obci_eeg1", "signal"), ("amp", "EEG")])
def test_with_no_property_given_the_eeg_is_found(title: str, kind: str) -> None:
    """Some programs swap name and type, some call the type `signal`."""
    outlets = [_outlet("wrist", kind="ACC"), _outlet(title, kind=kind)]
    with _opened(Lsl()) as (_, info, _clock):
        assert info.name == title
    del outlets


def test_lost_and_found_again() -> None:
    name = _name()
    outlet = _outlet(name)
    source, clock = Lsl(stream=name), WallClock()
    uid = source.open(clock).uid
    outlet.push_sample([1.0, 1.0])
    assert _collect(source, 1).samples.tolist() == [[1, 1]]
    del outlet
    begin = time.perf_counter()
    with pytest.raises(SourceLost, match="has ended"):
        while time.perf_counter() < begin + 5:
            source.read(0.1)
    source.close()
    source.close()
    reborn = _outlet(name)
    assert source.open(clock).uid == uid
    reborn.push_sample([2.0, 2.0])
    assert _collect(source, 1).samples.tolist() == [[2, 2]]
    source.close()


def test_a_pause_stays_visible_in_the_times() -> None:
    import pylsl

    name = _name()
    outlet = _outlet(name)
    with _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (source, _, _clock):
        start = pylsl.local_clock() - 10
        stamps = start + np.concatenate((np.arange(250), np.arange(250) + 750)) / 250
        for stamp in stamps:
            outlet.push_sample([0.0, 0.0], stamp)
        got = _collect(source, 500)
    steps = np.diff(got.times)
    assert steps[249] == pytest.approx(2.004, abs=1e-3)
    assert np.allclose(np.delete(steps, 249), 0.004, atol=1e-4)


def test_a_sample_is_there_at_once() -> None:
    import pylsl

    name = _name()
    outlet = _outlet(name)
    late: list[float] = []
    with (
        _opened(Lsl(type="EEG", source_id=f"id of {name}")) as (source, _, _clock),
        _streaming(lambda i: outlet.push_sample([pylsl.local_clock() % 1000, 0.0]), 100),
    ):
        while len(late) < 60:
            chunk = source.read(0.5)
            if chunk is not None:
                late.append(pylsl.local_clock() % 1000 - float(chunk.samples[-1, 0]))
    assert statistics.median(late) < 0.1  # below 0.001; 0.3 where a chunk were waited for


def test_visible_lists_streams() -> None:
    name = _name()
    outlet = _outlet(name, rate=128)
    (found,) = [found for found in visible(0.6) if found.name == name]
    assert (found.type, found.channels, found.rate, found.format) == ("EEG", 2, 128.0, "float32")
    assert found.source_id == f"id of {name}" and found.host
    del outlet


def test_settings_have_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffer and dejittering reach liblsl; the rest is tested above by what it does."""
    import pylsl

    made: dict[str, Any] = {}
    real = pylsl.StreamInlet

    def spy(*args: Any, **settings: Any) -> Any:
        made.update(settings)
        return real(*args, **settings)

    monkeypatch.setattr(pylsl, "StreamInlet", spy)
    name = _name()
    outlet = _outlet(name)
    with _opened(Lsl(type="EEG", source_id=f"id of {name}", buffer_s=33, dejitter=True)):
        assert made["max_buflen"] == 33
        assert made["processing_flags"] == pylsl.proc_clocksync | pylsl.proc_dejitter
    del outlet


def test_describing_survives_broken_xml(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert described("<info><desc>", 2) == [("", "", ""), ("", "", "")]
    name = _name()
    outlet, source = _outlet(name), Lsl(type="EEG", source_id=f"id of {name}")
    monkeypatch.setattr(
        "brainmusic_daemon.acquisition.lsl.described", lambda xml, count: described(xml.replace("</desc>", "<"), count)
    )  # as a sender leaves it that writes raw bytes into its description; liblsl writes none
    with _streaming(lambda i: outlet.push_sample([i % 20, i % 30]), 250):
        session = _played("broken-description", source, caplog)
        assert session.acquisition.info is not None and session.acquisition.info.channels == ("Ch1", "Ch2")
        session.acquisition.stop()

"""The LSL output against a real inlet on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.api import Event, Frame, Signal, State, StreamInfo
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.outputs.lsl import Lsl
from tests.frames import make_frame

pytestmark = pytest.mark.real


@pytest.fixture
def output() -> Iterator[Lsl]:
    made = Lsl(name=f"brainmusic test {time.monotonic_ns()}")
    made.open(WallClock(), StreamInfo("", (), 0.0))
    yield made
    made.close()


def inlet(name: str) -> Any:
    import pylsl

    found = pylsl.resolve_byprop("name", name, timeout=20)
    assert found, name
    made = pylsl.StreamInlet(found[0], recover=False)
    made.open_stream(timeout=20)
    return made


def settled(output: Lsl, frame: Frame) -> None:
    """Send until the outlets of this frame's names are there."""
    limit = time.monotonic() + 60
    while output._streams is None or output._streams.names[0] != frame.features.names:
        output.send(frame)
        time.sleep(0.005)
        assert time.monotonic() < limit


def labels(stream: Any) -> list[str]:
    info = stream.info(timeout=20)
    return info.get_channel_labels()  # type: ignore[no-any-return]


def test_features_and_controls_arrive_with_names_values_and_times(output: Lsl) -> None:
    import pylsl

    settled(output, make_frame(0))
    features, controls = inlet(f"{output.name} features"), inlet(f"{output.name} controls")
    frames = [make_frame(number) for number in range(1, 20)]
    for frame in frames:
        output.send(frame)
    for stream, read in ((features, "features"), (controls, "controls")):
        names = labels(stream)
        for frame in frames:
            sample, stamp = stream.pull_sample(timeout=20)
            values = frame.features if read == "features" else frame.controls
            known = [name for name in names if not name.startswith("signal.")]
            assert np.allclose(sample[: len(known)], [values[name] for name in known])
            assert abs(stamp - (frame.time + output._offset)) < 1e-6
    assert {"alpha", "engagement", "alpha.frontal"} <= {*labels(features)} and "raw.alpha" not in labels(features)
    assert labels(controls)[0] == "fundamental_frequency"
    assert abs(output._offset - pylsl.local_clock() + WallClock().now()) < 3600


def test_how_the_signal_is_goes_along_of_all_and_of_each(output: Lsl) -> None:
    people = {"anna": Signal(State.GOOD, 1.0), "ben": Signal(State.RESTING, 0.25)}
    frame = make_frame(0, state=State.CALIBRATING)
    frame = replace(frame, features=replace(frame.features, people=people), follow=0.75)
    settled(output, frame)
    stream = inlet(f"{output.name} features")
    output.send(frame)
    sample, _ = stream.pull_sample(timeout=20)
    info = stream.info(timeout=20)
    told = dict(zip(info.get_channel_labels(), sample, strict=True))
    assert told["signal.state"] == 3 and told["signal.follow"] == 0.75
    assert told["signal.age"] == pytest.approx(0.004, abs=1e-6)
    assert (told["signal.anna.state"], told["signal.anna.follow"]) == (4, 1.0)
    assert (told["signal.ben.state"], told["signal.ben.follow"]) == (1, 0.25)
    assert {"Features", "Signal"} == {*info.get_channel_types()}
    assert "4 good" in info.desc().child_value("states") and info.desc().child_value("version")


def test_state_events_and_mapper_are_markers(output: Lsl) -> None:
    stream = inlet(f"{output.name} markers")
    output.send(make_frame(0))
    blink = Event("blink", 0.1, 0.5)
    output.send(make_frame(1, state=State.HELD, events=[blink]))
    found = [stream.pull_sample(timeout=20)[0][0] for _ in range(3)]
    assert found == ["state good", "state held", "event blink 0.50"]


def test_another_headset_is_another_stream_of_the_same_name(output: Lsl) -> None:
    settled(output, make_frame(0))
    other = make_frame(1, channels=("O1", "O2"))
    settled(output, other)
    stream = inlet(f"{output.name} features")
    assert output.counters()["failed"] == 0 and stream.info(timeout=20).channel_count() < len(other.features.names)


def test_closed_it_sends_nothing_and_opens_again(output: Lsl) -> None:
    output.close()
    output.send(make_frame(0))
    assert output.counters()["sent"] == 0
    output.open(WallClock(), StreamInfo("", (), 0.0))
    settled(output, make_frame(1))
    output.send(make_frame(2))
    assert output.counters()["sent"] == 1

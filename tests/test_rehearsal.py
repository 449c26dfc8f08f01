"""`test`: every address arrives once, recognisable, then a scale; with a headset, without one, and muted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from pythonosc.osc_message import OscMessage

from brainmusic_daemon import config as configuration
from brainmusic_daemon.service import rehearsal
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.rehearsal import MARK, SCALE, Rehearsal
from tests import daemons, parts
from tests.receivers import wait_for


class Receiver:
    """Hears OSC on this machine; `between` returns what came within the marks of a test."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # a burst while others have the processor
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self._datagrams: list[bytes] = []
        self._read: list[OscMessage] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._datagrams.append(self.socket.recv(65536))
            except TimeoutError:
                continue

    @property
    def messages(self) -> list[OscMessage]:
        """What came, taken apart when somebody asks: the thread must not be slower than the sender."""
        self._read += [OscMessage(data) for data in self._datagrams[len(self._read) :]]
        return self._read

    def between(self) -> list[OscMessage]:
        marks = [at for at, each in enumerate(self.messages) if each.address == MARK]
        assert [self.messages[at].params for at in marks[-2:]] == [[1], [0]]
        return self.messages[marks[-2] : marks[-1]]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def recognised(messages: list[OscMessage]) -> tuple[list[str], list[str], list[int]]:
    """Return the features and controls that had the test's value, each as often as it came, and the scale."""
    found = [(each.address.removeprefix("/brainmusic/"), each.params) for each in messages]
    features = [name for name, values in found if name.startswith("feature/") and values == [0.75]]
    tempos = [name for name, values in found if name == "control/tempo" and values == [125.0]]
    notes = [values[0] for name, values in found if name == "note" and abs(values[1] - 0.7) < 1e-6]
    return features, tempos, notes


def test_every_address_comes_once_with_a_scale(receiver: Receiver) -> None:
    with daemons.daemon(f'output.osc.targets=["127.0.0.1:{receiver.port}"]', name="tests") as daemon:
        wait_for(lambda: daemon.session.frame and daemon.session.frame.features.names and daemon.host.all_tried)
        assert daemon.session.frame is not None
        names = daemon.session.frame.features.names
        begun = time.monotonic()
        answer = daemon.control.ask("test", [])
        assert answer.ok and time.monotonic() - begun < 30, answer
        wait_for(lambda: sum(each.address == MARK for each in receiver.messages) == 2)
        features, tempos, notes = recognised(receiver.between())
        heard = {each.address for each in receiver.messages}
        frame_after = daemon.session.frame
    assert len(features) == len({*features}) and len(features) > 20
    assert {feature.removeprefix("feature/") for feature in features} <= {*names}
    assert tempos == ["control/tempo"] and notes == [*SCALE]
    assert {f"/brainmusic/event/{name}" for name in rehearsal.EVENTS} <= heard
    assert f"127.0.0.1:{receiver.port}" in answer.text and "8 notes" in answer.text and "nobody" not in answer.text
    told = {address for address, _ in answer.data["sent"]["osc"]}
    assert told <= heard and {"/brainmusic/tone", "/brainmusic/text", "/brainmusic/quality"} <= told
    words = [each.params for each in receiver.messages if each.address == "/brainmusic/text"]
    assert words[-1] == [""], "the words of the test are taken back"
    assert frame_after.features["alpha"] != 0.75, "the brain goes on"


def test_without_a_headset_and_without_a_listener(receiver: Receiver) -> None:
    gone = parts.free_port()
    settings = [
        *daemons.QUIET[0:1], *daemons.QUIET[1:], "session.name=alone", "session.patience_s=60", "source.kind=lsl",
        "source.stream=nobody-has-this", f'output.osc.targets=["127.0.0.1:{receiver.port}", "127.0.0.1:{gone}"]',
    ]  # fmt: skip
    daemon, stop = Daemon(configuration.load(None, settings)), threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: daemon.host.all_tried and daemon.session.frame, 60)
        answer = daemon.control.ask("test", [])
    finally:
        stop.set()
        thread.join(40)
    assert answer.ok and f"nobody listens at 127.0.0.1:{gone}" in answer.text
    features, tempos, notes = recognised(receiver.between())
    assert {"feature/alpha", "feature/engagement"} <= {*features}
    assert tempos and notes == [*SCALE]


def test_muted_it_sends_no_notes_and_says_so(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "NOTE_S", 0.01)
    target = f'["127.0.0.1:{receiver.port}"]'
    settings = (f"output.osc.targets={target}", "output.muse.kind=osc", f"output.muse.targets={target}")
    with daemons.daemon(*settings, "output.muse.dialect=muse", name="quiet") as daemon:
        wait_for(lambda: daemon.host.all_tried and daemon.session.frame and daemon.session.frame.features.names)
        daemon.sounding.mute(True)
        answer = daemon.control.ask("test", [])
        assert answer.ok and "no notes: the music is muted" in answer.text and "dialect 'muse'" in answer.text
        assert recognised(receiver.between())[2] == []
        one = daemon.control.ask("test", ["muse"])
        assert one.ok and [*one.data["sent"]] == ["muse"]
        assert any(address.startswith("/muse/elements/") for address, _ in one.data["sent"]["muse"])
        refused = daemon.control.ask("test", ["audio"])
        assert not refused.ok and "there is osc, muse" in refused.text


def test_one_at_a_time_and_what_is_away_is_told(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f'output.osc.targets=["127.0.0.1:{receiver.port}"]'
    with daemons.daemon(target, name="twice") as daemon:
        wait_for(lambda: daemon.host.all_tried and daemon.session.frame)
        first = daemon.rehearsal.begin()
        assert daemon.control.ask("test", []).text == "a test is under way"
        assert first.wait(60) and first.ok
        monkeypatch.setattr(rehearsal, "NOTE_S", 0.01)
        daemon.host.lost["osc"] = "the network is away"
        answer = daemon.control.ask("test", [])
        assert answer.ok and answer.text == "output 'osc' is not open: the network is away"
        del daemon.host.lost["osc"]


def test_without_osc_there_is_nothing_to_test() -> None:
    daemon = Daemon(configuration.load(None, [*daemons.QUIET, "output.osc.enabled=false"]))
    assert not daemon.config.outputs.keys() & {"osc"}
    with pytest.raises(rehearsal.Refused, match="no OSC output"):
        Rehearsal(daemon).begin()

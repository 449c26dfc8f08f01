"""The OSC output: what is sent, how it is packed, and what an absent receiver does to the others."""

from __future__ import annotations

import logging
import math
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_packet import OscPacket

from brainmusic_daemon.api import ConfigError, Drone, Event, Frame, Note, OutputLost, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs import osc_encoding as encoding
from brainmusic_daemon.outputs.osc import Osc
from brainmusic_daemon.outputs.osc_encoder import make_encoder
from brainmusic_daemon.outputs.osc_target import parse_target
from brainmusic_daemon.service.status import Status, timing
from tests.faults import find
from tests.frames import MUSE, TICK_S, make_frame, make_info, make_names
from tests.parts import free_port


class Receiver:
    """A plain UDP socket, read by python-osc."""

    def __init__(self, family: int = socket.AF_INET, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.settimeout(20)
        self.port = int(self.socket.getsockname()[1])

    def datagrams(self) -> list[bytes]:
        """Return what lies in the socket; on loopback a datagram has arrived when `send` returns."""
        self.socket.setblocking(False)
        found = []
        while True:
            try:
                found.append(self.socket.recv(65536))
            except BlockingIOError:
                return found

    def messages(self) -> list[tuple[str, list[object]]]:
        found = []
        for datagram in self.datagrams():
            assert len(datagram) <= encoding.MTU
            found += [(m.message.address, list(m.message.params)) for m in OscPacket(datagram).messages]
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.socket.close()


def opened(receiver: Receiver, **settings: object) -> Osc:
    osc = Osc(**{"targets": [f"127.0.0.1:{receiver.port}"], **settings})  # type: ignore[arg-type]
    osc.open(VirtualClock(), make_info())
    return osc


def errors(osc: Osc) -> float:
    return sum(count for name, count in osc.counters().items() if name.startswith("errors."))


def encoded(frame: Frame, **settings: object) -> dict[str, tuple[encoding.Argument, ...]]:
    return dict(make_encoder(**{"dialect": "brainmusic", **settings}).encode(frame).messages())  # type: ignore[arg-type]


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_the_namespace() -> None:
    controls = {"loudness": 0.5, "z.0": -0.25, "z.1": 0.75}
    frame = make_frame(
        7,
        values={"alpha.frontal": 0.25},
        controls=controls,
        quality=[1, 0.5, 0, 1],
        notes=[Note(0.2, 60.4, 0.5, 2.0), Note(0.2, 200, 0.5, 2.0)],
        state=State.HELD,
    )
    batch = make_encoder("brainmusic").encode(frame)
    sent = dict(batch.messages())
    assert sent["/brainmusic/feature/alpha.frontal"] == (0.25,)
    assert sent["/brainmusic/control/loudness"] == (0.5,)
    assert sent["/brainmusic/control/z.0"] == (-0.25,)
    assert sent["/brainmusic/latent"] == (-0.25, 0.75)
    assert sent["/brainmusic/quality"] == (1.0, 0.5, 0.0, 1.0)
    assert sent["/brainmusic/state"] == ("held",)
    assert sent["/brainmusic/heartbeat"] == (7,)
    notes = [arguments for address, arguments in batch.messages() if address == "/brainmusic/note"]
    assert notes == [(60, 0.5, 2.0), (127, 0.5, 2.0)]
    assert all(type(kind) in (int, float, str) for arguments in sent.values() for kind in arguments)


def test_without_latents_there_is_no_latent_message() -> None:
    assert "/brainmusic/latent" not in encoded(make_frame(controls={"loudness": 0.5}))


def test_features_that_go_out_by_default_are_neither_raw_nor_of_one_channel() -> None:
    names = [
        address.removeprefix("/brainmusic/feature/") for address in encoded(make_frame()) if "/feature/" in address
    ]
    assert names == [n for n in make_names() if not n.startswith("raw.") and n.split(".")[-1] not in MUSE]
    assert {"alpha", "alpha.frontal", "asymmetry"} <= {*names}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*"], [*make_names()]),
        (["alpha"], ["alpha"]),
        (["raw.alpha.*"], [n for n in make_names() if n.startswith("raw.alpha.")]),
        (["theta_alpha", "engagement"], ["engagement", "theta_alpha"]),
        ([], []),
    ],
)
def test_patterns_choose_features(patterns: list[str], expected: list[str]) -> None:
    sent = encoded(make_frame(), features=patterns)
    assert [a.removeprefix("/brainmusic/feature/") for a in sent if "/feature/" in a] == expected


def test_a_pattern_adds_to_the_summary() -> None:
    extra = {*encoded(make_frame(), features=["summary", "raw.alpha.frontal"])} - {*encoded(make_frame())}
    assert extra == {"/brainmusic/feature/raw.alpha.frontal"}


def test_patterns_choose_controls() -> None:
    sent = encoded(make_frame(), controls=["loud*", "tempo"])
    assert [a for a in sent if "/control/" in a] == ["/brainmusic/control/loudness", "/brainmusic/control/tempo"]


def test_a_pattern_without_a_match_is_said(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    osc = opened(receiver, features=["alhpa"])
    for number in range(3):
        osc.send(make_frame(number))
    osc.close()
    assert [record.message for record in caplog.records] == ["osc: no feature matches 'alhpa'"]


@pytest.mark.parametrize("settings", [{"features": ["raw.alpha"]}, {"dialect": "muse"}, {"dialect": "wekinator"}])
def test_before_a_headset_is_there_and_while_it_changes_nothing_is_said_twice(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, settings: dict[str, object]
) -> None:
    osc = opened(receiver, **settings)
    for number in range(6):
        without = number % 2 == 0
        osc.send(make_frame(number, channels=["O1"], names=[] if without else ["alpha", "raw.alpha"]))
    osc.close()
    assert len(caplog.records) == ("dialect" in settings)
    floats = [
        a for a, _ in receiver.messages() if a.startswith(("/brainmusic/feature", "/wek", "/muse/elements/alpha"))
    ]
    assert len(floats) == 3


def test_state_goes_out_on_change_and_once_a_second_and_the_heartbeat_with_it() -> None:
    encoder = make_encoder("brainmusic")
    states, beats = [], []
    for number in range(126):  # 2.5 s
        frame = make_frame(number, state=State.CALIBRATING if number < 30 else State.GOOD)
        sent = dict(encoder.encode(frame).messages())
        states += [(number, *sent["/brainmusic/state"])] if "/brainmusic/state" in sent else []
        beats += [*sent["/brainmusic/heartbeat"]] if "/brainmusic/heartbeat" in sent else []
    assert states == [(0, "calibrating"), (30, "good"), (50, "good"), (100, "good")]
    assert beats == [0, 50, 100]


def test_the_heartbeat_stays_within_32_bits() -> None:
    assert encoded(make_frame(2**31 + 5))["/brainmusic/heartbeat"] == (5,)


def test_the_rate_is_a_limit_on_state_but_never_on_notes() -> None:
    encoder = make_encoder("brainmusic", rate_hz=10)
    sent = [
        [a for a, _ in encoder.encode(make_frame(n, notes=[Note(0, 60, 1, 1)], state=State.GOOD)).messages()]
        for n in range(50)
    ]
    assert [n for n, addresses in enumerate(sent) if "/brainmusic/feature/alpha" in addresses] == [*range(0, 50, 5)]
    assert all("/brainmusic/note" in addresses for addresses in sent)


def test_events_go_out_at_once_with_their_strength_whatever_the_rate() -> None:
    encoder = make_encoder("brainmusic", rate_hz=1)
    events = [Event("alpha_burst", 0.1, 0.75), Event("my blink", 0.1, 1.0)]
    sent = [encoder.encode(make_frame(n, events=events if n == 7 else ())).messages() for n in range(20)]
    found = [(n, *message) for n, tick in enumerate(sent) for message in tick if "/event/" in message[0]]
    assert found == [(7, "/brainmusic/event/alpha_burst", (0.75,)), (7, "/brainmusic/event/my_blink", (1.0,))]


def test_a_rate_as_fast_as_the_ticks_loses_none_to_their_jitter() -> None:
    encoder = make_encoder("brainmusic", rate_hz=50)
    jitter = np.random.default_rng(1).uniform(-0.0005, 0.0005, 500)
    assert all(encoder.encode(make_frame(n, time=n * 0.02 + late)).due for n, late in enumerate(jitter))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_not_finite_is_withheld_and_counted_and_the_rest_goes_on(receiver: Receiver, bad: float) -> None:
    for mode in ("messages", "bundle"):
        osc = opened(receiver, mode=mode)
        notes = [Note(0, bad, 0.5, 1), Note(0, 60, bad, 1)]
        good, broken = make_frame(0), make_frame(1, values={"alpha": bad}, quality=[1, bad, 1, 1], notes=notes)
        osc.send(good)
        before = receiver.messages()
        osc.send(broken)
        after = receiver.messages()
        osc.close()
        gone = {"/brainmusic/feature/alpha", "/brainmusic/quality", "/brainmusic/state", "/brainmusic/heartbeat"}
        notes_sent = [message for message in after if message[0] == "/brainmusic/note"]
        # a pitch that is merely huge is the highest note; one without a value is none
        assert notes_sent == ([("/brainmusic/note", [127, 0.5, 1.0])] if bad == 1e300 else [])
        assert {a for a, _ in before} - {a for a, _ in after} == gone
        assert osc.counters()["withheld"] == 6 - len(notes_sent)  # each also as a tone
        wanted = dict(make_encoder("brainmusic").encode(broken).messages())
        assert all(tuple(arguments) == wanted[address] for address, arguments in after if address != "/brainmusic/note")


def test_a_tone_says_all_that_a_note_has_and_the_drone_what_is_steady(receiver: Receiver) -> None:
    osc = opened(receiver)
    note = Note(0.0, 60.25, 0.5, 1.5, 3, -0.75, 0.125, 2.5, 0.375)
    frame = replace(make_frame(0, notes=[note]), drone=Drone(110.5, 2, 0.25, 0.5, 1.0))
    osc.send(frame)
    sent = dict(receiver.messages())
    osc.send(make_frame(1, controls={"fundamental_frequency": 200.0}))
    plain = dict(receiver.messages())
    osc.close()
    assert sent["/brainmusic/note"] == [60, 0.5, 1.5]
    assert sent["/brainmusic/tone"] == [60.25, 0.5, 1.5, -0.75, 0.125, 2.5, 0.375, 3]
    assert [type(value) for value in sent["/brainmusic/tone"]] == [float] * 7 + [int]
    assert sent["/brainmusic/drone"] == [110.5, 2.0, 0.25, 0.5]
    assert plain["/brainmusic/drone"] == [200.0, 8.0, 1.0, 1.0]


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_that_osc_cannot_carry_are_escaped_kept_apart_and_said() -> None:
    channels = ("O 1", "O#1", "O/1", "Ö[1]")
    names = [f"alpha.{channel}" for channel in channels]
    encoder = make_encoder("brainmusic", features=["*"])
    batch = encoder.encode(make_frame(channels=channels, names=names, values=[0.0, 1.0, 2.0, 3.0]))
    sent = dict(batch.messages())
    assert sent["/brainmusic/feature/alpha.O_1"] == (0.0,)
    assert sent["/brainmusic/feature/alpha.O_1_2"] == (1.0,)
    assert sent["/brainmusic/feature/alpha.O_1_3"] == (2.0,)
    assert sent["/brainmusic/feature/alpha.__1_"] == (3.0,)
    for name in names:
        assert any(f"/{name}'" in remark for remark in encoder.remarks)


@given(st.text(), st.text())
def test_every_name_gives_a_legal_and_unique_address(one: str, other: str) -> None:
    addresses = encoding.unique(f"/x/{encoding.escape(name)}" for name in (one, other))
    assert len({*addresses}) == 2
    for address in addresses:
        assert address.isascii()
        assert address.isprintable()
        assert not {*address[3:]} & {*" #*,/?[]{};$\\"}


def test_another_headset_gives_other_messages(receiver: Receiver) -> None:
    osc = opened(receiver, features=["alpha.*"])
    osc.send(make_frame(0))
    receiver.messages()
    osc.send(make_frame(1, channels=["O1", "O2"], values={"alpha.O2": 0.5}))
    osc.close()
    sent = dict(receiver.messages())
    assert sent["/brainmusic/feature/alpha.O2"] == [0.5]
    assert len(sent["/brainmusic/quality"]) == 2
    assert "/brainmusic/feature/alpha.TP9" not in sent


# --- packets ----------------------------------------------------------------------------------------------------------

float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
int32 = st.integers(-(2**31), 2**31 - 1)
text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(text, st.lists(st.one_of(float32, int32, text), max_size=30))
def test_python_osc_reads_every_message(name: str, arguments: list[encoding.Argument]) -> None:
    address = f"/a/{encoding.escape(name)}"
    packet = encoding.message(address, arguments)
    assert len(packet) % 4 == 0
    read = OscMessage(packet)
    assert read.address == address
    assert read.params == arguments
    assert [type(param) for param in read.params] == [type(argument) for argument in arguments]


@given(st.lists(st.lists(float32, min_size=1, max_size=20), max_size=60), st.integers(1, 2**64 - 1))
def test_bundles_carry_every_value_below_the_mtu(values: list[list[float]], timetag: int) -> None:
    addresses = tuple(f"/m/{'x' * (index % 7)}{index}" for index in range(len(values)))
    layout = encoding.Layout(addresses, tuple(map(len, values)), lambda frame: np.empty(0))
    flat = np.array([number for row in values for number in row], dtype=np.float32)
    batch = encoding.Batch(layout, True, flat, None, (("/last", (1, 0.5, "x")),))
    packets = encoding.Packets(layout)
    sent = encoding.bundles(packets.elements(batch), timetag)
    assert all(len(packet) <= encoding.MTU and len(packet) % 4 == 0 for packet in sent)
    assert all(struct.unpack(">Q", packet[8:16]) == (timetag,) for packet in sent)
    read = [content for packet in sent for content in OscBundle(packet)]
    assert [(m.address, m.params) for m in read] == [*zip(addresses, values, strict=True), ("/last", [1, 0.5, "x"])]
    plain = [OscMessage(bytes(packet)) for packet in packets.messages(batch)]
    assert [(m.address, m.params) for m in plain] == [(m.address, m.params) for m in read]
    assert [(a, list(v)) for a, v in batch.messages()] == [(m.address, m.params) for m in read]


def test_the_last_float_that_fits_fits_and_the_next_does_not() -> None:
    for address in ("/brainmusic/quality", "/wek/inputs", "/abc"):
        count = encoding.floats_in(address)
        assert len(encoding.message(address, [0.0] * count)) + 20 <= encoding.MTU
        assert len(encoding.message(address, [0.0] * (count + 1))) + 20 > encoding.MTU


@pytest.mark.parametrize("dialect", ["brainmusic", "wekinator"])
def test_a_thousand_channels_are_cut_to_what_fits_and_that_is_said(receiver: Receiver, dialect: str) -> None:
    channels = [f"C{number}" for number in range(1000)]
    names = [f"alpha.{channel}" for channel in channels]
    values = np.arange(1000.0)
    for mode in ("messages", "bundle"):
        osc = opened(receiver, features=["alpha.*"] if dialect == "wekinator" else [], dialect=dialect, mode=mode)
        osc.send(make_frame(channels=channels, names=names, values=values, quality=values / 1000))
        sent = dict(receiver.messages())
        (address,) = {*sent} & {"/brainmusic/quality", "/wek/inputs"}
        assert 260 < len(sent[address]) < 1000
        assert osc._encoder.remarks[0].startswith(f"{address}: only the first {len(sent[address])} of 1000")
        osc.close()


def test_a_channel_name_longer_than_a_datagram_is_left_out(receiver: Receiver) -> None:
    name = "x" * 2000
    osc = opened(receiver, features=["*"])
    osc.send(make_frame(channels=[name], names=[f"alpha.{name}", "alpha"], values=[0.25, 0.5]))
    osc.close()
    sent = dict(receiver.messages())
    assert sent["/brainmusic/feature/alpha"] == [0.5]
    assert len([a for a in sent if "/feature/" in a]) == 1
    assert errors(osc) == 0


def test_a_bundle_is_for_now_unless_scsynth_is_asked_for(receiver: Receiver) -> None:
    for timetag, low, high in (("immediate", -1, -1), ("scsynth", 0.045, 0.055)):
        osc = opened(receiver, mode="bundle", timetag=timetag)
        before = time.time()
        osc.send(make_frame())
        after = time.time()
        datagrams = receiver.datagrams()
        osc.close()
        assert receiver.datagrams() == [encoding.message("/brainmusic/state", ["stopped"])]
        for datagram in datagrams:
            (tag,) = struct.unpack(">Q", datagram[8:16])
            if low < 0:
                assert tag == encoding.IMMEDIATELY
            else:
                unix = tag / 2**32 - encoding.NTP_EPOCH_S
                assert before + low <= unix <= after + high


def test_ntp_counts_from_1900() -> None:
    assert encoding.ntp(0.0) == 2_208_988_800 << 32
    assert encoding.ntp(0.5) - encoding.ntp(0.0) == 1 << 31
    assert encoding.ntp(2_085_978_496.0) == 0  # 7 February 2036: era 1 begins


# --- dialects ---------------------------------------------------------------------------------------------------------


def test_mind_monitors_addresses_on_a_muse() -> None:
    values = {f"raw.alpha.{channel}": power for channel, power in zip(MUSE, (10, 100, 0.1, 0), strict=True)}
    sent = encoded(make_frame(values=values, quality=[1, 0.5, 0, math.nan]), dialect="muse")
    assert sent["/muse/elements/alpha_absolute"] == (1.0, 2.0, -1.0, -3.0)
    assert sent["/muse/elements/horseshoe"] == (1.0, 2.0, 4.0, 4.0)
    assert sent["/muse/elements/touching_forehead"] == (1,)
    bands = {f"/muse/elements/{band}_absolute" for band in ("delta", "theta", "alpha", "beta", "gamma")}
    assert {*sent} == bands | {"/muse/elements/horseshoe", "/muse/elements/touching_forehead"}


def test_mind_monitors_blinks_and_clenches_are_sent_when_they_happen() -> None:
    encoder = make_encoder("muse", rate_hz=1)
    events = [[], [Event("blink", 0.0, 0.5)], [Event("jaw", 0.0, 0.5), Event("alpha_burst", 0.0, 1.0)]]
    batches = [encoder.encode(make_frame(number, events=found)) for number, found in enumerate(events)]
    sent = [[message for message in batch.messages() if len(message[1]) == 1] for batch in batches]
    assert sent[0] == [("/muse/elements/touching_forehead", (1,))]
    assert sent[1:] == [[("/muse/elements/blink", (1,))], [("/muse/elements/jaw_clench", (1,))]]


def test_mind_monitors_addresses_on_another_headset_carry_the_mean() -> None:
    sent = encoded(make_frame(channels=["O1", "O2"], values={"raw.alpha": 100}, state=State.LOST), dialect="muse")
    assert sent["/muse/elements/alpha_absolute"] == (2.0,)
    assert "/muse/elements/horseshoe" not in sent
    assert sent["/muse/elements/touching_forehead"] == (0,)


def test_wekinator_gets_one_message_in_the_order_of_the_patterns() -> None:
    values = {"beta": 0.25, "alpha.frontal": 0.5, "alpha.temporal": 0.75}
    frame = make_frame(values=values)
    patterns = ["beta", "alpha.[ft]*"]
    assert encoded(frame, dialect="wekinator", features=patterns) == {"/wek/inputs": (0.25, 0.5, 0.75)}


@pytest.mark.parametrize(
    "settings",
    [
        {"dialect": "muse", "features": ["alpha"]},
        {"dialect": "muse", "controls": ["loudness"]},
        {"dialect": "wekinator", "controls": ["loudness"]},
        {"timetag": "scsynth"},
    ],
)
def test_a_setting_without_effect_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Osc(**settings)  # type: ignore[arg-type]


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:57120", ("127.0.0.1", 57120)),
        ("studio.local:9000", ("studio.local", 9000)),
        ("[::1]:7400", ("::1", 7400)),
    ],
)
def test_a_target_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    "target",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        ":57120",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "::1:7400",
        "a b:1",
        "h:²",
    ],
)
def test_a_wrong_target_is_named_with_the_way_out(target: str) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:57120") as caught:
        Osc(targets=[target])
    assert f"'{target}'" in str(caught.value)


def test_a_host_that_is_not_known_is_an_output_lost() -> None:
    osc = Osc(targets=["no-such-host.invalid:57120"])
    with pytest.raises(OutputLost, match=r"no-such-host\.invalid"):
        osc.open(VirtualClock(), make_info())
    osc.send(make_frame())
    osc.close()


def test_a_host_that_is_not_known_does_not_disturb_another(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    osc = Osc(targets=["no-such-host.invalid:57120", f"127.0.0.1:{receiver.port}"])
    osc.open(VirtualClock(), make_info())
    osc.send(make_frame())
    osc.close()
    assert receiver.messages()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_nobody_listening_is_counted_and_disturbs_nobody(receiver: Receiver) -> None:
    row, port = find("osc-nobody-listens"), free_port()
    nobody = f"127.0.0.1:{port}"
    osc = Osc(targets=[nobody, f"127.0.0.1:{receiver.port}"])
    osc.open(VirtualClock(), make_info())
    for number in range(5):
        osc.send(make_frame(number))
    sent = receiver.messages()
    counters = osc.counters()
    late = Receiver(port=port)
    osc.send(make_frame(5))
    assert late.messages() == receiver.messages() and row.seconds == TICK_S, "it hears all of the next tick"
    late.socket.close()
    osc.close()
    times, ticks = {"p50_ms": 0.0, "p99_ms": 0.0}, dict.fromkeys(("ticks", "late", "missed", "failed"), 0.0)
    shown = timing(Status(0, "good", "", (), (), (), 75, {}, times, {}, ticks, {}, {"osc": {**counters}}, {}))
    assert row.says([shown]) and f"nobody listens at {nobody}" in shown
    assert len([a for a, _ in sent if a == "/brainmusic/feature/alpha"]) == 5
    assert counters[f"refused.{nobody}"] > 0
    assert counters[f"listening.{nobody}"] == 0
    assert counters[f"listening.127.0.0.1:{receiver.port}"] == 1
    assert counters[f"errors.127.0.0.1:{receiver.port}"] == 0


def test_a_receiver_that_comes_later_gets_everything_from_the_next_tick_on(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    osc = Osc(targets=[f"127.0.0.1:{port}"])
    osc.open(VirtualClock(), make_info())
    for number in range(3):
        osc.send(make_frame(number))
    late = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    late.bind(("127.0.0.1", port))
    late.setblocking(False)
    osc.send(make_frame(3, notes=[Note(0, 60, 1, 1)]))
    osc.close()
    got = []
    while True:
        try:
            got.append(OscMessage(late.recv(2000)).address)
        except BlockingIOError:
            break
    late.close()
    expected = make_encoder("brainmusic")
    expected.encode(make_frame(0))
    sent = [a for a, _ in expected.encode(make_frame(3, notes=[Note(0, 60, 1, 1)])).messages()]
    assert got == [*sent, "/brainmusic/state"]  # the last: stopped
    row = find("osc-receiver-later")
    assert row.seconds == TICK_S and "".join(caplog.messages) == row.message


def test_a_full_buffer_drops_counts_and_never_blocks(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    osc = opened(receiver, features=["*"])
    osc.send(make_frame())
    (target,) = osc._targets
    assert target._socket is not None
    assert target._socket.getblocking() is False

    class Full:
        def send(self, data: bytes) -> int:
            raise BlockingIOError

        def close(self) -> None: ...

    room, target._socket = target._socket, Full()  # type: ignore[assignment]  # loopback never fills up
    before = osc.counters()
    osc.send(make_frame(1))
    full = errors(osc)
    assert full == len(make_names()) + len(make_frame().controls.values) + 2
    assert osc.counters()["sent"] == before["sent"]
    target._socket = room
    receiver.messages()
    osc.send(make_frame(2))
    row, said = find("osc-buffer-full"), receiver.messages()
    assert errors(osc) == full and len(said) > len(make_names()) and row.seconds == TICK_S, "the next tick says all"
    assert "".join(caplog.messages) == row.message
    osc.close()


def test_after_a_lost_network_the_socket_is_made_anew(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    osc = opened(receiver)
    osc.send(make_frame(0))
    (target,) = osc._targets
    assert target._socket is not None
    target._socket.close()  # every send fails from now on, as when the interface has gone
    receiver.messages()
    for number in range(1, 60):
        osc.send(make_frame(number))
    osc.close()
    ticks = len([a for a, _ in receiver.messages() if a == "/brainmusic/feature/alpha"])
    assert ticks == 60 - 51
    assert errors(osc) == 50
    row = find("osc-network-lost")
    assert row.seconds == 50 * TICK_S and "".join(caplog.messages) == row.message


def test_localhost_is_ipv4_where_most_receivers_listen(receiver: Receiver) -> None:
    osc = Osc(targets=[f"localhost:{receiver.port}"])
    osc.open(VirtualClock(), make_info())
    osc.send(make_frame())
    osc.close()
    assert receiver.messages()


def test_ipv6() -> None:
    try:
        receiver = Receiver(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("needs IPv6 on this machine")
    osc = Osc(targets=[f"[::1]:{receiver.port}"])
    osc.open(VirtualClock(), make_info())
    osc.send(make_frame())
    osc.close()
    assert receiver.messages()
    receiver.socket.close()


def test_closing_twice_opening_again_and_sending_when_closed(receiver: Receiver) -> None:
    osc = opened(receiver)
    osc.send(make_frame(0))
    osc.close()
    osc.close()
    receiver.messages()
    osc.send(make_frame(1, time=0.02))
    assert receiver.messages() == []
    osc.open(VirtualClock(), make_info())
    osc.send(make_frame(2))
    assert "/brainmusic/heartbeat" in dict(receiver.messages())
    osc.close()

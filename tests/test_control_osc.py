"""Commands over OSC: what arrives is carried out, what is wrong is counted, and no sender can hurt the music."""

from __future__ import annotations

import logging
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.outputs.osc_encoding import bundles, message
from brainmusic_daemon.sections import ControlConfig
from brainmusic_daemon.service import control_osc
from brainmusic_daemon.service.allowed import Allowed
from brainmusic_daemon.service.command import Command
from brainmusic_daemon.service.commands import COMMANDS
from brainmusic_daemon.service.control_osc import ControlOsc
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.osc_decoding import MOST_BYTES, Malformed, messages
from tests import daemons, parts
from tests.daemons import Client, packet
from tests.faults import find
from tests.receivers import pd_patch, sclang, wait_for

# --- datagrams --------------------------------------------------------------------------------------------------------

arguments = st.lists(
    st.one_of(
        st.integers(-(2**31), 2**31 - 1),
        st.floats(width=32, allow_nan=False),
        st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=30),
        st.booleans(),
    ),
    max_size=6,
)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=20), arguments)
def test_what_python_osc_writes_is_read(name: str, given: list[object]) -> None:
    ((address, found),) = messages(packet(f"/{name}", *given))
    assert address == f"/{name}" and list(found) == given


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_a_packet_or_malformed(data: bytes) -> None:
    for start in (b"", b"/a\0\0,", b"#bundle\0" + bytes(8)):
        try:
            found = list(messages(start + data))
        except Malformed:
            continue
        assert all(address.startswith("/") for address, _ in found)


@given(st.data())
def test_a_packet_that_was_cut_or_changed_never_does_harm(data: st.DataObject) -> None:
    elements = [message(f"/brainmusic/target/{name}", (0.5, "text", 7)) for name in ("tempo", "mode", "z.0")]
    (whole,) = bundles([len(body).to_bytes(4, "big") + body for body in elements])
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, max(len(broken) - 1, 0)), max_size=4)):
        if broken:
            broken[place] = data.draw(st.integers(0, 255))
    try:
        list(messages(bytes(broken)))
    except Malformed:
        return


def bundle(*sizes: int) -> bytes:
    return b"#bundle\0" + bytes(7) + b"\1" + b"".join(struct.pack(">i", size) for size in sizes)


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (b"", "no address"),
        (b"hello", "no address"),
        (b"/rate", "cut short"),
        (b"/rate\0\0\0,f\0\0", "cut short"),
        (b"/rate\0\0\0,b\0\0" + bytes(8), "type"),
        (b"/rate\0\0\0f\0\0\0" + bytes(4), "no types"),
        (b"/rate\0\0\0,f\0\0" + bytes(8), "too long"),
        (b"/\xff\0\0", "text"),
        (bundle(-4), "bundle"),  # keeps python-osc in a loop for ever
        (bundle(2**31 - 1), "bundle"),
        (bundle(0, 0, 0), "bundle"),
        (b"#bundle\0", "bundle"),
        (b"/" + b"a" * MOST_BYTES, "oversized"),
    ],
)
def test_malformed_datagrams_say_why(datagram: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=f"^{why}$"):
        messages(datagram)


def test_bundles_in_bundles_are_read_but_not_for_ever() -> None:
    body = message("/a", (1,))
    for depth in range(4):
        body = bundles([len(body).to_bytes(4, "big") + body])[0]
        assert list(messages(body)) == [("/a", (1,))], depth
    body = bundles([len(body).to_bytes(4, "big") + body])[0]
    with pytest.raises(Malformed):
        messages(body)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_an_address(command: object) -> None:
    address = command.address.replace("<control>", "z.0").replace("<setting>", "slew")  # type: ignore[attr-defined]
    inside = tuple(part for part in address.split("/") if part in ("z.0", "slew"))
    assert control_osc.find(address) == (command.name, inside)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address",
    ["/", "/brainmusic", "/brainmusic/", "/brainmusic/rat", "/rate", "/brainmusic/rate/1", "/brainmusic/target"],
)
def test_other_addresses_are_unknown(address: str) -> None:
    assert control_osc.find(address) is None


# --- a daemon that listens --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemons.daemon(name="osc") as daemon:
        yield daemon


@pytest.fixture
def patch(running: Daemon) -> Iterator[Client]:
    with daemons.client(running.osc_in.port) as client:
        yield client


def test_commands_are_carried_out_and_answered(running: Daemon, patch: Client) -> None:
    assert patch.ask("/brainmusic/ping")[:2] == ["ping", "ok"]
    assert patch.ask("/brainmusic/mapper/load", "linear", 0.0)[:2] == ["mapper.load", "ok"]
    wait_for(lambda: running.session.pipeline.host.playing.name == "linear")
    assert patch.ask("/brainmusic/mapper/undo")[1] == "ok"
    wait_for(lambda: running.session.pipeline.host.playing.name == "direct")  # from the next tick on
    assert "mapper direct" in str(patch.ask("/brainmusic/status")[2])
    assert patch.ask("/brainmusic/panic")[1] == "ok" and running.sounding.panicked
    assert patch.ask("/brainmusic/resume")[1] == "ok" and not running.sounding.panicked


def test_knobs_are_silent_unless_something_is_wrong(running: Daemon, patch: Client) -> None:
    entries: list[str] = []
    leave = running.session.journal.listen(lambda entry: entries.append(str(entry)))
    patch.send("/brainmusic/target/tempo", 120)
    patch.send("/brainmusic/rate", 1.0)
    wait_for(lambda: {"target tempo 120", "rating 1"} <= {*entries})
    patch.send("/brainmusic/mute", True)
    wait_for(lambda: running.sounding.muted)
    patch.send("/brainmusic/mute", 0)
    wait_for(lambda: not running.sounding.muted)
    assert patch.silent()
    leave()


def test_what_is_wrong_is_counted_by_reason_and_told_once(
    running: Daemon, patch: Client, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("brainmusic_daemon").propagate = True
    wrong = [
        (packet("/brainmusic/rate"), "arity"),
        (packet("/brainmusic/rate", "good"), "type"),
        (packet("/brainmusic/rate", float("nan")), "range"),
        (packet("/brainmusic/target/tempo", 5000.0), "range"),
        (packet("/brainmusic/target/unheard_of", 1.0), "unknown"),
        (packet("/brainmusic/unheard_of", 1.0), "unknown"),
        (packet("/brainmusic/mapper/load", "../../x.py"), "refused"),
        (b"nonsense", "malformed"),
        (b"/" + b"x" * 60_000, "malformed.oversized"),
    ]
    for datagram, reason in wrong:
        before = running.osc_in.counters().get(reason, 0)
        for _ in range(3):
            patch.socket.send(datagram)
        wait_for(lambda r=reason, b=before: running.osc_in.counters().get(r, 0) > b)  # type: ignore[misc]
    assert patch.ask("/brainmusic/ping")[1] is not None
    said = {record.created for record in caplog.records if "/brainmusic/rate" in record.getMessage()}
    assert len(said) <= 1  # one record may come by two ways to where it is kept here
    assert len(caplog.records) < 20


def test_all_that_is_malformed_is_counted_whichever_way_it_comes(running: Daemon) -> None:
    """Over UDP and over WebSockets at once: the threads of both count."""
    heard, switching = ControlOsc(running.control, running.config.control), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        ways = [threading.Thread(target=lambda: [heard.take(b"nonsense", "x") for _ in range(9_000)]) for _ in range(4)]
        for way in ways:
            way.start()
        for way in ways:
            way.join(60)
    finally:
        sys.setswitchinterval(switching)
    assert [*heard.wrong.values()] == [36_000, 36_000], heard.wrong  # of all, and by its reason


def test_bundles_act_at_once_or_not_at_all(running: Daemon, patch: Client) -> None:
    entries: list[str] = []
    leave = running.session.journal.listen(lambda entry: entries.append(entry.text))
    made = OscBundleBuilder(IMMEDIATELY)
    for text in ("one", "two"):
        builder = OscMessageBuilder("/brainmusic/marker")
        builder.add_arg(text)
        made.add_content(builder.build())
    whole = made.build().dgram
    patch.socket.send(whole)
    assert [patch.reply()[1], patch.reply()[1]] == ["ok", "ok"] and {"one", "two"} <= {*entries}
    entries.clear()
    patch.socket.send(whole[:-4])
    assert patch.silent() and not {"one", "two"} & {*entries}
    leave()


def test_a_port_that_is_taken_is_told_once_and_tried_again(
    running: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = find("osc-port-in-use")
    assert row.seconds == control_osc.RETRY_S, "the pause between two attempts"
    logging.getLogger("brainmusic_daemon").propagate = True
    monkeypatch.setattr(control_osc, "RETRY_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        listening = ControlOsc(running.control, ControlConfig(osc_port=other.getsockname()[1]))
        listening.start()
        wait_for(lambda: row.says(caplog.messages))
        assert listening.port == 0
    wait_for(lambda: listening.port)
    with daemons.client(listening.port) as client:
        assert client.ask("/brainmusic/ping")[1] == "ok"
    listening.stop()
    assert caplog.text.count("cannot listen") == 1


def test_listening_beyond_this_computer_is_said(
    running: Daemon, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("brainmusic_daemon").propagate = True
    for allow, told in (
        (["any"], "whoever reaches this computer"),
        (["192.0.2.0/24", "2001:db8::7"], "192.0.2.0/24, 2001"),
    ):
        listening = ControlOsc(running.control, ControlConfig(host="0.0.0.0", allow=allow, osc_port=0, enabled=True))
        monkeypatch.setattr(listening, "_open", lambda first: None)  # the log is all that is wanted here
        listening.start()
        listening.stop()
        assert told in caplog.text
        caplog.clear()
    assert not any(ControlConfig(host=host).beyond_loopback for host in ("127.0.0.1", "::1", "localhost", "127.0.0.2"))


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.arguments], ids=str)
@pytest.mark.parametrize("types", ["", "I", "N", "i", "f"])
def test_buttons_that_send_a_value_or_a_bang_reach_commands_that_take_nothing(
    running: Daemon, monkeypatch: pytest.MonkeyPatch, command: Command, types: str
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(running.control, "submit", lambda name, given, reply, trusted: asked.append((name, given)))
    with daemons.client(running.osc_in.port) as client:
        data = {"": (), "I": (b"",), "N": (b"",), "i": (struct.pack(">i", 1),), "f": (struct.pack(">f", 1.0),)}[types]
        head = message(command.address, ())
        client.socket.send(head[:-4] + b"," + types.encode().ljust(3, b"\0") + b"".join(data))
        wait_for(lambda: asked)
    assert asked == [(command.name, ())]


def test_who_is_not_allowed_is_counted_told_once_and_never_answered(
    running: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("brainmusic_daemon").propagate = True
    listening = ControlOsc(running.control, ControlConfig(osc_port=0))
    listening.allowed = Allowed([])
    listening.allowed._known["127.0.0.1"] = False  # as if this client were elsewhere
    listening.start()
    with daemons.client(listening.port) as client:
        for datagram in (
            packet("/brainmusic/ping"),
            packet("/brainmusic/unheard_of"),
            b"nonsense",
            b"/" + bytes(60_000),
        ):
            client.socket.send(datagram)
        wait_for(lambda: listening.counters().get("forbidden") == 4)
        assert client.silent()
    listening.stop()
    assert listening.received == 0
    assert caplog.text.count("may not command") == 1


NETWORKS = ["192.168.1.0/24", "10.0.0.7", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("address", "may"),
    [
        *(("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *(
            ("192.168.1.77", True),
            ("::ffff:192.168.1.77", True),
            ("192.168.2.77", False),
            ("::ffff:192.168.2.7", False),
        ),
        *(("10.0.0.7", True), ("10.0.0.8", False), ("2001:db8::5", True), ("2001:db9::5", False)),
        *(("fe80::1%eth0", False), ("", False), ("localhost", False), ("192.168.1.0/24", False)),
    ],
)
def test_who_may_command(address: str, may: bool) -> None:
    assert (address in Allowed(NETWORKS)) is may
    assert address in Allowed(["any"])
    assert Allowed(["any", *NETWORKS]).named(address) is may
    assert (address in Allowed([])) is ("127" in address or address == "::1")


def test_addresses_that_are_made_up_do_not_fill_the_memory() -> None:
    allowed = Allowed(NETWORKS)
    for number in range(5_000):
        assert f"10.9.{number // 250}.{number % 250}" not in allowed
    assert len(allowed._known) <= 1_000


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (['control.host="0.0.0.0"'], 'say who may command, as allow = ["192.168.1.0/24"]'),
        (['control.host="::"', "control.allow=[]"], "say who may command"),
        (['control.allow=["192.168.1.0/33"]'], "'192.168.1.0/33' is no address, network"),
        (['control.allow=["anybody"]'], "'anybody' is no address"),
    ],
)
def test_beyond_loopback_somebody_has_to_be_named(settings: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        configuration.load(None, settings)


@pytest.mark.parametrize(
    "settings",
    [
        ['control.host="0.0.0.0"', "control.enabled=false"],
        ['control.host="0.0.0.0"', 'control.allow=["any"]'],
        ['control.host="192.168.1.5"', 'control.allow=["192.168.1.9", "fe80::/10"]'],
        ['control.allow=["10.0.0.1/8"]'],
    ],
)
def test_what_is_allowed_is_accepted(settings: list[str]) -> None:
    configuration.load(None, settings)


def test_it_does_not_listen_where_that_is_not_wanted(running: Daemon) -> None:
    listening = ControlOsc(running.control, ControlConfig(enabled=False, osc_port=0))
    listening.start()
    assert listening.port == 0
    listening.stop()


def test_explanations_go_out_over_osc() -> None:
    port = parts.free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        receiver.settimeout(20)
        with daemons.daemon(f'output.osc.targets=["127.0.0.1:{port}"]', "control.explain_hz=10", name="explains"):
            while True:
                data = receiver.recv(65536)
                if data.startswith(b"/brainmusic/explain/tempo\0"):
                    break
    feature, share, *_ = OscMessage(data).params
    assert feature == "engagement" and 0.005 <= abs(share) <= 1.0


# --- programs that musicians use --------------------------------------------------------------------------------------

SC = """
n = NetAddr("127.0.0.1", {port});
OSCdef(\\reply, {{ |msg| ("REPLY " ++ msg[1..3].join("|")).postln }}, '/brainmusic/reply');
n.sendMsg('/brainmusic/mapper/load', "linear", 0.5);
n.sendMsg('/brainmusic/rate', 0.25);
n.sendBundle(nil, ['/brainmusic/marker', "from sclang"], ['/brainmusic/route/tempo/gain', 1.5]);
n.sendMsg('/brainmusic/rate', "much");
"""

PD = """#N canvas 0 0 450 300 12;
#X obj 10 10 loadbang;
#X obj 10 40 del 300;
#X msg 10 70 0.25;
#X obj 10 100 oscformat brainmusic rate;
#X obj 10 130 list prepend send;
#X obj 10 160 list trim;
#X obj 10 190 netsend -u -b;
#X obj 200 10 loadbang;
#X msg 200 40 connect 127.0.0.1 {port};
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 3 0 4 0;
#X connect 4 0 5 0;
#X connect 5 0 6 0;
#X connect 7 0 8 0;
#X connect 8 0 6 0;
"""


@pytest.mark.real
def test_supercollider_commands_and_hears_the_answers(running: Daemon, tmp_path: Path) -> None:
    entries: list[str] = []
    leave = running.session.journal.listen(lambda entry: entries.append(str(entry)))
    script, lines = tmp_path / "steer.scd", list[str]()
    script.write_text(SC.format(port=running.osc_in.port), encoding="utf-8")
    with sclang(script, lines.append, parts.free_port()):
        wait_for(lambda: sum("REPLY" in line for line in lines) >= 3, 60, str(lines[-5:]))
    said = [line.removeprefix("REPLY ") for line in lines if "REPLY" in line]
    assert any(line.startswith("mapper.load|ok|mapper 'linear'") for line in said)
    assert any(line.startswith("marker|ok|") for line in said)
    assert any(line.startswith("rate|no|rating is a number") for line in said)
    assert "rating 0.25" in entries and "marker from sclang" in entries
    leave()


@pytest.mark.real
def test_pure_data_rates(running: Daemon, tmp_path: Path) -> None:
    entries: list[str] = []
    leave = running.session.journal.listen(lambda entry: entries.append(str(entry)))
    patch = tmp_path / "steer.pd"
    patch.write_text(PD.format(port=running.osc_in.port), encoding="utf-8")
    with pd_patch(patch):
        wait_for(lambda: "rating 0.25" in entries, 30)
    leave()

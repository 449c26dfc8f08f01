"""OSCQuery: the tree is what the daemon sends and understands, as the proposal writes it, and its values move."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from brainmusic_daemon import config as configuration
from brainmusic_daemon.outputs.osc_encoding import message
from brainmusic_daemon.service import control_osc
from brainmusic_daemon.service.commands import BY_NAME, COMMANDS
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.oscquery import EXTENSIONS, OscQuery
from brainmusic_daemon.service.oscquery_tree import ATTRIBUTES, READ, WRITE, BadQuery, Method, Slot, Tree, asked
from tests import daemons, parts
from tests.receivers import wait_for

Node = dict[str, Any]

# --- the question and the tree ----------------------------------------------------------------------------------------


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from([*ATTRIBUTES, "HOST_INFO", "token", "&", "=", "%", ";"])).map("".join)
    )
)
def test_any_query_is_understood_or_turned_away(query: str) -> None:
    try:
        found = asked(query)
    except BadQuery:
        return
    assert found in ("", "HOST_INFO", *ATTRIBUTES)


@pytest.mark.parametrize(
    ("query", "attribute"),
    [
        ("", ""),
        ("VALUE", "VALUE"),
        ("VALUE=", "VALUE"),
        ("token=abc", ""),
        ("token=a%20b&RANGE", "RANGE"),
        ("&TYPE", "TYPE"),
    ],
)
def test_queries_that_are_understood(query: str, attribute: str) -> None:
    assert asked(query) == attribute


@pytest.mark.parametrize("query", ["value", "LISTEN=true", "VALUE&RANGE", "x" * 10_000, "&".join("abcdefghijkl"), "\0"])
def test_queries_that_are_not(query: str) -> None:
    with pytest.raises(BadQuery):
        asked(query)


@given(st.dictionaries(st.from_regex(r"(/[a-z]{1,2}){1,4}", fullmatch=True), st.integers(0, 3), max_size=12))
def test_a_tree_holds_what_it_was_given_each_where_it_belongs(addresses: dict[str, int]) -> None:
    tree: Tree[None] = Tree([Method(path, path, access, (Slot("f"),)) for path, access in addresses.items()], {})
    found = {node["FULL_PATH"]: node["ACCESS"] for node in walk(tree.describe("/", None)) if "TYPE" in node}
    assert found == addresses
    assert all(path in tree for path in addresses) and "/zzz" not in tree


@given(st.floats(), st.sampled_from("fis"))
def test_values_are_json(value: float, tag: str) -> None:
    method: Method[None] = Method("/a", "", READ, (Slot(tag, -1.0, 1.0),), lambda look: [value])
    json.dumps(Tree([method], {}).describe("/", None), allow_nan=False)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for name, below in node.get("CONTENTS", {}).items():
        assert below["FULL_PATH"] == f"{node['FULL_PATH'].rstrip('/')}/{name}"
        yield from walk(below)


# --- over HTTP --------------------------------------------------------------------------------------------------------

WEB = ("web.enabled=true", "web.port=0")


@pytest.fixture(scope="module")
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(20)
        yield made


@pytest.fixture(scope="module")
def running(receiver: socket.socket) -> Iterator[Daemon]:
    target = f'output.osc.targets=["127.0.0.1:{receiver.getsockname()[1]}"]'
    settings = (*WEB, target, 'music.preset="pulse"', "control.explain_hz=10", "session.name=asked")
    with daemons.daemon(*settings, name="asked") as daemon:
        wait_for(lambda: daemon.web.port and daemon.session.frame and daemon.session.frame.features.names)
        yield daemon


def get(daemon: Daemon, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.web.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def node(daemon: Daemon, path: str) -> Node:
    status, text = get(daemon, path)
    assert status == 200, (path, status, text)
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def nodes(daemon: Daemon) -> dict[str, Node]:
    return {each["FULL_PATH"]: each for each in walk(node(daemon, "/"))}


def fits(value: object, tag: str, bounds: Node) -> bool:
    """Return whether a value is of a type and in a range."""
    if not isinstance(value, {"f": float, "i": int, "s": str}[tag]):
        return False
    if "VALS" in bounds:
        return value in bounds["VALS"]
    if isinstance(value, str):
        return True
    assert isinstance(value, float | int)
    return bounds.get("MIN", value) - 1e-6 <= value <= bounds.get("MAX", value) + 1e-6


def test_every_node_is_as_the_proposal_says(running: Daemon) -> None:
    found = nodes(running)
    assert len(found) > 150
    for path, each in found.items():
        assert {*each} <= {*ATTRIBUTES} and each["FULL_PATH"] == path and each["ACCESS"] in (0, 1, 2, 3)
        if "TYPE" not in each:
            assert each["ACCESS"] == 0 and each["CONTENTS"]
            continue
        assert each["DESCRIPTION"] and each["ACCESS"] > 0
        for shape in (each, *each.get("OVERLOADS", ())):
            tags = shape["TYPE"]
            assert tags == "I" or {*tags} <= {*"fis"}
            for name in ("RANGE", "CLIPMODE", "UNIT", "VALUE"):
                assert name not in shape or len(shape[name]) == len(tags), (path, name)
        if "VALUE" in each:
            assert each["ACCESS"] & READ
            bounds = each.get("RANGE", [{}] * len(each["TYPE"]))
            for value, tag, bound in zip(each["VALUE"], each["TYPE"], bounds, strict=True):
                assert fits(value, tag, bound), (path, value, bound)


def test_few_nodes_are_both_a_method_and_a_container(running: Daemon) -> None:
    """OSC draws methods as leaves, and there are clients that show only what is below such a node: docs/control.md."""
    found = nodes(running)
    both = {path for path, each in found.items() if "TYPE" in each and "CONTENTS" in each}
    assert both == {"/brainmusic/learn", "/brainmusic/profile"}
    assert node(running, "/brainmusic/learn?TYPE") == {"TYPE": "i"}
    assert found["/brainmusic/learn"]["ACCESS"] == READ | WRITE and found["/brainmusic/learn"]["VALUE"] == [0]


def test_everything_that_is_sent_is_in_the_tree_with_its_type(running: Daemon, receiver: socket.socket) -> None:
    found, seen, until = nodes(running), set[str](), time.monotonic() + 4
    while time.monotonic() < until:
        sent = OscMessage(receiver.recv(65536))
        seen.add(sent.address)
        described = found[sent.address]
        assert described["ACCESS"] & READ
        tags = "".join({float: "f", int: "i", str: "s"}[type(value)] for value in sent.params)
        shapes = {each["TYPE"]: each for each in (described, *described.get("OVERLOADS", ()))}
        assert tags in shapes, sent.address
        bounds = shapes[tags].get("RANGE", [{}] * len(tags))
        for value, tag, bound in zip(sent.params, tags, bounds, strict=True):
            assert fits(value, tag, bound), (sent.address, value, bound)
    steady = {path for path, each in found.items() if each["ACCESS"] == READ and "VALUE" in each}
    assert steady - seen <= {
        "/brainmusic/text",
        *(f"/brainmusic/event/{name}" for name in ("blink", "alpha_burst", "jaw")),
    }
    assert {"/brainmusic/note", "/brainmusic/tone", "/brainmusic/explain/tempo"} <= seen


def test_every_command_is_in_the_tree_and_takes_what_the_tree_says(running: Daemon) -> None:
    heard = {path: each for path, each in nodes(running).items() if each["ACCESS"] & WRITE}
    reached = set()
    for path, each in heard.items():
        route = control_osc.find(path)
        assert route is not None, path
        name, inside = route
        reached.add(name)
        for shape in (each, *each.get("OVERLOADS", ())):
            bounds = shape.get("RANGE", [{}] * len(shape["TYPE"]))
            given: list[object] = []
            for tag, bound in zip(shape["TYPE"], bounds, strict=True):
                if tag != "I":
                    given.append(bound.get("VALS", ["text"])[0] if tag == "s" else bound.get("MAX", 1.0))
            BY_NAME[name].read((*inside, *given))  # raises where the tree promises too much
    assert reached == {command.name for command in COMMANDS}


def test_units_and_ranges_are_those_of_the_controls(running: Daemon) -> None:
    tempo = node(running, "/brainmusic/control/tempo")
    assert (tempo["TYPE"], tempo["RANGE"], tempo["UNIT"], tempo["CLIPMODE"]) == (
        *("f", [{"MIN": 50.0, "MAX": 150.0}], ["time.bpm"], ["both"]),
    )
    assert node(running, "/brainmusic/state")["RANGE"][0]["VALS"][:2] == ["calibrating", "good"]
    assert "pulse" in node(running, "/brainmusic/preset")["RANGE"][0]["VALS"]
    assert node(running, "/brainmusic/gain")["UNIT"] == ["gain.db"]


def test_single_attributes_and_what_there_is_not(running: Daemon) -> None:
    assert node(running, "/brainmusic/control/tempo?RANGE") == {"RANGE": [{"MIN": 50.0, "MAX": 150.0}]}
    assert [*node(running, "/brainmusic/control/tempo?VALUE")] == ["VALUE"]
    assert node(running, "/brainmusic/control/?ACCESS") == {"ACCESS": 0}
    assert [*node(running, "/?CONTENTS")["CONTENTS"]] == ["brainmusic"]
    for path, status in (
        *(("/brainmusic/rate?VALUE", 204), ("/brainmusic/control?VALUE", 204), ("/brainmusic/rate?CONTENTS", 204)),
        *(("/brainmusic/rate?TAGS", 204), ("/brainmusic/note?VALUE", 204), ("/brainmusic/rate?NONSENSE", 400)),
        *(("/brainmusic/rate?VALUE&RANGE", 400), ("/brainmusic/unheard_of", 404), ("/brainmusic/control/tempo/x", 404)),
        *(("/unheard_of", 404), ("/brainmusic/..%2f..%2fetc/passwd", 404), ("/brainmusic/%00", 404)),
    ):
        assert get(running, path)[0] == status, path
    assert get(running, "/brainmusic/rate?VALUE")[1] == ""


def test_host_info(running: Daemon) -> None:
    found = node(running, "/?HOST_INFO")
    assert found == node(running, "/brainmusic/rate?HOST_INFO")
    assert (found["NAME"], found["OSC_TRANSPORT"], found["OSC_IP"]) == ("brainmusic asked", "UDP", "127.0.0.1")
    assert (found["OSC_PORT"], found["WS_PORT"]) == (running.osc_in.port, running.web.port)
    assert found["EXTENSIONS"] == EXTENSIONS and found["EXTENSIONS"]["LISTEN"] is True


def test_a_browser_gets_the_page_everybody_else_the_tree(running: Daemon) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert "<html" in get(running, "/", **browser)[1]
    assert json.loads(get(running, "/?HOST_INFO", **browser)[1])["NAME"]
    assert json.loads(get(running, "/")[1])["FULL_PATH"] == "/"
    assert json.loads(get(running, "/", Accept="application/json")[1])["FULL_PATH"] == "/"


def test_values_are_those_of_now(running: Daemon) -> None:
    value = "/brainmusic/route/tempo/gain?VALUE"
    with daemons.client(running.osc_in.port) as client:
        client.send("/brainmusic/route/tempo/gain", 1.75)
        wait_for(lambda: node(running, value) == {"VALUE": [1.75]})
        client.send("/brainmusic/mute", 1)
        wait_for(lambda: node(running, "/brainmusic/mute?VALUE") == {"VALUE": [1]})
        client.send("/brainmusic/mute", 0)
        wait_for(lambda: node(running, "/brainmusic/mute?VALUE") == {"VALUE": [0]})
    beats = [node(running, "/brainmusic/heartbeat?VALUE")["VALUE"][0]]
    wait_for(lambda: node(running, "/brainmusic/heartbeat?VALUE")["VALUE"][0] > beats[0])


def test_answers_do_not_wait_for_acknowledgements(running: Daemon) -> None:
    """Nagle's algorithm is off: else head and body of an answer wait for each other, 0.04 s nearly each time."""
    connection = http.client.HTTPConnection("127.0.0.1", running.web.port, timeout=30)
    connection.request("GET", "/brainmusic/heartbeat?VALUE")
    connection.getresponse().read()
    assert running.web._server is not None and connection.sock is not None
    mine, there = connection.sock.getsockname(), list[socket.socket]()
    for served in list(running.web._server.server_state.connections):
        there += [found for found in [served.transport.get_extra_info("socket")] if found.getpeername() == mine]
    (end,) = there
    assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


def test_before_there_is_anything_to_send_commands_are_there() -> None:
    fresh = OscQuery(Daemon(configuration.load(None, [*daemons.QUIET])))  # made, not run
    status, found = fresh.answer("/", "")
    assert status == 200 and found is not None
    every = {each["FULL_PATH"] for each in walk(found)}
    assert "/brainmusic/rate" in every and "/brainmusic/feature/alpha" not in every
    assert "OSC_PORT" not in fresh.host_info()


# --- over a WebSocket -------------------------------------------------------------------------------------------------


@contextmanager
def listener(daemon: Daemon, query: str = "", **settings: Any) -> Iterator[ClientConnection]:
    address = f"ws://127.0.0.1:{daemon.web.port}/{query}"
    with connect(address, compression=None, open_timeout=30, proxy=None, **settings) as made:
        yield made


def say(client: ClientConnection, command: str, path: object) -> None:
    client.send(json.dumps({"COMMAND": command, "DATA": path}))


def heard(
    client: ClientConnection, seconds: float, enough: Callable[[list[OscMessage]], object] = lambda found: False
) -> list[OscMessage]:
    """Return the OSC messages that come within so many seconds, or until there are enough."""
    found, until = list[OscMessage](), time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            received = client.recv(timeout=left)
        except TimeoutError:
            break
        if isinstance(received, bytes):
            found.append(OscMessage(received))
            if enough(found):
                break
    return found


def test_who_listens_hears_what_changes_and_nothing_else(running: Daemon) -> None:
    with listener(running) as client:
        assert heard(client, 0.3) == []
        for path in (
            "/brainmusic/control/tempo",
            "/brainmusic/state",
            "/brainmusic/mute",
            "/brainmusic/rate",
            "/nothing",
        ):
            say(client, "LISTEN", path)
        wanted = {f"/brainmusic/{name}" for name in ("control/tempo", "state", "mute")}

        def all_came(found: list[OscMessage]) -> bool:
            addresses = [each.address for each in found]
            return {*addresses} >= wanted and addresses.count("/brainmusic/control/tempo") >= 5

        found = heard(client, 20.0, all_came) + heard(client, 0.3)
        tempos = [each.params[0] for each in found if each.address == "/brainmusic/control/tempo"]
        assert len(tempos) >= 5 and all(50 <= tempo <= 150 for tempo in tempos)
        assert [each.params for each in found if each.address == "/brainmusic/mute"] == [[0]]
        assert {each.address for each in found} == wanted
        say(client, "IGNORE", "/brainmusic/control/tempo")
        say(client, "IGNORE", "/brainmusic/state")
        wait_for(lambda: not heard(client, 0.3), what="for silence")
        running.sounding.mute(True)
        running.sounding.mute(True)
        found = heard(client, 20.0, len) + heard(client, 0.5)
        assert [(each.address, each.params) for each in found] == [("/brainmusic/mute", [1])]
        running.sounding.mute(False)


def test_notes_and_events_are_heard_each_once(running: Daemon) -> None:
    with listener(running) as client:
        say(client, "LISTEN", "/brainmusic/tone")
        found = heard(client, 20.0, lambda found: len(found) >= 3)
    assert found and {each.address for each in found} == {"/brainmusic/tone"}
    assert all(len(each.params) == 8 for each in found)


def test_a_change_of_the_tree_is_told(running: Daemon) -> None:
    with listener(running) as client:
        assert running.control.ask("mapper.load", ["latent", 0.0]).ok
        told: list[object] = []

        def changed() -> bool:
            received = client.recv(timeout=30)
            told.append(json.loads(received) if isinstance(received, str) else received)
            return {"COMMAND": "PATH_CHANGED", "DATA": "/brainmusic"} in told

        wait_for(changed)
        assert running.control.ask("mapper.undo", []).ok
        wait_for(lambda: "/brainmusic/route/tempo/gain" in nodes(running))


def test_commands_are_taken_as_over_udp(running: Daemon) -> None:
    entries: list[str] = []
    leave = running.session.journal.listen(lambda entry: entries.append(str(entry)))
    with listener(running) as client:
        client.send(message("/brainmusic/rate", (0.5,)))
        client.send(message("/brainmusic/marker", ("over a WebSocket",)))
        wait_for(lambda: {"rating 0.5", "marker over a WebSocket"} <= {*entries})
        before = running.osc_in.counters().get("refused", 0)
        client.send(message("/brainmusic/mapper/load", ("../../elsewhere.py",)))
        wait_for(lambda: running.osc_in.counters().get("refused", 0) > before)
    leave()


@pytest.mark.parametrize(
    "nonsense", ["", "[]", '{"COMMAND": 1, "DATA": 2}', "[" * 10_000, b"", b"nonsense", b"\0" * 100]
)
def test_who_only_talks_nonsense_is_left(running: Daemon, nonsense: str | bytes) -> None:
    with listener(running) as client, pytest.raises(ConnectionClosed):
        for _ in range(5_000):
            client.send(nonsense)
            time.sleep(0.002)
    assert get(running, "/brainmusic/ping")[0] == 200


def test_who_says_things_that_we_do_not_know_may_stay(running: Daemon) -> None:
    with listener(running) as client:
        for _ in range(50):
            say(client, "START_OSC_STREAMING", {"LOCAL_SERVER_PORT": 9000})
            say(client, "LISTEN", ["a", "list"])
        say(client, "LISTEN", "/brainmusic/heartbeat")
        assert heard(client, 20.0, len)


def test_one_that_never_reads_disturbs_nobody(running: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", running.web.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        deaf.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{running.web.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in deaf.recv(100)
        text = json.dumps({"COMMAND": "LISTEN", "DATA": "/brainmusic/heartbeat"}).encode()
        deaf.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        with listener(running) as client:
            say(client, "LISTEN", "/brainmusic/heartbeat")
            assert len(heard(client, 1.0)) >= 10


def test_a_foreign_page_cannot_listen(running: Daemon) -> None:
    with pytest.raises(InvalidStatus), listener(running, origin="http://evil.example"):  # type: ignore[arg-type]
        pass


# --- who may ask ------------------------------------------------------------------------------------------------------


def test_with_a_token_it_is_asked_for() -> None:
    with daemons.daemon(*WEB, "web.token=a-token-to-test", name="locked") as daemon:
        wait_for(lambda: daemon.web.port)
        for path in ("/", "/?HOST_INFO", "/brainmusic", "/brainmusic/rate?RANGE", "/brainmusic/rate?token=another-one"):
            assert get(daemon, path)[0] == 401, path
        assert node(daemon, "/?token=a-token-to-test")["FULL_PATH"] == "/"
        assert node(daemon, "/brainmusic/rate?RANGE&token=a-token-to-test")["RANGE"]
        assert get(daemon, "/", Authorization="Bearer a-token-to-test")[0] == 200
        with pytest.raises(InvalidStatus), listener(daemon):
            pass
        with listener(daemon, "?token=a-token-to-test") as client:
            say(client, "LISTEN", "/brainmusic/heartbeat")
            assert heard(client, 20.0, len)


@pytest.mark.parametrize(
    ("host", "allow", "client", "path", "exempt"),
    [
        ("0.0.0.0", ["192.168.1.0/24"], "192.168.1.9", "/brainmusic/rate", True),
        ("0.0.0.0", ["192.168.1.0/24"], "192.168.1.9", "/", True),
        ("0.0.0.0", ["192.168.1.0/24"], "192.168.2.9", "/brainmusic/rate", False),
        ("0.0.0.0", ["192.168.1.0/24"], "192.168.1.9", "/metrics", False),
        ("0.0.0.0", ["192.168.1.0/24"], "192.168.1.9", "/ws", False),
        ("0.0.0.0", ["any"], "192.168.1.9", "/brainmusic/rate", False),
        ("127.0.0.1", ["192.168.1.0/24"], "192.168.1.9", "/brainmusic/rate", False),
        ("127.0.0.1", [], "127.0.0.1", "/brainmusic/rate", False),
    ],
)
def test_who_may_command_may_ask_without_a_token(
    host: str, allow: list[str], client: str, path: str, exempt: bool
) -> None:
    settings = (*daemons.QUIET, f'control.host="{host}"', f"control.allow={json.dumps(allow)}")
    asked = OscQuery(Daemon(configuration.load(None, settings)))
    assert asked.exempt({"type": "http", "path": path, "client": (client, 50_000)}) is exempt
    assert not asked.exempt({"type": "http", "path": path, "client": None})


def test_other_dialects_are_not_ours() -> None:
    port = parts.free_port()
    settings = [*daemons.QUIET, "output.osc.enabled=false", "output.muse.kind=osc", "output.muse.dialect=muse"]
    made = OscQuery(Daemon(configuration.load(None, [*settings, f'output.muse.targets=["127.0.0.1:{port}"]'])))
    assert made._space.dialect.features == ["summary"]  # as nothing is narrowed down, all of it can be listened to

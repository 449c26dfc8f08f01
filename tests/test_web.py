"""The web server: who is let in, what is turned away, and that nothing of it disturbs the music."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from brainmusic_daemon import config as configuration
from brainmusic_daemon.service import web
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.dashboard import hub, viewer
from brainmusic_daemon.service.web import MOST_MESSAGE
from brainmusic_daemon.service.web_guard import Guard
from tests.daemons import daemon
from tests.faults import find
from tests.receivers import wait_for

SERVING = ("web.enabled=true", "web.port=0")


@pytest.fixture(scope="module")
def served() -> Iterator[Daemon]:
    with daemon(*SERVING) as running:
        ready(running)
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[Daemon]:
    with daemon(*SERVING, "web.token=open-sesame", name="guarded") as running:
        ready(running)
        yield running


def ready(running: Daemon) -> None:
    wait_for(lambda: running.web.port and get(running)[0], 60, "for the web server")


def get(
    running: Daemon, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", running.web.port, timeout=30)
    try:
        connection.request(method, path, body, {"Accept": "text/html"} | headers)  # else `/` is OSCQuery's
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    except OSError:
        return 0, {}, ""
    finally:
        connection.close()


@contextmanager
def page(running: Daemon, token: str = "", **settings: Any) -> Iterator[ClientConnection]:
    """Connect as the page does."""
    address = f"ws://127.0.0.1:{running.web.port}/ws"
    with connect(address, proxy=None, max_size=None, close_timeout=0.2, open_timeout=30, **settings) as connection:
        with suppress(ConnectionClosed):  # turned away at once
            connection.send(json.dumps({"token": token}))
        yield connection


def until(connection: ClientConnection, kind: str, seconds: float = 30) -> dict[str, Any]:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        message = json.loads(connection.recv(timeout=seconds))
        if message["k"] == kind:
            return dict(message)
    raise AssertionError(f"no '{kind}' within {seconds} s")


def closed(connection: ClientConnection, seconds: float = 30) -> int:
    """Return the code with which the other side ends, having read all that it says before."""
    limit = time.monotonic() + seconds
    try:
        while time.monotonic() < limit:
            connection.recv(timeout=seconds)
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd is not None else 1006
    raise AssertionError("it is still open")


def test_the_page_comes_with_headers_that_protect_it(served: Daemon) -> None:
    status, headers, text = get(served)
    assert status == 200 and "<title>brainmusic</title>" in text
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    for file in ("app.js", "style.css", "theme.js"):
        assert get(served, f"/static/{file}")[0] == 200


@pytest.mark.parametrize("path", ["/static/../__init__.py", "/static/%2e%2e/hub.py", "/static//etc/passwd", "/nothing"])
def test_nothing_else_can_be_read(served: Daemon, path: str) -> None:
    assert get(served, path)[0] in (404, 405)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1"])
def test_a_foreign_name_that_points_here_is_turned_away(served: Daemon, host: str) -> None:
    before = served.web.guard.refused.get("host", 0)
    assert get(served, Host=host)[0] == 400
    assert served.web.guard.refused["host"] == before + 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:57180", "127.9.9.9"])
def test_loopback_is_known(served: Daemon, host: str) -> None:
    assert get(served, Host=host)[0] == 200


@pytest.mark.parametrize("host", [socket.gethostname(), f"{socket.gethostname()}.local:57180", "192.168.1.5"])
def test_on_loopback_this_computers_name_in_the_network_is_a_foreign_one(served: Daemon, host: str) -> None:
    """Whoever answers for names in the network may let it point to a page of theirs first, and here then."""
    if host == "localhost":
        pytest.skip("this computer has no other name")
    assert get(served, Host=host)[0] == 400


def test_beyond_loopback_own_names_and_addresses_are_known_as_the_token_is_asked_for() -> None:
    guard = Guard("a-token-to-test", beyond_loopback=True)
    own = socket.gethostname()
    assert all(map(guard._is_ours, ("localhost", own, f"{own}.local:1", "192.168.1.5", "[fe80::1]:80")))
    assert not guard._is_ours("evil.example")


def test_further_names_can_be_allowed() -> None:
    guard = Guard("", ["Brain.Studio", "192.168.1.5"])
    assert guard._is_ours("brain.studio:57180") and guard._is_ours("192.168.1.5:1") and not guard._is_ours("studio")


@pytest.mark.parametrize(("method", "body", "status"), [("POST", b"x", 405), ("GET", b"x" * 100_000, 413)])
def test_requests_that_bring_something_are_turned_away(served: Daemon, method: str, body: bytes, status: int) -> None:
    assert get(served, method=method, body=body)[0] in (status, 0)  # 0: it hung up before all was sent


def test_endless_heads_are_cut(served: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", served.web.port), 10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for _ in range(100):
                raw.sendall(b"X: " + b"y" * 1000 + b"\r\n")
            assert b"400" in raw.recv(200)
        except OSError:
            pass
    assert get(served)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_other_sites_cannot_connect(served: Daemon, origin: str) -> None:
    with pytest.raises(Exception, match="403"), page(served, origin=origin):
        pass
    own = f"http://127.0.0.1:{served.web.port}"
    with page(served, origin=own) as connection:
        assert until(connection, "sheet")["channels"]


def test_a_page_is_told_everything_twenty_times_a_second(served: Daemon) -> None:
    with page(served) as connection:
        fixed, sheet = until(connection, "fixed"), until(connection, "sheet")
        assert fixed["name"] == "in-a-test" and "direct" in fixed["mappers"] and "drone" in fixed["presets"]
        assert len(sheet["channels"]) == 8 and all(sheet["places"]) and sheet["shown"][0] == "delta"
        until(connection, "now")
        begin, points, frames = time.monotonic(), 0, 0
        while time.monotonic() - begin < 2.0:
            message = json.loads(connection.recv(timeout=30))
            if message["k"] == "now":
                frames += 1
                points += len(message["p"][1][0]) if "p" in message else 0
        took = time.monotonic() - begin
        assert 2 * took <= frames <= 20 * took + 20  # 20 a second, fewer on a machine that is busy
        assert 10 * took <= points <= 125 * took + 125
        shares = until(connection, "shares")["x"]
        assert any(name == "engagement" for found in shares.values() for name in found)
        overview = until(connection, "overview")
        assert overview["mapper"]["name"] == "direct" and overview["quality"][0][0] == "Fp1"


def test_what_a_page_asks_is_done_and_answered(served: Daemon) -> None:
    with page(served) as connection:
        connection.send(json.dumps({"id": 7, "command": "preset", "arguments": ["tides"]}))
        answer = until(connection, "answer")
        assert answer["ok"] and answer["id"] == 7 and "tides" in answer["text"]
        assert served.mappers.history.step.preset == "tides"
        connection.send(json.dumps({"id": 8, "command": "route", "arguments": ["tempo", "gain", 1.7]}))
        wait_for(lambda: _gain(until(connection, "sheet"), "tempo") == 1.7, 30, "for the sheet")


def _gain(sheet: dict[str, Any], control: str) -> float:
    return next(float(known["settings"]["gain"]) for known in sheet["controls"] if known["name"] == control)


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "~/.bashrc", "a/b.toml"])
def test_files_are_names_never_paths(served: Daemon, file: str) -> None:
    with page(served) as connection:
        for command in ("mapper.load", "preset", "save", "record.start"):
            connection.send(json.dumps({"command": command, "arguments": [file]}))
            answer = until(connection, "answer")
            assert not answer["ok"] and "not a path" in answer["text"]


def test_without_the_token_nothing_is_told(guarded: Daemon) -> None:
    assert get(guarded)[0] == 200  # the page itself, which asks for it
    assert get(guarded, "/metrics")[0] == 401
    assert get(guarded, "/metrics?token=wrong")[0] == 401
    assert get(guarded, "/metrics?token=open-sesame")[0] != 401
    assert get(guarded, "/metrics", Authorization="Bearer open-sesame")[0] != 401
    for wrong in ("", "open-sesam", "öffne", "open-sesame2"):
        with page(guarded, wrong) as connection:
            assert closed(connection) == hub.WRONG_TOKEN
    with page(guarded, "open-sesame") as connection:
        assert until(connection, "sheet")
    assert guarded.web.guard.refused["token"] >= 6


def test_who_says_nothing_is_not_waited_for(guarded: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "GREETING_S", 0.3)
    with connect(f"ws://127.0.0.1:{guarded.web.port}/ws", proxy=None) as connection:
        assert closed(connection) == hub.WRONG_TOKEN


def test_beyond_this_computer_there_is_always_a_token() -> None:
    settings = ["web.host=0.0.0.0", "output.audio.enabled=false"]
    names = ("one", "one", "another")
    made = [Daemon(configuration.load(None, [*settings, f"session.name={name}"])).web.token for name in names]
    assert len(made[0]) >= 16 and made[0] == made[1] != made[2]
    assert Daemon(configuration.load(None, [*settings, "web.token=my-own-token"])).web.token == "my-own-token"
    assert Daemon(configuration.load(None, settings[1:])).web.token == ""


@pytest.mark.parametrize("token", ["short", "with spaces in it", 'quo"ted-token'])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(configuration.ConfigError, match=r"web\.token"):
        configuration.load(None, tables={"web": {"token": token}})


def test_a_port_in_use_is_told_once_and_the_daemon_plays(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.INFO):
        port = taken.getsockname()[1]
        with daemon("web.enabled=true", f"web.port={port}", name="no-port") as running:
            ticks = running.ticker.counters()["ticks"]
            wait_for(lambda: running.ticker.counters()["ticks"] > ticks + 10, 30, "for ticks")
            assert running.web.url == "" and running.web.counters()["port"] == 0
    told = [record.message for record in caplog.records if "the page" in record.message]
    assert len(told) == 1 and f"127.0.0.1:{port}" in told[0] and "--set web.port=" in told[0]


def test_a_port_that_becomes_free_is_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    row = find("page-port-in-use")
    assert row.seconds == web.RETRY_S, "the pause between two attempts"
    monkeypatch.setattr("brainmusic_daemon.service.web.RETRY_S", 0.1)
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    with daemon("web.enabled=true", f"web.port={port}", name="late-port") as running:
        wait_for(lambda: row.says(caplog.messages), 30, "for a word")
        taken.close()
        ready(running)
        assert running.web.port == port


def test_it_stops_at_once_whoever_looks() -> None:
    with daemon(*SERVING, name="stopping") as running:
        ready(running)
        with page(running) as connection, socket.create_connection(("127.0.0.1", running.web.port)):
            until(connection, "now")
            begin = time.monotonic()
            running.web.stop()
            wait_for(lambda: not running.web._thread.is_alive())
            assert time.monotonic() - begin < 5.0
        assert running.session.frame is not None
        running.web.stop()


# --- those who do harm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    ["{", "null", "[]", "7", '"text"', '{"command": 7}', '{"command": "mute", "arguments": {}}',
     '{"command": "mute", "arguments": [[1]]}', '{"command": "mute", "arguments": [null]}', "[" * 5_000,
     '{"command": "panic", "arguments": [1,1,1,1,1,1,1,1,1]}', b"\x00\xff"],
)  # fmt: skip
def test_messages_that_nobody_understands_are_answered_then_the_tab_is_left(
    served: Daemon, message: str | bytes
) -> None:
    with page(served) as connection:
        until(connection, "now")
        connection.send(message)
        assert not until(connection, "answer")["ok"]
        for _ in range(hub.MOST_WRONG):
            try:
                connection.send(message)
            except ConnectionClosed:
                break
        assert closed(connection) == 1008
    assert not served.sounding.panicked and not served.sounding.muted
    with page(served) as connection:
        assert until(connection, "now")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("nonsense", []), ("gain", ["loud"]), ("gain", []), ("gain", [1e9]), ("mute", [7]), ("rate", [1, 2]),
     ("route", ["tempo", "gian", 1]), ("route", ["nothing", "gain", 1]), ("marker", ["a\x00b"]),
     ("scene", ["x" * 2000])],
)  # fmt: skip
def test_requests_that_make_no_sense_are_refused_in_words(served: Daemon, command: str, arguments: list[Any]) -> None:
    with page(served) as connection:
        connection.send(json.dumps({"id": 3, "command": command, "arguments": arguments}))
        answer = until(connection, "answer")
        assert not answer["ok"] and answer["id"] == 3 and answer["text"]


def test_huge_messages_end_the_connection(served: Daemon) -> None:
    with page(served) as connection:
        until(connection, "now")
        with suppress(ConnectionClosed):
            connection.send("x" * 10_000_000)
        assert closed(connection) in (1009, 1006)
    with page(served) as connection:
        connection.send(" " * (MOST_MESSAGE - 1))
        assert not until(connection, "answer")["ok"]


def test_a_flood_is_dammed(served: Daemon) -> None:
    served.ticker.started()
    with page(served) as connection:
        for number in range(3_000):
            connection.send(json.dumps({"id": number, "command": "rate", "arguments": [0.5]}))
        wait_for(lambda: "too much" in until(connection, "answer")["text"], 60, "for the dam")
        # What it says goes on being read, as by a page: else it would be left for that.
        wait_for(
            lambda: served.web.guard.refused["rate"] > 1_000 or not connection.recv(timeout=30), 60, "for the rest"
        )
    assert served.session.frame is not None


def test_a_tab_that_never_reads_holds_up_nobody(served: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "STUCK_S", 1.0)
    monkeypatch.setattr(viewer.Viewer, "pace", lambda self: None)
    before, (looking,) = {thread.name for thread in threading.enumerate()}, _hubs(served)
    wait_for(lambda: not looking.counters()["viewers"], 30, "for those before to have left")
    with page(served) as watching, socket.create_connection(("127.0.0.1", served.web.port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        lazy.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + b"\r\n"
        )
        assert b"101" in lazy.recv(200)
        lazy.sendall(b"\x81\x82\x00\x00\x00\x00{}")
        until(watching, "now")
        wait_for(lambda: looking.counters()["viewers"] == 2, 30, "for the lazy one")
        # It takes a while until the system's buffers are full: sheets are large, and must be sent.
        begin = time.monotonic()
        for number in range(4_000):
            if looking.counters()["viewers"] == 1:
                break
            watching.send(json.dumps({"command": "route", "arguments": ["mode", "gain", 1 + number % 7]}))
            until(watching, "now")
        assert time.monotonic() - begin < 100
        assert looking.counters()["viewers"] == 1
        assert until(watching, "now")
    wait_for(lambda: {thread.name for thread in threading.enumerate()} <= before | {"AnyIO worker thread"})


def _hubs(running: Daemon) -> list[hub.Hub]:
    served = [getattr(getattr(route, "endpoint", None), "__self__", None) for route in running.web.guard.app.routes]
    return [made for made in served if isinstance(made, hub.Hub)]


def test_only_so_many_may_look(served: Daemon) -> None:
    wait_for(lambda: not _hubs(served)[0].counters()["viewers"], 30, "for those before to have left")
    with ExitStack() as stack:
        for _ in range(hub.MOST_VIEWERS):
            until(stack.enter_context(page(served)), "sheet")
        with page(served) as connection:
            assert closed(connection) == hub.FULL
    wait_for(lambda: not _hubs(served)[0].counters()["viewers"], 30, "for all to have left")
    with page(served) as connection:
        assert until(connection, "now")

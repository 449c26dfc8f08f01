"""The shell's way into a daemon: one daemon per name, a token, and clients that are slow, wrong or hostile."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import client, control_socket, run_file
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.run_file import Run
from tests import daemons
from tests.faults import find
from tests.receivers import wait_for


@pytest.fixture(scope="module", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the run files of this module to itself."""
    before, os.environ["XDG_RUNTIME_DIR"] = os.environ["XDG_RUNTIME_DIR"], str(tmp_path_factory.mktemp("run"))
    yield
    os.environ["XDG_RUNTIME_DIR"] = before


@pytest.fixture(scope="module")
def running(own_folder: None) -> Iterator[Daemon]:
    with daemons.daemon(name="sockets") as daemon:
        yield daemon


@pytest.fixture
def run(running: Daemon) -> Run:
    found = run_file.read("sockets")
    assert found is not None
    return found


def connected(run: Run) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", run.port), timeout=30)
    made.settimeout(30)
    return made


def exchange(run: Run, line: bytes) -> bytes:
    with connected(run) as connection:
        connection.sendall(line)
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""


def test_a_command_is_answered(run: Run) -> None:
    assert client.ask(run, "ping", ()).data["name"] == "sockets"
    assert client.ask(run, "rate", ["5"]).reason == "range"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no modes; the folder is the user's own")
def test_only_its_user_can_read_the_run_file(run: Run) -> None:
    file = run_file.path("sockets")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o022 == 0
    assert run.pid == os.getpid() and len(run.token) >= 32


def test_without_the_token_nothing_is_said(running: Daemon, run: Run) -> None:
    before = running.socket.turned_away
    for token in ("", "x", run.token[:-1], run.token + "x", "ünïcode", None, 5, [run.token]):
        assert exchange(run, json.dumps({"token": token, "command": "ping"}).encode() + b"\n") == b""
    assert running.socket.turned_away == before + 8


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"nonsense\n", b"\xff\xfe\n", b"[" * 60_000 + b"\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_garbage_is_no_command(run: Run, line: bytes) -> None:
    assert exchange(run, line) == b""
    assert client.ask(run, "ping", ()).ok


def test_a_request_without_a_command_is_told(run: Run) -> None:
    for wrong in ({}, {"command": 5}, {"command": "ping", "arguments": "x"}):
        assert json.loads(exchange(run, json.dumps({"token": run.token, **wrong}).encode() + b"\n"))["ok"] is False


def test_a_request_that_never_ends_is_cut(run: Run) -> None:
    with connected(run) as connection, pytest.raises(OSError):
        for _ in range(10_000):
            connection.sendall(b"x" * 8192)
            time.sleep(0.0001)
    assert client.ask(run, "ping", ()).ok


def test_slow_clients_hold_nobody_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "PATIENCE_S", 2.0)
    silent = [connected(run) for _ in range(control_socket.MOST_CLIENTS - 2)]
    begun, one_by_one = time.monotonic(), 2.0 * len(silent)
    assert client.ask(run, "ping", ()).ok
    for connection in silent:  # each is let go when the patience is over
        assert connection.recv(10) == b""
        connection.close()
    assert time.monotonic() - begun < one_by_one / 2


def test_more_clients_than_places_are_turned_away_and_the_next_one_is_served(
    running: Daemon, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = find("too-many-clients")
    assert row.seconds == control_socket.PATIENCE_S, "the longest that one of them is served"
    monkeypatch.setattr(control_socket, "PATIENCE_S", 3.0)
    places, before = control_socket.MOST_CLIENTS, running.socket.turned_away
    crowd = [connected(run) for _ in range(3 * places)]
    begun = time.monotonic()
    wait_for(lambda: running.socket.turned_away - before >= places, 30, "for those without a place")
    busy = client.ask(run, "ping", ())
    assert busy.reason == "busy" and row.says([busy.text]), busy.text
    while not client.ask(run, "ping", ()).ok:  # told to be busy, so not taken for gone
        assert client.is_alive(run) and time.monotonic() - begun < 30
    for connection in crowd:
        connection.close()


def test_a_second_daemon_of_the_name_is_refused_and_told_who_runs(running: Daemon) -> None:
    second = Daemon(configuration.load(None, [*daemons.QUIET, "session.name=sockets", "output.osc.enabled=false"]))
    with pytest.raises(ConfigError, match=rf"'sockets' runs already \(process {os.getpid()}, since .*session\.name"):
        second.run(threading.Event())
    assert client.ask(run_file.read("sockets"), "ping", ()).ok  # type: ignore[arg-type]


def test_what_a_crash_left_behind_is_no_obstacle(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = find("run-file-left-behind")
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    run_file.write(replace(run, name="crashed", port=port, token="old"))
    with daemons.daemon(name="crashed") as daemon:
        assert row.seconds == 0.0, "nothing has to get well: it plays"
        wait_for(lambda: daemon.session.frame and daemon.session.frame.features.state in ("calibrating", row.state))
        assert not [message for message in caplog.messages if "crashed" in message] and not row.message
        found = run_file.read("crashed")
        assert found is not None and found.token != "old" and client.is_alive(found)
    assert run_file.read("crashed") is None  # nothing is left when it ends in good order


def test_a_port_that_somebody_else_took_since_is_no_daemon(run: Run) -> None:
    other = replace(run, name="other")  # the daemon behind this port has another name
    assert not client.is_alive(other)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        assert not client.is_alive(replace(run, port=server.getsockname()[1]), patience=5)


def test_a_daemon_that_hangs_still_runs(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert client.is_alive(replace(run, port=server.getsockname()[1]), patience=0.2)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 5}', '{"name": "broken", "pid": 1}'])
def test_a_broken_run_file_is_none(text: str, caplog: pytest.LogCaptureFixture) -> None:
    row = find("run-file-broken")
    file = run_file.path("broken")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    assert run_file.read("broken") is None and run_file.being_written("broken")
    assert row.seconds is not None
    os.utime(file, (time.time() - row.seconds,) * 2)
    assert not run_file.being_written("broken") and "".join(caplog.messages) == row.message
    run_file.remove("broken")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows: the folder is the user's own")
def test_a_folder_where_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    run_file.folder().mkdir(parents=True)
    run_file.folder().chmod(0o777)
    with pytest.raises(run_file.Unsafe):
        run_file.write(Run("x", 1, 1, "t", 0.0, ""))


def test_the_one_that_is_meant_is_found(running: Daemon) -> None:
    assert client.find(None).name == "sockets"
    assert client.find("sockets").name == "sockets"
    with pytest.raises(ConfigError, match="no daemon runs under the name 'nobody'"):
        client.find("nobody")
    with daemons.daemon(name="second"), pytest.raises(ConfigError, match=r"--name \(second, sockets\)"):
        client.find(None)
    with daemons.daemon(name="brainmusic"):
        assert client.find(None).name == "brainmusic"

"""`brainmusic page`: where the page is, with a token that is kept, for its user alone, and never in a log."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from brainmusic_daemon.cli import page as command
from brainmusic_daemon.service import client, web_address, web_token
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.dashboard import hub
from tests.daemons import daemon, process, shell
from tests.parts import free_port
from tests.receivers import wait_for

WIDE = ("web.enabled=true", "web.port=0", "web.host=0.0.0.0", "web.advertise=false")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = web_token.path("any").parent
    if not found.is_relative_to(tmp_path):
        pytest.skip("this system has its user's folders elsewhere than in HOME")
    return found


def told(name: str, *arguments: str) -> dict[str, str]:
    return dict(client.tell("page", arguments, name).data)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def opened(url: str) -> int:
    """Return the code with which the page's WebSocket ends for whoever opens this address; 0: it is let in."""
    address, _, token = url.partition("#token=")
    with connect(address.replace("http", "ws") + "ws", proxy=None, open_timeout=30) as connection:
        connection.send(json.dumps({"token": token}))
        try:
            connection.recv(timeout=30)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else 1006
    return 0


# --- the token that is kept ---


def test_it_is_kept_for_its_user_alone(state: Path) -> None:
    made = web_token.kept("stage")
    assert len(made) >= 16 and web_token.kept("stage") == made != web_token.kept("other")
    assert (state / "stage.token").read_text() == made
    assert {file.name for file in state.iterdir()} == {"stage.token", "other.token"}
    if os.name == "posix":
        assert stat.S_IMODE((state / "stage.token").stat().st_mode) == 0o600
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert web_token.renewed("stage") != made


@pytest.mark.parametrize("text", [b"", b"short", b"x" * 500, b"with a space in it", b"\xff" * 20])
def test_what_is_no_token_is_replaced(state: Path, text: bytes) -> None:
    web_token.kept("stage")
    (state / "stage.token").write_bytes(text)
    made = web_token.kept("stage")
    assert len(made) == 16 and (state / "stage.token").read_text() == made


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX'")
def test_one_that_others_could_read_or_put_there_is_made_anew(state: Path) -> None:
    made = web_token.kept("stage")
    (state / "stage.token").chmod(0o644)
    anew = web_token.kept("stage")
    assert anew != made and stat.S_IMODE((state / "stage.token").stat().st_mode) == 0o600
    (state / "elsewhere").write_text(made)
    (state / "elsewhere").chmod(0o600)
    (state / "stage.token").unlink()
    (state / "stage.token").symlink_to(state / "elsewhere")
    assert web_token.kept("stage") != made and (state / "elsewhere").read_text() == made
    assert not (state / "stage.token").is_symlink()


def test_where_it_cannot_be_kept_there_is_one_all_the_same(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    state.parent.parent.mkdir(parents=True, exist_ok=True)
    state.parent.write_text("in the way")
    made = web_token.kept("stage")
    assert len(made) == 16 and "for this run only" in caplog.text and made not in caplog.text


# --- where the page is ---


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", "http://127.0.0.1:8/"), ("0.0.0.0", "http://127.0.0.1:8/"), ("::", "http://[::1]:8/"),
     ("192.168.1.5", "http://192.168.1.5:8/")],
)  # fmt: skip
def test_the_address_for_this_computer(host: str, here: str) -> None:
    assert web_address.here(host, 8) == here
    assert "0.0.0.0" not in web_address.elsewhere(host, 8) and "[::]" not in web_address.elsewhere(host, 8)


def ready(running: Daemon) -> None:
    wait_for(lambda: running.web.here and status(f"{running.web.here}healthz"), 60, "for the page")


def test_on_loopback_the_address_is_told_by_the_command_and_in_the_status() -> None:
    with daemon("web.enabled=true", "web.port=0", name="near") as running:
        ready(running)
        assert told("near") == {"here": running.web.here, "elsewhere": ""}
        shown = shell("page", "--name", "near")
        assert shown.returncode == 0 and shown.stdout == f"{running.web.here}\n"
        assert f"page {running.web.here}" in client.tell("status", (), "near").text
        assert client.tell("status", (), "near").data["page"] == running.web.here
        renewed = shell("page", "--new-token", "--name", "near")
        assert renewed.returncode == 2 and "no token to renew" in renewed.stderr


def test_a_token_of_the_configuration_comes_with_the_address() -> None:
    with daemon("web.enabled=true", "web.port=0", "web.token=open-sesame", name="own-token") as running:
        ready(running)
        assert told("own-token")["here"] == f"{running.web.here}#token=open-sesame"
        assert "open-sesame" not in json.dumps(client.tell("status", (), "own-token").data)
        with pytest.raises(Exception, match=r"web\.token of the configuration"):
            told("own-token", "new-token")


def test_only_the_shell_is_told_the_token() -> None:
    with daemon("web.enabled=true", "web.port=0", "web.token=open-sesame", name="asked-otherwise") as running:
        answer = running.control.ask("page", ())  # what OSC, OSCQuery and the page itself lead to
        assert not answer.ok and "open-sesame" not in answer.text


def test_no_page_is_said_with_the_way_out() -> None:
    with daemon(name="pageless"), pytest.raises(Exception, match=r"web\.enabled = false"):
        told("pageless")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nowhere = pytest.raises(Exception, match=rf"cannot listen at 127\.0\.0\.1:{port}")
        with daemon("web.enabled=true", f"web.port={port}", name="no-place"), nowhere:
            told("no-place")


def test_open_takes_this_computers_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.Answer(True, "http://a/; on a phone: http://b/", {"here": "http://a/", "elsewhere": "http://b/"})
    monkeypatch.setattr(client, "tell", lambda *given: answer)
    visited: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: visited.append(url) or True)
    command.page(open=True)
    assert visited == ["http://a/"]
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with pytest.raises(Exception, match="no browser"):
        command.page(open=True)


# --- over the network ---


def test_the_token_outlives_a_kill_and_stands_in_no_log(state: Path) -> None:
    name, tokens, said = "killed", [], ""
    port = free_port()
    settings = [setting for setting in WIDE if not setting.startswith("web.port")]
    for _ in range(2):
        with process(*settings, f"web.port={port}", name=name, quiet=False) as running:
            line = running.wait_for("the page can be reached")
            assert f"`brainmusic page --name {name}` shows it" in line
            wait_for(lambda: status(f"http://127.0.0.1:{port}/healthz"), 60, "for the page")
            found = told(name)
            assert found["here"].startswith(f"http://127.0.0.1:{port}/#token=")
            tokens.append(found["here"].partition("#token=")[2])
            assert found["elsewhere"].endswith(tokens[-1]) and opened(found["here"]) == 0
            running.process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            running.process.wait(30)
            running.end()
            said += "".join(running.said)
    assert tokens[0] == tokens[1] == (state / f"{name}.token").read_text() and tokens[0] not in said


def test_a_new_token_shuts_out_who_had_the_old_one(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    with daemon(*WIDE, name="renewed") as running:
        ready(running)
        port, before = running.web.port, told("renewed")["here"]
        address, _, token = before.partition("#token=")
        with connect(address.replace("http", "ws") + "ws", proxy=None, max_size=None) as looking:
            looking.send(json.dumps({"token": token}))
            looking.recv(timeout=30)
            after = told("renewed", "new-token")["here"]
            assert after != before and after.startswith(address)
            with pytest.raises(ConnectionClosed):  # who looks at this moment has to show it, too
                for _ in range(1000):
                    looking.recv(timeout=30)
        ready(running)
        assert running.web.port == port and (state / "renewed.token").read_text() == after.partition("#token=")[2]
        assert opened(before) == hub.WRONG_TOKEN and opened(after) == 0
        assert status(f"{address}metrics?token={token}") == 401
    assert token not in caplog.text and running.web.token not in caplog.text


# --- is it well? ---


def test_a_daemon_whose_ticks_stand_still_is_not_healthy_though_it_answers() -> None:
    with daemon(name="unwell") as running:
        wait_for(lambda: client.health("unwell", 5.0) == ("'unwell' is healthy", ""), 30, "for the outputs")
        well = shell("status", "--healthy", "--name", "unwell")
        assert (well.returncode, well.stdout) == (0, "'unwell' is healthy\n")
        running._stop_ticking.set()
        wait_for(lambda: "no tick for" in client.health("unwell", 5.0)[1], 30, "for the tick to be missed")
        ill = shell("status", "--healthy", "--name", "unwell")
        assert ill.returncode == 1 and "not healthy: no tick for" in ill.stderr and ill.stdout == ""
        assert shell("status", "--name", "unwell").returncode == 0  # it answers


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_one_that_does_not_answer_or_is_not_there_is_not_healthy() -> None:
    with process(name="frozen") as running:
        wait_for(lambda: not client.health("frozen", 5.0)[1], 60, "for the outputs")
        running.process.send_signal(signal.SIGSTOP)
        ill = shell("status", "--healthy", "--name", "frozen")
        running.process.send_signal(signal.SIGCONT)
        assert ill.returncode == 1 and "does not answer" in ill.stderr
    gone = shell("status", "--healthy", "--name", "frozen")
    assert gone.returncode == 1 and "no daemon runs" in gone.stderr

"""What strangers, other users and other sites may try: see docs/security.md, whose every row names a test."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import socket
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition import lsl_streams
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.harmless import harmless
from brainmusic_daemon.sections import ControlConfig
from brainmusic_daemon.service import commands, edits, places, run_file, web
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.control import Answer, Control
from brainmusic_daemon.service.control_osc import REPLIES, ControlOsc
from brainmusic_daemon.service.logs import JsonFormatter
from brainmusic_daemon.service.osc_decoding import MOST_BYTES, Malformed, messages
from tests import parts
from tests.daemons import client, daemon, packet
from tests.receivers import wait_for

NASTY = "\x1b[2J\x1b]0;owned\x07all is well\nstopped after 1 s\r\u202egnp\x9b31m"


def dangerous(text: str) -> set[str]:
    return {character for character in text if ord(character) < 32 or 127 <= ord(character) < 160} | (
        {*text} & {"\u202e", "\u2028", "\ud800"}
    )


# --- words of strangers on terminals and in logs ---


@pytest.mark.parametrize("text", [NASTY, "\x00", "a\ud800b", "\u2028", "\t"])
def test_text_of_strangers_does_nothing_but_be_read(text: str) -> None:
    made = harmless(text, " ")
    assert not dangerous(made) and made.encode()
    assert harmless(made) == made


@pytest.mark.parametrize("text", ["plain", "Ärger für 5 µV · 20\u00a0% → ja", "日本語", "🎵", ""])
def test_text_of_people_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_a_line_feed_in_a_log_line_is_no_new_line(capsys: pytest.CaptureFixture[str]) -> None:
    from brainmusic_daemon.service.screen import LogHandler

    record = logging.makeLogRecord({"msg": "there is no %s", "args": (NASTY,), "levelno": 30, "levelname": "WARNING"})
    LogHandler().emit(record)
    printed = capsys.readouterr().err
    first, *more = printed.rstrip("\n").split("\n")
    assert first.startswith("there is no ") and all(line.startswith("    ") for line in more)
    assert not dangerous(printed) - {"\n"}
    line = JsonFormatter().format(record)
    assert "\n" not in line and not dangerous(line)
    assert "stopped after" in json.loads(line)["message"]


def test_an_osc_address_cannot_write_on_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    from brainmusic_daemon.service.logs import text_of

    with daemon("control.osc_port=0") as running, client(running.osc_in.port) as patch, caplog.at_level(30):
        patch.send(f"/brainmusic/{NASTY}")
        wait_for(lambda: running.osc_in.wrong.get("unknown"))
        wait_for(lambda: any("there is no" in message for message in caplog.messages))
        assert all(not dangerous(text_of(record, " ")) for record in caplog.records)


def test_names_of_lsl_streams_are_harmless() -> None:
    info = SimpleNamespace(
        name=lambda: NASTY, type=lambda: NASTY, hostname=lambda: NASTY, source_id=lambda: NASTY,
        channel_count=lambda: 1, nominal_srate=lambda: 1.0, channel_format=lambda: 1,
    )  # fmt: skip
    found = lsl_streams.found_from(info)
    assert not any(dangerous(text) - {"\n"} for text in (found.name, found.type, found.host, found.source_id))
    label = "A\u202ex\u009b2J"
    xml = f"<info><desc><channels><channel><label>{label}</label></channel></channels></desc></info>"
    assert not dangerous(lsl_streams.described(xml, 1)[0][0])


# --- LSL: whoever is on the network can publish anything ---


@pytest.mark.parametrize(("count", "rate"), [(10**7, 250.0), (8, 1e9), (8, float("nan")), (8, -1.0), (8, float("inf"))])
def test_a_stream_beyond_any_headset_is_refused_before_it_takes_memory(count: int, rate: float) -> None:
    info = SimpleNamespace(
        channel_count=lambda: count, nominal_srate=lambda: rate, name=lambda: "x", hostname=lambda: "there"
    )
    with pytest.raises(ConfigError, match="at most"):
        lsl_streams.bounded(info)


def test_a_description_full_of_entities_is_no_bomb() -> None:
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    channels = "<desc><channels><channel><label>&a11;</label></channel></channels></desc>"
    xml = f"<!DOCTYPE info [{entities}]><info>{channels}</info>"
    begun = time.perf_counter()
    assert len(lsl_streams.described(xml, 2)) == 2
    assert time.perf_counter() - begun < 5


# --- OSC ---


def test_bundles_of_bundles_and_of_a_thousand_messages_are_bounded() -> None:
    inner = packet("/brainmusic/ping")
    for _ in range(40):
        inner = b"#bundle\0" + bytes(8) + len(inner).to_bytes(4, "big") + inner
    with pytest.raises(Malformed, match="bundle"):
        messages(inner)
    tiny = b"/a\0\0"
    many = b"#bundle\0" + bytes(8) + (len(tiny).to_bytes(4, "big") + tiny) * ((MOST_BYTES - 16) // 8)
    assert len([*messages(many)]) <= MOST_BYTES // 8
    with pytest.raises(Malformed, match="oversized"):
        messages(bytes(10_000_000))


def test_a_flood_of_bundles_misses_no_answer_for_who_asks_properly() -> None:
    tiny = packet("/brainmusic/status")
    many = b"#bundle\0" + bytes(8) + (len(tiny).to_bytes(4, "big") + tiny) * 200
    with (
        daemon("control.osc_port=0") as running,
        client(running.osc_in.port) as bad,
        client(running.osc_in.port) as good,
    ):
        for _ in range(50):
            bad.socket.send(many)
        wait_for(lambda: running.osc_in.received > 1000)
        wait_for(lambda: running.control.refused.get("busy", 0) > 0)
        limit = time.monotonic() + 30
        while good.ask("/brainmusic/ping")[1] != "ok":
            assert time.monotonic() < limit


def test_who_pretends_to_be_another_computer_cannot_drown_it_in_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = ControlOsc(object.__new__(Control), ControlConfig(host="127.0.0.1", allow=["192.0.2.0/24"]))
    now = [100.0]
    monkeypatch.setattr("brainmusic_daemon.service.allowance.time.monotonic", lambda: now[0])
    sent: list[bytes] = []
    monkeypatch.setattr(listening, "_send", lambda datagram, sender: sent.append(datagram))

    def flood(who: str, count: int) -> int:
        before = len(sent)
        for _ in range(count):
            listening._answered("/brainmusic/status", (who, 9), "status", Answer(True, "x" * 900))
        return len(sent) - before

    assert flood("192.0.2.7", 5_000) == REPLIES
    assert flood("192.0.2.8", 50) == 50  # another one is not to blame
    now[0] += 1.0
    assert flood("192.0.2.7", 5_000) == 20
    assert flood("127.0.0.1", 5_000) == 5_000  # nobody pretends to be this computer
    assert listening.wrong["reply_withheld"] > 9_000


# --- files named over the network ---


def network(name: str, file: str, folder: Path) -> tuple[object, ...]:
    config = configuration.load(folder / "my.toml")
    command = commands.find(name)
    return places.inside(config, command, command.read([file]))


@pytest.mark.parametrize(
    "file",
    [
        "../my.toml", "/etc/passwd", "..", "~/x.toml", "~root.toml", "a\\b.toml", "C:x.toml", ".hidden.toml",
        "-rf.toml", "CON.toml", "nul", "com1.safetensors", "x" * 300 + ".toml", "a\u202etoml", "a.toml ", "file:///etc/passwd",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["swap", "save", "record.start", "preset"])
def test_a_file_named_over_the_network_is_a_plain_name(tmp_path: Path, command: str, file: str) -> None:
    (tmp_path / "my.toml").write_text("")
    with pytest.raises(Refused):
        network(command, file, tmp_path)


def test_over_the_network_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("")
    (tmp_path / "other.toml").write_text("precious")
    with pytest.raises(Refused, match="there already"):
        network("save", "other.toml", tmp_path)
    assert network("save", "new.toml", tmp_path)[0] == str(tmp_path / "new.toml")


@pytest.mark.skipif(os.name != "posix", reason="a symbolic link needs rights on Windows")
def test_saving_replaces_a_link_and_leaves_alone_what_it_points_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "my.toml").write_text("")
    (folder / "trap.toml").symlink_to(precious)  # to nothing yet
    try:
        target = network("save", "trap.toml", folder)[0]
    except Refused:
        return
    edits.save(folder / "my.toml", Path(str(target)), {"mapper": {"kind": "direct"}})
    assert not precious.exists()


# --- the page's server ---


def test_connections_that_say_nothing_give_up_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_S", 0.5)
    with daemon("web.enabled=true", "web.port=0") as running:
        wait_for(lambda: running.web.port)

        def get() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", running.web.port, timeout=20)
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status
            except OSError:
                return 0
            finally:
                connection.close()

        wait_for(lambda: get() == 200)
        idle = [socket.create_connection(("127.0.0.1", running.web.port)) for _ in range(web.MOST_AT_ONCE + 8)]
        try:
            for number, one in enumerate(idle):
                one.send(b"GET / HTTP/1.1\r\nX-Slow: "[: 1 + number % 20])
            wait_for(lambda: get() in (0, 503), 20, "for a full house")
            wait_for(lambda: get() == 200, 20, "for places")
        finally:
            for one in idle:
                one.close()


def test_a_second_request_that_never_ends_gives_up_its_place_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_S", 0.5)
    with daemon("web.enabled=true", "web.port=0") as running:
        wait_for(lambda: running.web.port)
        with socket.create_connection(("127.0.0.1", running.web.port)) as slow:
            slow.settimeout(20)
            slow.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /h")
            said = b""
            while part := slow.recv(65536):
                said += part
            assert said.startswith(b"HTTP/1.1 200")


def test_the_token_is_compared_in_a_time_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what compares it, not by a clock, which would say nothing on a busy machine."""
    import hmac

    seen: list[tuple[bytes, bytes]] = []
    whole = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: seen.append((a, b)) or whole(a, b))
    guard = web.Guard("correct-horse")
    assert guard.knows("correct-horse") and not guard.knows("correct-hors") and not guard.knows("\ud800")
    assert len(seen) == 3


# --- other users of this computer ---


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="on Windows it lies in the user's own profile")
@pytest.mark.parametrize(
    ("mode", "fine"), [(0o700, True), (0o755, True), (0o777, False), (0o1777, True), (0o775, False)]
)
def test_a_run_file_is_not_put_where_others_could_exchange_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int, fine: bool
) -> None:
    above = tmp_path / "runtime"
    above.mkdir()
    above.chmod(mode)
    monkeypatch.setattr(run_file, "folder", lambda: above / "brainmusic")
    run = run_file.Run("x", 1, 2, "token", 0.0, "")
    if not fine:
        with pytest.raises(run_file.Unsafe):
            run_file.write(run)
        return
    run_file.write(run)
    assert stat.S_IMODE(run_file.path("x").stat().st_mode) == 0o600
    assert stat.S_IMODE((above / "brainmusic").stat().st_mode) == 0o700


# --- the threat model itself ---


def test_every_row_of_the_threat_model_names_a_test_that_exists() -> None:
    text = (parts.CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)\.py::(test_\w+)`", text)
    assert len(named) > 25
    for module, function in named:
        file = parts.CHECKOUT / "tests" / f"{module}.py"
        assert file.is_file() and f"def {function}(" in file.read_text(encoding="utf-8"), f"{module}::{function}"
    for line in text.splitlines():
        if line.startswith("| ") and "---" not in line and not line.startswith(("| who", "| what", "| listener")):
            assert "::test_" in line or "not prevented" in line, line

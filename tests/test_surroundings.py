"""Odd surroundings: LSL settings that are none, no home, closed or full standard streams, a terminal of ASCII."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brainmusic_daemon import jit, liblsl
from tests.daemons import COMMAND, QUIET

posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes standard streams")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    liblsl._in_force.cache_clear()
    yield
    liblsl._in_force.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("[multicast]\nResolveScope = nowhere\n", "ResolveScope = 'nowhere': liblsl knows machine"),
        ("[ports]\nIPv6=maybe ; or not\n", "IPv6 = 'maybe'"),
        ("[multicast\nResolveScope = machine\n", "line 1"),
        ("[lab]\n# no comment in this format\n", "line 2"),
    ],
)
def test_lsl_settings_that_liblsl_drops_are_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, said: str
) -> None:
    file = tmp_path / "lsl_api.cfg"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("LSLAPICFG", str(file))
    with caplog.at_level(logging.WARNING):
        assert not liblsl._in_force()
        liblsl.load()
    assert [record.getMessage() for record in caplog.records if said in record.getMessage()] == [caplog.messages[0]]
    assert len(caplog.messages) == 1 and str(file) in caplog.messages[0]


def test_good_lsl_settings_are_left_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "lsl_api.cfg"
    file.write_text("; of the lab\n[multicast] ; all\nResolveScope = machine\n\n[ports]\nIPv6 = disable\n")
    monkeypatch.setenv("LSLAPICFG", str(file))
    assert liblsl._in_force()


def test_a_cache_of_somebody_else_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbidden(self: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(jit, "can_cache", lambda package: False)
    monkeypatch.setattr(Path, "exists", forbidden)
    jit.fill_cache(Path(jit.__file__).parent / "features", "nowhere:load", "the features", lambda text: None)


def in_shell(how: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours with its standard streams as a shell may leave them."""
    command = ["sh", "-c", f'exec "$@" {how}', "sh", *COMMAND, *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}, encoding="utf-8"
    )


@posix
@pytest.mark.parametrize("how", ["2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_or_full_streams_are_no_reason_not_to_play(tmp_path: Path, how: str) -> None:
    words = [
        word for setting in (*QUIET, "session.name=closed", "output.osc.enabled=false") for word in ("-s", setting)
    ]
    file = tmp_path / "out.jsonl"
    done = in_shell(how, "run", "--for", "1.5", *words, "-s", "output.jsonl.path=" + str(file))
    assert done.returncode == 0 and "/brainmusic/" in file.read_text()


@posix
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what a C library writes to standard error would go into it."""
    file = tmp_path / "written"
    code = (
        "import os, sys; [os.close(n) for n in (0, 1, 2)]; sys.stdin = sys.stdout = sys.stderr = None\n"
        "from brainmusic_daemon.cli import _stand; _stand(); sys.stderr.write('lost')\n"
        f"kept = open({str(file)!r}, 'w'); os.write(2, b'noise'); kept.write(str(kept.fileno())); kept.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert int(file.read_text()) > 2


@posix
def test_an_error_is_an_exit_code_where_nobody_can_be_told() -> None:
    assert in_shell("2>&-", "check", "--config", "nonsense").returncode == 2


@posix
def test_a_full_disk_behind_standard_output_is_one_message() -> None:
    done = in_shell(">/dev/full", "check")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


@pytest.mark.parametrize(
    "words", [("check",), ("--help",), ("run", "-s", "output.osc.dialect=müse"), ("check", "-c", "é")]
)
def test_a_terminal_of_ascii_gets_what_it_can_show(words: tuple[str, ...]) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii", "LANG": "C"}
    done = subprocess.run([*COMMAND, *words], capture_output=True, timeout=120, env={**os.environ, **plain})
    assert b"Traceback" not in done.stderr and done.returncode in (0, 2)
    (done.stdout + done.stderr).decode("ascii")

"""The shell's commands against a daemon in a process of its own: what they do, how they end, how long they take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import cli
from brainmusic_daemon.cli import short
from brainmusic_daemon.service import client, commands, run_file
from tests import daemons
from tests.daemons import packet, shell
from tests.faults import find
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture
from tests.receivers import wait_for

NAME = "shell"


@pytest.fixture(scope="module")
def running() -> Iterator[daemons.Process]:
    with daemons.process(name=NAME) as process:
        yield process


def status(name: str = NAME) -> Any:
    done = shell("status", "--json", "--name", name)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_status_says_what_plays(running: daemons.Process) -> None:
    done = shell("status", "--name", NAME)
    assert done.returncode == 0 and done.stderr == ""
    assert "simulator" in done.stdout and "mapper direct" in done.stdout and "latency" in done.stdout
    found = status()
    assert found["mapper"]["name"] == "direct" and found["ticks"]["ticks"] > 0 and found["quality"]


def test_swap_and_tell(running: daemons.Process, tmp_path: Path) -> None:
    done = shell("swap", "linear", "--fade", "0", "--name", NAME)
    assert done.returncode == 0 and "linear" in done.stdout
    assert status()["mapper"]["name"] == "linear"
    assert shell("tell", "mapper.undo", "--name", NAME).returncode == 0
    assert shell("tell", "rate", "-0.5", "--name", NAME).stdout == "rated -0.5: not recorded, not learning\n"
    assert shell("tell", "target", "tempo", "120", "--name", NAME).stdout == "tempo ought to be 120 BPM\n"


def test_a_file_is_found_from_the_folder_one_is_in(
    running: daemons.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[mapper]\nkind = "linear"\n', encoding="utf-8")
    assert shell("swap", "mine.toml", "--name", NAME).returncode == 0
    assert shell("tell", "record.start", "here.xdf", "--name", NAME).returncode == 0
    wait_for(Path("here.xdf").exists)
    assert "recorded" in shell("tell", "record.stop", "--name", NAME).stdout
    assert shell("swap", "direct", "--name", NAME).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("swap", "nobody"), "there is no mapper 'nobody'"),
        (("tell", "gian", "1"), "did you mean 'gain'"),
        (("tell", "rate"), "rate takes 1 arguments, not 0"),
        (("tell", "rate", "7"), "must be from -1 to 1"),
        (("tell", "route", "tempo", "gain", "many"), "a number, not 'many'"),
    ],
)
def test_what_the_daemon_refuses_ends_with_two(running: daemons.Process, words: tuple[str, ...], said: str) -> None:
    done = shell(*words, "--name", NAME)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("stop",), ("swap", "linear"), ("tell", "panic")])
def test_without_a_daemon_they_end_with_two(words: tuple[str, ...]) -> None:
    done = shell(*words, "--name", "nobody")
    assert done.returncode == 2 and "no daemon runs under the name 'nobody'" in done.stderr


def test_tell_lists_the_commands_without_a_daemon() -> None:
    done = shell("tell")
    assert done.returncode == 0
    assert all(command.usage in done.stdout and command.help in done.stdout for command in commands.COMMANDS)


@pytest.mark.parametrize("name", ["swap", "status", "stop", "tell"])
def test_each_has_help_with_an_example(name: str) -> None:
    done = shell(name, "--help")
    assert done.returncode == 0 and f"Example: brainmusic {name}" in done.stdout


@pytest.mark.parametrize(
    "words", [("status",), ("status", "--json"), ("status", "--healthy"), ("swap", "direct"), ("tell", "mute", "0")]
)
def test_the_short_commands_import_next_to_nothing(running: daemons.Process, words: tuple[str, ...]) -> None:
    """That is what keeps them below 200 ms; the clock itself says little on a busy machine."""
    heavy = {"numpy", "rich", "typer", "pydantic", "importlib.metadata", "brainmusic_daemon.api"}
    code = (
        f"import sys\nfrom brainmusic_daemon import cli\nsys.argv[1:] = {[*words, '--name', NAME]}\ncli._command()\n"
        f"sys.stderr.write(str({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "set()" and done.stdout


USUAL = (
    "status", "status --healthy", "status --name x --healthy",
    "status --json", "status --name x --json", "stop", "stop --name=x", "swap linear", "swap linear --fade 4",
    "swap --fade=0 my.toml --name x", "swap linear --name x --fade 1e1", "tell panic", "tell rate -0.5",
    "tell route tempo gain 1.5 --name x", "tell --name a --name b gain -inf", "tell scene a=b",
)  # fmt: skip
ODD = (
    "", "status --help", "status -h", "status now", "status --js", "status --json=1", "stop it", "stop --name",
    "swap", "swap a b", "swap linear --fade", "swap linear --fade 61", "swap linear --fade -1", "swap -x",
    "swap linear --fade nan", "swap linear --fade much", "tell", "tell panic --now", "tell rate -h", "--version",
    "tell -- rate -1", "status --healthy --json", "page", "devices --json", "swap linear --json", "stop --fade 1",
    "run",
)  # fmt: skip


@pytest.mark.parametrize("line", USUAL)
def test_what_is_understood_without_the_parser_is_what_the_parser_understands(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, ...]] = []

    def tell(command: str, arguments: Sequence[object], name: str | None) -> client.Answer:
        asked.append((command, [*arguments], name))
        return client.Answer(True, "one; two", {"a": 1})

    monkeypatch.setattr(client, "tell", tell)
    monkeypatch.setattr(client, "health", lambda *given: asked.append(("health", *given)) or ("well", ""))
    monkeypatch.setattr(client, "stop", lambda name: asked.append(("stop", name)) or "ended")
    monkeypatch.setattr(sys, "argv", ["brainmusic", *line.split()])
    assert short.carried_out(line.split())
    directly = capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        cli._parsed()
    assert leaving.value.code == 0
    assert len(asked) == 2 and asked[0] == asked[1]
    assert capsys.readouterr() == directly and directly.out.endswith("\n")


@pytest.mark.parametrize("line", ODD)
def test_everything_else_is_left_to_the_parser(line: str) -> None:
    assert short.understood(line.split()) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_answer_that_nobody_reads_ends_well_and_one_that_cannot_be_written_is_told(running: daemons.Process) -> None:
    command = [*daemons.COMMAND, "status", "--json", "--name", NAME]
    done = subprocess.run(["sh", "-c", '"$@" | :', "sh", *command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "No space left" in done.stderr and "Traceback" not in done.stderr


def test_status_is_quick(running: daemons.Process) -> None:
    seconds = []
    for _ in range(5):
        begun = time.monotonic()
        assert shell("status", "--name", NAME).returncode == 0
        seconds.append(time.monotonic() - begun)
    assert min(seconds) < 3.0  # 0.05 when nothing else runs


def test_a_second_daemon_ends_with_two_and_says_who_runs(running: daemons.Process) -> None:
    second = shell("run", "--set", f"session.name={NAME}", "--set", "output.audio.enabled=false")
    row = find("two-daemons-of-one-name")
    assert row.state == f"exit {second.returncode}" and row.says([second.stderr]), second.stderr
    assert f"'{NAME}' runs already (process {running.process.pid}" in second.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_hang_up_reads_the_configuration_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = '[source]\nkind = "simulator"\n[swap]\nwatch = false\n[mapper]\nkind = "{}"\n[output.osc]\n'
    file.write_text(text.format("direct"), encoding="utf-8")
    with daemons.process(name="hup", config=file) as running:
        file.write_text(text.format("linear"), encoding="utf-8")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("'linear' plays")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0, running.said


def test_stop_ends_the_daemon_and_returns_when_it_has() -> None:
    with daemons.process(name="ends") as running:
        done = shell("stop", "--name", "ends")
        assert done.returncode == 0 and "'ends' has ended" in done.stdout
        assert running.process.wait(20) == 0
        assert run_file.read("ends") is None
        assert any("stopped after" in line for line in running.said)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_after_a_crash_the_next_one_starts() -> None:
    with daemons.process(name="crash") as running:
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(30)
        assert run_file.read("crash") is not None
        assert shell("status", "--name", "crash").returncode == 2
        with daemons.process(name="crash"):
            assert status("crash")["name"] == "crash"


def test_five_thousand_messages_a_second_cost_no_tick() -> None:
    """One in a hundred is malformed: those are counted, the others arrive; a busy system may throw some away."""
    with daemons.process(name="storm") as running, daemons.client(running.osc_port) as patch:
        good = [packet("/brainmusic/target/tempo", 120.0), packet("/brainmusic/route/tempo/gain", 1.1)]
        good.append(packet("/brainmusic/rate", 0.5))
        broken = packet("/brainmusic/rate", 0.5)[:-3]
        before, sent = status("storm"), {"good": 0, "broken": 0}
        for number in daemons.pace(5_000, 4.0):
            kind = "broken" if number % 100 == 0 else "good"
            patch.socket.send(broken if kind == "broken" else good[number % 3])
            sent[kind] += 1
        time.sleep(0.5)
        after = status("storm")
        found = after["osc_in"]
        for arrived, meant in ((found["received"], sent["good"]), (found["malformed"], sent["broken"])):
            assert 0.3 * meant <= arrived <= meant, (found, sent)  # all, on a machine that does nothing else
        missed, late = (after["ticks"][key] - before["ticks"][key] for key in ("missed", "late"))
        assert after["ticks"]["failed"] == 0
        assert missed <= 120, f"{missed} missed, {late} late"  # of 200: 0 on a machine that has nothing else to do


@pytest.mark.real
def test_panic_is_heard_at_once_and_lifted(pulse: Pulse) -> None:  # noqa: F811
    """The whole way: datagram, daemon, device, capture."""
    settings = ("output.osc.enabled=false", "output.audio.device=pulse", "control.osc_port=0", "session.status=false")
    env = {**pulse.env, "XDG_RUNTIME_DIR": str(pulse.folder)}
    with (
        pulse.capture() as file,
        daemons.process(*settings, name="panic", env=env, quiet=False) as running,
        daemons.client(running.osc_port) as patch,
    ):

        def peak(seconds: float) -> float:
            return float(np.abs(pulse.sound(file)[-int(48_000 * seconds) :]).max(initial=0))

        wait_for(lambda: peak(0.1) > 0.01, 60, "for sound")
        time.sleep(0.5)
        at = len(pulse.sound(file))
        assert patch.ask("/brainmusic/panic")[1] == "ok"
        wait_for(lambda: len(pulse.sound(file)) > at + 48_000 and peak(0.5) < 1e-4, 30, "for silence")
        sound = np.abs(pulse.sound(file)).max(axis=1)
        took = (np.flatnonzero(sound > 1e-3)[-1] - at) / 48_000
        assert took < 2.0, took  # 50 ms, and the buffers of device and capture, on a machine that does nothing else
        assert patch.ask("/brainmusic/resume")[1] == "ok"
        wait_for(lambda: peak(0.1) > 0.01, 30, "for sound after the panic")
        time.sleep(0.5)
        steady = peak(0.5)
        patch.send("/brainmusic/gain", -40.0)
        wait_for(lambda: peak(0.05) < steady / 30, 30, "for less sound")
        patch.send("/brainmusic/mute", 1)
        wait_for(lambda: peak(0.05) < 1e-6, 30, "for none")

"""`brainmusic service`: units that systemd and launchd accept, put where they look, twice as well as once."""

from __future__ import annotations

import json
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import install, units
from brainmusic_daemon.service.units import LAUNCHD, SYSTEMD, Service
from tests import daemons, parts
from tests.daemons import shell


class Manager:
    """In the place of systemctl and launchctl."""

    def __init__(self, code: int = 0, said: str = "") -> None:
        self.code, self.said = code, said
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append(" ".join(command))
        return self.code, self.said


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def entries(unit: str) -> dict[str, str]:
    lines = [line for line in unit.splitlines() if line and not line.startswith(("#", "["))]
    return dict(line.split("=", 1) for line in lines)


def test_the_unit_says_what_a_daemon_needs(tmp_path: Path) -> None:
    found = entries(units.systemd(Service("stage", tmp_path / "my.toml")))
    assert found["Type"] == "notify" and float(found["WatchdogSec"]) >= 5 and found["Restart"] == "on-failure"
    assert found["RestartPreventExitStatus"] == "2"
    command = shlex.split(found["ExecStart"])
    assert command[:4] == [sys.executable, "-P", "-m", "brainmusic_daemon"]
    assert command[4:7] == ["run", "--config", str(tmp_path / "my.toml")]
    assert {"session.name=stage", "session.patience_s=inf", "--resume"} < {*command}


def test_a_module_in_the_working_folder_is_nobodys(tmp_path: Path) -> None:
    """A service starts in the home folder, where anything may lie."""
    (tmp_path / "queue.py").write_text("raise SystemExit('a queue of the home folder')\n", encoding="utf-8")
    words = [*Service("stage").program, "check", "--no-measure"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_recordings_of_a_service_have_a_folder_unless_the_configuration_names_one(home: Path) -> None:
    file = home / "my.toml"
    file.write_text("", encoding="utf-8")
    assert f"control.folder={home / 'brainmusic'}" in units.of(configuration.load(file), file).command
    file.write_text('[control]\nfolder = "takes"\n', encoding="utf-8")
    assert not any("control.folder" in word for word in units.of(configuration.load(file), file).command)


@pytest.mark.parametrize(
    "folder", ["plain", "with space", 'quo"te', "per%cent", "dol$lar", "back\\slash", "semi;colon"]
)
def test_systemd_accepts_the_unit_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    analyze = parts.program("systemd-analyze", "systemd")
    config = tmp_path / folder / "my.toml"
    program = Path(shutil.which("true") or "/bin/true")
    file = tmp_path / "brainmusic-stage.service"
    file.write_text(units.systemd(Service("stage", config, (str(program),))), encoding="utf-8")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        [analyze, "--user", "verify", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_systemd_reads_each_word_as_it_was(tmp_path: Path) -> None:
    """By the rules of systemd.service(5), section COMMAND LINES."""
    config = tmp_path / 'a "b" %h $HOME \\ ;' / "my.toml"
    line = entries(units.systemd(Service("stage", config)))["ExecStart"]
    words = shlex.split(line.replace("%%", "%").replace("$$", "$"))
    assert str(config) in words


def test_the_agent_is_a_property_list(home: Path) -> None:
    found = plistlib.loads(units.launchd(Service("stage", home / "my.toml")).encode())
    assert found["Label"] == "org.brainmusic.stage" and found["RunAtLoad"] is True
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["ProgramArguments"][0] == sys.executable and str(home / "my.toml") in found["ProgramArguments"]
    assert Path(found["StandardErrorPath"]).is_relative_to(home)


@pytest.mark.parametrize(
    ("kind", "start"), [(SYSTEMD, "systemctl --user enable --now"), (LAUNCHD, "launchctl load -w")]
)
def test_install_is_idempotent_and_uninstall_takes_it_away(home: Path, kind: str, start: str) -> None:
    manager, service = Manager(), Service("stage", home / "my.toml")
    file = units.place(service, kind)
    assert file.is_relative_to(home)
    said = install.install(service, kind, manager)
    assert said[0] == f"wrote {file}" and any(line.startswith(start) for line in manager.commands)
    before = file.read_text(encoding="utf-8")
    assert install.install(service, kind, manager)[0] == f"{file} is there already"
    assert file.read_text(encoding="utf-8") == before and [*file.parent.iterdir()] == [file]
    assert install.install(Service("stage", home / "other.toml"), kind, manager)[0] == f"changed {file}"
    assert "other.toml" in file.read_text(encoding="utf-8")
    assert install.uninstall(service, kind, manager)[-1] == f"removed {file}" and not file.exists()
    assert "nothing to remove" in install.uninstall(service, kind, manager)[0]


def test_a_changed_unit_is_started_anew(home: Path) -> None:
    manager = Manager()
    install.install(Service("stage"), SYSTEMD, manager)
    assert not any("restart" in line for line in manager.commands)
    install.install(Service("stage", home / "my.toml"), SYSTEMD, manager)
    assert "systemctl --user restart brainmusic-stage.service" in manager.commands


def test_without_a_manager_the_file_is_there_and_one_reads_what_to_type(home: Path) -> None:
    manager = Manager(1, "Failed to connect to bus: No medium found\nmore")
    said = install.install(Service("stage"), SYSTEMD, manager)
    assert units.place(Service("stage"), SYSTEMD).is_file() and len(manager.commands) == 1
    assert "No medium found" in said[1] and "systemctl --user enable --now brainmusic-stage.service" in said[1]


class Answers(Manager):
    """Answers by the word of the command: exit code and text; all else goes well."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        super().__init__()
        self.answers = answers

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        super().__call__(command)
        return self.answers.get(command[2], (0, ""))


def test_a_start_that_takes_its_time_is_no_failure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold start compiles for minutes on a slow machine, and systemd goes on with it."""
    monkeypatch.setattr(install, "_PATIENCE_S", 0.2)
    code, said = install.run([sys.executable, "-c", "import time; time.sleep(60)"])
    found = install.install(Service("stage"), SYSTEMD, Answers(enable=(code, said)))
    assert "brainmusic-stage.service is still starting" in found[1] and "did not do it" not in " ".join(found)


def test_a_service_that_does_not_start_is_an_error_that_says_where_to_look(home: Path) -> None:
    failed = (1, "Job for brainmusic-stage.service failed because the control process exited with error code.\nSee …")
    with pytest.raises(ConfigError, match=r"does not run \(Job for .* error code\.\).*journalctl --user -u brainmusic"):
        install.install(Service("stage"), SYSTEMD, Answers(enable=failed))


@pytest.mark.parametrize("kind", [SYSTEMD, LAUNCHD])
def test_a_daemon_in_a_terminal_that_has_the_name_is_told_before_anything_is_done(home: Path, kind: str) -> None:
    said = "MainPID={}" if kind == SYSTEMD else '{{\n\t"PID" = {};\n}};'
    with daemons.daemon(name="taken"):
        for pid in (0, 1):
            with pytest.raises(ConfigError, match=r"'taken' runs already.*brainmusic stop --name taken"):
                install.install(Service("taken"), kind, Manager(0, said.format(pid)))
        assert not units.place(Service("taken"), kind).exists()
        assert install.install(Service("taken"), kind, Manager(0, said.format(os.getpid())))  # it is the service itself


def test_a_folder_that_cannot_be_written_is_one_message(home: Path) -> None:
    (home / ".config").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot (write|read)"):
        install.install(Service("stage"), SYSTEMD, Manager())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for systemd's system")
def test_the_command_itself(home: Path) -> None:
    config = home / "my.toml"
    config.write_text('[session]\nname = "evening"\n[source]\nkind = "simulator"\n[output.osc]\n', encoding="utf-8")
    shown = shell("service", "print", "--config", str(config))
    assert shown.returncode == 0 and "session.name=evening" in shown.stdout and str(config) in shown.stdout
    assert plistlib.loads(shell("service", "print", "--for", "launchd").stdout.encode())["Label"]
    done = shell("service", "install", "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert "its page: brainmusic page --open --name evening" in done.stdout
    file = home / ".config" / "systemd" / "user" / "brainmusic-evening.service"
    assert file.read_text(encoding="utf-8") == shown.stdout
    config.unlink()
    done = shell("service", "uninstall", "--name", "evening")
    assert done.returncode == 0 and not file.exists(), done.stdout
    wrong = shell("service", "install", "--for", "launchd")
    assert wrong.returncode == 2 and "print --for launchd" in wrong.stderr
    missing = shell("service", "install", "--config", "nobody.toml")
    assert missing.returncode == 2 and "nobody.toml" in missing.stderr


def test_json_is_one_object_a_line_to_the_very_end(tmp_path: Path) -> None:
    done = shell(
        *("run", "--for", "1", "--log", "json", "--set", "session.name=lines", "--set", "web.enabled=false"),
        *("--set", "output.audio.enabled=false", "--set", "control.osc_port=0"),
    )
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"time", "level", "logger", "message", "fields"} <= {*lines[0]} and "stopped after" in lines[-1]["message"]
    wrong = shell("run", "--log", "json", "--set", "session.tick_ms=1")
    assert wrong.returncode == 2
    assert "tick_ms" in json.loads(wrong.stderr)["message"]

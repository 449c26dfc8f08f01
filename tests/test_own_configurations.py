"""Bundled configurations: never written to, copied for a service; what is saved of them is found by its name."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from brainmusic_daemon import choice
from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import commands, copies, places
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.control import Answer
from brainmusic_daemon.service.daemon import Daemon
from tests.daemons import daemon, shell
from tests.receivers import wait_for

BUNDLED = configuration.folder()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return this user's folder of configurations, which is not there yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    found = configuration.own_folder()
    if not found.is_relative_to(tmp_path):
        pytest.skip("this system has its user's folders elsewhere than in HOME")
    assert not found.exists()
    return found


def asked(running: Daemon, command: str, *arguments: str) -> Answer:
    """Ask as the page does."""
    answers: list[Answer] = []
    running.control.submit(command, arguments, answers.append, trusted=False)
    wait_for(lambda: answers, 30, f"for {command}")
    return answers[0]


def test_what_the_page_saves_of_a_bundled_configuration_is_the_users_and_is_found_again(own: Path) -> None:
    before = {file.name: file.read_bytes() for file in BUNDLED.iterdir() if file.is_file()}
    with daemon(name="own-save") as running:
        refused = asked(running, "save")
        assert not refused.ok and "belongs to the project" in refused.text and "save my.toml" in refused.text
        assert asked(running, "preset", "tides").ok
        saved = asked(running, "save", "my.toml")
        assert saved.ok and str(own / "my.toml") in saved.text
        assert "written over" in asked(running, "save", "my.toml").text
        assert asked(running, "mapper.load", "my.toml").ok
        assert asked(running, "mapper.load", "muse.toml").ok  # those of the project are there as before
    assert {file.name: file.read_bytes() for file in BUNDLED.iterdir() if file.is_file()} == before
    assert configuration.load("my").music.preset == configuration.load("my.toml").music.preset == "tides"
    assert choice.read("my.toml", BUNDLED)[2] == own


@pytest.mark.skipif(sys.platform == "win32", reason="a symbolic link needs rights on Windows")
def test_a_link_to_a_bundled_one_is_its_users_own(own: Path, tmp_path: Path) -> None:
    link = tmp_path / "mine.toml"
    link.symlink_to(BUNDLED / "default.toml")
    before = (BUNDLED / "default.toml").read_bytes()
    with daemon(config=link, name="own-link") as running:
        ticket = running.mappers.save()
        assert ticket.wait(30) and ticket.ok, ticket.message
    assert not link.is_symlink() and (BUNDLED / "default.toml").read_bytes() == before


def test_nothing_is_ever_saved_beside_the_bundled_ones(own: Path) -> None:
    with daemon(name="own-never") as running:
        ticket = running.mappers.save(str(BUNDLED / "never.toml"))
        assert ticket.wait(30) and not ticket.ok and "belongs to the project" in ticket.message
    assert not (BUNDLED / "never.toml").exists()


def test_a_model_by_name_goes_to_the_users_folder_too(own: Path) -> None:
    config, save = configuration.load(), commands.find("learn.save")
    assert places.inside(config, save, ("me.safetensors",)) == (str(own / "me.safetensors"),)
    (own / "me.py").write_text("")
    load = commands.find("mapper.load")
    assert places.inside(config, load, ("me.py", None)) == (str(own / "me.py"), None)


def test_a_folder_that_cannot_be_made_is_told(own: Path) -> None:
    own.parent.parent.mkdir(parents=True, exist_ok=True)
    own.parent.write_text("in the way", encoding="utf-8")
    with pytest.raises(Refused, match="cannot be made"):
        places.inside(configuration.load(), commands.find("save"), ("my.toml",))


def test_with_a_file_of_ones_own_names_stay_beside_it(own: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    config = configuration.load(tmp_path / "mine.toml")
    assert places.inside(config, commands.find("save"), ("new.toml",)) == (str(tmp_path / "new.toml"),)
    assert copies.place(tmp_path / "mine.toml") == tmp_path / "mine.toml" and copies.copy(tmp_path / "mine.toml") == []


def test_a_copy_is_made_once_and_never_written_over(own: Path) -> None:
    file = BUNDLED / "muse.toml"
    assert copies.place(file) == own / "muse.toml"
    assert copies.copy(file)[0].startswith(f"{own / 'muse.toml'} is your copy")
    assert (own / "muse.toml").read_bytes() == file.read_bytes()
    (own / "muse.toml").write_text("# mine\n", encoding="utf-8")
    assert "there already" in copies.copy(file)[0]
    assert (own / "muse.toml").read_text(encoding="utf-8") == "# mine\n"


@pytest.mark.parametrize("file", sorted(BUNDLED.glob("*.toml")), ids=lambda file: file.stem)
def test_every_copy_still_loads(own: Path, file: Path) -> None:
    copies.copy(file)
    assert configuration.load(own / file.name).tables == configuration.load(file).tables


def test_what_a_bundled_one_names_beside_it_comes_along(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = tmp_path / "configs"
    (bundled / "models").mkdir(parents=True)
    (bundled / "models" / "m.pt").write_bytes(b"model")
    text = '[mapper]\nkind = "blend"\n[[mapper.layer]]\nmodel = "models/m.pt"\nother = "../configs/x"\n'
    (bundled / "x.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("brainmusic_daemon.tomlfile.folder", lambda: bundled)
    assert len(copies.copy(bundled / "x.toml")) == 2
    assert (own / "models" / "m.pt").read_bytes() == b"model"


def test_a_copy_that_cannot_be_written_is_one_message(own: Path) -> None:
    own.parent.parent.mkdir(parents=True, exist_ok=True)
    own.parent.write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot copy muse\.toml"):
        copies.copy(BUNDLED / "muse.toml")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for systemd's system")
def test_a_service_runs_with_the_copy(own: Path) -> None:
    shown = shell("service", "print")
    assert f"--config {own / 'default.toml'}" in shown.stdout and not own.exists()
    done = shell("service", "install", "--config", "muse")
    assert done.returncode == 0 and f"{own / 'muse.toml'} is your copy of 'muse'" in done.stdout, done.stderr
    unit = own.parent / "systemd" / "user" / "brainmusic-brainmusic.service"
    assert f"--config {own / 'muse.toml'}" in unit.read_text(encoding="utf-8")
    text = (
        (own / "muse.toml").read_text(encoding="utf-8").replace("[source]", '[session]\nname = "mine"\n\n[source]', 1)
    )
    assert tomllib.loads(text)["session"]["name"] == "mine"
    (own / "muse.toml").write_text(text, encoding="utf-8")
    again = shell("service", "install", "--config", "muse")
    assert "used as it is" in again.stdout and "brainmusic-mine.service" in again.stdout

"""What plays outlives a crash: written beside the tick, taken up again, and left aside where it is no good."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.formats.xdf_file import streams
from brainmusic_daemon.music import preset as presets
from brainmusic_daemon.service import kept as memory
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.kept import Kept
from brainmusic_daemon.service.memory import Memory
from tests import daemons
from tests.daemons import shell
from tests.faults import find
from tests.receivers import wait_for

SLOW_S = 20.0  # that a busy machine may take longer, as to load a program; 0 on one that does nothing else
CONFIG = """
[source]
kind = "simulator"
[output.osc]
[scene.calm]
mapper = "linear"
preset = "tides"
fade_s = 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "mine.toml"
    made.write_text(CONFIG, encoding="utf-8")
    return made


def kept(file: Path, name: str = "kept") -> Kept:
    config = configuration.load(file, [f"session.name={name}"])
    written = memory.fingerprint(config.tables)
    return Kept(1, name, str(file), written, "linear", {"kind": "linear"}, str(file.parent), "tides", 3)


def test_it_is_read_as_it_was_written(file: Path) -> None:
    there = replace(kept(file), gain_db=-6.5, muted=True, scene="calm", profile="anna", attempts=2)
    memory.write(there)
    assert memory.read("kept") == there
    assert memory.read("somebody-else") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 1}',
        '{"version": 99}',
        "[" * 100_000,
        "\x00" * 50,
        '{"version": 1, "name": 3}',
    ],
)
def test_a_broken_file_is_told_and_left_aside(text: str, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = memory.path("broken")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    config = configuration.load(file, ["session.name=broken"])
    with caplog.at_level("INFO", logger="brainmusic_daemon.service.kept"):
        assert memory.recall(config) == (config, None)
    assert find("kept-damaged").says(caplog.messages) and str(place) in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"written": "other"}, "the configuration was changed"),
        ({"config": "/else/where.toml"}, "the configuration was changed"),
        ({"table": {"kind": "nobody"}}, "not taken up"),
        ({"table": {"kind": "linear", "weights": "many"}}, "not taken up"),
        ({"preset": "nobody"}, "not taken up"),
        ({"profile": "nobody-at-all"}, "not taken up"),
        ({"attempts": 3}, "not taken up: 3 starts with it did not last"),
    ],
)
def test_what_does_not_fit_is_told_and_left_aside(
    change: dict[str, object], said: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory.write(replace(kept(file), **change))  # type: ignore[arg-type]
    config = configuration.load(file, ["session.name=kept"])
    with caplog.at_level("INFO", logger="brainmusic_daemon.service.kept"):
        assert memory.recall(config) == (config, None)
    assert said in caplog.text
    assert find("kept-does-not-fit").says(caplog.messages) == ("not taken up" in said)


@pytest.mark.parametrize(
    "change",
    [
        {"written": "other"},
        {"config": "/else/where.toml"},
        {"preset": "nobody"},
        {"profile": "nobody"},
        {"attempts": 3},
    ],
)
@pytest.mark.parametrize("silent", [{"muted": True}, {"panicked": True}, {"gain_db": -40.0}])
def test_what_was_silent_stays_silent_whatever_is_left_aside(
    change: dict[str, object], silent: dict[str, object], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory.write(replace(kept(file), scene="calm", **change, **silent))  # type: ignore[arg-type]
    config = configuration.load(file, ["session.name=kept"])
    with caplog.at_level("INFO", logger="brainmusic_daemon.service.kept"):
        same, found = memory.recall(config)
    assert same == config and found is not None
    assert {name: getattr(found, name) for name in silent} == silent
    assert (found.scene, found.attempts) == ("", 0)
    assert "what stays: " in caplog.text


def test_it_is_taken_up(file: Path) -> None:
    memory.write(kept(file))
    config, found = memory.recall(configuration.load(file, ["session.name=kept"]))
    assert found is not None and found.attempts == 1
    assert (config.choice.name, config.music.preset, config.music.seed) == ("linear", "tides", 3)
    assert config.preset == presets.load("tides")


def test_a_write_that_fails_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory.write(kept(file))

    real = os.fsync

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        memory.write(replace(kept(file), preset="else"))
    row, keeping = find("kept-write-breaks-off"), Memory(Daemon(configuration.load(file, ["session.name=kept"])), None)
    keeping.start()
    wait_for(lambda: row.says(caplog.messages))
    assert memory.read("kept") == kept(file)
    assert [*memory.path("kept").parent.glob("kept*.tmp")] == []
    monkeypatch.setattr(os, "fsync", real)  # someone made room
    since = time.monotonic()
    wait_for(lambda: memory.read("kept") != kept(file))
    assert row.seconds is not None and time.monotonic() - since <= row.seconds + SLOW_S
    keeping.stop()


def plays(name: str) -> dict[str, object]:
    return json.loads(shell("status", "--json", "--name", name).stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_after_kill_9_it_plays_on_where_it_was(file: Path) -> None:
    name = "killed"
    with daemons.process("session.resume=true", config=file, name=name) as first:
        assert shell("tell", "scene", "calm", "--name", name).returncode == 0
        assert shell("tell", "route", "tempo", "gain", "1.5", "--name", name).returncode == 0
        assert shell("tell", "gain", "-12", "--name", name).returncode in (0, 2)  # 2: without sound there is no level
        assert shell("tell", "mute", "--name", name).returncode == 0
        wait_for(lambda: (found := memory.read(name)) and found.muted and "1.5" in json.dumps(dict(found.table)))
        os.kill(first.process.pid, signal.SIGKILL)
        assert first.process.wait(30) == -signal.SIGKILL
    row, begun = find("killed-while-it-plays"), time.monotonic()
    with daemons.process("session.resume=true", config=file, name=name) as second:
        assert row.seconds is not None and time.monotonic() - begun <= row.seconds + SLOW_S
        line = second.wait_for("playing on where it was")
        assert row.says([line]) and row.state == "ends, and begins again"
        assert "mapper 'linear'" in line and "scene 'calm'" in line and "muted" in line
        found = plays(name)
        assert found["mapper"]["name"] == "linear" and found["preset"] == "tides"  # type: ignore[index]
        assert found["sound"]["muted"] is True  # type: ignore[index]
        assert "1.5" in json.dumps(dict(memory.read(name).table))  # type: ignore[union-attr]
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(30) == 0
    after = memory.read(name)
    assert after is not None and after.mapper == "linear" and after.scene == "calm" and after.attempts == 0
    with daemons.process(config=file, name=name) as third:  # without `resume` it begins anew
        assert plays(name)["mapper"]["name"] == "direct"  # type: ignore[index]
        assert not any("playing on" in line for line in third.said)


def test_a_panic_outlives_another_mapper_in_the_configuration(file: Path) -> None:
    """Somebody pressed panic, edited the mapper because of it, and starts the service anew."""
    with daemons.daemon("session.resume=true", config=file, name="panicked") as first:
        first.sounding.panic()
    file.write_text(CONFIG + '[mapper]\nkind = "linear"\n', encoding="utf-8")
    with daemons.daemon("session.resume=true", config=file, name="panicked") as second:
        assert second.sounding.panicked
        assert second.session.pipeline.host.playing.name == "linear"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_after_kill_9_it_learns_and_records_again(file: Path) -> None:
    """In a new file, beside the one that has no end; after a good end neither begins by itself."""
    name, settings = "recorded", ("session.resume=true",)
    with daemons.process(*settings, config=file, name=name) as first:
        assert shell("tell", "record.start", str(file.parent / "evening-1.xdf"), "--name", name).returncode == 0
        assert shell("tell", "learn", "1", "--name", name).returncode == 0
        wait_for(lambda: (found := memory.read(name)) and found.recording and found.learning)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(30)
    for number in (2, 3):
        with daemons.process(*settings, config=file, name=name) as again:
            wanted = file.parent / f"evening-1-{number}.xdf"
            line = again.wait_for("the recording goes on in")
            assert str(wanted) in line and again.wait_for("learning is on, as it was")
            found = plays(name)
            assert found["recording"]["path"] == str(wanted)  # type: ignore[index]
            before = "evening-1.xdf" if number == 2 else "evening-1-2.xdf"
            assert found["recording"]["continues"] == str(file.parent / before)  # type: ignore[index]
            assert f"goes on from {before}" in shell("status", "--name", name).stdout
            assert found["learning"]["on"] is True  # type: ignore[index]
            wait_for(lambda wanted=wanted: memory.read(name).recording == str(wanted))  # type: ignore[union-attr, misc]
            if number == 2:
                os.kill(again.process.pid, signal.SIGKILL)
            else:
                again.process.send_signal(signal.SIGTERM)
            again.process.wait(30)
    files = [*file.parent.glob("*.xdf")]
    assert len(files) == 3 and all(streams(each) for each in files)
    after = memory.read(name)
    assert after is not None and after.recording == "" and after.learning is True


def test_a_recording_that_cannot_go_on_is_told_and_the_music_plays(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = file.parent / "a disk that is not here" / "evening.xdf"
    memory.write(replace(kept(file, "disk"), recording=str(gone), recording_as=str(gone)))
    with daemons.daemon("session.resume=true", config=file, name="disk") as running:
        assert running.recorder.status is None and running.session.pipeline.host.playing.name == "linear"
        wait_for(lambda: memory.read("disk").recording == "")  # type: ignore[union-attr]
    assert "the recording does not go on" in caplog.text and str(gone) in caplog.text

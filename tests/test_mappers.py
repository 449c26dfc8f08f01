"""Swaps while it plays: files, scenes, knobs, undo, save; what will not do is refused and the music goes on."""

from __future__ import annotations

import shutil
import struct
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brainmusic_daemon import choice
from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.mapping.direct import Direct
from brainmusic_daemon.music import preset as presets
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.mappers import Mappers, Ticket
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.tryout import bounded
from brainmusic_daemon.service.watcher import Watcher
from tests.faults import find

MINE = """
from brainmusic_daemon.api import CONTROL, plugin

@plugin
class Mine:
    '''One constant tempo.'''

    bpm: float = 100.0
    controls = (CONTROL["tempo"],)

    def prepare(self, names, tick):
        PREPARE

    def map(self, features):
        MAP
        return {"tempo": self.bpm}

    def explain(self, features):
        return {}
"""

CONFIG = """# my own piece
[source]
kind = "simulator"

[output.osc]
enabled = false

[mapper]                      # what drives what
kind = "direct"

[mapper.routes.tempo]         # the pulse
from = "alpha"                # of the whole head
gain = 1.0                    # as it is
output = [60, 120]

[mapper.routes.loudness]
from = "beta"

[scene.calm]
mapper = { kind = "direct", routes = { tempo = { from = "theta" } } }
preset = "tides"
fade_s = 0.1
"""


class Stage:
    """A session that is ticked by hand, and its mappers."""

    def __init__(self, folder: Path, text: str = CONFIG, *overrides: str) -> None:
        self.folder = folder
        self.file = folder / "piece.toml"
        self.file.write_text(text)
        self.clock = VirtualClock()
        self.session = Session(configuration.load(self.file, overrides), self.clock)
        self.entries: list[Entry] = []
        self.session.journal.listen(self.entries.append)
        self.mappers = Mappers(self.session)
        self.number = 0

    def play(self, seconds: float) -> dict[str, float]:
        """Tick so long; return the controls."""
        for _ in range(round(seconds / 0.02)):
            self.number += 1
            self.clock.wait_until(self.number * 0.02)
            self.session.acquisition.pump()
            self.session.attach()
            frame = self.session.tick(self.number * 0.02)
        return dict(frame.controls.values)

    @property
    def name(self) -> str:
        return self.session.pipeline.host.playing.name

    def done(self, ticket: Ticket) -> str:
        """Wait for a ticket, let the next ticks take it up, and return what it says."""
        assert ticket.wait(60)
        self.play(0.2)
        return ticket.message

    def write(self, name: str, act: str = "pass", prepare: str = "pass") -> Path:
        file = self.folder / name
        file.write_text(MINE.replace("MAP", act).replace("PREPARE", prepare))
        return file


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    made.play(2.0)
    made.mappers.start()
    yield made
    made.mappers.stop()
    made.session.pipeline.host.leave()


def wait_for(condition: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(3000):
        if condition():
            return
        event.wait(0.02)
    pytest.fail("it did not happen")


def test_a_kind_a_users_file_and_another_configuration_are_taken_up(stage: Stage) -> None:
    mine = stage.write("mine.py")
    assert "mapper 'mine.py' fades in over 0.5 s" in stage.done(stage.mappers.load(str(mine)))
    assert stage.name == "mine.py" and stage.play(12)["tempo"] == pytest.approx(100.0)
    assert "plays" in stage.done(stage.mappers.load("direct", 0.0)) and stage.name == "direct"
    stage.done(stage.mappers.load("puredata"))
    assert stage.name == "puredata"
    assert [entry.name for entry in stage.entries if entry.kind == "mapper"] == ["mine.py", "direct", "puredata"]


def test_a_file_beside_the_configuration_needs_no_path(stage: Stage) -> None:
    stage.write("mine.py")
    stage.done(stage.mappers.load("mine.py"))
    assert stage.name == "mine.py"


REFUSED: dict[str, tuple[str, str]] = {
    "syntax": ("def (", "line 1: invalid syntax"),
    "import": ("import no_such_package", "line 1, in <module>: ModuleNotFoundError"),
    "exits": ("import sys\nsys.exit(1)", "line 2, in <module>: SystemExit"),
    "nothing in it": ("x = 1", "no class with @plugin"),
    "raises": (MINE.replace("MAP", "1 / 0").replace("PREPARE", "pass"), "in map: ZeroDivisionError"),
    "prepare": (MINE.replace("MAP", "pass").replace("PREPARE", "1 / 0"), "in prepare: ZeroDivisionError"),
    "nan": (MINE.replace("MAP", "return {'tempo': float('nan')}").replace("PREPARE", "pass"), "gave tempo = nan"),
    "range": (MINE.replace("MAP", "return {'tempo': 500.0}").replace("PREPARE", "pass"), "not within 50 to 150"),
    "slow": (
        "import time\n" + MINE.replace("MAP", "time.sleep(0.03)").replace("PREPARE", "pass"),
        "ms per tick, where there are 5",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_fails_when_it_is_tried_is_never_heard(name: str, stage: Stage) -> None:
    text, said = REFUSED[name]
    file = stage.folder / "bad.py"
    file.write_text(text)
    ticket = stage.mappers.load(str(file))
    message = stage.done(ticket)
    assert ticket.ok is False and said in message and message.endswith("'direct' plays on"), message
    assert find("mapper-fails-when-tried").says([message]), message
    assert stage.name == "direct" and stage.mappers.refusals == 1
    assert stage.mappers.history.step.origin == "start"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drect", "did you mean 'direct'"),
        ("nowhere.py", "there is no file"),
        ("nowhere.toml", "there is no mapper"),
        ("", "there is no mapper"),
    ],
)
def test_names_of_nothing_are_refused(text: str, said: str, stage: Stage) -> None:
    ticket = stage.mappers.load(text)
    assert said in stage.done(ticket) and not ticket.ok and stage.name == "direct"


def test_what_hangs_while_it_is_prepared_is_left_behind() -> None:
    release = threading.Event()
    with pytest.raises(Exception, match=r"trying 'x' was not done within 0\.05 s"):
        bounded(lambda: release.wait(5), "trying 'x'", 0.05)
    release.set()


def test_a_scene_brings_mapper_and_preset_and_undo_takes_them_back(stage: Stage) -> None:
    message = stage.done(stage.mappers.scene("calm"))
    assert message == "scene 'calm': preset 'tides' plays, mapper 'calm' fades in over 0.1 s"
    assert stage.name == "calm" and stage.session.pipeline.score.preset.title
    assert [*stage.session.pipeline.host.playing.mapper.routes] == ["tempo"]  # type: ignore[attr-defined]
    assert stage.done(stage.mappers.undo()).startswith("undone: preset 'drone' plays, mapper 'direct'")
    assert stage.name == "direct" and stage.session.pipeline.score.preset.plain
    stage.done(stage.mappers.redo())
    assert stage.name == "calm"
    assert "nothing to redo" in stage.done(stage.mappers.redo())
    assert stage.done(stage.mappers.load("calm")).startswith("scene 'calm'")
    assert "did you mean 'calm'" in stage.done(stage.mappers.scene("clam"))


def test_knobs_are_turned_while_it_plays_and_many_turns_are_one_step(stage: Stage) -> None:
    for gain in range(1, 30):
        ticket = stage.mappers.edit("tempo", "gain", gain / 10)
    wait_for(lambda: ticket.ok is not None)
    stage.done(stage.mappers.edit("tempo", "gain", 3.0))
    route = stage.session.pipeline.host.playing.mapper.routes["tempo"]  # type: ignore[attr-defined]
    assert route.gain == 3.0 and route.source == "alpha" and len(stage.mappers.history.steps) == 2
    stage.done(stage.mappers.edit("tempo", "high", 100.0))
    stage.done(stage.mappers.edit("loudness", "invert", 1.0))
    routes = stage.session.pipeline.host.playing.mapper.routes  # type: ignore[attr-defined]
    assert routes["tempo"].output == (60.0, 100.0) and routes["loudness"].invert
    for _ in range(3):
        stage.done(stage.mappers.undo())
    assert stage.session.pipeline.host.playing.mapper.routes["tempo"].gain == 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("control", "setting", "value", "said"),
    [
        ("tempo", "gian", 1.0, "did you mean 'gain'"),
        ("temp", "gain", 1.0, "did you mean 'tempo'"),
        ("tempo", "gain", -1.0, "greater than or equal to 0"),
        ("tempo", "high", 1000.0, "must stay within 50 to 150 BPM"),
    ],
)
def test_wrong_turns_are_refused(control: str, setting: str, value: Any, said: str, stage: Stage) -> None:
    ticket = stage.mappers.edit(control, setting, value)
    message = stage.done(ticket)
    assert not ticket.ok and said in message, message
    assert stage.mappers.edit("tempo", "gain", 2.0).wait(30)


def test_one_knob_that_will_not_do_does_not_hold_up_the_others(stage: Stage) -> None:
    hold = threading.Event()
    stage.mappers._errands.ask(lambda: str(hold.wait(30)))
    tickets = [stage.mappers.edit("tempo", "gain", gain) for gain in (2.0, -1.0)]
    tickets.append(stage.mappers.edit("loudness", "gain", 3.0))
    tickets.append(stage.mappers.edit("loudness", "gian", 3.0))
    hold.set()
    assert not any(stage.done(ticket) and ticket.ok for ticket in tickets)  # somebody has to hear of it
    routes = stage.session.pipeline.host.playing.mapper.routes  # type: ignore[attr-defined]
    assert routes["loudness"].gain == 3.0 and routes["tempo"].gain == 1.0


def test_read_again_what_the_command_line_set_stays_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(tmp_path, CONFIG, "mapper.routes.tempo.gain=7", "features.delay_ms=90")
    stage.mappers.start()
    try:
        stage.play(0.5)
        assert stage.mappers.reload().wait(60)
        stage.play(0.5)
        assert stage.session.pipeline.host.playing.mapper.routes["tempo"].gain == 7  # type: ignore[attr-defined]
        assert "needs a new start" not in caplog.text
    finally:
        stage.mappers.stop()


def test_knobs_of_any_other_mapper_are_its_adjustments(stage: Stage) -> None:
    stage.done(stage.mappers.load(str(stage.write("mine.py")), 0.0))
    mapper = stage.session.pipeline.host.playing.mapper
    stage.done(stage.mappers.edit("tempo", "high", 110.0))
    stage.done(stage.mappers.edit("tempo", "smooth_s", 0.0))
    assert stage.session.pipeline.host.playing.mapper is mapper  # nothing is loaded anew for a knob
    assert stage.play(20)["tempo"] == pytest.approx(80.0)
    assert "has no setting 'curve'" in stage.done(stage.mappers.edit("tempo", "curve", "exp"))
    stage.done(stage.mappers.undo())
    stage.done(stage.mappers.undo())
    assert stage.play(20)["tempo"] == pytest.approx(100.0)


def test_what_was_turned_is_saved_with_all_comments(stage: Stage) -> None:
    stage.done(stage.mappers.edit("tempo", "gain", 2.5))
    stage.done(stage.mappers.edit("tempo", "high", 110.0))
    stage.done(stage.mappers.preset("pulse"))
    assert "saved in" in stage.done(stage.mappers.save())
    text = stage.file.read_text()
    for comment in ("# my own piece", "# what drives what", "# the pulse", "# of the whole head", "# as it is"):
        assert comment in text
    written = tomllib.loads(text)
    assert written["mapper"]["routes"]["tempo"] == {"from": "alpha", "gain": 2.5, "output": [60, 110.0]}
    assert written["music"] == {"preset": "pulse", "seed": 1} and written["scene"]["calm"]["preset"] == "tides"
    assert configuration.load(stage.file).music.preset == "pulse"
    steps = len(stage.mappers.history.steps)
    stage.done(stage.mappers.save())  # its own writing is no news
    assert len(stage.mappers.history.steps) == steps and stage.file.read_text() == text


def test_what_came_as_a_float32_is_saved_as_it_was_meant(stage: Stage) -> None:
    stage.done(stage.mappers.edit("tempo", "gain", struct.unpack("f", struct.pack("f", 0.4))[0]))
    stage.done(stage.mappers.edit("tempo", "smooth_s", 0.128921875))
    stage.done(stage.mappers.save())
    route = tomllib.loads(stage.file.read_text())["mapper"]["routes"]["tempo"]
    assert (route["gain"], route["smooth_s"]) == (0.4, 0.128921875)


def test_saved_under_another_name_the_file_stays_as_it_was(stage: Stage) -> None:
    stage.done(stage.mappers.edit("tempo", "gain", 2.5))
    other = stage.folder / "other.toml"
    stage.done(stage.mappers.save(str(other)))
    assert stage.file.read_text() == CONFIG
    assert configuration.load(other).mapper.routes["tempo"].gain == 2.5  # type: ignore[attr-defined]


def test_the_projects_own_configurations_are_never_written(tmp_path: Path) -> None:
    session = Session(configuration.load("puredata"), VirtualClock())
    mappers = Mappers(session)
    mappers.start()
    try:
        before = (configuration.folder() / "puredata.toml").read_bytes()
        ticket = mappers.save()
        assert ticket.wait(60) and not ticket.ok and "save my.toml" in ticket.message
        ticket = mappers.save(str(tmp_path / "my.toml"))
        assert ticket.wait(60) and ticket.ok
        assert (configuration.folder() / "puredata.toml").read_bytes() == before
        assert configuration.load(tmp_path / "my.toml").outputs
    finally:
        mappers.stop()


def test_a_file_that_is_saved_is_taken_up_by_itself_and_a_broken_one_is_not(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.file.write_text(CONFIG.replace("gain = 1.0", "gain = 4.0"))
    wait_for(lambda: len(stage.mappers.history.steps) == 2)
    stage.play(1)
    assert stage.session.pipeline.host.playing.mapper.routes["tempo"].gain == 4.0  # type: ignore[attr-defined]
    stage.file.write_text(CONFIG[: CONFIG.index("output = [60")] + "output = [60")
    wait_for(lambda: stage.mappers.refusals == 1)
    wait_for(lambda: find("saved-half").says(caplog.messages))
    stage.play(1)
    assert stage.session.pipeline.host.playing.mapper.routes["tempo"].gain == 4.0  # type: ignore[attr-defined]
    stage.file.unlink()  # many editors put another file in place
    shutil.move(_written(stage.folder / "new", CONFIG.replace("gain = 1.0", "gain = 5.0")), stage.file)
    wait_for(lambda: len(stage.mappers.history.steps) == 3)
    stage.play(1)
    assert stage.session.pipeline.host.playing.mapper.routes["tempo"].gain == 5.0  # type: ignore[attr-defined]


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_users_file_that_is_saved_is_loaded_anew_and_a_broken_one_is_not(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    mine = stage.write("mine.py")
    stage.done(stage.mappers.load(str(mine)))
    assert stage.play(15)["tempo"] == pytest.approx(100.0)
    mine.write_text(mine.read_text().replace("100.0", "120.0"))
    wait_for(lambda: stage.play(1)["tempo"] == pytest.approx(120.0))
    stage.write("mine.py", act="return {}")
    wait_for(lambda: stage.mappers.refusals == 1)
    wait_for(lambda: find("mapper-saved-broken").says(caplog.messages))
    assert stage.play(2)["tempo"] == pytest.approx(120.0)
    mine.write_text(MINE.replace("MAP", "pass").replace("PREPARE", "pass").replace("100.0", "90.0"))
    wait_for(lambda: stage.play(1)["tempo"] == pytest.approx(90.0))
    assert len(stage.mappers.history.steps) == 2  # the same table: what it said before cannot be brought back


def test_a_mapper_that_is_chosen_before_there_is_a_headset_plays_when_it_comes(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.mappers.start()
    try:
        ticket = stage.mappers.load(str(stage.write("mine.py")))
        assert ticket.wait(60) and ticket.ok
        stage.play(2)
        assert stage.name == "mine.py"
    finally:
        stage.mappers.stop()
        stage.session.pipeline.host.leave()


def test_one_that_was_prepared_for_the_headset_before_is_prepared_again(stage: Stage) -> None:
    ticket = stage.mappers.load(str(stage.write("mine.py")))
    assert ticket.wait(60)
    host = stage.session.pipeline.host
    host._pending[0][0].names = ("alpha",)  # what it was prepared for when another headset came in between
    wait_for(lambda: bool(stage.play(0.1)) and stage.name == "mine.py")


def test_a_knob_that_is_turned_right_after_a_swap_is_the_new_ones(stage: Stage) -> None:
    assert stage.mappers.load(str(stage.write("mine.py")), 0.0).wait(30)
    stage.done(stage.mappers.edit("tempo", "high", 90.0))  # no tick has taken the swap up yet
    assert stage.name == "mine.py" and stage.play(20)["tempo"] == pytest.approx(70.0)


def test_knobs_and_swaps_are_done_in_the_order_they_were_asked_for(stage: Stage) -> None:
    """Of the same knob the newest value counts, but not across a swap: each mapper gets what was meant for it."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        return "done" if go_on.wait(60) else "late"

    stage.mappers._errands.ask(slow)  # all that follows waits behind it
    assert begun.wait(60)
    before = stage.mappers.edit("tempo", "gain", 0.5)
    load = stage.mappers.load(str(stage.write("mine.py")), 0.0)
    after = stage.mappers.edit("tempo", "high", 90.0)
    assert stage.mappers.edit("tempo", "low", 60.0) is after is not before
    go_on.set()
    said = [stage.done(ticket) for ticket in (before, load, after)]
    assert said[0] == "tempo gain = 0.5" and "and 1 more" in said[2]
    assert stage.name == "mine.py" and stage.play(20)["tempo"] == pytest.approx(75.0)
    assert stage.mappers.history.step.table["adjust"]["tempo"] == {"output": [60.0, 90.0]}
    stage.done(stage.mappers.undo())
    stage.done(stage.mappers.undo())
    assert stage.mappers.history.step.table["routes"]["tempo"]["gain"] == 0.5


def test_other_sections_need_a_new_start_and_that_is_said(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.file.write_text(CONFIG.replace("[source]", "[features]\ndelay_ms = 90\n[source]"))
    wait_for(lambda: "[features] of piece.toml changed: that needs a new start" in caplog.text)
    assert find("other-sections-saved").says(caplog.messages)
    assert len(stage.mappers.history.steps) == 1


def test_a_reload_says_what_it_could_not_take_up_for_as_long_as_that_holds(stage: Stage) -> None:
    changed = CONFIG.replace("[source]", "[features]\ndelay_ms = 90\n[web]\nport = 4711\n[source]")
    stage.file.write_text(changed.replace('from = "alpha"', 'from = "beta"'))
    for _ in range(2):  # the second time nothing is new, and it is as true
        said = stage.done(stage.mappers.reload())
        assert "mapper 'direct' fades in" in said
        assert said.endswith("; [features], [web] changed since the start: that needs a new one")
    stage.file.write_text(CONFIG)
    assert "new one" not in stage.done(stage.mappers.reload())


def test_the_watcher_tells_of_its_files_only(tmp_path: Path) -> None:
    seen: list[set[Path]] = []
    one, other = _written(tmp_path / "one", ""), _written(tmp_path / "other", "")
    watcher = Watcher(seen.append)
    watcher.watch([one])
    watcher.start()
    try:

        def touch() -> bool:  # until the operating system has begun to tell
            other.write_text("x")
            one.write_text("x")
            return bool(seen)

        wait_for(touch)
        assert set().union(*seen) == {one.resolve()}
    finally:
        watcher.stop()


def test_the_fallback_may_be_wired_and_is_direct() -> None:
    tables: dict[str, Any] = {"source": {"kind": "simulator"}, "fallback": {"routes": {"tempo": {"from": "beta"}}}}
    fallback = configuration.resolve(tables).fallback
    assert isinstance(fallback, Direct) and [*fallback.routes] == ["tempo"]
    tables["fallback"] = {"kind": "nonsense"}
    with pytest.raises(configuration.ConfigError, match="fallback"):
        configuration.resolve(tables)


def test_what_lies_beside_the_saved_file_is_named_from_there(stage: Stage) -> None:
    """So the folder may move to another computer."""
    file = stage.write("mine.py", "return {'tempo': 66.0}")
    stage.done(stage.mappers.load(str(file)))
    stage.done(stage.mappers.save(str(stage.folder / "other.toml")))
    written = tomllib.loads((stage.folder / "other.toml").read_text())["mapper"]
    assert written["kind"] == "mine.py"
    blend = {"kind": "blend", "layers": [{"kind": "neural", "model": str(stage.folder / "models" / "me.safetensors")}]}
    assert choice.beside(blend, stage.folder)["layers"][0]["model"] == "models/me.safetensors"
    elsewhere = {"kind": "linear", "model": str(stage.folder.parent / "me.safetensors"), "smooth_s": 0.2}
    assert choice.beside(elsewhere, stage.folder) == elsewhere


def test_one_that_hangs_when_it_is_tried_is_refused_soon(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainmusic_daemon.service.installer.TRIAL_S", 0.2)
    file = stage.write("endless.py", "while True: pass")
    message = stage.done(stage.mappers.load(str(file)))
    assert message == "not taken up: 'endless.py': trying it was not done within 0.2 s; 'direct' plays on"
    assert find("mapper-hangs-when-tried").says([message])


def test_a_scene_that_names_nothing_is_told_before_it_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "piece.toml"
    file.write_text('[scene.storm]\nmapper = "storm.toml"\n[scene.words]\nmapper = "semantic"\n')
    with pytest.raises(ConfigError, match=r"scene\.storm\.mapper.*there is no mapper 'storm\.toml'") as caught:
        configuration.load(file)
    row = find("scene-names-nothing")
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"
    (tmp_path / "storm.toml").write_text('[mapper]\nkind = "direct"\n')
    assert configuration.load(file).scenes["storm"].mapper == "storm.toml"
    file.write_text(file.read_text() + 'preset = "tidse"\n')
    with pytest.raises(ConfigError, match=r"scene\.words\.preset.*did you mean 'tides'"):
        configuration.load(file)


def test_a_preset_beside_the_configuration_needs_no_path(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((presets.folder() / "tides.toml").read_text(encoding="utf-8"))
    file = tmp_path / "piece.toml"
    file.write_text('[music]\npreset = "mine.toml"\n[scene.same]\npreset = "mine.toml"\n')
    assert configuration.load(file).preset == presets.load("tides")


def test_knobs_of_one_that_failed_are_refused_and_undo_brings_back_what_stands_in(stage: Stage) -> None:
    """Turned, they would move what nobody hears."""
    stage.done(stage.mappers.load("linear"))
    file = stage.write("late.py", "self.bpm += 1.0; return {'tempo': self.bpm} if self.bpm < 700 else 1 / 0")
    file.write_text(file.read_text().replace("{'tempo': self.bpm}", "{'tempo': 100.0}"))
    stage.done(stage.mappers.load(str(file)))
    stage.play(10.0)
    assert stage.name == "linear" and stage.session.pipeline.host.wanted.fault
    ticket = stage.mappers.edit("tempo", "gain", 2.0)
    assert "'linear' plays instead of 'late.py', which failed in late.py" in stage.done(ticket) and not ticket.ok
    assert stage.done(stage.mappers.undo()).startswith("undone: mapper 'linear'")
    ticket = stage.mappers.edit("tempo", "gain", 2.0)
    assert stage.done(ticket) == "tempo gain = 2.0" and stage.name == "linear"

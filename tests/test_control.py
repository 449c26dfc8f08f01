"""The table of commands, and what each does to a running daemon."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brainmusic_daemon.service import actions, commands, explainer, overview, places
from brainmusic_daemon.service.command import Kind, Refused, Wrong
from brainmusic_daemon.service.commands import COMMANDS, ROUTE
from brainmusic_daemon.service.control import Answer, Control
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.journal import Entry
from tests import daemons
from tests.faults import find
from tests.receivers import wait_for

SLOW_S = 5.0  # that a busy machine may take longer; 0 on one that does nothing else
DOCS = Path(__file__).parent.parent / "docs" / "control.md"


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemons.daemon(name="control") as daemon:
        yield daemon


@pytest.fixture
def heard(running: Daemon) -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    leave = running.session.journal.listen(entries.append)
    yield entries
    leave()


def ok(daemon: Daemon, name: str, *given: object) -> str:
    answer = daemon.control.ask(name, given)
    assert answer.ok, answer.text
    return answer.text


def refused(daemon: Daemon, name: str, *given: object) -> tuple[str, str]:
    answer = daemon.control.ask(name, given)
    assert not answer.ok
    return answer.reason, answer.text


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_command_has_an_action_and_every_action_a_command() -> None:
    assert set(actions.ACTIONS) == {command.name for command in COMMANDS}
    assert len({command.address for command in COMMANDS}) == len(COMMANDS)


def test_the_table_in_the_docs_is_this_one() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"| `{command.address}` | {f'`{command.types}`' if command.types else ''} | {command.help} |" in text
    for argument in ROUTE.values():
        assert f"| `{argument.name}` | {argument.help} | {argument.range} |" in text


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("rate", ["-0.5"], (-0.5,)),
        ("rate", [1], (1.0,)),
        ("mute", [], (True,)),
        ("mute", ["off"], (False,)),
        ("mute", [0.0], (False,)),
        ("scene", [1, 2.5], ("1", 2.5)),
        ("scene", ["calm"], ("calm", None)),
        ("route", ["tempo", "invert", 1], ("tempo", "invert", True)),
        ("route", ["tempo", "gain", "1.5"], ("tempo", "gain", 1.5)),
        ("record.start", [], ("",)),
    ],
)
def test_arguments_are_read(name: str, given: list[object], wanted: tuple[object, ...]) -> None:
    assert commands.find(name).read(given) == wanted


@pytest.mark.parametrize(
    ("name", "given", "reason", "said"),
    [
        ("rate", [], Wrong.ARITY, "takes 1 arguments, not 0"),
        ("rate", [0.1, 0.2], Wrong.ARITY, "rate RATING"),
        ("rate", [1.5], Wrong.RANGE, "from -1 to 1"),
        ("rate", [math.nan], Wrong.RANGE, "nan"),
        ("rate", ["inf"], Wrong.RANGE, "inf"),
        ("rate", ["good"], Wrong.TYPE, "a number, not 'good'"),
        ("rate", [None], Wrong.TYPE, "a number"),
        ("mute", [2], Wrong.RANGE, "0 or 1"),
        ("scene", [True], Wrong.TYPE, "a text"),
        ("scene", [""], Wrong.RANGE, "empty"),
        ("scene", ["a\x1b[2J"], Wrong.RANGE, "readable"),
        ("scene", ["x" * 5000], Wrong.RANGE, "readable"),
        ("route", ["tempo", "gian", 1], Wrong.UNKNOWN, "did you mean 'gain'?"),
        ("route", ["tempo", "gain", 101], Wrong.RANGE, "to 100"),
        ("gain", [20], Wrong.RANGE, "from -60 to 12 dB"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(name: str, given: list[object], reason: str, said: str) -> None:
    with pytest.raises(Refused) as refusal:
        commands.find(name).read(given)
    assert refusal.value.reason == reason and said in str(refusal.value)


def test_an_unknown_command_is_met_with_the_nearest() -> None:
    with pytest.raises(Refused, match=r"did you mean 'record\.start'"):
        commands.find("record_start")


# --- what they do -----------------------------------------------------------------------------------------------------


def test_mappers_are_swapped_undone_and_done_again(running: Daemon) -> None:
    playing = lambda: running.session.pipeline.host.playing.mapper.__class__.__name__  # noqa: E731
    assert "linear" in ok(running, "mapper.load", "linear", 0)
    wait_for(lambda: playing() == "Linear")
    ok(running, "mapper.undo")
    wait_for(lambda: playing() == "Direct")
    ok(running, "mapper.redo")
    wait_for(lambda: playing() == "Linear")
    ok(running, "mapper.load", "direct", 0)
    wait_for(lambda: playing() == "Direct")
    reason, text = refused(running, "mapper.load", "no-such-thing")
    assert reason == "refused" and "no-such-thing" in text and playing() == "Direct"


def test_presets_play_and_unknown_ones_are_refused(running: Daemon) -> None:
    ok(running, "preset", "pulse")
    wait_for(lambda: overview.look(running)[1]["preset"] == "pulse")
    ok(running, "preset", "drone")
    assert "nothing-like-it" in refused(running, "preset", "nothing-like-it")[1]
    assert "no scene 'calm'" in refused(running, "scene", "calm")[1]


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        ("record rate", "record rate"),
        ("rate record", "rate record"),
        ("rate rate record", "rate record"),
        ("rate record rate", "rate record rate"),
        ("record rate rate record rate", "record rate record rate"),
        ("record rate target record", "record rate target record"),
    ],
)
def test_what_comes_within_one_turn_is_done_in_its_order(
    running: Daemon, monkeypatch: pytest.MonkeyPatch, asked: str, done: str
) -> None:
    """A newer value of a knob replaces an older one only where nothing that happens once lies between."""
    control, seen, answers = Control(running), list[str](), list[Answer]()
    given = {"record": ("record.start", ()), "rate": ("rate", (0.5,)), "target": ("target", ("tempo", 100.0))}

    def does(name: str) -> Callable[..., actions.Done]:
        def act(daemon: Daemon, *values: object) -> actions.Done:
            seen.append(name)
            return actions.Done("done")

        return act

    monkeypatch.setattr(actions, "ACTIONS", {command: does(word) for word, (command, _) in given.items()})
    for word in asked.split():
        control.submit(*given[word], answers.append)
    control._turn()
    assert seen == done.split() and all(answer.ok for answer in answers)
    assert control.replaced == len(asked.split()) - len(seen)


TWO = """
from brainmusic_daemon.api import CONTROL, Control, plugin

@plugin
class Two:
    '''A constant tempo, and a control of its own.'''

    controls = (CONTROL["tempo"], Control("shimmer", "", 0.0, 1.0, 0.5, 1.0))

    def prepare(self, names, tick):
        pass

    def map(self, features):
        return {"tempo": 100.0, "shimmer": 0.5}

    def explain(self, features):
        return {}
"""


def test_a_bundle_is_carried_out_in_its_order(running: Daemon, tmp_path: Path) -> None:
    """Load, then turn what was loaded; record, then rate into the recording: as a patch or a script writes it down."""
    mapper, file = tmp_path / "two.py", tmp_path / "rated.xdf"
    mapper.write_text(TWO, encoding="utf-8")
    control = Control(running)
    answers: list[Answer] = []
    control.submit("route", ("tempo", "gain", 0.5), answers.append)  # of what plays before
    control.submit("mapper.load", (str(mapper), 0), answers.append)
    control.submit("route", ("tempo", "gain", 1.5), answers.append)
    control.submit("route", ("shimmer", "offset", 0.25), answers.append)  # nobody has heard of this one before
    control.submit("record.start", (str(file),), answers.append)
    control.submit("rate", (1.0,), answers.append)
    try:
        wait_for(lambda: control._turn() or len(answers) == 6)
        assert all(answer.ok for answer in answers), answers
        step = running.mappers.history.step
        assert step.name == "two.py"
        assert step.table["adjust"] == {"tempo": {"gain": 1.5}, "shimmer": {"offset": 0.25}}
        wait_for(lambda: (now := running.recorder.status) and now.samples.get("brainmusic.ratings"))
    finally:
        ok(running, "record.stop")
        ok(running, "mapper.load", "direct", 0)


def test_a_knob_turns_and_its_newest_value_counts(running: Daemon) -> None:
    ok(running, "mapper.load", "direct", 0)
    for value in range(50):
        running.control.submit("route", ("tempo", "gain", value / 10))
    table = lambda: running.mappers.history.step.table  # noqa: E731
    wait_for(lambda: table().get("routes", {}).get("tempo", {}).get("gain") == 4.9)
    assert running.control.replaced > 0
    assert refused(running, "route", "temop", "gain", 1) == (
        "unknown",
        "there is no control 'temop'; did you mean 'tempo'?",
    )


def test_ratings_targets_and_markers_reach_the_journal(running: Daemon, heard: list[Entry]) -> None:
    ok(running, "rate", 0.5)
    ok(running, "target", "tempo", 120)
    ok(running, "marker", "the door bell")
    assert [(e.kind, e.name, e.value, e.text) for e in heard if e.kind != "mapper"] == [
        ("rating", "", 0.5, ""),
        ("target", "tempo", 120.0, ""),
        ("marker", "", 0.0, "the door bell"),
    ]
    assert refused(running, "target", "tempo", 1000) == ("range", "tempo goes from 50 to 150 BPM")
    assert "did you mean 'tempo'" in refused(running, "target", "tempi", 100)[1]


def test_recordings_begin_and_end(running: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "me.xdf"
    assert str(file) in ok(running, "record.start", str(file))
    assert "already recording" in refused(running, "record.start", str(tmp_path / "two.xdf"))[1]
    wait_for(lambda: overview.look(running)[1]["recording"]["bytes"] > 1000)
    assert "recorded" in ok(running, "record.stop") and file.stat().st_size > 1000
    assert "no recording" in refused(running, "record.stop")[1]


def test_panic_is_told_over_osc_and_lifted(running: Daemon) -> None:
    ok(running, "panic")
    assert overview.look(running)[1]["sound"] == {"muted": False, "panic": True, "gain_db": None}
    assert "panic" in overview.look(running)[0]
    ok(running, "resume")
    assert not running.sounding.panicked
    ok(running, "mute")
    assert running.sounding.muted
    ok(running, "mute", 0)
    assert not running.sounding.muted
    assert "no [output.audio]" in refused(running, "gain", -3)[1]


def test_panic_does_not_wait_for_what_is_slow(running: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = held(monkeypatch)
    answers: list[object] = []
    running.control.submit("marker", ("x",), answers.append)
    assert begun.wait(30)
    ok(running, "panic")
    assert not answers
    go_on.set()
    wait_for(lambda: answers)
    ok(running, "resume")


def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let markers take their time; the first event says that one is under way, the second lets it go on."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(daemon: Daemon, text: str) -> actions.Done:
        begun.set()
        go_on.wait(60)
        return actions.Done("at last")

    monkeypatch.setattr(actions, "ACTIONS", {**actions.ACTIONS, "marker": slow})
    return begun, go_on


def test_too_many_requests_are_turned_away_not_kept(running: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    row, (begun, go_on) = find("too-many-commands"), held(monkeypatch)
    answers: list[Answer] = []
    ok(running, "reload")  # whatever the test before has left to do is done
    running.control.submit("marker", ("x",))
    assert begun.wait(30)
    for _ in range(400):
        running.control.submit("marker", ("x",), answers.append)
    ticks = running.ticker.ticks
    wait_for(lambda: running.ticker.ticks > ticks)  # the music goes on meanwhile
    go_on.set()
    room = time.monotonic()
    wait_for(lambda: len(answers) == 400)
    ok(running, "marker", "x")
    assert row.seconds is not None and time.monotonic() - room <= row.seconds + SLOW_S
    assert len([answer for answer in answers if answer.ok]) == 256
    assert all(answer.reason == "busy" and row.says([answer.text]) for answer in answers if not answer.ok)


def test_a_command_that_fails_inside_is_told_and_the_next_one_works(
    running: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "ACTIONS", {**actions.ACTIONS, "marker": lambda daemon, text: 1 / 0})
    assert refused(running, "marker", "x") == ("failed", "marker failed: ZeroDivisionError: division by zero")
    assert "control" in ok(running, "ping")


def test_status_is_a_line_and_plain_data(running: Daemon) -> None:
    import json

    answer = running.control.ask("status", ())
    assert "mapper direct" in answer.text and "\n" not in answer.text
    data = json.loads(json.dumps(answer.data, allow_nan=False))
    assert data["name"] == "control" and data["mapper"]["name"] == "direct"
    assert data["controls"].keys() >= {"tempo", "loudness"} and data["ticks"]["ticks"] > 0
    assert data["history"][-1]["preset"] == "drone" and data["recording"] is None


def test_what_explains_most_comes_first(running: Daemon) -> None:
    found = {("alpha", "tempo"): 0.1, ("beta", "tempo"): -0.4, ("theta", "tempo"): 0.001, ("x", "z.0"): math.nan}
    assert explainer.strongest(found) == {"tempo": ("beta", -0.4, "alpha", 0.1)}
    many = {(f"f{i}", "tempo"): i / 100 for i in range(9)}
    assert explainer.strongest(many) == {"tempo": ("f8", 0.08, "f7", 0.07, "f6", 0.06)}
    wait_for(lambda: explainer.strongest(explainer.shares(running)).get("tempo", ("",))[0] == "engagement")


# --- files named over a network ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../me.toml", "/etc/passwd", "a\\b.toml", "C:x.toml", "~/me.py", ".hidden.toml", "x."]
)
def test_over_the_network_a_file_is_a_name_never_a_path(running: Daemon, name: str) -> None:
    answers: list[str] = []
    for command in (c for c in COMMANDS if any(a.kind is Kind.FILE for a in c.arguments)):
        running.control.submit(command.name, (name,), lambda answer: answers.append(answer.text), trusted=False)
        assert "not a path" in answers.pop()


def test_over_the_network_files_lie_beside_the_configuration(running: Daemon) -> None:
    config, load = running.config, commands.find("mapper.load")
    assert config.folder is not None
    assert places.inside(config, load, ("linear", None)) == ("linear", None)
    assert places.inside(config, load, ("muse.toml", 1.0)) == (str(config.folder / "muse.toml"), 1.0)
    with pytest.raises(Refused, match=r"no 'mine\.py' in the configuration's folder"):
        places.inside(config, load, ("mine.py", None))
    with pytest.raises(Refused, match=r"ends in \.toml"):
        places.inside(config, commands.find("save"), ("setup.py",))


# --- with a configuration of one's own --------------------------------------------------------------------------------

OWN = """# mine, with words of my own
[source]
kind = "simulator"

[swap]
watch = false

[mapper]
kind = "direct"  # the usual

[scene.calm]
mapper = "linear"
preset = "tides"
fade_s = 0

[output.osc]
"""


def test_scenes_saving_and_reloading(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(OWN, encoding="utf-8")
    with daemons.daemon(f"control.folder={tmp_path}", config=file, name="own") as daemon:
        daemon.control.submit("record.start", ("evening.xdf",), trusted=False)
        wait_for((tmp_path / "evening.xdf").exists)
        ok(daemon, "record.stop")
        answers: list[object] = []
        daemon.control.submit("scene", ("calm",), answers.append, trusted=False)
        wait_for(lambda: answers)
        assert daemon.mappers.history.step.preset == "tides"
        wait_for(lambda: "Linear" in type(daemon.session.pipeline.host.playing.mapper).__name__)
        assert "did you mean 'calm'" in refused(daemon, "scene", "clam")[1]
        ok(daemon, "mapper.undo")
        ok(daemon, "route", "tempo", "gain", 2.0)
        assert "mine.toml" in ok(daemon, "save")
        text = file.read_text(encoding="utf-8")
        assert "gain = 2.0" in text and text.startswith("# mine, with words of my own") and "# the usual" in text
        file.write_text(OWN.replace('"direct"', '"linear"'), encoding="utf-8")
        daemon.control.reload_soon()
        wait_for(lambda: "Linear" in type(daemon.session.pipeline.host.playing.mapper).__name__)
        file.write_text("[mapper", encoding="utf-8")
        assert "not valid TOML" in refused(daemon, "reload")[1]

"""The tutor: ratings and knobs of a session that plays become its mapping; bounded, undone, forgotten, saved."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.learning.distil import FEW_ROWS
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.service import lately
from brainmusic_daemon.service.errands import Ticket
from brainmusic_daemon.service.notions import SETTLE_S
from brainmusic_daemon.service.tutor import Tutor
from tests import daemons
from tests.frames import make_frame
from tests.receivers import wait_for
from tests.test_mappers import Stage

CONFIG = """
[source]
kind = "simulator"

[output.osc]
enabled = false

[learn]
enabled = true
explore = EXPLORE
seed = SEED

[mapper.routes.tempo]
from = "alpha"
output = [60, 120]
smooth_s = 0.7
slew = 20.0

[mapper.routes.brightness]
from = "beta"
"""


class School(Stage):
    """A session that is ticked by hand, with a tutor that looks after every tick."""

    def __init__(self, folder: Path, explore: float = 0.1, seed: int = 1) -> None:
        super().__init__(folder, CONFIG.replace("EXPLORE", str(explore)).replace("SEED", str(seed)))
        self.tutor = Tutor(self.session, self.mappers)
        self.tutor.listen()
        self.mappers.start()

    def play(self, seconds: float) -> dict[str, float]:
        values: dict[str, float] = {}
        for _ in range(round(seconds / 0.1)):
            values = super().play(0.1)
            if hasattr(self, "tutor"):
                self.tutor.look()
        return values

    def say(self, kind: str, value: float, name: str = "", wait: float = 8.0) -> None:
        """Listen for a while, say something, and let it be learned."""
        self.play(wait)
        self.session.journal.note(kind, name, value)
        self.play(SETTLE_S + 0.3)

    def ask(self, ticket: Ticket) -> str:
        """Return what became of a request of the tutor's, and let the next ticks take it up."""
        self.play(0.2)
        assert ticket.wait(60)
        self.play(0.2)
        return ticket.message

    @property
    def origins(self) -> list[str]:
        history = self.mappers.history
        return [step.origin for step in history.steps[: history.at + 1]]

    def close(self) -> None:
        self.tutor.stop()
        self.mappers.stop()
        self.session.pipeline.host.leave()


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    made.play(40.0)
    yield made
    made.close()


def test_a_rating_is_heard_within_seconds_and_the_history_says_so(school: School) -> None:
    before = school.play(8.0)
    school.session.journal.note("rating", value=1.0)
    school.play(SETTLE_S + 0.3)
    assert school.name == "learned" and school.origins == ["start", "learned from 1 rating"]
    after = school.play(2.0)
    assert after.keys() == before.keys()
    school.say("rating", -0.5)
    school.say("target", 100.0, "tempo")
    assert school.origins[-2:] == ["learned from 2 ratings", "learned from 2 ratings and 1 knob"]
    assert school.session.pipeline.host.faults == 0 and school.mappers.refusals == 0


def test_it_begins_with_what_played_followed_alike(tmp_path: Path) -> None:
    school = School(tmp_path, explore=0.0)
    try:
        school.play(40.0)
        direct, settings = school.session.pipeline.host.playing.mapper, school.session.pipeline.host.playing.smoothing
        school.say("rating", 0.0)
        learned = school.session.pipeline.host.playing
        assert learned.name == "learned"
        assert [control.name for control in learned.controls] == ["brightness", "tempo"]
        assert learned.smoothing["tempo"] == settings["tempo"] and settings["tempo"].slew == 20.0
        features = school.tutor.lately.features(7)
        spans = {control.name: control.high - control.low for control in learned.controls}
        off = [abs(learned.mapper.map(f)[name] - direct.map(f)[name]) / spans[name] for f in features for name in spans]
        assert np.mean(off) < 0.03 and np.max(off) < 0.2
    finally:
        school.close()


def test_knobs_turn_a_control_round(tmp_path: Path) -> None:
    """The tempo rises with alpha; it ought to be low while the eyes are closed, and high while they are open."""
    school = School(tmp_path, explore=0.0)
    try:
        school.play(60.0)

        def answer() -> float:
            """Return how much higher the tempo is with much alpha than with little, BPM."""
            mapper = school.session.pipeline.host.playing.mapper
            heard = [(f["alpha.occipital"], mapper.map(f)["tempo"]) for f in school.tutor.lately.features(3)]
            much, little = (np.mean([tempo for a, tempo in heard if within(a)]) for within in (_high, _low))
            return float(much - little)

        assert answer() > 20
        for _ in range(4):
            for phase, wanted in ((10.0, 115.0), (25.0, 65.0)):  # the simulated person closes the eyes from 15 to 30
                school.say("target", wanted, "tempo", wait=(phase - school.clock.now()) % 30.0)
        assert school.origins[-1] == "learned from 8 knobs" and school.tutor.notions.ignored == 0
        assert answer() < -15
    finally:
        school.close()


def _high(value: float) -> bool:
    return value > 0.8


def _low(value: float) -> bool:
    return value < 0.2


def test_undo_goes_back_and_learning_goes_on_from_there(school: School) -> None:
    for value in (1.0, -1.0, 0.5):
        school.say("rating", value)
    second = school.mappers.history.steps[2].table
    school.done(school.mappers.undo())
    assert school.mappers.history.step.table == second and school.origins[-1] == "learned from 2 ratings"
    school.say("rating", -1.0)
    assert school.origins[-2:] == ["learned from 2 ratings", "learned from 3 ratings"]
    for _ in range(3):
        school.done(school.mappers.undo())
    assert school.name == "direct"
    school.say("rating", 1.0)
    assert school.origins == ["start", "learned from 1 rating"]  # what had been taken back counts no more


def test_reset_forgets_and_off_keeps_without_the_variation(school: School) -> None:
    school.say("rating", 1.0)
    varied = school.session.pipeline.host.playing.mapper.learned  # type: ignore[attr-defined]
    school.tutor.active = True
    school.ask(school.tutor.off())
    still = school.session.pipeline.host.playing.mapper.learned  # type: ignore[attr-defined]
    version = school.tutor.last
    assert version is not None and school.origins[-1] == "learn off"
    assert np.abs(varied.layers[0][1] - still.layers[0][1]).max() > 1e-3
    assert still.layers[0][1] == pytest.approx(version.start.model(version.offset, {}).layers[0][1])
    steps = len(school.mappers.history.steps)
    school.say("rating", 1.0)  # it is off
    assert len(school.mappers.history.steps) == steps
    assert school.ask(school.tutor.reset()).startswith("forgotten")
    assert school.name == "direct" and school.origins[-1] == "learn reset"
    assert "nothing that was learned plays" in school.ask(school.tutor.reset())
    school.tutor.on()
    school.say("rating", 1.0)
    assert school.origins[-1] == "learned from 1 rating"


def test_saved_as_a_model_it_plays_again(school: School, tmp_path: Path) -> None:
    assert "nothing that was learned plays" in school.ask(school.tutor.save(tmp_path / "me.safetensors"))
    school.say("rating", 1.0)
    assert ".safetensors" in school.ask(school.tutor.save(tmp_path / "me.txt"))
    assert "saved in" in school.ask(school.tutor.save(tmp_path / "me.safetensors"))
    model = model_file.load(tmp_path / "me.safetensors")
    assert model.kind == "linear" and model.meta["ratings"] == 1 and model.meta["from"] == "direct"
    tables = {"source": {"kind": "simulator"}, "mapper": {"kind": "linear", "model": str(tmp_path / "me.safetensors")}}
    assert configuration.resolve(tables).mapper.controls
    school.done(school.mappers.load(str(tmp_path / "me.safetensors"), 0.0))
    school.play(1.0)
    assert school.name == "me.safetensors"


def test_what_was_learned_outlives_the_session_when_the_configuration_is_saved(school: School) -> None:
    school.say("rating", 1.0)
    ticket = school.mappers.save()
    assert ticket.wait(60) and ticket.ok, ticket.message
    school.close()
    written = tomllib.loads(school.file.read_text())["mapper"]
    assert written["kind"] == "linear" and written["model"] == "piece-learned.safetensors"
    assert written["adjust"]["tempo"]["slew"] == 20.0
    mapper = configuration.load(school.file).mapper
    assert [control.name for control in mapper.controls] == ["brightness", "tempo"]


def test_knobs_of_a_learned_mapping_are_taken_into_what_is_learned_next(school: School) -> None:
    school.say("rating", 1.0)
    school.done(school.mappers.edit("tempo", "freeze", 1.0))
    school.say("rating", 0.5)
    assert school.origins[-1] == "learned from 2 ratings"
    assert school.session.pipeline.host.playing.smoothing["tempo"].freeze


def test_another_mapper_is_a_new_beginning(school: School) -> None:
    school.say("rating", 1.0)
    school.done(school.mappers.load("linear", 0.0))
    school.play(1.0)
    school.say("rating", 1.0)
    assert school.origins[-2:] == ["swap", "learned from 1 rating"]
    assert school.tutor.last is not None and school.tutor.last.origin.name == "linear"


def test_too_little_is_waited_for_and_no_signal_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    school = School(tmp_path)
    try:
        school.say("rating", 1.0, wait=3.0)  # the state is not good yet
        assert school.tutor.notions.ignored == 1 and "there was no good signal" in caplog.text
        school.say("rating", 1.0, wait=13.0)
        assert school.origins == ["start"] and school.tutor.notions.ignored == 1  # too few features to go by
        school.play(20.0)
        assert school.origins == ["start", "learned from 1 rating"]
        school.say("target", 0.5, "reverb")
        assert "this mapper does not drive reverb" in caplog.text and len(school.origins) == 2
    finally:
        school.close()


def test_a_burst_is_one_rating_and_no_control_moves_further_than_it_may(school: School) -> None:
    for value in (0.2, 0.6, 1.0):
        school.play(0.3)
        school.session.journal.note("rating", value=value)
    school.play(SETTLE_S + 0.3)
    version = school.tutor.last
    assert version is not None and [rating.value for rating in version.ratings] == [1.0]
    x = school.tutor.lately.x()
    for value in (-1.0, 1.0, -1.0):
        before = version
        school.say("rating", value)
        version = school.tutor.last
        assert version is not None
        moved = version.start.basis(x) @ (version.offset - before.offset)
        assert np.sqrt((moved**2).mean(axis=0)).max() < 0.065


def test_another_seed_tries_other_variations_and_learning_begins_off(tmp_path: Path) -> None:
    made = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        school = School(folder, seed=seed)
        school.play(40.0)
        school.say("rating", 1.0)
        made.append(school.session.pipeline.host.playing.mapper.learned.layers[0][1])  # type: ignore[attr-defined]
        school.close()
    assert np.abs(made[0] - made[1]).max() > 1e-3
    assert not configuration.resolve({"source": {"kind": "simulator"}}).learn.enabled


def test_of_large_caps_single_electrodes_are_left_out() -> None:
    channels = [f"E{number}" for number in range(64)]
    frame = make_frame(channels=channels)
    columns = lately.chosen(frame.features.names, channels)
    names = [frame.features.names[column] for column in columns]
    assert "alpha" in names and "alpha.frontal" in names and not any(".E" in name for name in names)
    assert not any(name.startswith("raw.") for name in names)
    few = make_frame(channels=channels[:4])
    assert "alpha.E1" in [few.features.names[c] for c in lately.chosen(few.features.names, channels[:4])]


def test_memory_tells_seconds_and_forgets_another_headset() -> None:
    memory = lately.Lately()
    for number in range(200):
        memory.take(make_frame(number, controls={"tempo": 100.0}, time=number * 0.1))
    tempo = configuration.resolve({"source": {"kind": "simulator"}}).mapper.controls
    x, u = memory.seconds(5.0, 7.95, [control for control in tempo if control.name == "tempo"])
    assert x.shape == (3, len(memory.columns)) and u == pytest.approx(np.full((3, 1), 0.5))
    assert memory.seconds(50.0, 60.0)[0].shape == (0, len(memory.columns))
    assert memory.take(make_frame(201, channels=("Cz",), time=21.0)) and len(memory) == 1


def test_in_a_daemon_by_commands_no_tick_is_missed(tmp_path: Path) -> None:
    with daemons.daemon("baseline.settle_s=1", name="learning") as daemon:
        assert daemon.control.ask("learn", [1]).ok
        wait_for(lambda: len(daemon.tutor.lately) > FEW_ROWS, 60, "for features")
        before = daemon.ticker.counters()
        assert daemon.control.ask("rate", [0.8]).ok
        wait_for(lambda: daemon.session.pipeline.host.playing.name == "learned", 60, "for a lesson")
        assert daemon.control.ask("target", ["tempo", 80.0]).ok
        wait_for(lambda: daemon.mappers.history.step.origin == "learned from 1 rating and 1 knob", 60, "for another")
        ticks, missed = (daemon.ticker.counters()[name] - before[name] for name in ("ticks", "missed"))
        assert missed <= max(5, 0.1 * ticks)  # none, on a machine that does nothing else
        file = tmp_path / "me.safetensors"
        assert "saved in" in daemon.control.ask("learn.save", [str(file)]).text and file.is_file()
        assert daemon.control.ask("learn.reset", []).ok
        assert daemon.control.ask("learn", [0]).ok
        assert daemon.control.ask("learn.save", [str(file)]).reason == "refused"
        folder = daemon.tutor.shelf.folder
        assert any(folder.iterdir())
    assert not folder.exists() and not any(t.name == "tutor" for t in threading.enumerate())


def test_a_mapping_learned_with_another_headset_is_a_new_beginning(school: School) -> None:
    school.say("rating", 1.0)
    first = school.tutor.last
    lately_before, frame = school.tutor.lately.learned, school.session.frame
    assert first is not None and frame is not None
    school.tutor.lately.columns = school.tutor.lately.columns[:-3]  # the new one has fewer features
    school.say("rating", 1.0)
    second = school.tutor.last
    assert second is not None and second is not first and len(second.ratings) == 1
    assert second.start.features == lately_before[:-3] and school.session.pipeline.host.faults == 0

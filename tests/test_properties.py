"""What holds whatever comes: any chunks, samples, swaps, names and gaps; tried at random, the same each time."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from brainmusic_daemon import choice
from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.timeline import Timeline
from brainmusic_daemon.api import CONTROL, Chunk, Features, Frame, State
from brainmusic_daemon.config import Config
from brainmusic_daemon.mapping.expression import parse
from brainmusic_daemon.music import preset as presets
from brainmusic_daemon.music.score import Score
from brainmusic_daemon.outputs import osc_dialects
from brainmusic_daemon.outputs.osc_encoding import Batch, message
from brainmusic_daemon.pipeline import Pipeline
from brainmusic_daemon.registry import build
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.osc_decoding import messages
from tests import xdf_writer
from tests.daemons import QUIET
from tests.frames import MUSE, make_info

FS, TICK = 256.0, 0.02
SECONDS = 3.0
ODD = st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 187_500.0, 0.0])


@cache
def config() -> Config:
    return configuration.load(None, [*QUIET, "music.preset=ensemble"])


@st.composite
def recordings(draw: st.DrawFn) -> np.ndarray:
    """Draw samples (n, 4) µV: noise, with stretches of whatever a broken headset sends."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples = rng.normal(0, draw(st.sampled_from([0.0, 10.0, 1e5])), (int(SECONDS * FS), len(MUSE)))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(samples) - 1)), draw(st.integers(1, 200))
        samples[at : at + length, draw(st.integers(0, len(MUSE) - 1))] = draw(ODD)
    return samples


def played(samples: np.ndarray, cuts: Sequence[int] = (), swaps: Sequence[int] = ()) -> list[Frame]:
    """Play samples as a live session does, those of each tick in chunks that end at `cuts` too; swap before `swaps`."""
    pipeline = Pipeline(config())
    pipeline.prepare(make_info(MUSE, FS))
    n = pipeline.bank.spectral.n_taps  # type: ignore[union-attr]
    ring = Ring(len(MUSE), 8 * n, n)
    timeline, frames, done = Timeline(ring, FS), [], 0
    others = ("semantic", "direct")
    for tick in range(1, int(SECONDS / TICK)):
        due = int(tick * TICK * FS)
        for end in [*sorted(cut for cut in cuts if done < cut < due), due]:
            times = np.arange(done, end) / FS
            timeline.push(Chunk(samples[done:end].copy(), times), tick * TICK)
            done = end
        for place, at in enumerate(swaps):
            if at == tick:
                seat = pipeline.seat(choice.make("", {"kind": others[place % 2]}, None))
                assert pipeline.bank is not None
                seat.prepare(pipeline.bank.names, TICK)
                pipeline.host.install(seat, fade_s=0.2)
        frames.append(pipeline.tick(tick * TICK, ring.newest(n), alive=True))
    return frames


def said(frames: Sequence[Frame]) -> list[object]:
    """Return all that leaves, to the last bit: controls, notes, and the OSC of every tick."""
    dialect = osc_dialects.Brainmusic(["*"], ["*"])
    layout = dialect.layout(frames[0])
    found: list[object] = []
    for frame in frames:
        with np.errstate(all="ignore"):
            values = layout.gather(frame).astype(np.float32)
        batch = Batch(
            layout, frame.number % 10 == 0, np.nan_to_num(values), None
        )  # the bytes alone of the ticks between
        packets = [message(*each) for each in batch.messages()]
        found.append((repr(frame.controls.values), repr(frame.notes), values.tobytes(), packets))
    return found


def test_what_is_played_here_is_music() -> None:
    """Nothing below would mean much where nothing moves."""
    frames = played(np.random.default_rng(1).normal(0, 10, (int(SECONDS * FS), len(MUSE))))
    assert frames[-1].features.state in (State.CALIBRATING, State.GOOD) and any(frame.notes for frame in frames)
    assert len({frame.controls.values["loudness"] for frame in frames}) > 50


@settings(max_examples=5)
@given(recordings(), st.lists(st.integers(1, int(SECONDS * FS)), max_size=60))
def test_chunks_change_nothing_of_what_leaves_and_it_is_the_same_again(samples: np.ndarray, cuts: list[int]) -> None:
    whole = said(played(samples))
    assert said(played(samples, cuts)) == whole, "chunks"
    assert said(played(samples)) == whole, "once more"


@settings(max_examples=15)
@given(recordings())
def test_controls_features_and_notes_keep_their_bounds_whatever_the_samples_are(samples: np.ndarray) -> None:
    before: dict[str, float] = {}
    for frame in played(samples):
        for name, value in frame.controls.values.items():
            control = CONTROL[name]
            assert control.low <= value <= control.high, (name, value)
            if name in before:
                assert abs(value - before[name]) <= control.slew * TICK * (1 + 1e-9) + 1e-12, name
        before = dict(frame.controls.values)
        for name, value in zip(frame.features.names, frame.features.values, strict=True):
            if not name.startswith("raw."):
                assert 0.0 <= value <= 1.0, (name, value)
        for note in frame.notes:
            assert 0 <= note.pitch <= 127 and 0 <= note.velocity <= 1 and 0 < note.duration < 60, note
            assert note.time >= frame.time and math.isfinite(note.time), note


@settings(max_examples=8)
@given(recordings(), st.lists(st.integers(2, int(SECONDS / TICK) - 2), min_size=1, max_size=5))
def test_a_swap_at_any_tick_leaves_the_controls_continuous(samples: np.ndarray, swaps: list[int]) -> None:
    frames = played(samples, swaps=swaps)
    for one, other in itertools.pairwise(frames):
        for name in one.controls.values.keys() & other.controls.values.keys():
            step = abs(other.controls.values[name] - one.controls.values[name])
            assert step <= CONTROL[name].slew * TICK * (1 + 1e-9) + 1e-12, (name, step)


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.floats(0.1, 4), st.sampled_from(sorted(CONTROL)[:8]))
def test_routes_are_monotonic(one: float, other: float, invert: bool, gain: float, name: str) -> None:
    mapper = build("mapper", "direct", {"routes": {name: {"from": "alpha", "invert": invert, "gain": gain}}}, "mapper")
    mapper.prepare(("alpha",), TICK)

    def target(value: float) -> float:
        frame = Features(0.0, 0.0, ("alpha",), np.array([value]), {"alpha": 0}, (), np.zeros(0), State.GOOD)
        return float(mapper.map(frame)[name])

    low, high = target(min(one, other)), target(max(one, other))
    assert (low >= high - 1e-9) if invert else (low <= high + 1e-9)
    assert CONTROL[name].low - 1e-9 <= low <= CONTROL[name].high + 1e-9


@settings(max_examples=40)
@given(st.sampled_from(presets.names()), st.integers(0, 2**31 - 1), st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_notes_are_playable_and_never_more_than_a_score_can_have(name: str, seed: int, shares: list[float]) -> None:
    preset = presets.load(name)
    score, count = Score(preset, seed, TICK), 0
    values = {
        control.name: control.low + share * (control.high - control.low)
        for control, share in zip(CONTROL.values(), [*shares, *[0.5] * len(CONTROL)], strict=False)
    }
    for tick in range(200):
        for note in score.advance(tick * TICK, values, 1.0):
            count += 1
            assert 0 <= note.pitch <= 127 and 0 <= note.velocity <= 1 and note.duration > 0, note
            assert tick * TICK <= note.time <= tick * TICK + 1.0 and -1 <= note.pan <= 1, note
    most = max(1, len(preset.layer)) * 6 * 16 * 4 * 200 * TICK  # tones of a chord, sixteenths at 240 BPM
    assert count <= most


class RingModel(RuleBasedStateMachine):
    """A ring beside a list that forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(2, 60, 15)
        self.rows: list[list[float]] = []  # since the last restart
        self.end = 0

    @rule(n=st.integers(1, 200), value=st.integers(-1000, 1000))
    def write(self, n: int, value: int) -> None:
        self._write(n, value, restart=False)

    @rule(n=st.integers(1, 20), value=st.integers(-1000, 1000))
    def restart(self, n: int, value: int) -> None:
        self._write(n, value, restart=True)

    def _write(self, n: int, value: int, restart: bool) -> None:
        samples = np.arange(2.0 * n).reshape(n, 2) + value
        if restart and self.end:
            self.rows, self.end = [], self.end + self.ring.window
        self.ring.write(samples, time=float(value), arrival=float(n), restart=restart)
        self.rows += samples.tolist()
        self.end += n

    @invariant()
    def the_newest_are_those_of_the_list(self) -> None:
        for n in (1, 7, 15):
            window = self.ring.newest(n)
            assert window.end == self.end == self.ring.end and window.filled == min(n, len(self.rows))
            if self.rows:
                wanted = ([self.rows[0]] * n + self.rows)[-n:] if len(self.rows) < n else self.rows[-n:]
                assert (window.samples + window.offset).tolist() == wanted
        past = self.ring.past()
        assert past.filled == len(past.samples) <= len(self.rows)
        assert (past.samples + past.offset).tolist() == self.rows[len(self.rows) - past.filled :]


TestRing = RingModel.TestCase
TestRing.settings = settings(max_examples=40, stateful_step_count=25)


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=120), st.integers(1, 9))
def test_session_time_never_runs_backwards_whatever_the_stamps(stamps: list[float], size: int) -> None:
    ring, before = Ring(1, 8000, 500), -math.inf
    timeline = Timeline(ring, FS)
    for at in range(0, len(stamps), size):
        times = np.array(stamps[at : at + size])
        timeline.push(Chunk(np.arange(at, at + len(times), dtype=float)[:, None], times), at / FS)
        if ring.end:
            assert math.isfinite(ring.time) and (ring.time >= before or timeline.counts["restarts"]), stamps
            before = ring.time


@settings(max_examples=150)
@given(
    st.text(max_size=12),
    st.lists(st.one_of(st.floats(width=32), st.integers(-(2**31), 2**31 - 1), st.text("ab c", max_size=9)), max_size=6),
)
def test_what_is_encoded_is_read_by_our_decoder_and_by_python_osc(name: str, arguments: list[object]) -> None:
    from pythonosc.osc_message import OscMessage

    from brainmusic_daemon.outputs.osc_encoding import escape

    address = f"/brainmusic/{escape(name)}"
    packet = message(address, arguments)  # type: ignore[arg-type]
    assert [(address, tuple(map(repr, arguments)))] == [(a, tuple(map(repr, v))) for a, v in messages(packet)]
    theirs = OscMessage(packet)
    assert theirs.address == address and [*map(repr, theirs.params)] == [*map(repr, arguments)]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0.5, 5.0)), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_samples_and_gaps_of_a_recording_are_read_as_they_were(parts: list[tuple[int, float]], seed: int) -> None:
    times, at = [], 100.0
    for count, gap in parts:
        times += [at + i / 250 for i in range(count)]
        at = times[-1] + 1 / 250 + gap
    samples = np.random.default_rng(seed).normal(0, 20, (len(times), 2)).astype(np.float32)
    stream = xdf_writer.Stream("eeg", samples, np.array(times), channels=[{"label": "O1"}, {"label": "Fz"}])
    with tempfile.TemporaryDirectory() as folder:
        take = formats.load(xdf_writer.write(Path(folder) / "a.xdf", [stream]))
    np.testing.assert_array_equal(take.samples.astype(np.float32), samples)
    assert [run.start for run in take.runs] == [0, *np.cumsum([count for count, _ in parts])[:-1].tolist()]
    found = np.concatenate([run.time + np.arange(run.stop - run.start) * run.step for run in take.runs])
    assert np.abs(found - (np.array(times) - 100.0)).max() < 2e-3


@settings(max_examples=200)
@given(st.text("abehlpt._()+-*/|<0123456789, ", max_size=40), st.lists(st.floats(), min_size=3, max_size=3))
def test_an_expression_never_gives_what_is_no_number(text: str, values: list[float]) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    index = {"alpha": 0, "beta": 1, "theta": 2}
    if found.resolvable(index):
        finite = [value if math.isfinite(value) else 0.5 for value in values]
        assert math.isfinite(found.compile(index)(finite))


@pytest.mark.parametrize("many", [1e300, 10**400])
def test_numbers_that_are_too_large_are_refused_in_words(many: float) -> None:
    answers = []
    Daemon(config()).control.submit("gain", (many,), answers.append)
    assert not answers[0].ok and answers[0].reason in ("range", "type")

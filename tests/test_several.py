"""Several headsets: names, the group's mean, who comes and goes, synchrony between heads; one headset as ever."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.formats.xdf_file import streams
from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import (
    Chunk,
    Clock,
    ConfigError,
    EndOfStream,
    Event,
    Features,
    Frame,
    Signal,
    State,
    StreamInfo,
    Window,
)
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features.gate import Gate
from brainmusic_daemon.features.interbrain import CHANCE, Interbrain
from brainmusic_daemon.features.performed import Performed
from brainmusic_daemon.features.together import Together
from brainmusic_daemon.outputs.csv import Csv
from brainmusic_daemon.outputs.osc_dialects import SUMMARY, select
from brainmusic_daemon.service import describe, screen, status
from brainmusic_daemon.service.announcer import Announcer
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.render import render
from brainmusic_daemon.service.session import Session
from tests.daemons import daemon, process
from tests.signals import CYTON, pink

TICK = 0.02
FS = 250.0
DUO = [{"kind": "simulator", "person": "anna"}, {"kind": "simulator", "person": "ben", "seed": 2}]


class Listener:
    """An output that keeps what it is handed."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def open(self, clock: Clock, info: StreamInfo) -> None:
        pass

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        pass

    def counters(self) -> dict[str, float]:
        return {}


class Script:
    """A headset that plays given samples, comes late, falls silent, and delivers in chunks of its own length."""

    def __init__(
        self, samples: np.ndarray, *, comes: float = 0.0, silences: Sequence[tuple[float, float]] = (),
        chunk: int = 1, channels: Sequence[str] = CYTON, uid: str = "", broken: bool = False,
    ) -> None:  # fmt: skip
        self.samples, self.comes, self.silences, self.chunk = samples, comes, silences, chunk
        self.channels, self.uid, self.broken, self.at = tuple(channels), uid, broken, 0

    def open(self, clock: Clock) -> StreamInfo:
        from brainmusic_daemon.api import SourceLost

        self.clock = clock
        if self.broken:
            raise ConfigError("no such board")
        if clock.now() < self.comes:
            raise SourceLost("not there yet")
        self.at = int(clock.now() * FS + 1e-6)
        return StreamInfo("script", self.channels, FS, uid=self.uid)

    def read(self, timeout: float) -> Chunk | None:
        now = self.clock.now()
        end = min(int(now * FS + 1e-6), len(self.samples))
        if any(begin <= now < stop for begin, stop in self.silences):
            self.at = end
            return None
        if self.at >= len(self.samples):
            raise EndOfStream
        end = self.at + (end - self.at) // self.chunk * self.chunk
        if end <= self.at:
            return None
        first, self.at = self.at, end
        return Chunk(self.samples[first:end], np.arange(first, end) / FS, first)

    def close(self) -> None:
        pass


def resolved(sources: Any = DUO, **tables: Any) -> Config:
    return configuration.resolve({"source": sources, "output": {}, **tables})


def group(scripts: dict[str, Script], **tables: Any) -> Config:
    """Return a configuration in which each person wears a script."""
    from dataclasses import replace

    from brainmusic_daemon.people import Person

    plain = [{"kind": "simulator", "person": who, "seed": number} for number, who in enumerate(scripts)]
    return replace(resolved(plain, **tables), people=tuple(Person(who, script) for who, script in scripts.items()))


def run(config: Config, seconds: float, each: Any = lambda number, session: None) -> tuple[list[Frame], Session]:
    clock, listener = VirtualClock(), Listener()
    session = Session(config, clock)
    session.outputs = (listener,)
    for number in range(1, round(seconds / TICK) + 1):
        clock.wait_until(number * TICK)
        try:
            session.acquisition.pump()
        except EndOfStream:
            break
        session.attach()
        session.tick(number * TICK)
        each(number, session)
    return listener.frames, session


def at(frames: list[Frame], seconds: float) -> Features:
    return frames[round(seconds / TICK) - 1].features


def eeg(seconds: float, seed: int) -> np.ndarray:
    return pink(int(seconds * FS), len(CYTON), FS, seed)


def message(tables: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        configuration.resolve({"output": {}, **tables})
    return str(caught.value)


# --- configuration ---


def test_persons_are_named_and_counted() -> None:
    made = resolved([{"kind": "simulator"}, {"kind": "simulator", "person": "ben", "seed": 2}])
    assert [person.name for person in made.people] == ["p1", "ben"]
    assert made.source is made.people[0].source
    assert resolved({"kind": "simulator", "person": "anna"}).people == ()
    assert resolved([{"kind": "simulator", "person": "anna"}]).people == ()


@pytest.mark.parametrize(
    ("second", "part"),
    [
        ({"person": "anna", "seed": 2}, "source.2.person: 'anna' is source 1 already"),
        ({"person": "Anna", "seed": 2}, "'Anna' is source 1 already"),
        ({"person": "alpha", "seed": 2}, "'alpha' is the name of a feature"),
        ({"person": "interbrain", "seed": 2}, "is the name of a feature"),
        ({"person": "raw", "seed": 2}, "is the name of a feature"),
        ({"person": "a b", "seed": 2}, "is one word of at most 24"),
        ({"person": "anna.b", "seed": 2}, "is one word of at most 24"),
        ({"person": "lambda", "seed": 2}, "is one word of at most 24"),
        ({"person": 7, "seed": 2}, "is one word of at most 24"),
        ({"person": "ben"}, "'ben' has the device of 'anna', the same simulator; give each another seed"),
        ({"person": "ben", "seeed": 3}, "source.2.seeed: source 'simulator' has no setting 'seeed'"),
        ({"person": "ben", "kind": "nothing"}, "there is no source 'nothing'"),
    ],
)
def test_mistakes_are_told(second: dict[str, Any], part: str) -> None:
    assert part in message({"source": [DUO[0], {"kind": "simulator", **second}]})


def test_the_same_stream_or_board_twice_is_told() -> None:
    for device in ({"kind": "lsl", "stream": "Muse"}, {"kind": "brainflow", "board": "SYNTHETIC_BOARD"}):
        said = message({"source": [{**device, "person": "anna"}, {**device, "person": "ben"}]})
        assert f"source.2: 'ben' has the device of 'anna', the same {device['kind']}" in said
    two = [{"kind": "lsl", "stream": "Muse", "person": "anna"}, {"kind": "lsl", "stream": "Muse 2", "person": "ben"}]
    assert len(resolved(two).people) == 2


def test_set_reaches_one_of_several(tmp_path: Path) -> None:
    path = tmp_path / "duo.toml"
    path.write_text('[[source]]\nkind = "simulator"\nperson = "anna"\n[[source]]\nkind = "simulator"\nseed = 2\n')
    made = configuration.load(path, ["source.anna.seed=7", "source.2.seed=8", "source.p2.alpha_hz=9"])
    assert [person.source.seed for person in made.people] == [7, 8]  # type: ignore[attr-defined]
    assert made.people[1].source.alpha_hz == 9  # type: ignore[attr-defined]
    for wrong in ("source.seed=3", "source.clara.seed=3"):
        with pytest.raises(ConfigError, match=r"several sources; say whose: source\.anna\."):
            configuration.load(path, [wrong])


def test_one_person_of_several_is_calibrated_by_name() -> None:
    made = resolved()
    assert configuration.alone(made, "ben").source is made.people[1].source
    assert configuration.alone(made, "ben").people == ()
    with pytest.raises(ConfigError, match="has 2 headsets, and none is bem's; did you mean 'ben'"):
        configuration.alone(made, "bem")
    assert "with several, each takes its person's own: anna, ben" in message(
        {"source": DUO, "session": {"profile": "clara"}}
    )


def test_a_persons_profile_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from brainmusic_daemon.features import profile_file
    from brainmusic_daemon.service import calibrate, takes

    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path))
    simulated = resolved({"kind": "simulator", "seed": 2, "alpha_hz": 11.5, "duration_s": 60})
    take = takes.collect(simulated.source)
    profile_file.save(calibrate.analyse("ben", simulated, {"whole": take}).profile)
    made = resolved()
    assert made.people[0].profile is None and made.people[1].profile is not None
    low, high = configuration.of(made, made.people[1]).features.bands["alpha"]
    assert low < 11.5 < high and configuration.of(made, made.people[0]).features.bands["alpha"] == (8, 13)
    worn_alone = resolved({"kind": "simulator", "person": "ben"})
    assert worn_alone.profile is not None and worn_alone.features.bands["alpha"] == (low, high)
    anew = configuration.stranger(worn_alone)  # to be calibrated again
    assert anew.profile is None and anew.features.bands["alpha"] == (8, 13)
    assert "anna: simulator" in describe.describe(made).source and "profile of" in describe.describe(made).source


# --- one headset ---


def digest(source: Any) -> str:
    listener, found = Listener(), hashlib.sha256()
    render(resolved(source), {"kept": listener}, seconds=20)
    for frame in listener.frames:
        found.update(frame.features.values.tobytes() + repr(frame.controls.values).encode())
        found.update(f"{frame.features.names}{frame.features.state}{frame.notes}".encode())
    return found.hexdigest()


def test_one_headset_gives_the_same_bits_however_it_is_written() -> None:
    plain = {"kind": "simulator", "dropout_every_s": 9.0, "seed": 4}
    assert digest(plain) == digest([plain]) == digest([{**plain, "person": "anna"}])
    assert digest(plain) != digest({**plain, "seed": 5})


# --- features of several ---


def test_everybody_has_names_and_plain_names_are_the_mean() -> None:
    frames, session = run(resolved(), 20)
    features = frames[-1].features
    alone = run(resolved(DUO[0]), 3)[0][-1].features
    for name in alone.names:
        whose = [f"raw.{who}.{name[4:]}" if name.startswith("raw.") else f"{who}.{name}" for who in ("anna", "ben")]
        assert features[name] == pytest.approx(sum(features[one] for one in whose) / 2, rel=1e-9), name
    assert len(features.names) == 3 * len(alone.names) + 4  # interbrain, interbrain.anna.ben, and their raw values
    assert len(set(features.names)) == len(features.names)
    assert features.channels == tuple(f"{who}.{channel}" for who in ("anna", "ben") for channel in CYTON)
    assert len(features.quality) == 16
    assert features.state is State.GOOD
    assert session.acquisition.info is not None and session.acquisition.info.channels == features.channels
    assert np.isfinite(features.values).all()


def test_one_of_several_is_analysed_as_if_alone() -> None:
    frames, _ = run(resolved(), 8)
    alone, _ = run(resolved(DUO[1]), 8)
    features, own = frames[-1].features, alone[-1].features
    for name in own.names:
        if name.startswith("raw."):
            assert features[f"raw.ben.{name[4:]}"] == own[name]


def test_mappings_address_persons_pairs_and_the_group() -> None:
    routes = {
        "brightness": {"from": "ben.alpha.occipital"},
        "reverb": {"from": "interbrain.anna.ben"},
        "complexity": {"from": 'feature["anna.alpha.O1"]'},
        "loudness": {"from": "activation"},
    }
    config = resolved(mapper={"kind": "direct", "routes": routes})
    assert not [remark for remark in describe.describe(config).remarks if "no feature" in remark]
    frames, session = run(config, 20)
    assert session.pipeline.host.playing.mapper.unresolved == {}  # type: ignore[attr-defined]
    moved = {feature for feature, _ in session.pipeline.explain(frames[-1].features)}
    assert moved == {"ben.alpha.occipital", "interbrain.anna.ben", "anna.alpha.O1", "activation"}
    unknown = resolved(mapper={"kind": "direct", "routes": {"reverb": {"from": "clara.alpha"}}})
    assert any("there is no feature 'clara.alpha'" in remark for remark in describe.describe(unknown).remarks)


def test_the_summary_leaves_out_places_of_single_heads() -> None:
    features = run(resolved(), 3)[0][-1].features
    chosen, _ = select(features, [SUMMARY])
    assert {"alpha", "alpha.occipital", "anna.alpha", "ben.engagement", "interbrain", "interbrain.anna.ben"} <= {
        *chosen
    }
    assert not {"alpha.O1", "anna.alpha.O1", "anna.alpha.occipital", "raw.alpha", "raw.anna.alpha"} & {*chosen}
    assert [*select(features, ["anna.alpha.*"])[0]] == sorted(
        name for name in features.names if name.startswith("anna.alpha.")
    )


# --- coming and going ---


def test_who_drops_out_glides_to_neutral_and_the_others_play_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    announcer = Announcer()
    scripts = {"anna": Script(eeg(40, 1)), "ben": Script(eeg(40, 2), silences=[(20.0, 26.0)])}
    frames, session = run(group(scripts), 36, lambda _, s: announcer.look(s.frame.features.state, s.pipeline.bank))
    assert {frame.features.state for frame in frames[600:]} == {State.GOOD}
    assert len({frame.features.names for frame in frames if frame.features.names}) == 1
    gone, back = at(frames, 25.9), at(frames, 35.0)
    assert gone["ben.alpha"] == pytest.approx(0.5, abs=0.005) and gone["ben.beta"] == pytest.approx(0.5, abs=0.005)
    assert gone["alpha"] == pytest.approx(gone["anna.alpha"], abs=0.005)
    assert gone["raw.ben.alpha"] == at(frames, 24.0)["raw.ben.alpha"] > 0
    assert gone.quality[8:].tolist() == [0.0] * 8 and gone.quality[:8].min() > 0.5
    assert back["alpha"] == pytest.approx((back["anna.alpha"] + back["ben.alpha"]) / 2, abs=0.005)
    steps = np.abs(np.diff([frame.features["alpha"] for frame in frames[600:]]))
    usual = steps[:400].max()  # in and out without a jump
    assert steps[400:500].max() < 1.3 * usual and steps[695:800].max() < 1.3 * usual
    controls = [frame.controls["loudness"] for frame in frames]
    rest = session.pipeline.host.controls[1].rest
    assert any(abs(value - rest) > 0.2 for value in controls[1200:1300])  # while ben is away
    said = [record.message for record in caplog.records]
    assert "ben: source 'test_several': no sample for 0.8 s" in said
    assert "ben: no samples arrive: the music lets go" in said
    assert "ben: source 'script' is streaming again: 8 channels at 250 Hz" in said
    assert sum("ben: the signal is good" in line for line in said) == 2
    assert not any(line.startswith("anna: no samples") or line.startswith("no samples arrive") for line in said)


def test_when_all_are_gone_the_music_rests_and_returns() -> None:
    away = [(20.0, 24.0)]
    scripts = {"anna": Script(eeg(40, 1), silences=away), "ben": Script(eeg(40, 2), silences=away)}
    frames, session = run(group(scripts), 32)
    assert at(frames, 22.0).state is State.LOST and at(frames, 26.0).state is State.GOOD
    resting = frames[round(24.0 / TICK) - 1].controls
    for control in session.pipeline.host.controls:
        assert abs(resting[control.name] - control.rest) < 0.06 * (control.high - control.low), control.name


def test_who_comes_late_is_one_change_of_names_and_no_jump() -> None:
    scripts = {"anna": Script(eeg(40, 1)), "ben": Script(eeg(40, 2), comes=15.0, channels=CYTON)}
    frames, _ = run(group(scripts), 30)
    kept = [frame.features.names for frame in frames if frame.features.names]
    assert sum(a is not b for a, b in pairwise(kept)) == 1
    assert "ben.alpha" not in at(frames, 14.0) and "interbrain" not in at(frames, 14.0)
    assert "ben.alpha" in at(frames, 18.0) and "interbrain.anna.ben" in at(frames, 18.0)
    for of in (lambda frame: frame.controls["loudness"], lambda frame: frame.features["alpha"]):
        steps = np.abs(np.diff([of(frame) for frame in frames[500:]]))
        assert steps[240:400].max() < 1.3 * steps[:240].max()


def test_at_the_start_the_first_waits_a_little_for_the_others() -> None:
    scripts = {"anna": Script(eeg(20, 1)), "ben": Script(eeg(20, 2), comes=0.6)}
    frames, _ = run(group(scripts), 6)
    names = {frame.features.names for frame in frames if frame.features.names}
    assert len(names) == 1 and any("ben.alpha" in each for each in names)
    alone, session = run(group({"anna": Script(eeg(20, 1)), "ben": Script(eeg(20, 2), comes=99)}), 6)
    first = next(frame.time for frame in alone if frame.features.names)
    assert first == pytest.approx(2.02, abs=0.03)
    assert "alpha" in alone[-1].features and "ben.alpha" not in alone[-1].features
    assert session.acquisition.state is SourceState.STREAMING


def test_one_that_fails_for_good_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    scripts = {"anna": Script(eeg(20, 1)), "ben": Script(eeg(20, 2), broken=True)}
    frames, session = run(group(scripts), 6)
    assert "ben: no such board" in [record.message for record in caplog.records]
    assert frames[-1].features.state is State.CALIBRATING and session.acquisition.state is SourceState.STREAMING
    with pytest.raises(ConfigError, match="no such board"):
        run(group({"anna": Script(eeg(9, 1), broken=True), "ben": Script(eeg(9, 2), broken=True)}), 1)


def test_two_persons_with_one_headset_are_told(caplog: pytest.LogCaptureFixture) -> None:
    scripts = {"anna": Script(eeg(20, 1), uid="muse-1"), "ben": Script(eeg(20, 2), uid="muse-1")}
    frames, _ = run(group(scripts), 6)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1 and told[0].startswith("ben: 'script' (muse-1) is the headset of anna already")
    assert "anna.alpha" in frames[-1].features and "ben.alpha" not in frames[-1].features


def test_who_cannot_be_listened_to_is_told_and_the_others_play(caplog: pytest.LogCaptureFixture) -> None:
    scripts = {"anna": Script(eeg(20, 1)), "ben": Script(eeg(20, 2)[:, :2], channels=("Fp1", "Fp2"))}
    frames, _ = run(group(scripts, features={"reference": ["O1", "O2"]}), 6)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1 and told[0].startswith("ben: ") and "O1" in told[0]
    assert "anna.alpha" in frames[-1].features and "ben.alpha" not in frames[-1].features
    with pytest.raises(ConfigError, match="O1"):
        run(group({who: Script(eeg(9, 2)[:, :2], channels=("Fp1", "Fp2")) for who in "ab"},
                  features={"reference": ["O1", "O2"]}), 6)  # fmt: skip


def test_other_headsets_have_other_channels_and_the_group_has_all() -> None:
    scripts = {"anna": Script(eeg(20, 1)), "ben": Script(eeg(20, 2)[:, :4], channels=("TP9", "AF7", "AF8", "TP10"))}
    features = run(group(scripts), 15)[0][-1].features
    assert features["alpha.occipital"] == pytest.approx(features["anna.alpha.occipital"])
    assert "ben.alpha.occipital" not in features and "ben.alpha.TP9" in features and "alpha.TP9" in features
    assert features["alpha"] == pytest.approx((features["anna.alpha"] + features["ben.alpha"]) / 2)


def test_the_same_session_twice_is_the_same_to_the_bit() -> None:
    def values() -> list[bytes]:
        scripts = {"anna": Script(eeg(12, 1)), "ben": Script(eeg(12, 2), comes=5.0, silences=[(9.0, 10.5)])}
        return [frame.features.values.tobytes() for frame in run(group(scripts), 11)[0]]

    assert values() == values()


# --- between two heads ---


def with_alpha(common: np.ndarray, seed: int) -> np.ndarray:
    """Return EEG whose alpha is given, over independent noise."""
    return eeg(len(common) / FS, seed) * 0.5 + common[:, np.newaxis]


def alpha(seconds: float, seed: int, centre: float = 10.0) -> np.ndarray:
    """Return alpha whose phase and size wander, µV."""
    n = int(seconds * FS)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / FS)
    x = np.fft.irfft(spectrum * np.exp(-0.5 * ((f - centre) / 0.8) ** 2), n)
    return np.asarray(20 * x / x.std())


def locking(a: np.ndarray, b: np.ndarray, chunk: int = 1) -> np.ndarray:
    scripts = {"anna": Script(a, chunk=chunk), "ben": Script(b)}
    frames, _ = run(group(scripts), len(a) / FS - 1)
    return np.array([frame.features["raw.interbrain.anna.ben"] for frame in frames[500:]])


def test_common_alpha_locks_and_independent_alpha_does_not() -> None:
    shared, other = alpha(60, 1), alpha(60, 2)
    together, apart = (
        locking(with_alpha(shared, 3), with_alpha(shared, 4)),
        locking(with_alpha(shared, 3), with_alpha(other, 4)),
    )
    assert together.mean() > 0.9 and together.min() > 0.75
    assert apart.mean() < 0.35 and abs(np.median(apart) - CHANCE) < 0.12
    lagged = locking(with_alpha(shared, 3), with_alpha(np.roll(shared, 6), 4))  # a quarter of a wave later
    assert lagged.mean() > 0.85


def test_headsets_that_deliver_in_chunks_are_aligned_on_session_time() -> None:
    shared = alpha(40, 1)
    even = locking(with_alpha(shared, 3), with_alpha(shared, 4))
    ragged = locking(with_alpha(shared, 3), with_alpha(shared, 4), chunk=12)  # 48 ms: half a wave
    assert ragged.mean() > even.mean() - 0.05


def test_coming_together_is_above_usual_and_parting_below() -> None:
    shared, own = alpha(90, 1), [alpha(90, 2), alpha(90, 3)]
    both = np.zeros(len(shared), bool)
    both[int(40 * FS) : int(60 * FS)] = True
    a, b = (with_alpha(np.where(both, shared, mine), seed) for mine, seed in zip(own, (4, 5), strict=True))
    frames, _ = run(group({"anna": Script(a), "ben": Script(b)}), 88)
    values = np.array([frame.features["interbrain"] for frame in frames])
    assert values[int(48 / TICK) : int(59 / TICK)].mean() > 0.7
    assert values[int(72 / TICK) : int(86 / TICK)].mean() < 0.45
    assert values.min() > 0 and values.max() < 1


def test_three_make_three_pairs_of_which_those_count_that_are_there() -> None:
    shared = alpha(40, 1)
    scripts = {
        "anna": Script(with_alpha(shared, 3)),
        "ben": Script(with_alpha(shared, 4)),
        "clara": Script(with_alpha(alpha(40, 2), 5), silences=[(20.0, 40.0)]),
    }
    frames, _ = run(group(scripts), 30)
    before, after = at(frames, 18.0), at(frames, 29.0)
    pairs = [before[f"raw.interbrain.{pair}"] for pair in ("anna.ben", "anna.clara", "ben.clara")]
    assert pairs[0] > 0.9 > 0.6 > max(pairs[1:])
    assert before["raw.interbrain"] == pytest.approx(sum(pairs) / 3, abs=0.01)
    assert after["raw.interbrain"] == pytest.approx(after["raw.interbrain.anna.ben"], abs=0.01)
    assert after["interbrain.anna.clara"] == pytest.approx(0.5, abs=0.01)


def test_locking_of_known_phases() -> None:
    made = Interbrain(3, TICK)
    rng = np.random.default_rng(0)
    for number in range(1500):
        time = number * TICK
        turn = np.exp(2j * np.pi * 10.4 * time)
        found = made.update([(time, 3 * turn), (time - 0.013, turn * np.exp(-2j * np.pi * 10.4 * 0.013 + 1j)),
                             (time, np.exp(2j * np.pi * rng.random()))])  # fmt: skip
    assert made.pairs == ((0, 1), (0, 2), (1, 2))
    assert found[0] > 0.99 and max(found[1:]) < 0.3
    assert made.update([None, None, None]) is found


# --- what people see, hear and keep ---


def test_the_status_says_how_each_is() -> None:
    with daemon(config="duo", name="duo-in-a-test") as running:
        until = time.monotonic() + 60
        while "interbrain" not in dict(status.snapshot(running).features) and time.monotonic() < until:
            time.sleep(0.05)
        shown = status.snapshot(running)
        assert set(shown.people) == {"anna", "ben"} and {*shown.people.values()} <= {"calibrating", "good"}
        assert "interbrain" in dict(shown.features)
        assert [name for name, _ in shown.quality][8] == "ben.Fp1"
        assert "; anna " in status.line(shown)
        assert "people" in screen.picture(shown, 100).plain
        assert running.session.counters()["samples"] > 0


def test_a_recording_has_a_stream_per_headset(tmp_path: Path) -> None:
    clock, path = VirtualClock(), tmp_path / "duo.xdf"
    session = Session(resolved(), clock)
    recorder = Recorder(session)
    recorder.start(path)
    for number in range(1, 201):
        clock.wait_until(number * TICK)
        session.acquisition.pump()
        session.attach()
        session.tick(number * TICK)
    recorder.stop()
    assert session.acquisition.tap is None
    found = {stream.name: stream for stream in streams(path)[0]}
    for who in ("anna", "ben"):
        stream = found[f"{who} simulator"]
        assert stream.samples.shape[1] == 8 and 990 <= len(stream.samples) <= 1000 and stream.type == "EEG"
    assert not np.array_equal(found["anna simulator"].samples, found["ben simulator"].samples)
    assert not [text for text in np.ravel(found["brainmusic.markers"].samples) if str(text).startswith("gap")]
    assert found["brainmusic.features"].samples.shape[1] == len(session.frame.features.names)  # type: ignore[union-attr]


def test_the_table_has_everybodys_columns(tmp_path: Path) -> None:
    output = Csv(path=tmp_path / "duo.csv")
    render(resolved(), {"csv": output}, seconds=3)
    header = (tmp_path / "duo.csv").read_text().splitlines()[0].split(",")
    assert {"feature.anna.alpha", "feature.raw.ben.alpha.O1", "feature.interbrain", "feature.alpha"} <= {*header}
    assert output.counters()["files"] == 1


def test_events_say_whose_they_are() -> None:
    frames, _ = run(resolved(), 20)
    names = {event.name for frame in frames for event in frame.features.events}
    assert {"anna.blink", "ben.blink"} <= names and all(name.split(".")[0] in ("anna", "ben") for name in names)


# --- performers: other daemons ---


def performed(names: Sequence[str] = ("alpha", "beta", "raw.alpha")) -> Performed:
    gate = Gate(good_share=0.25, hold_s=2.0, glide_s=1.0, settle_s=0.0, tick=TICK)
    return Performed(StreamInfo("anna features", tuple(names), 50.0), gate, TICK, 0.8)


def row(*values: float) -> Window:
    samples = np.array([values], np.float32)
    return Window(samples, np.zeros(len(values)), 1, 0.0, 1, np.zeros(len(values), bool))


def test_a_performers_features_enter_as_they_are_and_stale_ones_do_not() -> None:
    made = performed()
    for number in range(200):
        features = made.update(number * TICK, row(0.2 + 1e-4 * number, 0.7, 30.0), alive=True)
    assert features.state is State.GOOD and made.follow > 0.95
    assert features["beta"] == pytest.approx(0.7) and features["raw.alpha"] == pytest.approx(30.0)
    for number in range(200, 300):
        features = made.update(number * TICK, row(0.2, 0.7, 30.0), alive=True)
    assert features.state is State.LOST and made.follow < 0.5
    assert made.update(6.0, row(0.3, 0.7, 30.0), alive=True).state is State.GOOD
    assert made.update(6.02, row(0.4, 0.7, 30.0), alive=False).state is State.LOST


TOLD = ("alpha", "raw.alpha", "signal.state", "signal.follow", "signal.age")


@pytest.mark.parametrize(
    ("code", "share", "state", "followed"),
    [
        (4, 1.0, State.GOOD, 1.0),
        (3, 0.5, State.CALIBRATING, 0.5),
        (2, 1.0, State.HELD, 1.0),  # it holds, so the conductor does
        (1, 0.2, State.RESTING, 0.2),
        (0, 0.0, State.LOST, 0.0),
        (4, 9.0, State.GOOD, 1.0),  # what cannot be
        (7, 1.0, State.LOST, 1.0),
        (math.nan, math.nan, State.LOST, 0.0),
        (2.5, -1.0, State.LOST, 0.0),
    ],
)
def test_a_conductor_follows_a_performer_as_far_as_their_own_daemon_does(
    code: float, share: float, state: State, followed: float
) -> None:
    made = performed(TOLD)
    assert made.names == ("alpha", "raw.alpha")
    for number in range(400):
        good = made.update(number * TICK, row(0.3, 20.0, 4, 1.0, 0.06), alive=True)
    assert good.state is State.GOOD and made.follow == 1.0  # though nothing moves: their daemon says that it is so
    told = made.update(8.0, row(0.3, 20.0, code, share, 0.06), alive=True)
    assert told.state is state and made.follow == pytest.approx(followed)
    assert told.sample_time == pytest.approx(-0.06)  # of their newest sample, not of their tick


def test_a_performer_whose_signal_goes_bad_fades_from_the_group() -> None:
    made = Together({"anna": performed(TOLD), "ben": performed(TOLD)}, TICK, 600.0)
    for number in range(400):
        features = made.update(
            number * TICK, [row(0.8, 1.0, 4, 1.0, 0.0), row(0.2, 1.0, 4, 1.0, 0.0)], alive=[True] * 2
        )
    assert features["alpha"] == pytest.approx(0.5, abs=0.01)
    group, own = [], []
    for number in range(400, 600):
        share = max(0.0, 1.0 - (number - 400) / 100)
        heard = [row(0.8, 1.0, 1, share, 0.0), row(0.2, 1.0, 4, 1.0, 0.0)]
        features = made.update(number * TICK, heard, alive=[True, True])
        group.append(features["alpha"])
        own.append(features["anna.alpha"])
    assert max(abs(np.diff(group))) < 0.02 and group[-1] == pytest.approx(0.2, abs=0.01)  # no step
    assert max(abs(np.diff(own))) < 0.02 and own[-1] == pytest.approx(0.5, abs=0.01)
    assert features.people["anna"] == Signal(State.RESTING, 0.0) and features.people["ben"].state is State.GOOD
    for number in range(600, 700):  # the line is cut: nothing arrives, and nobody says so
        features = made.update(number * TICK, heard, alive=[True, False])
    assert features.people["ben"].state is State.LOST and features.people["ben"].follow < 0.2


def test_what_a_strange_sender_puts_into_features_stays_in_range() -> None:
    made = performed()
    made.update(0.0, row(0.4, 0.7, 30.0), alive=True)
    features = made.update(0.02, row(7.0, math.nan, math.inf), alive=True)
    assert [*features.values] == pytest.approx([1.0, 0.7, 30.0])
    assert made.update(0.04, row(-3.0, 0.1, 5.0), alive=True)["alpha"] == 0.0


def test_the_state_of_each_is_told_over_osc() -> None:
    from brainmusic_daemon.outputs.osc_encoder import make_encoder
    from tests.frames import make_frame

    people = {"anna": Signal(State.GOOD, 1.0), "ben": Signal(State.HELD, 0.5)}
    frame = make_frame(0)
    encoder = make_encoder("brainmusic")

    def said(number: int, **signals: Signal) -> dict[str, tuple[object, ...]]:
        features = replace(frame.features, people={**people, **signals}, time=number * TICK)
        made = encoder.encode(replace(frame, features=features, time=number * TICK, number=number))
        return {address: arguments for address, arguments in made.messages() if "/person/" in address}

    first = said(0)
    assert first["/brainmusic/person/anna/state"] == ("good",) and first["/brainmusic/person/ben/state"] == ("held",)
    assert first["/brainmusic/person/ben/follow"] == pytest.approx((0.5,))
    assert {*said(1)} == {"/brainmusic/person/anna/follow", "/brainmusic/person/ben/follow"}  # no news
    assert said(2, ben=Signal(State.RESTING, 0.4))["/brainmusic/person/ben/state"] == ("resting",)  # at once


def test_oscquery_describes_each_person() -> None:
    from brainmusic_daemon.outputs.osc_dialects import Brainmusic
    from brainmusic_daemon.service import oscquery_sent
    from brainmusic_daemon.service.oscquery_look import Look
    from tests.frames import make_frame

    frame = make_frame(0)
    people = {"anna": Signal(State.RESTING, 0.25)}
    frame = replace(frame, features=replace(frame.features, people=people))
    layout = Brainmusic(["summary"], ["*"]).layout(frame)
    found = {method.path: method for method in oscquery_sent.methods(layout, frame, [])}
    look = Look(object(), frame, layout)  # type: ignore[arg-type]
    assert found["/brainmusic/person/anna/state"].values(look) == ["resting"]
    assert found["/brainmusic/person/anna/follow"].values(look) == pytest.approx((0.25,))


def test_performers_and_heads_make_one_group() -> None:
    made = Together({"anna": performed(), "ben": performed(("alpha", "theta"))}, TICK, 600.0)
    assert made.names == (
        "alpha", "beta", "theta", "anna.alpha", "anna.beta", "ben.alpha", "ben.theta", "raw.alpha", "raw.anna.alpha",
    )  # fmt: skip
    for number in range(400):
        small = 1e-4 * (number % 7)
        features = made.update(number * TICK, [row(0.2 + small, 0.7, 30.0), row(0.6 + small, 0.1)], alive=[True, True])
    assert features["alpha"] == pytest.approx(0.4, abs=0.01)
    assert features["beta"] == pytest.approx(0.7, abs=0.01) and features["theta"] == pytest.approx(0.1, abs=0.01)
    assert features["raw.alpha"] == pytest.approx(30.0) and math.isfinite(features.sample_time)
    assert features.events == () == tuple[Event, ...]() and features.channels == ()


@pytest.mark.real
def test_a_conductor_plays_two_daemons_over_lsl(tmp_path: Path) -> None:
    from tests.receivers import wait_for

    quiet = ("output.osc.enabled=false", "control.enabled=false")
    stamp = time.monotonic_ns()
    sources = [{"kind": "performer", "person": who, "stream": f"{who}{stamp} features"} for who in ("anna", "ben")]
    path = tmp_path / "conductor.toml"
    path.write_text(
        "".join(
            f'[[source]]\nkind = "performer"\nperson = "{one["person"]}"\nstream = "{one["stream"]}"\n'
            for one in sources
        )
        + "[output.osc]\n"
    )
    with process(*quiet, f"output.lsl.name=anna{stamp}", name=f"anna{stamp}"[-30:]), daemon(config=path) as conductor:
        session = conductor.session

        def there() -> set[str]:
            return {*status.snapshot(conductor).people.items()} if session.frame else set()

        with process(*quiet, "source.seed=2", f"output.lsl.name=ben{stamp}", name=f"ben{stamp}"[-30:]):
            wait_for(lambda: {("anna", "good"), ("ben", "good")} <= there(), 90, "for both performers")
            wait_for(lambda: "ben.alpha" in session.frame.features, 30, "for a frame")  # type: ignore[union-attr]
            features = session.frame.features  # type: ignore[union-attr]
            assert {"alpha", "anna.alpha", "ben.alpha.occipital"} <= {*features.names}
            first = features["ben.alpha"]
            wait_for(lambda: session.frame.features["ben.alpha"] != first, 30, "for values")  # type: ignore[union-attr]
        wait_for(lambda: ("ben", "lost") in there(), 60, "for the loss of one")
        wait_for(lambda: ("anna", "good") in there())
        assert session.frame.features.state is State.GOOD  # type: ignore[union-attr]

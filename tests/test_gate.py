"""The music holds, glides to rest and returns, whatever the electrodes do; and no artifact is louder than the music."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import Frame, State, StreamInfo
from brainmusic_daemon.features.gate import Gate
from brainmusic_daemon.pipeline import Pipeline
from brainmusic_daemon.service.announcer import Announcer
from tests import artifacts, parts
from tests.signals import CYTON, Samples, feature_bank, pink, play, sine, window

FS = 250.0


def gate() -> Gate:
    return Gate(good_share=0.25, hold_s=2.0, glide_s=0.5, settle_s=1.0, tick=0.02)


def run(gate: Gate, seconds: float, **given: object) -> list[State]:
    options = {"alive": True, "share": 1.0, "filled": True, "learned_s": 5.0} | given
    return [gate.update(**options) for _ in range(round(seconds / 0.02))]  # type: ignore[arg-type]


def test_the_gate_holds_then_rests_then_returns() -> None:
    made = gate()
    assert run(made, 0.1, alive=False, learned_s=0.0)[-1] is State.LOST
    assert run(made, 3, learned_s=0.5)[-1] is State.CALIBRATING
    assert run(made, 3)[-1] is State.GOOD
    assert made.follow > 0.99
    held = run(made, 1.5, share=0.0)
    assert set(held) == {State.HELD}
    assert made.follow > 0.99
    assert run(made, 4, share=0.0)[-1] is State.RESTING
    assert made.follow < 0.01
    assert run(made, 3)[-1] is State.GOOD
    assert made.follow > 0.99
    assert run(made, 3, alive=False)[0] is State.LOST
    assert made.follow < 0.01


def test_the_gate_does_not_flicker_at_its_threshold() -> None:
    made = gate()
    run(made, 2)
    run(made, 4, share=0.2)
    assert made.state is State.RESTING
    assert run(made, 2, share=0.26)[-1] is State.RESTING
    assert run(made, 2, share=0.31)[-1] is State.GOOD
    assert run(made, 2, share=0.26)[-1] is State.GOOD


def music(x: Samples, channels: tuple[str, ...] = CYTON, samplerate: float = FS) -> list[Frame]:
    """Return the frames of every tick of x, with the bundled default configuration."""
    pipeline = Pipeline(configuration.load(overrides=["baseline.settle_s=5"]))
    pipeline.prepare(StreamInfo("test", channels, samplerate))
    n = pipeline.bank.n_taps
    return [
        pipeline.tick(end / samplerate, window(x, end, n, samplerate), alive=True)
        for end in range(n, len(x) + 1, round(0.02 * samplerate))
    ]


def states(frames: list[Frame]) -> list[State]:
    """Return the states in their order, each once."""
    found = [frame.features.state for frame in frames]
    return [state for i, state in enumerate(found) if i == 0 or found[i - 1] is not state]


def test_all_cables_touched_the_music_holds_and_goes_on() -> None:
    x = artifacts.eeg(int(30 * FS), CYTON, FS)
    x += sum(artifacts.pop(len(x), 8, FS, 20.0, channel, 3000.0) for channel in range(8))
    frames = music(x)
    assert states(frames) == [State.CALIBRATING, State.GOOD, State.HELD, State.GOOD]
    held = [frame for frame in frames if frame.features.state is State.HELD]
    assert 20 < held[0].time < 20.2
    assert held[-1].time < 23.0


def test_a_headset_that_comes_off_lets_the_music_rest_and_return() -> None:
    x = artifacts.eeg(int(45 * FS), CYTON, FS)
    off = slice(int(20 * FS), int(28 * FS))
    x[off] += sine(int(8 * FS), FS, 50.0, 3000.0)[:, None] + pink(int(8 * FS), 8, FS, rms_uv=500.0)
    frames = music(x)
    assert states(frames) == [State.CALIBRATING, State.GOOD, State.HELD, State.RESTING, State.GOOD]
    loudness = np.array([frame.controls["loudness"] for frame in frames])
    t = np.array([frame.time for frame in frames])
    rest = 0.15
    assert abs(loudness[(t > 27.5) & (t < 28)] - rest).max() < 0.03
    assert np.abs(np.diff(loudness[t > 20])).max() < 0.08, "a step is heard"


@pytest.mark.parametrize(
    "fault",
    [
        lambda n: sine(n, FS, 60.0, 4000.0),
        lambda n: pink(n, 1, FS, rms_uv=800.0)[:, 0],
        lambda n: artifacts.pop(n, 1, FS, 2.0, 0, 5000.0)[:, 0],
        lambda n: np.where(np.arange(n) > 500, 60_000.0, 0.0),
    ],
)
def test_one_bad_electrode_is_no_reason_to_hold(fault) -> None:  # type: ignore[no-untyped-def]
    x = artifacts.eeg(int(40 * FS), CYTON, FS)
    y = x.copy()
    y[int(20 * FS) :, 2] += fault(int(20 * FS))
    clean, frames = music(x), music(y)
    assert State.HELD not in states(frames)
    for name in ("loudness", "brightness", "noise_amount"):
        pairs = [(a.controls[name], b.controls[name]) for a, b in zip(clean, frames, strict=True)]
        span = np.ptp([a for a, _ in pairs])
        assert np.percentile([abs(a - b) for a, b in pairs], 95) < 0.35 * span, name


@pytest.mark.parametrize("kind", ["blink", "clench", "pops", "all pops"])
def test_no_artifact_is_louder_than_the_music(kind: str) -> None:
    x = artifacts.eeg(int(60 * FS), CYTON, FS)
    added = {
        "blink": lambda at: artifacts.blink(len(x), CYTON, FS, at, 400.0),
        "clench": lambda at: artifacts.clench(len(x), CYTON, FS, at, 200.0, 1.5),
        "pops": lambda at: artifacts.pop(len(x), 8, FS, at, int(at) % 8, 20_000.0),
        "all pops": lambda at: sum(artifacts.pop(len(x), 8, FS, at, channel, 20_000.0) for channel in range(8)),
    }[kind]
    clean = music(x)
    dirty = music(x + sum(added(at) for at in (25.0, 33.0, 41.0, 49.0)))
    a, b = (np.array([frame.controls["loudness"] for frame in frames if frame.time > 20]) for frames in (clean, dirty))
    assert b.max() <= a.max() + 0.05
    assert b.mean() == pytest.approx(a.mean(), abs=0.1)


def test_each_state_is_said_once_with_the_electrodes_to_look_at(caplog: pytest.LogCaptureFixture) -> None:
    announcer = Announcer()
    bank = feature_bank()
    x = pink(1000, 8, FS)
    x[:, 3] = 0.0
    play(bank, x, FS)
    with caplog.at_level(logging.INFO):
        for state in (State.LOST, State.CALIBRATING, State.GOOD, State.GOOD, State.HELD, State.HELD, State.RESTING):
            announcer.look(state, bank)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert said[2].endswith("(C4 flat)")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING", "WARNING"]


@pytest.mark.real
def test_a_real_recording_with_loose_electrodes_and_touched_cables() -> None:
    from brainmusic_daemon.acquisition import formats

    take = formats.load(str(parts.recordings() / "rest_vs_arithmetic" / "Subject03_1.edf"), "", "")
    keep = [i for i, name in enumerate(take.channels) if "ECG" not in name]
    x = np.asarray(take.samples[: int(60 * take.samplerate), keep], float)
    channels = tuple(take.channels[i] for i in keep)
    n, rate = len(x), take.samplerate
    y = x + sum(artifacts.pop(n, len(keep), rate, at, int(at) % 8, 4000.0) for at in (22.0, 31.0, 44.0))
    y[int(26 * rate) :, 1] += sine(n - int(26 * rate), rate, 50.0, 2500.0)  # stays loose
    clean, dirty = music(x, channels, rate), music(y, channels, rate)
    assert states(dirty) == [State.CALIBRATING, State.GOOD]
    a, b = (np.array([frame.controls["loudness"] for frame in frames if frame.time > 20]) for frames in (clean, dirty))
    assert b.max() <= a.max() + 0.05

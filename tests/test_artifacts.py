"""Blinks, glances, clenches and cables are taken out of the features at once; what they were is told once.

What an artifact of known size does is the difference between two runs that differ by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.api import Features
from brainmusic_daemon.sections import ArtifactsConfig
from tests import artifacts, parts
from tests.signals import CYTON, Samples, Sections, feature_bank, pink, play, window

TEN_TWENTY = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2",
)  # fmt: skip
WITHOUT_FP = ("F3", "Fz", "F4", "P3", "Pz", "P4", "O1", "O2")
MUSE = ("TP9", "AF7", "AF8", "TP10")
AT_S = (21.3, 24.7, 33.1, 41.9, 48.4)
Tick = list[Features]


def run(x: Samples, channels: tuple[str, ...], samplerate: float, **settings: object) -> Tick:
    sections = Sections()
    sections.artifacts = ArtifactsConfig.model_validate(settings)
    return play(feature_bank(channels, samplerate, sections), x, samplerate)


def told(rows: Tick, name: str) -> list[float]:
    return [event.time for row in rows for event in row.events if event.name == name]


def moved(clean: Tick, dirty: Tick, name: str) -> np.ndarray:
    """Return (n_artifacts, 2): the mean over the second after each artifact's beginning, and the worst 0.25 s, both as
    a share: of the same second, and of the clean feature's usual value around it."""
    t = np.array([row.time for row in clean])
    a, b = (np.array([row[name] for row in rows]) for rows in (clean, dirty))
    quarter = np.ones(13) / 13
    deviation = np.abs(np.convolve(b - a, quarter)[: len(t)])
    found = []
    for at in AT_S:
        second, near, around = (t >= at - 0.1) & (t < at + 0.9), (t >= at - 0.3) & (t < at + 1.7), np.abs(t - at) < 5
        found.append((abs(b[second].mean() / a[second].mean() - 1), deviation[near].max() / a[around].mean()))
    return np.array(found)


def blinks(n: int, channels: tuple[str, ...], samplerate: float, peak_uv: float = 150.0, **shape: float) -> Samples:
    return sum(artifacts.blink(n, channels, samplerate, at, peak_uv, **shape) for at in AT_S)


def clenches(n: int, channels: tuple[str, ...], samplerate: float, rms_uv: float = 80.0) -> Samples:
    return sum(artifacts.clench(n, channels, samplerate, at, rms_uv, seed=i) for i, at in enumerate(AT_S))


@pytest.fixture(scope="module")
def clean() -> tuple[Samples, Tick]:
    x = artifacts.eeg(55 * 250, TEN_TWENTY, 250.0)
    return x, run(x, TEN_TWENTY, 250.0)


def test_a_blink_hardly_moves_alpha_and_theta(clean: tuple[Samples, Tick]) -> None:
    x, rows = clean
    dirty = run(x + blinks(len(x), TEN_TWENTY, 250.0), TEN_TWENTY, 250.0)
    assert moved(rows, dirty, "raw.alpha.occipital").max() < 0.1
    assert moved(rows, dirty, "raw.alpha").max() < 0.25
    theta = moved(rows, dirty, "raw.theta.frontal")
    assert theta[:, 0].max() < 0.5
    assert np.median(theta[:, 0]) < 0.3
    without = run(x + blinks(len(x), TEN_TWENTY, 250.0), TEN_TWENTY, 250.0, enabled=False)
    assert np.median(moved(rows, without, "raw.theta.frontal")[:, 0]) > 3, "the test's blinks are harmless"


def test_the_very_first_blink_is_no_worse(clean: tuple[Samples, Tick]) -> None:
    x, rows = clean
    dirty = run(x + artifacts.blink(len(x), TEN_TWENTY, 250.0, AT_S[0]), TEN_TWENTY, 250.0)
    assert moved(rows, dirty, "raw.theta.frontal")[0, 0] < 0.5


@pytest.mark.parametrize(("channels", "samplerate"), [(CYTON, 250.0), (WITHOUT_FP, 500.0), (MUSE, 256.0)])
def test_few_electrodes_do_too(channels: tuple[str, ...], samplerate: float) -> None:
    """With two or three electrodes in front, theta there cannot be told from the blink: it is bridged."""
    x = artifacts.eeg(int(55 * samplerate), channels, samplerate)
    rows = run(x, channels, samplerate)
    dirty = run(x + blinks(len(x), channels, samplerate), channels, samplerate)
    assert np.median(moved(rows, dirty, "raw.theta.frontal")[:, 0]) < 0.5
    if "raw.alpha.occipital" in rows[0]:
        assert moved(rows, dirty, "raw.alpha.occipital").max() < 0.1
    clenched = run(x + clenches(len(x), channels, samplerate), channels, samplerate)
    assert np.median(moved(rows, clenched, "raw.alpha")[:, 0]) < 0.25


@pytest.mark.parametrize("rms_uv", [40.0, 100.0])
def test_a_clench_hardly_moves_alpha(clean: tuple[Samples, Tick], rms_uv: float) -> None:
    x, rows = clean
    dirty = run(x + clenches(len(x), TEN_TWENTY, 250.0, rms_uv), TEN_TWENTY, 250.0)
    assert moved(rows, dirty, "raw.alpha").max() < 0.25
    assert moved(rows, dirty, "raw.alpha.occipital").max() < 0.25
    without = run(x + clenches(len(x), TEN_TWENTY, 250.0, rms_uv), TEN_TWENTY, 250.0, enabled=False)
    gamma = [np.median(moved(rows, given, "raw.gamma")[:, 0]) for given in (dirty, without)]
    assert gamma[0] < gamma[1] / 3


def test_a_glance_hardly_moves_theta(clean: tuple[Samples, Tick]) -> None:
    x, rows = clean
    glances = sum(artifacts.glance(len(x), TEN_TWENTY, 250.0, at) for at in AT_S)
    dirty, without = (run(x + glances, TEN_TWENTY, 250.0, enabled=given) for given in (True, False))
    effects = [np.median(moved(rows, given, "raw.theta.frontal")[:, 0]) for given in (dirty, without)]
    assert effects[0] < 0.3
    assert effects[0] < effects[1] / 2


def test_a_touched_cable_is_not_heard(clean: tuple[Samples, Tick]) -> None:
    x, rows = clean
    dirty = run(x + sum(artifacts.pop(len(x), 19, 250.0, at, 4 + i) for i, at in enumerate(AT_S)), TEN_TWENTY, 250.0)
    for name in ("raw.delta", "raw.theta", "raw.alpha", "raw.beta", "raw.gamma"):
        assert moved(rows, dirty, name).max() < 0.3, name
    assert told(dirty, "blink") == []


def test_a_clean_signal_is_left_as_it_is(clean: tuple[Samples, Tick]) -> None:
    x, rows = clean
    untouched = run(x, TEN_TWENTY, 250.0, enabled=False)
    assert told(rows, "blink") == []
    assert told(rows, "jaw") == []
    for name in ("raw.theta.frontal", "raw.alpha", "raw.beta", "raw.gamma"):
        a, b = (np.array([row[name] for row in given])[250:] for given in (untouched, rows))
        assert np.median(np.abs(b / a - 1)) < 0.02, name


@pytest.mark.parametrize("channels", [CYTON, WITHOUT_FP, MUSE, TEN_TWENTY])
def test_each_blink_is_told_once_and_at_once(channels: tuple[str, ...]) -> None:
    x = artifacts.eeg(55 * 250, channels, 250.0)
    rows = run(x + blinks(len(x), channels, 250.0, 200.0), channels, 250.0)
    assert told(rows, "blink") == pytest.approx(AT_S, abs=0.1)
    late = [row.time - event.time for row in rows for event in row.events if event.name == "blink"]
    assert max(late) < 0.15
    assert all(0 < event.strength <= 1 for row in rows for event in row.events)


def test_each_clench_is_told_once() -> None:
    x = artifacts.eeg(55 * 250, TEN_TWENTY, 250.0)
    rows = run(x + clenches(len(x), TEN_TWENTY, 250.0), TEN_TWENTY, 250.0)
    assert told(rows, "jaw") == pytest.approx(AT_S, abs=0.3)
    assert told(rows, "blink") == []


def test_stronger_is_told_as_stronger() -> None:
    x = artifacts.eeg(30 * 250, CYTON, 250.0)
    y = x + artifacts.blink(len(x), CYTON, 250.0, 20.0, 100.0) + artifacts.blink(len(x), CYTON, 250.0, 25.0, 250.0)
    weak, strong = (e.strength for row in run(y, CYTON, 250.0) for e in row.events if e.name == "blink")
    assert weak < strong / 1.5


def test_strong_alpha_in_front_is_no_blink() -> None:
    x = artifacts.eeg(55 * 250, TEN_TWENTY, 250.0, alpha_uv=60.0)
    assert len(told(run(x, TEN_TWENTY, 250.0), "blink")) <= 2


def test_without_eyes_in_sight_nothing_is_seen_and_that_is_said() -> None:
    for channels in (("O1", "O2"), ("1", "2", "3")):
        bank = feature_bank(channels)
        x = pink(2500, len(channels), 250.0)
        x[1500:1550] += 200 * np.hanning(50)[:, None]
        rows = play(bank, x, 250.0)
        assert bank.artifacts is not None
        assert not bank.artifacts.sees_blinks
        assert told(rows, "blink") == []


def test_the_baseline_learns_nothing_from_artifacts(clean: tuple[Samples, Tick]) -> None:
    x, _ = clean
    every_second = sum(artifacts.blink(len(x), TEN_TWENTY, 250.0, at, 300.0) for at in np.arange(20.5, 54, 1.5))
    clenched = clenches(len(x), TEN_TWENTY, 250.0, 300.0)

    def end(added: Samples | float, *, enabled: bool) -> np.ndarray:
        sections = Sections()
        sections.artifacts = ArtifactsConfig(enabled=enabled)
        y = np.concatenate([x + added, x[5000:6000]])
        rows = play(feature_bank(TEN_TWENTY, 250.0, sections), y, 250.0)[-150:]
        return np.mean([row.values[: row.index["connectivity"]] for row in rows], axis=0)

    for added in (every_second, clenched):
        error, without = (np.abs(end(added, enabled=given) - end(0.0, enabled=given)).mean() for given in (True, False))
        assert error < 0.1
        assert error < without / 2


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [("blink_uv", 500.0, "blink"), ("muscle_ratio", 1e6, "jaw"), ("enabled", False, "blink")],
)
def test_settings_of_what_is_told(setting: str, value: object, name: str) -> None:
    x = artifacts.eeg(55 * 250, CYTON, 250.0)
    x += blinks(len(x), CYTON, 250.0) if name == "blink" else clenches(len(x), CYTON, 250.0)
    assert len(told(run(x, CYTON, 250.0), name)) == len(AT_S)
    assert told(run(x, CYTON, 250.0, **{setting: value}), name) == []


@pytest.mark.parametrize(
    ("setting", "artifact"),
    [
        ("pop_uv", lambda n: artifacts.pop(n, 8, 250.0, 10.0, 4, 400.0)),
        ("moved_uv", lambda n: np.where(np.arange(8) == 4, 400.0, 0.0) * np.clip((np.arange(n) / 250 - 10) / 0.2, 0, 1)[:, None]),  # noqa: E501
    ],
)  # fmt: skip
def test_settings_of_what_is_held(setting: str, artifact: Callable[[int], Samples]) -> None:
    x = artifacts.eeg(11 * 250, CYTON, 250.0)
    x += artifact(len(x))

    def touched(settings: dict[str, float]) -> bool:
        sections = Sections()
        sections.artifacts = ArtifactsConfig.model_validate({"pop_uv": 1e4, "moved_uv": 1e4} | settings)
        bank = feature_bank(CYTON, 250.0, sections)
        assert bank.artifacts is not None
        seen = False
        for end in range(250, len(x), 5):
            bank.update(end / 250, window(x, end, 250, 250.0), alive=True)
            seen = seen or bool(bank.artifacts.held[4])
        return seen

    assert touched({setting: 150.0})
    assert not touched({})


def test_the_same_samples_give_the_same_bits(clean: tuple[Samples, Tick]) -> None:
    x, _ = clean
    y = (x + blinks(len(x), TEN_TWENTY, 250.0))[:7000]
    first, second = run(y, TEN_TWENTY, 250.0), run(y, TEN_TWENTY, 250.0)
    assert all((a.values == b.values).all() and a.events == b.events for a, b in zip(first, second, strict=True))


# --- real recordings --------------------------------------------------------------------------------------------------


def recording(path: str) -> tuple[Samples, tuple[str, ...], float]:
    from brainmusic_daemon.acquisition import formats

    take = formats.load(str(parts.recordings() / path), "", "")
    samples = np.asarray(take.samples[: int(55 * take.samplerate)], float)
    return samples, tuple(name.strip(".") for name in take.channels), take.samplerate


@pytest.mark.real
@pytest.mark.parametrize(
    "path",
    [
        *(f"eyes_open_closed/S00{subject}R02.edf" for subject in (1, 2)),
        *(f"rest_vs_arithmetic/Subject{subject}_{take}.edf" for subject in ("03", "10") for take in (1, 2)),
    ],
)
def test_artifacts_added_to_real_signals(path: str) -> None:
    x, channels, samplerate = recording(path)
    keep = [i for i, name in enumerate(channels) if not name.startswith("ECG")]
    x, channels = x[:, keep], tuple(channels[i].removeprefix("EEG ") for i in keep)
    foremost = {} if "Fp1" in channels else {"foremost": 0.5}
    rows = run(x, channels, samplerate)
    blinked = run(x + blinks(len(x), channels, samplerate, **foremost), channels, samplerate)
    assert moved(rows, blinked, "raw.alpha.occipital").max() < 0.1
    assert np.median(moved(rows, blinked, "raw.theta.frontal")[:, 0]) < 0.5
    clenched = run(x + clenches(len(x), channels, samplerate, 100.0), channels, samplerate)
    assert moved(rows, clenched, "raw.alpha")[:, 0].max() < 0.25


@pytest.mark.real
def test_blinks_and_clenches_of_a_real_cyton(tmp_path: Path) -> None:
    x, _, samplerate = recording("openbci_text/gui_v6_blinks_jaw_alpha.txt")
    x = x - x[0]
    rows, without = (run(x, CYTON, samplerate, enabled=given) for given in (True, False))
    seen = np.array(told(rows, "blink"))
    for beginning, end, count in ((4.8, 6.4, 7), (15.2, 16.7, 6)):  # counted by eye
        assert abs(int(((seen > beginning) & (seen < end)).sum()) - count) <= 1
    clenches = np.array(told(rows, "jaw"))
    assert ((clenches > 8) & (clenches < 14.5)).sum() >= 3
    assert not ((clenches > 17) & (clenches < 55)).any()
    t = np.array([row.time for row in rows])
    blinking = (t > 15.2) & (t < 17.0)
    calm = (t > 27) & (t < 55)
    theta, untouched = (np.array([row["raw.theta.frontal"] for row in given]) for given in (rows, without))
    assert untouched[blinking].mean() > 100 * np.median(untouched[calm])
    assert theta[blinking].mean() < 0.05 * untouched[blinking].mean()
    assert np.median(np.abs(theta[calm] / untouched[calm] - 1)) < 0.05

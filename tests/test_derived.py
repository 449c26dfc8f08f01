"""Derived features: each is its formula, finds what it is said to find, and keeps the promises of its protocol."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from scipy.signal import welch

from brainmusic_daemon import config, registry
from brainmusic_daemon.api import ConfigError, Features, StreamInfo
from brainmusic_daemon.features import bank
from brainmusic_daemon.sections import ArtifactsConfig
from brainmusic_daemon.service.render import render
from tests.parts import recordings
from tests.signals import CYTON, Samples, Sections, pink, play, sine, window
from tests.test_channels import scalp

FS = 250.0
N = int(30 * FS)


def derived(
    *names: str, channels: tuple[str, ...] = CYTON, samplerate: float = FS, **settings: dict[str, Any]
) -> bank.FeatureBank:
    """Return a bank with these features (none: all), and `settings` by feature; nothing is mended."""
    sections = Sections()
    sections.artifacts = ArtifactsConfig(enabled=False)
    made = {n: registry.build("feature", n, settings.get(n, {}), n) for n in names or registry.names("feature")}
    return bank.build(StreamInfo("test", channels, samplerate), sections, made)


def raw(rows: list[Features], name: str) -> Samples:
    return np.array([row[f"raw.{name}"] for row in rows])


def powered(n: int, n_channels: int, exponent: float, seed: int = 0, at_10_hz: float = 1.0) -> Samples:
    """Return noise (n, n_channels) whose density is `at_10_hz` µV²/Hz · (f/10 Hz)^−exponent."""
    f = np.maximum(np.fft.rfftfreq(n, 1 / FS), 0.3)
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal((n, n_channels)), axis=0)
    density = at_10_hz * (f / 10) ** -exponent
    return np.fft.irfft(white * np.sqrt(density * FS / 2)[:, None], n, axis=0)


def narrow(n: int, low: float, high: float, seed: int, rms: float = 1.0) -> Samples:
    """Return noise (n,) of one band."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / FS)
    spectrum[(f < low) | (f > high)] = 0
    x = np.fft.irfft(spectrum, n)
    return np.asarray(x / x.std() * rms)


# --- ratios -----------------------------------------------------------------------------------------------------------


def test_derived_features_are_their_formulas() -> None:
    x = pink(N, 8, FS, rms_uv=4.0) + sine(N, FS, 10.5, 20.0)[:, None]
    row = play(derived(), x, FS)[-1]
    theta, alpha, beta = row["raw.theta"], row["raw.alpha"], row["raw.beta"]
    assert row["raw.engagement"] == pytest.approx(beta / (alpha + theta), rel=1e-6)
    assert row["raw.theta_alpha"] == pytest.approx(theta / alpha, rel=1e-6)
    assert row["raw.relaxation"] == pytest.approx(alpha / beta, rel=1e-6)
    assert row["raw.workload"] == pytest.approx(row["raw.theta.frontal"] / row["raw.alpha.parietal"], rel=1e-6)
    expected = np.exp(np.mean(np.log([theta, alpha, beta, row["raw.gamma"]])))
    assert row["raw.activation"] == pytest.approx(expected, rel=1e-6)
    assert row["raw.asymmetry"] == pytest.approx(np.log(row["raw.alpha.Fp2"] / row["raw.alpha.Fp1"]), abs=1e-3)


def test_asymmetry_is_positive_when_the_right_has_more_alpha() -> None:
    x = pink(N, 8, FS, rms_uv=4.0)
    x[:, 1] += sine(N, FS, 10.5, 20.0)
    assert raw(play(derived("asymmetry"), x, FS), "asymmetry").mean() > 1


def test_workload_without_parietal_electrodes_uses_the_occipital_ones() -> None:
    row = play(derived("workload", channels=("Fz", "O1")), pink(1000, 2, FS), FS)[-1]
    assert row["raw.workload"] == pytest.approx(row["raw.theta.Fz"] / row["raw.alpha.O1"], rel=1e-6)


# --- the background of the spectrum -----------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0])
def test_the_slope_and_the_level_of_the_background(exponent: float) -> None:
    rows = play(derived("aperiodic"), powered(2 * N, 8, exponent), FS)
    assert raw(rows, "aperiodic_exponent")[1000:].mean() == pytest.approx(exponent, abs=0.12)
    assert raw(rows, "aperiodic_offset")[1000:].mean() == pytest.approx(exponent, abs=0.15)  # 1 µV²/Hz at 10 Hz
    for band in ("theta", "alpha", "beta"):
        assert abs(np.median(raw(rows, f"{band}_periodic")[1000:])) < 0.15, band


def test_a_rhythm_raises_its_periodic_power_and_not_the_background() -> None:
    noise = powered(2 * N, 8, 1.3)
    rhythm = narrow(2 * N, 9.5, 11.5, 7, rms=8.0)[:, None]
    plain = play(derived("aperiodic"), noise, FS)[1000:]
    rows = play(derived("aperiodic"), noise + rhythm, FS)[1000:]
    for name in ("aperiodic_exponent", "aperiodic_offset"):
        assert raw(rows, name).mean() == pytest.approx(raw(plain, name).mean(), abs=0.1), name
    expected = np.log10(1 + 64 / raw(plain, "alpha").mean())
    gained = np.log10(raw(rows, "alpha").mean() / raw(plain, "alpha").mean())
    assert gained == pytest.approx(expected, abs=0.1)
    assert np.median(raw(rows, "alpha_periodic")) > 0.6 > 0.3 > np.median(raw(rows, "beta_periodic"))


def test_a_steeper_background_changes_the_band_and_not_its_periodic_power() -> None:
    flat, steep = (play(derived("aperiodic"), powered(2 * N, 8, e), FS)[1000:] for e in (0.8, 1.6))
    assert raw(steep, "theta").mean() > 1.3 * raw(flat, "theta").mean()
    assert abs(np.median(raw(steep, "theta_periodic")) - np.median(raw(flat, "theta_periodic"))) < 0.12


def test_the_level_follows_the_amplitude_and_nothing_else_does() -> None:
    x = powered(N, 8, 1.0)
    one, ten = play(derived("aperiodic"), x, FS)[-1], play(derived("aperiodic"), 10 * x, FS)[-1]
    assert ten["raw.aperiodic_offset"] == pytest.approx(one["raw.aperiodic_offset"] + 2, abs=1e-3)
    assert ten["raw.aperiodic_exponent"] == pytest.approx(one["raw.aperiodic_exponent"], abs=1e-3)
    assert ten["raw.alpha_periodic"] == pytest.approx(one["raw.alpha_periodic"], abs=1e-3)


def test_channels_of_very_different_amplitude_have_no_periodic_power() -> None:
    x = powered(N, 8, 1.0) * np.array([1, 1, 1, 1, 1, 1, 6, 6])
    assert abs(np.median(raw(play(derived("aperiodic"), x, FS)[700:], "alpha_periodic"))) < 0.15


def test_many_channels_take_turns_and_bad_ones_do_not_count() -> None:
    channels = tuple(scalp(64))
    x = powered(N, 64, 1.0)
    x[:, :5] += 800 * np.random.default_rng(1).standard_normal((N, 5))
    rows = play(derived("aperiodic", channels=channels), x, FS)
    assert rows[-1].quality[:5].max() == 0
    assert rows[-1]["raw.aperiodic_exponent"] == pytest.approx(1.0, abs=0.15)


def test_the_background_is_that_of_the_referenced_signal() -> None:
    own, shared = powered(N, 8, 0.8), powered(N, 1, 2.0, seed=1, at_10_hz=20.0)
    sections = Sections(reference="average")
    sections.artifacts = ArtifactsConfig(enabled=False)
    made = bank.build(StreamInfo("t", CYTON, FS), sections, {"x": registry.build("feature", "aperiodic", {}, "")})
    row = play(made, own + shared, FS)[-1]
    assert row["raw.aperiodic_exponent"] == pytest.approx(0.8, abs=0.15)
    assert abs(row["raw.aperiodic_offset"] - 0.8) < 0.2


def test_what_is_no_brain_is_not_looked_at() -> None:
    made = derived("aperiodic")
    x = powered(N, 8, 1.0)
    before = play(made, x[: N // 2], FS)[-1]["raw.aperiodic_exponent"]
    made.spectral.analysis.clean = False
    x[N // 2 :] += 30 * np.random.default_rng(1).standard_normal((N // 2, 8))
    assert play(made, x[N // 2 :], FS)[-1]["raw.aperiodic_exponent"] == before


def test_a_short_window_or_a_low_rate_has_no_slope() -> None:
    sections = Sections(kernel_s=0.5)
    made = bank.build(
        StreamInfo("t", CYTON, FS), sections, {"aperiodic": registry.build("feature", "aperiodic", {}, "")}
    )
    assert "aperiodic_exponent" not in made.index
    assert "aperiodic_exponent" not in derived("aperiodic", samplerate=25.0).index


# --- frequency of alpha -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [8.7, 10.0, 11.3, 12.3])
def test_the_frequency_of_alpha(hz: float) -> None:
    x = pink(N, 8, FS, rms_uv=5.0)
    x[:, 6:] += sine(N, FS, hz, 12.0)[:, None]
    found = raw(play(derived("iaf"), x, FS)[400:], "iaf")
    assert found.mean() == pytest.approx(hz, abs=0.15)
    assert found.std() < 0.3


def test_the_frequency_of_alpha_moves_within_its_memory() -> None:
    x = pink(N, 8, FS, rms_uv=2.0)
    x[: N // 2, 6:] += sine(N // 2, FS, 9.5, 12.0)[:, None]
    x[N // 2 :, 6:] += sine(N - N // 2, FS, 11.0, 12.0)[:, None]
    found = raw(play(derived("iaf", iaf={"memory_s": 3.0}), x, FS), "iaf")
    assert found[700] == pytest.approx(9.5, abs=0.1)
    assert found[-1] == pytest.approx(11.0, abs=0.1)
    assert 10.4 < found[700 + 150] < 10.8  # 3 s after the change: 63 % of the way


def test_the_frequency_of_alpha_stands_uneven_ticks() -> None:
    """Live, samples come in lumps: some ticks see none, some a dozen, and ticks come late."""
    x = pink(N, 8, FS, rms_uv=3.0)
    x[:, 6:] += sine(N, FS, 11.3, 12.0)[:, None]
    made = derived("iaf")
    random = np.random.default_rng(0)
    end, found = 250, 0.0
    while end < N:
        if random.random() < 0.4:
            end += int(random.integers(10, 16))
        end = min(end, N)
        found = made.update(end / FS, window(x, end, 250, FS), alive=True)["raw.iaf"]
    assert found == pytest.approx(11.3, abs=0.15)


# --- coupling ---------------------------------------------------------------------------------------------------------


def coupled(lag: float, **settings: dict[str, Any]) -> list[Features]:
    x = pink(N, 8, FS, rms_uv=2.0)
    x[:, :2] += sine(N, FS, 10.5, 20.0)[:, None]
    x[:, 4:6] += sine(N, FS, 10.5, 20.0, phase=lag)[:, None]
    return play(derived("connectivity", **settings), x, FS)[250:]


def test_connectivity_hears_a_lag_and_not_a_mixture() -> None:
    assert raw(coupled(np.pi / 2), "connectivity")[500:].mean() > 0.95
    assert raw(coupled(-np.pi / 4), "connectivity")[500:].mean() > 0.95
    assert raw(coupled(0.0), "connectivity").mean() < 0.2


def test_connectivity_says_between_which_regions() -> None:
    rows = coupled(np.pi / 2)[500:]
    assert raw(rows, "connectivity.frontal_parietal").mean() > 0.95
    assert raw(rows, "connectivity.central_occipital").mean() < 0.4  # chance
    assert [name for name in rows[0].names if name.startswith("connectivity.")] == [
        "connectivity.frontal_central",
        "connectivity.frontal_parietal",
        "connectivity.frontal_occipital",
        "connectivity.central_parietal",
        "connectivity.central_occipital",
        "connectivity.parietal_occipital",
    ]


def test_connectivity_tells_coupling_from_none() -> None:
    """Sources of their own in front and behind, that share a part with a lag or none, and a third that both see."""
    n = 100 * 250

    def playing(shared: float, seed: int) -> Samples:
        x = pink(n, 8, FS, seed=seed, rms_uv=6.0) + narrow(n, 9, 12, seed + 10, 4.0)[:, None]
        front, back = narrow(n, 9, 12, seed + 20, 5.0), narrow(n, 9, 12, seed + 30, 5.0)
        x[:, :2] += front[:, None]
        x[:, 4:6] += (shared * np.roll(front, 5) + np.sqrt(1 - shared**2) * back)[:, None]
        return raw(play(derived("connectivity"), x, FS), "connectivity")[500::100]

    some, none = playing(0.6, 1), playing(0.0, 2)
    assert (some[:, None] > none[None, :]).mean() > 0.85
    assert none.mean() == pytest.approx(1.25 / np.sqrt(2 * 3 * 5), abs=0.06)  # what it is held for at the start


def test_connectivity_without_regions_joins_the_hemispheres() -> None:
    made = derived("connectivity", channels=("T7", "T8"))
    assert "connectivity" in made.index
    assert "connectivity" not in derived("connectivity", channels=("1", "2")).index


def test_synchrony_of_one_source_and_of_many() -> None:
    one = pink(N, 8, FS, rms_uv=1.0) + np.outer(narrow(N, 9, 12, 1, 10.0), [1, 2, -1, 1, 3, -1, 1, 1])
    many = pink(N, 8, FS, rms_uv=1.0) + np.column_stack([narrow(N, 9, 12, seed, 10.0) for seed in range(8)])
    assert raw(play(derived("synchrony"), one, FS), "synchrony").mean() > 0.95
    assert 0.1 < raw(play(derived("synchrony"), many, FS), "synchrony").mean() < 0.5
    assert "synchrony" not in derived("synchrony", channels=("O1", "O2")).index


# --- bursts -----------------------------------------------------------------------------------------------------------


def bursting(onsets: list[float], seconds: float = 0.8) -> Samples:
    x = pink(N, 8, FS, rms_uv=5.0)
    wave = sine(N, FS, 10.5, 25.0)
    for onset in onsets:
        at = slice(round(onset * FS), round((onset + seconds) * FS))
        x[at, 6:] += wave[at, None]
    return x


def bursts(rows: list[Features]) -> list[Any]:
    return [event for row in rows for event in row.events if event.name == "alpha_burst"]


def test_every_burst_of_alpha_is_told_once_soon_and_with_the_time_of_its_onset() -> None:
    onsets = [8.0, 12.5, 17.0, 21.5, 26.0]
    rows = play(derived("burst"), bursting(onsets), FS)
    found = bursts(rows)
    assert [event.time for event in found] == pytest.approx(onsets, abs=0.15)
    assert all(0 < event.strength <= 1 for event in found)
    told = [row.time for row in rows for event in row.events]
    assert all(0.15 < when - onset < 0.5 for when, onset in zip(told, onsets, strict=True))


def test_steady_alpha_is_no_burst_and_neither_is_noise() -> None:
    assert bursts(play(derived("burst"), bursting([0.0], 30.0), FS)) == []
    assert len(bursts(play(derived("burst"), pink(2 * N, 8, FS), FS))) <= 2


def test_a_stronger_burst_is_a_stronger_event() -> None:
    x = pink(N, 8, FS, rms_uv=5.0)
    for onset, amplitude in ((10, 8.0), (20, 16.0)):
        x[onset * 250 : onset * 250 + 250, 6:] += sine(250, FS, 10.5, amplitude)[:, None]
    weak, strong = bursts(play(derived("burst"), x, FS))
    assert weak.strength < strong.strength


# --- real heads -------------------------------------------------------------------------------------------------------


class Kept:
    """An output that keeps what it is sent."""

    def __init__(self) -> None:
        self.rows: list[Features] = []

    def open(self, clock: object, info: object) -> None: ...

    def send(self, frame: Any) -> None:
        self.rows.append(frame.features)

    def close(self) -> None: ...

    def counters(self) -> dict[str, float]:
        return {}


def rendered(path: str, names: list[str]) -> list[Features]:
    source = {"kind": "recording", "path": str(recordings() / path)}
    kept = Kept()
    render(config.load(None, [f"features.derived={names}"], {"output": {}, "source": source}), {"kept": kept})
    return kept.rows


@pytest.mark.parametrize("recording", ["eyes_open_closed/S001R02.edf", "eyes_open_closed/S002R02.edf"])
def test_the_frequency_of_alpha_is_that_of_the_spectrum(recording: str) -> None:
    mne = pytest.importorskip("mne")
    whole = mne.io.read_raw_edf(recordings() / recording, verbose="error")
    f, density = welch(
        whole.get_data(["O1..", "Oz..", "O2.."]), whole.info["sfreq"], nperseg=int(4 * whole.info["sfreq"])
    )
    inside = (f >= 7.5) & (f <= 13)
    density = density.mean(axis=0)
    peak = f[inside][density[inside].argmax()]
    found = raw(rendered(recording, ["iaf"])[1000:], "iaf")
    assert found.mean() == pytest.approx(peak, abs=0.5)
    assert found.std() < 0.35


@pytest.mark.parametrize("subject", ["S001", "S002"])
def test_closed_eyes_raise_periodic_alpha_relaxation_and_lower_engagement(subject: str) -> None:
    names = ["aperiodic", "relaxation", "engagement"]
    eyes_open, closed = (rendered(f"eyes_open_closed/{subject}R0{n}.edf", names)[500:] for n in (1, 2))
    assert np.median(raw(closed, "alpha_periodic")) > np.median(raw(eyes_open, "alpha_periodic")) + 0.2
    assert np.median(raw(closed, "relaxation")) > 1.5 * np.median(raw(eyes_open, "relaxation"))
    assert np.median(raw(closed, "engagement")) < 0.7 * np.median(raw(eyes_open, "engagement"))


# --- the protocol -----------------------------------------------------------------------------------------------------

OTHER: dict[str, Any] = {  # a value of each setting that is not the default
    "aperiodic.memory_s": 2.0,
    "aperiodic.low_hz": 5.0,
    "aperiodic.high_hz": 30.0,
    "burst.threshold": 2.0,
    "burst.cycles": 0.5,
    "burst.memory_s": 5.0,
    "connectivity.memory_s": 1.0,
    "connectivity.pairs": False,
    "iaf.memory_s": 1.0,
}
SETTINGS = [
    f"{name}.{setting}"
    for name in registry.names("feature")
    for setting in registry.settings_of(registry.find("feature", name))
]


@pytest.fixture(scope="module")
def lively() -> Samples:
    """Return half a minute with bursts, noise that is coupled, and a slope."""
    x = bursting([6.0, 9.0, 12.0, 14.0, 17.5, 20.0])[: 24 * 250]
    x[:, 6:] += narrow(len(x), 9, 12, 3, rms=8.0)[:, None]
    x[:, 0] += np.roll(x[:, 6], 6)
    return x


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_an_effect(setting: str, lively: Samples) -> None:
    name, _, key = setting.partition(".")
    usual = play(derived(name), lively, FS)
    other = play(derived(name, **{name: {key: OTHER[setting]}}), lively, FS)
    told = [[row.values.tolist() + [event.strength for event in row.events] for row in rows] for rows in (usual, other)]
    assert told[0] != told[1]


@pytest.mark.parametrize("name", registry.names("feature"))
def test_every_feature_keeps_its_promises(name: str, lively: Samples) -> None:
    """Conformance: a new file in the folder is found and tested by being there."""
    feature = registry.build("feature", name, {}, name)
    assert feature.scale in ("log", "linear")
    assert (np.asarray(feature.spread) > 0).all()
    assert type(feature).__doc__ is not None and "(" in type(feature).__doc__, "the docstring names the source"
    rows = play(derived(name), lively, FS)
    given = [n for n in rows[0].names if f"raw.{n}" in rows[0] and n.partition(".")[0] not in rows[0].names[:5]]
    assert given or any(row.events for row in rows)
    assert {*given} <= {*getattr(type(feature), "names", (name,))}
    for given_name in given:
        values = raw(rows, given_name)
        assert np.isfinite(values).all()
        assert values.std() > 0
        assert feature.scale != "log" or (values > 0).all()
    again = play(derived(name), lively, FS)
    assert all((one.values == other.values).all() for one, other in zip(rows, again, strict=True))
    assert [row.events for row in again] == [row.events for row in rows]
    sections = Sections(bands={"gamma": (30.0, 45.0)})
    poor = bank.build(StreamInfo("t", ("1",), FS), sections, {name: registry.build("feature", name, {}, name)})
    last = play(poor, lively[:, :1], FS)[-1]
    assert np.isfinite(last.values).all()


def test_the_range_of_a_slow_feature_begins_when_it_is_steady() -> None:
    class Slow:
        scale, spread, settle_s = "linear", 1.0, 3.0

        def prepare(self, setup: object) -> bool:
            self.n = 0
            return True

        def compute(self, analysis: object) -> float:
            self.n += 1
            return 50.0 if self.n < 100 else np.sin(self.n / 20)  # 2 s of nonsense, then ±1

    class Hasty(Slow):
        settle_s = 0.0

    made = bank.build(StreamInfo("t", CYTON, FS), Sections(), {"slow": Slow(), "hasty": Hasty()})
    rows = play(made, pink(int(12 * FS), 8, FS), FS)[300:]
    span = {name: np.ptp([row[name] for row in rows]) for name in ("slow", "hasty")}
    assert span["slow"] > 0.6 > 0.3 > span["hasty"]


@pytest.mark.parametrize("value", [0.0, 1e5])
def test_features_of_a_dead_or_wild_signal_are_finite(value: float) -> None:
    x = value * np.random.default_rng(0).standard_normal((1500, 8))
    for row in play(derived(), x, FS):
        assert np.isfinite(row.values).all()


@pytest.mark.parametrize("name", registry.names("feature"))
def test_no_feature_goes_through_the_channels_one_by_one(name: str) -> None:
    """In Python, that is: what would hold up the tick of a large headset.  The benchmark has the figures."""
    made = derived(name, channels=tuple(scalp(64)), samplerate=500.0)
    feature = made._derived[0][0]
    x = pink(3000, 64, 500.0)
    play(made, x[:1500], 500.0)  # compiled, and begun
    for end in range(1500, 1800, 10):
        made.spectral.analyse(window(x, end, made.spectral.n_taps, 500.0))
        made.spectral.pool()
        assert 0 < steps(lambda: feature.compute(made.spectral.analysis)) < 64  # each round of a loop is one at least


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python were gone through."""
    done, before = [0], sys.gettrace()

    def step(frame: FrameType, event: str, _: object) -> Any:
        done[0] += event == "line"
        return step

    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return done[0]


# --- the configuration ------------------------------------------------------------------------------------------------


def test_features_can_be_switched_off_and_set() -> None:
    overrides = [
        'features.derived=["engagement","connectivity"]',
        "features.settings.connectivity.pairs=false",
        "source.duration_s=2",
    ]
    done = render(config.load(None, overrides, {"output": {}}), {})
    frame = done.session.frame
    assert frame is not None
    assert "connectivity" in frame.features and "engagement" in frame.features
    assert not any(name.startswith("connectivity.") for name in frame.features.names)
    assert not {"iaf", "relaxation"} & {*frame.features.names}


def test_wrong_names_and_settings_of_features_are_told_with_all_the_rest() -> None:
    overrides = [
        'features.derived=["engagment"]',
        "features.settings.iaff.memory_s=3",
        "features.settings.iaf.memory=3",
        "features.settings.burst.threshold=0.5",
        "features.settings.aperiodic.low_hz=15",
        "features.settings.synchrony=3",
        "features.reference=Cz",
    ]
    with pytest.raises(ConfigError) as caught:
        config.load(None, overrides)
    text = str(caught.value)
    assert text.startswith("7 problems")
    assert "features.derived: there is no feature 'engagment'; did you mean 'engagement'?" in text
    assert "features.settings.iaff: there is no feature 'iaff'; did you mean 'iaf'?" in text
    assert "features.settings.iaf.memory: feature 'iaf' has no setting 'memory'; did you mean 'memory_s'?" in text
    assert "features.settings.burst.threshold: input should be greater than 1, got 0.5" in text
    assert "features.settings.aperiodic: low_hz is 15 and high_hz 40: too little for a line" in text
    assert "features.settings.synchrony: input should be a valid dictionary, got 3" in text
    assert "features.reference: is " in text

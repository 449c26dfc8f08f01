"""What the music follows is the brain, 100 ms ago: delays, what they cost, and what is learned about a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon import config
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.features import bank, delays, kernels
from brainmusic_daemon.features.kernels import Prior, Tabulated
from brainmusic_daemon.features.spectrum import Learner
from brainmusic_daemon.sections import BANDS, FeaturesConfig
from brainmusic_daemon.service.render import render_files
from tests import edf_writer
from tests.parts import CHECKOUT, recordings
from tests.signals import CYTON, Sections, feature_bank, pink, play, sine, window

FS = 250.0


def shaped(density: kernels.Density, seconds: float, n_channels: int = 1, seed: int = 0) -> np.ndarray:
    """Return Gaussian noise (n, n_channels) of this spectrum between 0.3 and 48 Hz."""
    n = int(seconds * FS)
    f = np.fft.rfftfreq(n, 1 / FS)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((n, n_channels)), axis=0)
    spectrum *= (np.sqrt(density.density(np.maximum(f, 0.3))) * ((f > 0.3) & (f < 48)))[:, None]
    return np.fft.irfft(spectrum, n, axis=0)


def envelope(x: np.ndarray, band: tuple[float, float], samplerate: float = FS) -> np.ndarray:
    """Return the zero-phase envelope of a band (n,), by FFT."""
    spectrum = np.fft.fft(x - x.mean())
    f = np.fft.fftfreq(len(x), 1 / samplerate)
    spectrum[~((f >= band[0]) & (f <= band[1]))] = 0
    return 2 * np.abs(np.fft.ifft(spectrum))


# --- delays -----------------------------------------------------------------------------------------------------------


def test_fast_bands_keep_the_wanted_delay_and_slow_ones_wait_for_their_fidelity() -> None:
    chosen = delays.choose(BANDS, 0.075, kernel_s=1.0)
    assert chosen["alpha"] == chosen["beta"] == chosen["gamma"] == 0.075
    assert 0.15 < chosen["theta"] < chosen["delta"] <= 0.5


def test_without_fidelity_no_band_waits_and_a_wanted_delay_is_obeyed() -> None:
    assert set(delays.choose(BANDS, 0.06, kernel_s=1.0, fidelity=0.0).values()) == {0.06}
    chosen = delays.choose(BANDS, 0.06, kernel_s=1.0, wanted={"theta": 0.1, "beta": 0.02})
    assert (chosen["theta"], chosen["beta"]) == (0.1, 0.02)


def test_the_shortest_delay_that_is_enough_is_taken() -> None:
    theta, prior = {"theta": BANDS["theta"]}, delays.expected(BANDS)
    chosen = delays.choose(theta, 0.05, kernel_s=1.0, prior=prior)["theta"]

    def correlation(delay: float) -> float:
        made = kernels.design([BANDS["theta"]], 128.0, 128, [delay], prior)
        return float(delays.expected_correlation(made, [BANDS["theta"]], np.array([delay]), 128.0, prior)[0])

    assert 0.89 <= correlation(chosen) < 0.9 and correlation(chosen - 0.005) < 0.89


@pytest.mark.parametrize("kernel_s", [0.1, 0.3, 1.0])
def test_no_band_waits_longer_than_half_its_kernel_unless_told_to(kernel_s: float) -> None:
    assert max(delays.choose(BANDS, 0.04, kernel_s=kernel_s).values()) <= kernel_s / 2 + 1e-9
    assert delays.choose(BANDS, 0.7, kernel_s=1.0)["alpha"] == 0.7


def test_settings_reach_the_kernels() -> None:
    made = feature_bank(sections=Sections(delay_ms=60, delays_ms={"theta": 120}, fidelity=0.0))
    assert made.spectral.delays == pytest.approx({name: 0.06 for name in BANDS} | {"theta": 0.12})
    with pytest.raises(ConfigError, match="no band 'teta'"):
        config.resolve({"features": {"delays_ms": {"teta": 100}}})


def test_a_persons_own_alpha_moves_the_peak_that_is_expected() -> None:
    slow = {**BANDS, "theta": (3.5, 6.5), "alpha": (6.5, 10.5)}
    assert delays.expected(slow).alpha_hz == pytest.approx(8.3, abs=0.1)
    for alpha in ((6.5, 10.5), (8.0, 12.0), (9.5, 13.5), (9.0, 14.0)):  # a narrow band has a narrow peak in it
        chosen = delays.choose({**BANDS, "theta": (alpha[0] - 4, alpha[0]), "alpha": alpha}, 0.075, kernel_s=1.0)
        assert chosen["alpha"] == 0.075 and chosen["theta"] > 0.15


# --- what is promised, holds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("band", BANDS)
def test_the_correlation_that_is_foretold_is_found(band: str) -> None:
    prior, edges = Prior(), BANDS[band]
    x = shaped(prior, 240)[:, 0]
    for delay in (0.05, 0.1, 0.25):
        made = kernels.design([edges], FS, 250, [delay], prior)
        foretold = float(delays.expected_correlation(made, [edges], np.array([delay]), FS, prior)[0])
        found = np.abs(np.convolve(x, made[::-1, 0])[: len(x)])
        truth = np.interp(np.arange(len(x)) / FS - delay, np.arange(len(x)) / FS, envelope(x, edges))
        inner = slice(500, -500)
        assert np.corrcoef(found[inner], truth[inner])[0, 1] == pytest.approx(foretold, abs=0.03)


@pytest.mark.parametrize("samplerate", [128.0, 250.0, 1000.0])
def test_offsets_drift_mains_and_harmonics_and_noise_are_bounded(samplerate: float) -> None:
    prior, chosen = delays.expected(BANDS), delays.choose(BANDS, 0.075, kernel_s=1.0)
    made = kernels.design([*BANDS.values()], samplerate, round(samplerate), [*chosen.values()], prior)
    assert np.abs(made.sum(axis=0)).max() < 1e-9
    for name, promise in delays.promises(made, BANDS, chosen, samplerate, prior).items():
        assert promise.mains_db > 60, name
        assert promise.drift_db < -50, name
        assert promise.noise_db < 1, name
        assert promise.leakage < 0.07, name
        assert 0.2 < promise.settling <= 1.0, name


@pytest.mark.parametrize("kind", ["flat", "steep", "huge alpha", "mains in it"])
def test_the_bounds_hold_whatever_spectrum_was_measured(kind: str) -> None:
    f = np.arange(1.0, 100.0)
    values = {
        "flat": np.ones(len(f)),
        "steep": f**-3.0,
        "huge alpha": 1 / f + 100 * np.exp(-0.5 * (f - 10) ** 2),
        "mains in it": 1 / f + 1e5 * np.isin(f, (49.0, 50.0, 51.0)),
    }[kind]
    spectrum = Tabulated(f, values)
    chosen = delays.choose(BANDS, 0.075, kernel_s=1.0)
    made = kernels.design([*BANDS.values()], FS, 250, [*chosen.values()], spectrum)
    for promise in delays.promises(made, BANDS, chosen, FS, spectrum).values():
        assert promise.mains_db > 50 and promise.drift_db < -40 and promise.noise_db < 10


def test_a_step_has_left_the_output_after_the_settling_time() -> None:
    prior = Prior()
    made = kernels.design([BANDS["gamma"]], FS, 250, [0.075], prior)
    promise = delays.promises(made, {"gamma": BANDS["gamma"]}, {"gamma": 0.075}, FS, prior)["gamma"]
    step = np.zeros(1000)
    step[500:] = 1000.0
    answer = np.abs(np.convolve(step, made[::-1, 0])[:1000])
    after = 500 + round(promise.settling * FS)
    assert answer[after:].max() <= 10.0 < answer[500:after].max()


# --- learning the person ----------------------------------------------------------------------------------------------


def learned(x: np.ndarray, good: np.ndarray | None = None, prior: Prior | None = None) -> kernels.Density | None:
    learner = Learner(x.shape[1], FS, 0.5, 250, 30.0)
    for end in range(250, len(x) + 1, 125):
        if not learner.full:
            learner.add(window(x, end, 250, FS), np.ones(x.shape[1], bool) if good is None else good)
    assert learner.full
    return learner.spectrum(prior or Prior())


def test_the_spectrum_of_a_person_is_learned() -> None:
    person = Prior(exponent=1.0, alpha=15.0, alpha_hz=9.0)
    found = learned(shaped(person, 40, 8))
    assert found is not None
    f = np.arange(3.0, 40.0)
    error = np.log(found.density(f) / person.density(f))
    assert np.abs(error - np.median(error)).mean() < 0.3  # a factor of 1.35; a second's window smears the peak
    assert f[np.argmax(found.density(f) * f)] == pytest.approx(9.0, abs=1.0)


def test_mains_and_bursts_do_not_get_into_it() -> None:
    person = Prior(alpha=4.0)
    x = shaped(person, 40, 4)
    disturbed = x + 100 * sine(len(x), FS, 50.0)[:, None] * x.std()
    disturbed[2000:2500] += 30 * x.std() * np.random.default_rng(3).standard_normal((500, 4))
    f = np.arange(3.0, 45.0)
    clean, found = learned(x), learned(disturbed)
    assert clean is not None and found is not None
    assert np.abs(np.log(found.density(f) / clean.density(f))).max() < 0.7


def test_bad_channels_are_not_asked() -> None:
    x = shaped(Prior(alpha=15.0), 40, 4)
    x[:, 3] = 1e3 * np.random.default_rng(2).standard_normal(len(x))
    good = np.array([True, True, True, False])
    f = np.arange(3.0, 45.0)
    first, second = learned(x, good), learned(x[:, :3])
    assert first is not None and second is not None
    assert np.allclose(first.density(f), second.density(f))
    assert learned(x, np.zeros(4, bool)) is None


def improving(made: bank.FeatureBank, x: np.ndarray) -> np.ndarray:
    """Play x as the session does, learning beside the ticks; return raw.alpha and alpha of each tick (n, 2)."""
    rows = []
    for end in range(250, len(x) + 1, 5):
        made.improve()
        features = made.update(end / FS, window(x, end, 250, FS), alive=True)
        rows.append((features["raw.alpha"], features["alpha"]))
    return np.array(rows)


def test_new_kernels_come_without_a_step_and_the_same_every_time() -> None:
    x = 10 * shaped(Prior(alpha=20.0, alpha_hz=9.0), 20, 4)
    made = feature_bank(CYTON[4:], sections=Sections(learn_s=8.0))
    first = improving(made, x)
    assert isinstance(made.spectral.prior, Tabulated)
    assert np.array_equal(first, improving(feature_bank(CYTON[4:], sections=Sections(learn_s=8.0)), x))
    never = feature_bank(CYTON[4:], sections=Sections(learn_s=0.0))
    plain = improving(never, x)
    assert isinstance(never.spectral.prior, Prior)
    changed = np.flatnonzero(first[:, 0] != plain[:, 0])
    assert 300 < changed[0] < 600 and changed[-1] > 900
    # a tick moves the feature no more than ticks do anyway, while the kernels change
    fade = slice(changed[0] - 2, changed[0] + 55)
    assert np.abs(np.diff(first[fade, 1])).max() < 1.2 * np.abs(np.diff(plain[fade, 1])).max() + 0.01
    assert first[changed[0] + 60 :, 0].mean() == pytest.approx(plain[changed[0] + 60 :, 0].mean(), rel=0.15)


def test_what_was_learned_follows_the_person_better() -> None:
    """Strong slow alpha beside theta: kernels that know of it leave more of it out."""
    person = Prior(alpha=40.0, alpha_hz=9.5)
    x = shaped(person, 120, 4)
    spectrum = learned(x[: int(40 * FS)])
    assert spectrum is not None
    band, delay, t = BANDS["theta"], 0.15, np.arange(len(x)) / FS
    truth = np.interp(t - delay, t, envelope(x[:, 0], band))
    inner = slice(int(45 * FS), -500)
    r = []
    for density in (Prior(alpha=0.0), spectrum):
        made = kernels.design([band], FS, 250, [delay], density)[:, 0]
        r.append(np.corrcoef(np.abs(np.convolve(x[:, 0], made[::-1])[: len(x)])[inner], truth[inner])[0, 1])
    assert r[1] > r[0] + 0.03


def test_a_window_too_short_to_tell_alpha_from_theta_teaches_nothing() -> None:
    made = feature_bank(sections=Sections(kernel_s=0.3, learn_s=5.0))
    play(made, pink(int(8 * FS), 8, FS), FS)
    made.improve()
    assert isinstance(made.spectral.prior, Prior)


# --- on real heads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["S001", "S002"])
def test_alpha_from_render_is_the_alpha_of_100_ms_ago(subject: str, tmp_path: Path) -> None:
    """Tick 20 ms and delay 75 ms: the median over O1 Oz O2 correlates with the zero-phase envelope by 0.96 or more."""
    import mne

    path = recordings() / "eyes_open_closed" / f"{subject}R02.edf"
    table = tmp_path / "out.csv"
    render_files(path, None, [], files={"csv": table})
    with table.open(encoding="utf-8") as lines:
        head = lines.readline().rstrip().split(",")
    columns = [head.index("time"), *(head.index(f"feature.raw.alpha.{name}") for name in ("O1", "Oz", "O2"))]
    rows = np.loadtxt(table, delimiter=",", skiprows=1, usecols=columns)
    assert FeaturesConfig().delay_ms + 20 <= 100
    raw = mne.io.read_raw_edf(path, verbose="error")
    at = np.arange(raw.n_times) / raw.info["sfreq"]
    inner = (rows[:, 0] > 2) & (rows[:, 0] < at[-1] - 2)
    r = []
    for column, name in enumerate(("O1..", "Oz..", "O2.."), start=1):
        truth = envelope(1e6 * raw.get_data(picks=[name])[0], (8.0, 13.0), raw.info["sfreq"])
        wanted = np.interp(rows[inner, 0] - 0.1, at, truth)
        r.append(np.corrcoef(np.sqrt(rows[inner, column]), wanted)[0, 1])
    assert np.median(r) >= 0.96


def test_the_benchmark_runs_on_any_recording(tmp_path: Path) -> None:
    path = tmp_path / "mine.edf"
    x = 10 * shaped(delays.expected(BANDS), 24, 8)
    x = np.array([np.interp(np.arange(24 * 128) / 128, np.arange(len(x)) / FS, column) for column in x.T]).T
    edf_writer.write(path, x, CYTON, 128)
    command = [sys.executable, str(CHECKOUT / "scripts" / "bench_signal"), str(path), "--only", "envelope", "range"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| brainmusic "))
    assert float(row.split("|")[2]) > 0.85
    assert "BrainFlow band power" in done.stdout and "mine" in done.stdout
    missing = subprocess.run(
        [*command[:2], str(tmp_path / "no.edf"), "--only", "range"], capture_output=True, text=True
    )
    assert missing.returncode != 0 and "Traceback" not in missing.stderr and "no.edf" in missing.stderr


# --- what people are told ---------------------------------------------------------------------------------------------


def test_check_tells_what_each_band_can_be_had_for() -> None:
    from brainmusic_daemon.service import describe

    def described(**features: object) -> describe.Description:
        return describe.describe(config.resolve({"source": {"kind": "lsl"}, "features": features, "output": {}}))

    found = described()
    assert (found.samplerate, found.assumed) == (250.0, True)
    assert found.promises["alpha"].delay == 0.075 and found.promises["theta"].delay > 0.15
    assert [wait.split()[0].rstrip(":") for wait in found.waits] == ["delta", "theta"]
    assert "out of reach" in found.waits[0]
    told = described(fidelity=0.0, delays_ms={"theta": 120})
    assert not told.waits and told.promises["theta"].delay == 0.12 and told.promises["delta"].delay == 0.075


def test_the_status_names_bands_with_a_delay_of_their_own() -> None:
    from brainmusic_daemon.api import StreamInfo
    from brainmusic_daemon.service import status
    from brainmusic_daemon.service.daemon import Daemon

    daemon = Daemon(config.resolve({"source": {"kind": "simulator"}, "output": {}}))
    daemon.session.pipeline.prepare(StreamInfo("test", CYTON, FS))
    daemon.session.frame = daemon.session.pipeline.idle(0.02)
    shown = status.snapshot(daemon)
    assert shown.analysis_delay_ms == 75 and set(shown.band_delays_ms) == {"delta", "theta"}
    assert f"75 ms (delta {shown.band_delays_ms['delta']:.0f}, theta" in status.timing(shown)

"""Profiles: what is in them, what they refuse, and what of them fits another headset."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon import config
from brainmusic_daemon.api import ConfigError, StreamInfo
from brainmusic_daemon.features import bank, peak, profile_file, ranges
from brainmusic_daemon.features.drift import Drift
from brainmusic_daemon.features.profile import Fit, Profile, Ranges
from brainmusic_daemon.features.ranges import measure
from brainmusic_daemon.sections import BANDS
from brainmusic_daemon.service import describe
from tests.faults import find
from tests.signals import CYTON, Sections, feature_bank, pink, play, sine

FS = 250.0


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path / "profiles"))


def profile(**changes: object) -> Profile:
    names = feature_bank().names
    names = names[: len(names) // 2]
    n, f = len(names), np.arange(1.0, 100.0, 0.25)
    usual = np.log([[[20.0, 28.0, 40.0], [60.0, 80.0, 110.0]]])
    made = Profile(
        name="anna",
        made=date.today().replace(month=5, day=3),  # the year is said only when it is another
        source='a "Cyton" \\ of 2026',
        uid="cyton-1",
        channels=CYTON,
        samplerate=FS,
        usable=CYTON,
        reference="none",
        conditions={"open": 30.0, "closed": 29.5},
        alpha_hz=10.75,
        confidence=0.9,
        bands=peak.personal(BANDS, 10.75),
        mains_hz=50.0,
        noise_uv=0.3,
        f=f,
        density=100 / f,
        ranges=Ranges(
            names,
            np.arange(n) < n - 2,
            np.full(n, np.log(50.0)),
            np.full((n, 2), 1.0),
            np.tile(np.log([[20.0, 110.0]]), (n, 1)),
            np.tile(usual, (n, 1, 1)),
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def equal(a: Profile, b: Profile) -> bool:
    arrays = all(
        np.array_equal(getattr(a.ranges, key), getattr(b.ranges, key))
        for key in ("names", "logarithmic", "middle", "spread", "reach", "usual")
    )
    none = {"f": np.zeros(0), "density": np.zeros(0), "ranges": a.ranges}
    same_arrays = np.array_equal(a.f, b.f) and np.array_equal(a.density, b.density)
    return arrays and same_arrays and str(replace(a, **none)) == str(replace(b, **none))  # type: ignore[arg-type]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"alpha_hz": None, "mains_hz": None, "confidence": 0.0, "bands": BANDS}])
def test_a_profile_comes_back_as_it_was(changes: dict[str, object]) -> None:
    made = profile(**changes)
    path = profile_file.save(made)
    assert equal(profile_file.load("anna"), made)
    assert "version = 1" in path.read_text(encoding="utf-8")
    assert profile_file.known() == ["anna"]
    assert {found.suffix for found in path.parent.iterdir()} == {".toml", ".npz"}


@pytest.mark.parametrize("name", ["", "../anna", "a/b", "a b", "nul", "COM1", "x" * 80, ".hidden", "a.toml", "-x"])
def test_a_name_is_one_safe_word(name: str) -> None:
    with pytest.raises(ConfigError, match="one word"):
        profile_file.check_name(name)


@pytest.mark.parametrize("name", ["anna", "Anna-2", "jürgen", "s_01"])
def test_ordinary_names_are_fine(name: str) -> None:
    profile_file.save(profile(name=name))
    assert profile_file.load(name).name == name


def test_a_profile_that_is_not_there_names_those_that_are() -> None:
    profile_file.save(profile())
    with pytest.raises(ConfigError, match=r"no profile 'ana'.*there are anna.*brainmusic calibrate ana"):
        profile_file.load("ana")


def broken(text: str) -> dict[str, str]:
    return {
        "another version": text.replace("version = 1", "version = 7"),
        "no version": text.replace("version = 1\n", ""),
        "no TOML": "[[[",
        "of something else": "x = 1\nversion = 1\n",
        "a part is missing": text.replace("[bands]", "[bonds]"),
        "of another type": text.replace("samplerate = 250.0", 'samplerate = "fast"'),
        "upside down": text.replace("delta = [1, 4]", "delta = [4, 1]"),
        "empty": "",
    }


@pytest.mark.parametrize("how", broken(""))
def test_a_damaged_or_foreign_file_is_one_message_with_the_way_out(how: str) -> None:
    path = profile_file.save(profile())
    text = path.read_text(encoding="utf-8")
    damaged = broken(text)[how]
    assert damaged != text
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(ConfigError, match="make it anew with: brainmusic calibrate anna") as caught:
        profile_file.load("anna")
    row = find("profile-parts-mixed" if how == "of something else" else "profile-damaged")
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"


@pytest.mark.parametrize("how", ["gone", "cut", "of another"])
def test_arrays_that_do_not_belong_are_refused(how: str) -> None:
    path = profile_file.save(profile())
    arrays = path.with_suffix(".npz")
    if how == "gone":
        arrays.unlink()
    elif how == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-100])
    else:
        other = profile_file.save(profile(name="ben", density=profile().density * 2))
        arrays.write_bytes(other.with_suffix(".npz").read_bytes())
    with pytest.raises(ConfigError, match="make it anew") as caught:
        profile_file.load("anna")
    row = find("profile-damaged" if how == "gone" else "profile-parts-mixed")
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"


# --- in use -----------------------------------------------------------------------------------------------------------


def test_a_configuration_takes_the_persons_bands_unless_it_has_its_own() -> None:
    profile_file.save(profile())
    found = config.load(None, ["session.profile=anna"])
    assert found.profile is not None
    assert found.features.bands["alpha"] == (8.75, 12.75)
    assert found.features.bands["theta"] == (4.0, 8.75)
    assert found.features.bands["beta"] == (12.75, 30.0)
    own = config.load(None, ["session.profile=anna", "features.bands.alpha=[8, 13]"])
    assert own.features.bands == {"alpha": (8.0, 13.0)}
    assert config.load().profile is None
    assert describe.describe(found).profile == "anna, of 3 May"


def test_a_missing_profile_is_one_of_the_problems_of_a_configuration() -> None:
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*tick_ms.*session.profile: there is no profile 'x'"):
        config.load(None, ["session.profile=x", "features.tick_ms=3"])


def known_bank(known: Profile, channels: tuple[str, ...] = CYTON, samplerate: float = FS, **features: object):  # type: ignore[no-untyped-def]
    sections = Sections(**{"bands": dict(known.bands), **features})
    sections.profile = known  # type: ignore[assignment]
    return feature_bank(channels, samplerate, sections)


def test_with_a_profile_there_is_no_calibrating() -> None:
    x = pink(500, 8, FS) + sine(500, FS, 10.75, 20.0)[:, None]
    made = known_bank(profile())
    rows = play(made, x, FS)
    assert rows[0].state == "good"
    assert made.baseline.middle[made.index["alpha"]] == pytest.approx(np.log(50.0), abs=0.01)
    assert made.spectral.prior.mains_hz == (50.0,)
    assert made.remarks == []


def test_missing_channels_are_named_and_the_rest_is_used() -> None:
    made = known_bank(profile(), (*CYTON[:6], "F3", "F4"), 500.0)
    text = " ".join(made.remarks)
    assert "not here: O1, O2" in text
    assert "learn as they go: F3, F4" in text
    assert "500 Hz, and 250 Hz then" in text
    middle = made.baseline.middle
    assert middle[made.index["alpha"]] != 0  # most electrodes are the same
    assert middle[made.index["alpha.Fp1"]] != 0
    assert middle[made.index["alpha.F3"]] == 0  # unknown: learned as ever
    assert middle[made.index["beta.frontal"]] != 0  # half of them are the same


def test_a_headset_without_a_common_channel_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"profile 'anna' .*knows the channels Fp1.*this headset has 1, 2.*go without"
    ):
        known_bank(profile(), ("1", "2"))


def test_other_bands_or_another_reference_leave_the_ranges_unused() -> None:
    other = known_bank(profile(), bands=dict(BANDS))
    assert other.baseline.middle[other.index["alpha"]] == 0
    assert other.baseline.middle[other.index["gamma"]] != 0
    referenced = known_bank(profile(), reference="average")
    assert not referenced.baseline.middle.any()
    assert "reference is average, and was none" in " ".join(referenced.remarks)


@pytest.mark.parametrize(
    ("power", "says"),
    [(40.0, None), (100.0, None), (10.0, "alpha range has halved"), (440.0, "alpha range has doubled")],
)
def test_drift_is_told_in_one_line(power: float, says: str | None) -> None:
    known = profile()
    at = np.arange(5)
    names = known.ranges.names
    drift = Drift(known, Fit(at, at, ()), names, tuple(known.bands), 10.0, 0.02)
    raw = np.full(len(names), 60.0)
    while not drift.full:
        raw[2] = power
        drift.tick(raw)
    lines = drift.remarks()
    assert len(lines) == (says is not None)
    if says:
        assert lines[0].startswith(f"{says} since the calibration of 3 May")


def test_the_bank_compares_with_the_profile_once_and_says_so() -> None:
    quiet = pink(round(50 * FS), 8, FS, rms_uv=1.0)
    made = known_bank(profile())
    play(made, quiet, FS)
    made.improve()
    assert any("delta range has shrunk" in line or "delta range has halved" in line for line in made.remarks)
    count = len(made.remarks)
    made.improve()
    assert len(made.remarks) == count


# --- peaks and ranges -------------------------------------------------------------------------------------------------


def spectrum(alpha_hz: float | None, n: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    f = np.arange(0.0, 80.0, 0.25)
    density = 100 / np.maximum(f, 0.25)[:, None] ** 1.3 * np.ones(n)
    if alpha_hz:
        density *= 1 + 8 * np.exp(-0.5 * ((f - alpha_hz) / 0.8) ** 2)[:, None]
    return f, density * np.exp(0.1 * np.random.default_rng(seed).standard_normal(density.shape))


@pytest.mark.parametrize("hz", [7.4, 8.6, 10.0, 11.3, 13.2])
def test_the_alpha_peak_is_found_where_it_is(hz: float) -> None:
    found = peak.alpha_peak(*spectrum(hz))
    assert found is not None
    assert found.hz == pytest.approx(hz, abs=0.25)
    assert found.confidence > 0.8


def test_a_spectrum_without_a_peak_has_none_to_rely_on() -> None:
    for seed in range(5):
        found = peak.alpha_peak(*spectrum(None, seed=seed))
        assert found is None or found.confidence < 0.3


def test_channels_that_disagree_lower_the_confidence() -> None:
    f, one = spectrum(9.0)
    _, other = spectrum(12.5)
    found = peak.alpha_peak(f, np.column_stack([one[:, :2], other[:, :2]]))
    assert found is not None
    assert found.confidence < 0.7


def test_bands_follow_the_peak_and_stay_in_order() -> None:
    for hz in np.arange(7, 14.1, 0.5):
        bands = peak.personal(BANDS, float(hz))
        assert bands["alpha"] == (hz - 2, hz + 2)
        assert all(low < high for low, high in bands.values())
        assert bands["delta"] == BANDS["delta"]
    assert peak.personal(BANDS, None) == BANDS
    assert peak.personal({"mu": (9.0, 11.0)}, 12.0) == {"mu": (9.0, 11.0)}


@pytest.mark.parametrize("line", [50.0, 60.0, None])
def test_mains_are_found(line: float | None) -> None:
    f, density = spectrum(10.0)
    if line:
        density[np.abs(f - line) < 0.2] *= 20
    assert peak.mains(f, density[:, 0]) == line


def test_the_middle_lies_between_two_states_however_long_they_were() -> None:
    rng = np.random.default_rng(0)
    low, high = (np.exp(rng.standard_normal((n, 1)) + level) for n, level in ((500, 0.0), (5000, 2.0)))
    found = measure(("alpha",), np.array([True]), [low, high], 0.02)
    assert found.middle[0] == pytest.approx(1.0, abs=0.35)
    assert found.reach[0, 0] < 0.2
    assert found.reach[0, 1] > 1.8
    turned = measure(("alpha",), np.array([True]), [high, low], 0.02)
    assert turned.middle[0] == pytest.approx(found.middle[0])  # an inverse responder is one like any other


def test_one_state_alone_has_its_median_in_the_middle() -> None:
    x = np.random.default_rng(0).standard_normal((2000, 1)) + 3
    found = measure(("asymmetry",), np.array([False]), [x], 0.02)
    assert found.middle[0] == pytest.approx(np.median(x))
    assert found.usual.shape == (1, 1, 3)
    assert ranges.WINDOWS_S[0] == 2.0


def test_a_profile_of_a_real_bank_fits_the_same_bank_wholly() -> None:
    made = known_bank(profile())
    assert isinstance(made, bank.FeatureBank)
    fitting = bank.fit(profile(), StreamInfo("x", CYTON, FS), made.setup, made.names[: len(made.names) // 2], "none")
    assert len(fitting.at) == len(made.names) // 2

"""Which channels are listened to, against which reference, on headsets of any size and rate."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon import config
from brainmusic_daemon.acquisition.selection import select
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.features.montage import groups, setup
from brainmusic_daemon.features.reference import channels_of
from brainmusic_daemon.sections import BANDS, ArtifactsConfig
from brainmusic_daemon.service.render import render
from tests.signals import Sections, feature_bank, pink, play, sine

FS = 250.0
EARS = ("Fp1", "Fp2", "O1", "O2", "M1", "M2")


# --- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "channels", "expected"),
    [
        ("none", ("O1", "O2"), None),
        ("average", ("O1", "O2"), [0, 1]),
        ("linked", ("TP9", "AF7", "AF8", "TP10"), [0, 3]),
        ("linked", ("TP9", "O1", "TP10", "EEG m2-REF", "M1"), [4, 3]),
        ("linked", ("A1", "A2", "O1"), [0, 1]),
        (["Cz"], ("O1", "CZ", "O2"), [1]),
        (["O2", "o1"], ("O1", "CZ", "O2"), [0, 2]),
    ],
)
def test_the_channels_of_a_reference(reference: str, channels: tuple[str, ...], expected: list[int] | None) -> None:
    found = channels_of(reference, channels)
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    ("reference", "channels", "message"),
    [
        ("linked", ("O1", "O2"), r'"linked" needs a pair .*M1 and M2.*; there is O1, O2; use "average" or "none"'),
        ("linked", ("O1", "TP9"), r'reference = \["TP9"\] uses the one side'),
        ("linked", ("TP9", "TP10"), "TP9, TP10 is all there is"),
        ("average", ("O1",), "with the one channel O1 nothing would be left"),
        (["Fp11"], ("Fp1", "Cz"), "there is no 'Fp11'; did you mean 'Fp1'?"),
        (["O1"], ("O1",), "O1 is all there is"),
    ],
)
def test_a_reference_that_the_headset_lacks(reference: str, channels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("'?", r"'\?")):
        channels_of(reference, channels)


@pytest.mark.parametrize("value", ['"avarage"', '"Cz"', "[]", "3"])
def test_a_wrong_word_for_the_reference_shows_when_the_configuration_is_read(value: str) -> None:
    with pytest.raises(ConfigError, match=r'features.reference: is "none", "average", "linked", or a list'):
        config.load(None, [f"features.reference={value}"])


def referenced(reference: object, x: np.ndarray, channels: tuple[str, ...] = EARS) -> object:
    sections = Sections(reference=reference)
    sections.artifacts = ArtifactsConfig(enabled=False)  # what is in all channels alike may well be taken for eyes
    return play(feature_bank(channels, sections=sections), x, FS)[-1]


@pytest.mark.parametrize("reference", ["average", "linked", ["M1"], ["Fp1", "Fp2"]])
def test_a_reference_removes_what_all_channels_share(reference: object) -> None:
    x = pink(1500, len(EARS), FS, rms_uv=3.0) + sine(1500, FS, 10.5, 100.0)[:, None]
    row, plain = referenced(reference, x), referenced("none", x)
    assert row["raw.alpha"] < plain["raw.alpha"] / 50
    assert row["raw.alpha.O1"] < plain["raw.alpha.O1"] / 50


def test_a_reference_is_the_difference_of_the_samples() -> None:
    """On the products it is the same as on the samples, as both are linear."""
    x = pink(1500, len(EARS), FS)
    row = referenced("linked", x)
    by_hand = referenced("none", x - x[:, 4:].mean(axis=1, keepdims=True))
    for name in ("raw.alpha.O1", "raw.beta.Fp2", "raw.theta.frontal", "raw.connectivity"):
        assert row[name] == pytest.approx(by_hand[name], rel=1e-3), name


def test_the_electrodes_of_a_reference_are_in_no_average() -> None:
    x = pink(1500, 4, FS)
    muse = ("TP9", "AF7", "AF8", "TP10")
    row = referenced("linked", x, muse)
    assert "alpha.temporal" not in row
    assert row["raw.alpha"] == pytest.approx((row["raw.alpha.AF7"] + row["raw.alpha.AF8"]) / 2)
    assert "alpha.temporal" in referenced("average", x, muse)


def test_a_bad_electrode_leaves_the_reference() -> None:
    x = pink(4000, len(EARS), FS, rms_uv=3.0) + sine(4000, FS, 10.5, 50.0)[:, None]
    x[:, 5] = 1000 * np.random.default_rng(0).standard_normal(4000)
    linked, single = referenced("linked", x), referenced(["M1"], x)
    assert linked["raw.alpha.O1"] == pytest.approx(single["raw.alpha.O1"], rel=1e-4)


# --- choice of channels -----------------------------------------------------------------------------------------------

HEAD = ("Fp1", "Fp2", "C3", "Cz", "C4", "P7", "P8", "O1", "O2", "EMG1", "EMG2")


@pytest.mark.parametrize(
    ("channels", "exclude", "expected"),
    [
        ([], [], HEAD),
        (["occipital"], [], ("O1", "O2")),
        (["Occipital", "cz"], [], ("Cz", "O1", "O2")),
        (["left"], ["frontal"], ("C3", "P7", "O1")),
        (["midline"], [], ("Cz",)),
        (["scalp"], [], HEAD[:9]),
        ([], ["EMG*"], HEAD[:9]),
        (["C?", "emg2"], [], ("C3", "Cz", "C4", "EMG2")),
        (["mine"], ["Cz"], ("C3",)),
    ],
)
def test_channels_by_name_region_side_and_wildcard(
    channels: list[str], exclude: list[str], expected: tuple[str, ...]
) -> None:
    picks = select(HEAD, channels, exclude, lambda names: groups(names, named={"mine": ["C3", "Cz", "T9"]}))
    assert tuple(HEAD[i] for i in picks) == expected


@pytest.mark.parametrize(
    ("channels", "exclude", "message"),
    [
        (["ocipital"], [], "features.channels: the source has no channel 'ocipital'; did you mean 'occipital'?"),
        (["EMG"], [], "did you mean 'EMG[12]'?"),
        (["temporal"], [], "no channel of the source belongs to 'temporal'; there is Fp1, Fp2"),
        ([], ["X*"], r"features.exclude: the source has no channel 'X\*'"),
        (["frontal"], ["Fp?"], "no channel is left"),
    ],
)
def test_a_wish_that_matches_nothing_is_named(channels: list[str], exclude: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("'?", r"'\?")):
        select(HEAD, channels, exclude, groups)


def test_a_channel_that_is_named_like_a_region_is_that_channel() -> None:
    assert select(("left", "O1"), ["left"], [], groups) == [0]


def test_regions_by_position() -> None:
    pytest.importorskip("mne")
    assert 2 in groups(("A1", "A15", "A23"), montage="biosemi128")["occipital"]


def test_the_words_of_the_configuration_reach_the_source() -> None:
    resolved = config.load(
        None,
        ['features.channels=["occipital","mine"]', "source.duration_s=2", 'features.regions.mine=["Fp1"]'],
        {"output": {}},
    )
    done = render(resolved, {})
    assert done.session.acquisition.info is not None
    assert done.session.acquisition.info.channels == ("Fp1", "O1", "O2")


# --- size -------------------------------------------------------------------------------------------------------------


def scalp(n: int) -> list[str]:
    """Return n names of the 10-5 system, spread over the head."""
    rows = ["Fp", "O", "C", "P", "F", "FC", "AF", "CP", "PO", "AFF", "FFC", "FCC", "CCP", "CPP", "PPO", "TP", "FT", "T"]
    names = [f"{row}{column}" for column in ("1", "2", "z", "3", "4", "5", "6", "7", "8", "9", "10") for row in rows]
    names += [f"{row}{column}h" for column in range(1, 9) for row in rows[9:15]]
    names += [f"POO{column}h" for column in range(1, 11)]
    return names[:n]


@pytest.mark.parametrize(("n", "samplerate"), [(4, 128.0), (19, 257.2), (64, 500.0), (256, 1000.0), (8, 2000.0)])
def test_any_headset_runs_through_the_same_code(n: int, samplerate: float) -> None:
    channels = scalp(n)
    assert len({*channels}) == n
    overrides = [f"source.channels={channels}", f"source.samplerate={samplerate}", "source.duration_s=2.5"]
    done = render(config.load(None, [*overrides, "features.reference=average"], {"output": {}}), {})
    frame = done.session.frame
    assert frame is not None
    assert len(frame.features.channels) == n
    assert np.isfinite(frame.features.values).all()
    assert all(f"alpha.{region}" in frame.features for region in ("frontal", "occipital"))
    assert isinstance(done.session.clock, VirtualClock)


def test_pools_of_256_channels_share_them_out() -> None:
    made = setup(scalp(256), 1000.0, 0.02, BANDS)
    regions = [*made.pools.values()][1 : made.n_named]
    assert sum(len(members) for members in regions) == 256

"""Names become regions and sides, on every headset that people own."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.features.montage import Setup, region_of, setup, side_of
from brainmusic_daemon.sections import BANDS


def made(*channels: str, **options: object) -> Setup:
    return setup(channels, 250.0, 0.02, BANDS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "region", "side"),
    [
        ("Fp1", "frontal", "left"),
        ("AF8", "frontal", "right"),
        ("Fc5.", "central", "left"),
        ("TP9", "temporal", "left"),
        ("Cz..", "central", "midline"),
        ("EEG O1-REF", "occipital", "left"),
        ("PO7", "occipital", "left"),
        ("CP2", "parietal", "right"),
        ("T10", "temporal", "right"),
        ("AFF5h", "frontal", "left"),
        ("AUX", None, None),
        ("EMG1", None, None),
        ("1", None, None),
        ("A1", None, None),
    ],
)
def test_names(name: str, region: str | None, side: str | None) -> None:
    assert (region_of(name), side_of(name)) == (region, side)


def regions(found: Setup) -> dict[str, list[int]]:
    return {name: list(members) for name, members in list(found.pools.items())[1 : found.n_named]}


def test_a_muse_has_a_front_and_two_temples() -> None:
    muse = made("TP9", "AF7", "AF8", "TP10")
    assert regions(muse) == {"frontal": [1, 2], "temporal": [0, 3]}
    assert (list(muse.pools["left"]), list(muse.pools["right"])) == ([0, 1], [2, 3])
    assert list(muse.pools["frontal.left"]) == [1]
    assert list(muse.pools[""]) == [0, 1, 2, 3]


def test_rules_agree_with_positions_on_the_head() -> None:
    """Every 10-05 electrode lies on the side, and in front or behind, where its name says."""
    mne = pytest.importorskip("mne")
    name = "colin27_1005" if "colin27_1005" in mne.channels.get_builtin_montages() else "standard_1005"
    places = mne.channels.make_standard_montage(name).get_positions()["ch_pos"]
    known = {name: place for name, place in places.items() if region_of(name)}
    assert len(known) > 300
    for name, (x, _, _) in known.items():
        if side_of(name) == "midline":
            assert abs(x) < 0.005, name
        else:
            assert (side_of(name) == "left") == (x < 0), name
    depth = {
        region: np.median([place[1] for name, place in known.items() if region_of(name) == region])
        for region in ("frontal", "central", "parietal", "occipital")
    }
    assert depth["frontal"] > depth["central"] > depth["parietal"] > depth["occipital"]


def test_names_outside_10_20_by_position() -> None:
    biosemi = made("A1", "A15", "A23", "C29", "C7", montage="biosemi128")
    assert 2 in biosemi.pools["occipital"]


def test_an_unknown_montage_is_named() -> None:
    with pytest.raises(ConfigError, match="no montage 'biosemi7'"):
        made("A1", montage="biosemi7")


def test_regions_of_the_users_own() -> None:
    custom = made("1", "2", "3", named={"back": ["2", "3"], "nowhere": ["9"]})
    assert regions(custom) == {"back": [1, 2]}

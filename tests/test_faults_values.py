"""Electrodes fall off, amplifiers clip, numbers are none: music and recording are what docs/reliability.md says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.faults.bed import BEGIN, FS, LONG, Flow, Heard, Wire, check, farthest, listen
from tests.signals import sine


def changed(change: Callable[[np.ndarray], object], begin: float = BEGIN, end: float = 17.0) -> Flow:
    """Return a flow whose samples of these seconds were changed in place."""
    flow = Flow.healthy()
    change(flow.samples[flow.between(begin, end)])
    return flow


def to(value: float, channels: slice | int = slice(None)) -> Callable[[np.ndarray], object]:
    return lambda x: x.__setitem__((slice(None), channels), value)


def rested(heard: Heard, at: float) -> bool:
    """Return whether the music had glided to rest by then."""
    return heard.follow[int(np.searchsorted(heard.times, at))] < 0.5


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    heard = check("not-a-number", changed(to(np.nan)), 17, tmp_path)
    assert heard.counts == {"nonfinite": 8 * 500}


def test_holes_in_one_channel(tmp_path: Path) -> None:
    def holes(x: np.ndarray) -> None:
        x[[10, 200, 330, 480], [0, 1, 2, 5]] = np.nan, np.inf, -np.inf, np.nan

    assert check("not-a-number-here-and-there", changed(holes), 17, tmp_path).counts == {"nonfinite": 4}


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30])
def test_values_without_end(value: float, tmp_path: Path) -> None:
    assert check("infinite", changed(to(value)), 17, tmp_path).counts == {"nonfinite": 8 * 500}


def test_rails(tmp_path: Path) -> None:
    def both(x: np.ndarray) -> None:
        x[:] = np.where(np.arange(len(x))[:, None] % 2, 187_500.0, -187_500.0)

    for number, change in enumerate((to(187_500.0), both)):
        (tmp_path / str(number)).mkdir()
        check("railed", changed(change), 17, tmp_path / str(number))


def test_clipping(tmp_path: Path) -> None:
    heard = check("saturated", changed(lambda x: np.clip(20 * x, -40, 40, out=x)), 17, tmp_path)
    assert sum("saturated" in line for line in heard.said) >= 1


def test_flat_lines(tmp_path: Path) -> None:
    check("flat", changed(to(0.0)), 17, tmp_path)


def test_all_channels_dead(tmp_path: Path) -> None:
    heard = check("all-dead", changed(to(0.0), end=21.0), 21, tmp_path)
    assert not rested(heard, 16.5) and rested(heard, 20.5)
    assert any("flat" in line for line in heard.said)


def test_one_channel_dead(tmp_path: Path) -> None:
    others = listen(Wire(Flow.healthy()), LONG, 'features.exclude=["C4"]')
    heard = check("one-dead", changed(to(0.0, 3), end=LONG), BEGIN, tmp_path, beside=others)
    assert heard.frames[-1].features.quality[3] == 0


def test_six_of_eight_dead(tmp_path: Path) -> None:
    check("most-dead", changed(to(0.0, slice(0, 6)), end=20.0), 20, tmp_path)


def test_a_constant_offset(tmp_path: Path) -> None:
    heard = check("offset", changed(lambda x: np.add(x, 140_000.0, out=x), 0.0, LONG), BEGIN, tmp_path)
    assert farthest(heard, 12, LONG) < 1e-3  # 0.006 where the offset takes its share of float32's digits


def test_the_offset_jumps(tmp_path: Path) -> None:
    heard = check("offset-jumps", changed(lambda x: np.add(x, 140_000.0, out=x), end=LONG), BEGIN, tmp_path)
    assert not rested(heard, 16.0)


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_mains_on_one_channel(hz: float, tmp_path: Path) -> None:
    def hum(x: np.ndarray) -> None:
        x[:, 3] += sine(len(x), FS, hz, 1000.0)

    heard = check("mains-on-one", changed(hum), 17, tmp_path)
    assert heard.frames[int(16.5 / 0.02)].features.quality[3] == 0
    assert farthest(heard, 16, 17) < 2.0


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_mains_on_all_channels(hz: float, tmp_path: Path) -> None:
    def hum(x: np.ndarray) -> None:
        x += sine(len(x), FS, hz, 1000.0)[:, None]

    heard = check("mains-on-all", changed(hum, end=20.0), 20, tmp_path)
    assert rested(heard, 19.5)

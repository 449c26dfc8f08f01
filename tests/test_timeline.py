"""The timeline: every repair in its place, counted, and the same however the samples were chunked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.timeline import FILL_S, Timeline
from brainmusic_daemon.api import Chunk

FS = 250.0


@dataclass
class Raw:
    """What a source would send: one row per sample."""

    samples: np.ndarray  # (n, channels)
    times: np.ndarray
    numbers: np.ndarray | None = None

    def chunks(self, cuts: Sequence[int] = ()) -> list[Chunk]:
        """Cut at `cuts`, and wherever the numbers do not follow each other."""
        edges = {0, len(self.times), *(cut for cut in cuts if cut < len(self.times))}
        if self.numbers is not None:
            edges |= set((np.flatnonzero(np.diff(self.numbers) != 1) + 1).tolist())
        order = sorted(edges)
        return [
            Chunk(self.samples[a:b], self.times[a:b], None if self.numbers is None else int(self.numbers[a]))
            for a, b in pairwise(order)
        ]


def clean(n: int, channels: int = 2, fs: float = FS, first: int = 0, numbered: bool = False) -> Raw:
    """A random walk far from zero, each value unlike any other, exactly timed."""
    walk = np.cumsum(np.random.default_rng(3).normal(0, 5, (first + n, channels)), axis=0)[first:] + 50_000.0
    k = np.arange(first, first + n)
    return Raw(walk, k / fs, k if numbered else None)


def feed(raw: Raw, cuts: Sequence[int] = (), fs: float = FS, window: int = 500) -> tuple[Ring, Timeline]:
    ring = Ring(raw.samples.shape[1], 8000, window)
    timeline = Timeline(ring, fs)
    for chunk in raw.chunks(cuts):
        timeline.push(chunk, arrival=0.0)
    return ring, timeline


def signal(ring: Ring, n: int) -> np.ndarray:
    window = ring.newest(n)
    return window.samples + window.offset


def changed(timeline: Timeline) -> dict[str, int]:
    return {name: n for name, n in timeline.counts.items() if n and name != "samples"}


def drop(raw: Raw, first: int, n: int) -> Raw:
    keep = np.r_[0:first, first + n : len(raw.times)]
    return Raw(raw.samples[keep], raw.times[keep], None if raw.numbers is None else raw.numbers[keep])


@pytest.mark.parametrize("numbered", [True, False])
def test_clean_samples_pass_as_they_are(numbered: bool) -> None:
    raw = clean(600, numbered=numbered)
    ring, timeline = feed(raw, range(0, 600, 5))
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)
    assert timeline.counts["samples"] == 600 and not changed(timeline)
    assert ring.time == raw.times[-1], "an exact time stays exact"
    assert ring.newest(500).filled == 500 and not ring.newest(500).repaired.any()


@pytest.mark.parametrize("numbered", [True, False])
def test_a_short_gap_is_bridged_in_its_place(numbered: bool) -> None:
    raw = clean(1000, numbered=numbered)
    ring, timeline = feed(drop(raw, 800, 30), range(0, 1000, 7))
    assert changed(timeline) == {"gaps": 1, "lost": 30, "filled": 30}
    got = signal(ring, 300)
    bridge = np.linspace(raw.samples[799], raw.samples[830], 32)[1:-1]
    assert np.allclose(got[:100], raw.samples[700:800], atol=1e-3)
    assert np.allclose(got[100:130], bridge, atol=1e-3)
    assert np.allclose(got[130:], raw.samples[830:], atol=1e-3)
    assert ring.time == pytest.approx(raw.times[-1], abs=1e-9)


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("seconds", [FILL_S + 0.1, 274.0])
def test_a_long_gap_restarts_the_window(numbered: bool, seconds: float) -> None:
    lost = round(seconds * FS)
    raw = drop(clean(700 + lost, numbered=numbered), 600, lost)
    ring, timeline = feed(raw, range(0, 700, 5))
    assert changed(timeline) == {"gaps": 1, "lost": lost, "restarts": 1}
    window = ring.newest(500)
    assert window.filled == 100
    assert np.allclose(signal(ring, 500)[:400], raw.samples[600], atol=1e-2), (
        "padded with the first sample after the gap"
    )
    assert np.allclose(signal(ring, 100), raw.samples[-100:], atol=1e-2)
    assert ring.time == pytest.approx(raw.times[-1], abs=1e-9)


def test_how_long_a_gap_is_bridged_is_a_setting() -> None:
    ring = Ring(2, 8000, 500)
    timeline = Timeline(ring, FS, fill_s=1.0)
    for chunk in drop(clean(1000, numbered=True), 800, 100).chunks():
        timeline.push(chunk, 0.0)
    assert changed(timeline) == {"gaps": 1, "lost": 100, "filled": 100}


def test_two_devices_of_one_kind_that_differ_by_half_a_percent() -> None:
    """A Muse that states 256 Hz and sends 257.2: no gap, no drop, and the times follow."""
    raw = clean(256 * 60)
    raw.times = np.arange(len(raw.times)) / 257.2
    ring, timeline = feed(raw, range(0, len(raw.times), 12), fs=256.0)
    assert not changed(timeline)
    assert ring.time == pytest.approx(raw.times[-1], abs=0.0005)


@pytest.mark.parametrize("burst", [4, 12, 32])
def test_times_stamped_on_arrival_are_jitter_not_gaps(burst: int) -> None:
    """Every sample of a burst carries the time of the burst."""
    raw = clean(7500)
    true = raw.times.copy()
    raw.times = true[np.minimum((np.arange(7500) // burst + 1) * burst, 7499) - 1]
    raw.times += np.repeat(np.random.default_rng(1).normal(0, 0.004, 7500 // burst + 1), burst)[:7500]
    ring, timeline = feed(raw, range(0, 7500, burst))
    timeline.flush()
    assert timeline.counts["samples"] == 7500 and timeline.counts["lost"] == timeline.counts["restarts"] == 0
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)
    assert abs(ring.time - true[-1] - (burst - 1) / 2 / FS) < 0.006, "the line runs through the middle of the jitter"


def test_times_that_step_back_thousands_of_times_lose_no_sample() -> None:
    """Chunks stamped backwards from their arrival, which varies: what the OpenBCI GUI's streams look like."""
    rng = np.random.default_rng(5)
    raw = clean(15_000)
    shift = np.repeat(rng.uniform(0, 0.02, 3000), 5)
    true = raw.times.copy()
    raw.times = true + shift
    ring, timeline = feed(raw, range(0, 15_000, 5))
    timeline.flush()
    counts = timeline.counts
    assert counts["backward"] == int((np.diff(raw.times) < 0).sum()) > 900
    assert counts["samples"] == 15_000
    assert counts["lost"] == counts["restarts"] == counts["clock_steps"] == 0
    assert abs(ring.time - true[-1] - 0.01) < 0.005
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)


@pytest.mark.parametrize("hours", [1, -1, 5000, -5000])
@pytest.mark.parametrize("numbered", [True, False])
def test_a_clock_that_steps_by_hours_neither_stalls_nor_fills(hours: int, numbered: bool) -> None:
    raw = clean(2000, numbered=numbered)
    raw.times[1500:] += hours * 3600.0
    ring, timeline = feed(raw, range(0, 2000, 5))
    expected = {"clock_steps": 1, "backward": int(hours < 0), "restarts": int(not numbered)}
    assert changed(timeline) == {name: n for name, n in expected.items() if n}
    assert timeline.counts["samples"] == 2000
    assert ring.time == pytest.approx(raw.times[-1], abs=1e-6)
    assert np.allclose(signal(ring, 400), raw.samples[-400:], atol=1e-2)


def test_a_small_step_of_the_clock_is_followed_without_a_break() -> None:
    raw = clean(2000)
    raw.times[1500:] -= 0.1
    ring, timeline = feed(raw, range(0, 2000, 5))
    assert changed(timeline) == {"clock_steps": 1, "backward": 1}
    assert ring.time == pytest.approx(raw.times[-1], abs=1e-6) and ring.newest(500).filled == 500


def test_one_wrong_time_moves_nothing() -> None:
    raw = clean(2000)
    raw.times[1500] = 1e9
    ring, timeline = feed(raw, range(0, 2000, 5))
    assert changed(timeline) == {"backward": 1}
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)


def test_times_that_are_no_numbers_are_replaced() -> None:
    raw = clean(2000)
    raw.times[[0, 700, 701]] = np.nan, np.inf, -np.inf
    ring = Ring(2, 8000, 500)
    timeline = Timeline(ring, FS)
    for chunk in raw.chunks(range(0, 2000, 5)):
        timeline.push(chunk, arrival=float(np.nan_to_num(chunk.times, posinf=0, neginf=0)[-1]) + 0.01)
    assert timeline.counts["nonfinite"] == 3 and timeline.counts["samples"] == 2000
    assert timeline.counts["gaps"] == 0
    assert ring.time == pytest.approx(raw.times[-1], abs=0.01)


def test_a_chunk_sent_twice_counts_once() -> None:
    raw = clean(1000)
    twice = np.r_[0:500, 490:1000]
    ring, timeline = feed(Raw(raw.samples[twice], raw.times[twice]), range(0, 1010, 5))
    assert timeline.counts["duplicates"] == 10 and timeline.counts["samples"] == 1000
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)
    assert timeline.counts["gaps"] == 0


def test_numbers_sent_twice_count_once() -> None:
    raw = clean(1000, numbered=True)
    twice = np.r_[0:500, 490:1000]
    assert raw.numbers is not None
    ring, timeline = feed(Raw(raw.samples[twice], raw.times[twice], raw.numbers[twice]), range(0, 1010, 5))
    assert changed(timeline) == {"duplicates": 10, "backward": 1}
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-3)


def test_a_flat_signal_stamped_in_bursts_is_not_taken_for_duplicates() -> None:
    raw = Raw(np.full((1000, 2), 187_500.0), np.repeat(np.arange(200) * 0.02, 5))
    _, timeline = feed(raw, range(0, 1000, 5))
    timeline.flush()
    assert timeline.counts["samples"] == 1000


def test_a_device_that_counts_from_zero_again_goes_on() -> None:
    raw = clean(2000, numbered=True)
    assert raw.numbers is not None
    raw.numbers = np.r_[0:1000, 0:1000]
    ring, timeline = feed(raw, range(0, 2000, 5))
    assert changed(timeline) == {"clock_steps": 1, "restarts": 1}
    assert timeline.counts["samples"] == 2000
    assert np.allclose(signal(ring, 500), raw.samples[-500:], atol=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_none_are_held_counted_and_shown(bad: float) -> None:
    raw = clean(1000, channels=3, numbered=True)
    raw.samples = raw.samples.copy()
    raw.samples[900:910, 1] = bad
    with warnings.catch_warnings(), np.errstate(all="raise"):
        ring, timeline = feed(raw, range(0, 1000, 7))
    assert changed(timeline) == {"nonfinite": 10}
    assert ring.newest(100).repaired.tolist() == [False, True, False]
    got = signal(ring, 100)
    assert np.allclose(got[:10, 1], raw.samples[899, 1], atol=1e-3)
    assert np.allclose(got[:, [0, 2]], raw.samples[900:, [0, 2]], atol=1e-3)
    more = clean(249, channels=3, first=1000, numbered=True)
    for chunk in more.chunks(range(0, 249, 7)):
        timeline.push(chunk, 0.0)
    assert ring.newest(100).repaired.tolist() == [False, False, False], "a second after the last one it is forgotten"


def test_a_channel_that_begins_with_nothing_is_silent_until_it_speaks() -> None:
    raw = clean(400, channels=2, numbered=True)
    raw.samples = raw.samples.copy()
    raw.samples[:300, 1] = np.nan
    ring, timeline = feed(raw, range(0, 400, 5))
    got = signal(ring, 400)
    assert np.allclose(got[:300, 1], raw.samples[300, 1]), "the hold of its first value: no step of 50 mV"
    assert np.allclose(got[300:, 1], raw.samples[300:, 1], atol=1e-4)
    assert timeline.counts["nonfinite"] == 300


def test_a_channel_of_nothing_at_all_is_zero_and_shown() -> None:
    raw = clean(400, channels=2, numbered=True)
    raw.samples = raw.samples.copy()
    raw.samples[:, 0] = np.nan
    ring, _ = feed(raw, range(0, 400, 5))
    assert not signal(ring, 400)[:, 0].any() and ring.newest(400).repaired.tolist() == [True, False]


def test_a_reopened_source_begins_a_new_window() -> None:
    raw = clean(600, numbered=True)
    ring, timeline = feed(raw)
    timeline.resume()
    again = clean(50, first=5000, numbered=True)
    again.numbers = np.arange(50)
    for chunk in again.chunks([25]):
        timeline.push(chunk, 0.0)
    assert changed(timeline) == {"restarts": 1}
    assert ring.newest(500).filled == 50 and ring.time == again.times[-1]


# --- however it is chunked --------------------------------------------------------------------------------------------


def outcome(raw: Raw, cuts: Sequence[int]) -> tuple[object, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ring, timeline = feed(raw, cuts)
        timeline.flush()
    window = ring.newest(500)
    ready = (window.end, window.time, window.filled, window.repaired.tobytes(), window.offset.tobytes())
    return (*ready, ring._rows.tobytes(), tuple(sorted(timeline.counts.items())))


@st.composite
def rough_streams(draw: st.DrawFn) -> Raw:
    """Streams with everything that goes wrong, in any combination."""
    n = draw(st.integers(50, 900))
    numbered = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    raw = clean(n, numbered=numbered)
    samples, times = raw.samples.copy(), raw.times.copy()
    jitter = draw(st.sampled_from([0.0, 0.0, 1e-5, 0.002, 0.02]))
    times += rng.normal(0, jitter, n) if jitter else 0.0
    times *= draw(st.sampled_from([1.0, 250 / 251.2, 250 / 249.0]))
    burst = draw(st.sampled_from([1, 1, 6, 20]))
    times = times[np.minimum((np.arange(n) // burst + 1) * burst, n) - 1]
    for _ in range(draw(st.integers(0, 3))):
        times[draw(st.integers(0, n - 1)) :] += draw(st.sampled_from([0.05, -0.05, 0.3, -0.3, 40.0, -40.0, 4e4, -4e4]))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, n - 1)), draw(st.integers(1, 60))
        samples[at : at + length, draw(st.integers(0, 1))] = draw(st.sampled_from([np.nan, np.inf, 1e300]))
    if draw(st.booleans()):
        times[draw(st.integers(0, n - 1))] = draw(st.sampled_from([np.nan, 1e9, -1e9]))
    raw = Raw(samples, times, raw.numbers)
    for _ in range(draw(st.integers(0, 3))):
        raw = drop(raw, draw(st.integers(0, len(raw.times) - 1)), draw(st.sampled_from([1, 5, 62, 63, 200])))
        if len(raw.times) < 10:
            break
    n = len(raw.times)
    if n and draw(st.booleans()):
        at, back = draw(st.integers(0, n - 1)), draw(st.integers(1, 80))
        order = np.r_[0:at, max(0, at - back) : n]
        raw = Raw(raw.samples[order], raw.times[order], None if raw.numbers is None else raw.numbers[order])
    return raw


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rough_streams(), st.lists(st.integers(1, 900), max_size=60))
def test_chunking_changes_nothing(raw: Raw, cuts: list[int]) -> None:
    whole = outcome(raw, ())
    assert outcome(raw, cuts) == whole
    assert outcome(raw, range(len(raw.times))) == whole, "sample by sample"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rough_streams())
def test_nothing_is_swallowed_and_the_window_is_finite(raw: Raw) -> None:
    ring, timeline = feed(raw, range(0, 900, 5))
    timeline.flush()
    counts = timeline.counts
    assert counts["samples"] + counts["duplicates"] == len(raw.times)
    assert ring.end == counts["samples"] + counts["filled"] + counts["restarts"] * ring.window
    assert counts["filled"] <= counts["lost"]
    assert np.isfinite(ring._rows).all() and np.isfinite(ring.time)

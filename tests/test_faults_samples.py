"""Samples are dropped, doubled, swapped, late: the music and the recording are what docs/reliability.md says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainmusic_daemon.api import Chunk
from tests.faults.bed import BEGIN, FS, LONG, Flow, Wire, check, farthest, find, listen

K = np.arange(round(LONG * FS))


def inside(begin: float, end: float) -> np.ndarray:
    return (begin * FS <= K) & (end * FS > K)


def without(lost: np.ndarray, numbered: bool = True) -> Flow:
    return Flow.healthy(numbered=numbered).take(K[~lost])


def test_dropped_samples(tmp_path: Path) -> None:
    lost = inside(BEGIN, 20) & (np.random.default_rng(1).random(len(K)) < 0.05)
    heard = check("dropped-samples", without(lost), 20, tmp_path)
    assert heard.counts["filled"] == heard.counts["lost"] == lost.sum()
    assert farthest(heard, BEGIN, 20) < 2


def test_dropped_samples_without_numbers(tmp_path: Path) -> None:
    lost = inside(BEGIN, 20) & (np.random.default_rng(1).random(len(K)) < 0.05)
    heard = check("dropped-samples-of-a-headset-that-does-not-number-them", without(lost, False), 20, tmp_path)
    assert heard.counts["lost"] <= lost.sum()
    late = [frame.time - frame.features.sample_time for frame in heard.frames if frame.time > BEGIN]
    assert min(late) > -0.1 and max(late) < 0.3


def test_a_short_gap(tmp_path: Path) -> None:
    heard = check("short-gap", without(inside(BEGIN, 15.2)), 15.2, tmp_path)
    assert heard.counts == {"gaps": 1, "lost": 50, "filled": 50}


def test_a_gap(tmp_path: Path) -> None:
    heard = check("gap", without(inside(BEGIN, 15.6)), 15.6, tmp_path)
    assert heard.counts == {"gaps": 1, "lost": 150, "restarts": 1}


def test_a_drop_out(tmp_path: Path) -> None:
    heard = check("drop-out", without(inside(BEGIN, 18.0)), 18.0, tmp_path)
    assert next(f.time for f in heard.frames if f.features.state == "lost") < BEGIN + 1.0
    assert next(t for t, follow in zip(heard.times, heard.follow, strict=True) if t > 18.5 and follow > 0.5) < 20.5
    assert heard.said.count("source 'amp' is streaming again: 8 channels at 250 Hz") == 1


def test_a_backlog_is_not_played_after(tmp_path: Path) -> None:
    flow = Flow.healthy()
    flow.arrivals[inside(BEGIN, 18.0)] = 18.01
    heard = check("backlog", flow, 18.0, tmp_path)
    ages = [f.time - f.features.sample_time for f in heard.frames if f.time > 18.03]
    assert max(ages) < 0.05, "the newest counts"
    assert next(t for t, follow in zip(heard.times, heard.follow, strict=True) if t > 18.0 and follow > 0.5) < 19.0


TWICE = np.r_[0:4000, 3990:4500, 4490 : len(K)]


def test_duplicated_samples(tmp_path: Path) -> None:
    heard = check("duplicated-samples", Flow.healthy().take(TWICE), 18.0, tmp_path)
    assert heard.counts["duplicates"] == 20 and heard.session.counters()["samples"] == len(K)


def test_duplicated_samples_without_numbers(tmp_path: Path) -> None:
    flow = Flow.healthy(numbered=False).take(TWICE)
    heard = check("duplicated-samples-of-a-headset-that-does-not-number-them", flow, 18.0, tmp_path)
    assert heard.counts == {"duplicates": 20} and heard.session.counters()["samples"] == len(K)


class Frozen(Wire):
    """A driver that hands on the newest samples again and again for three seconds."""

    def read(self, timeout: float) -> Chunk | None:
        now = self._clock.now()
        if not BEGIN <= now < 18.0:
            self._said = -1.0
            return super().read(timeout)
        if self._said == now:
            return None
        self._said = now
        self._at = max(self._at, sum(at < now for at, _ in self._coming))
        return self.delivered[-1]


def test_the_same_samples_again_and_again(tmp_path: Path) -> None:
    row, source = find("frozen-driver"), Frozen(Flow.healthy())
    heard = listen(source, record=tmp_path / "a.xdf")
    assert next(f.time for f in heard.frames if f.features.state == "lost") < BEGIN + 1.0
    assert row.says(heard.said) and heard.finite()
    assert (
        row.seconds is not None
        and next(t for t, follow in zip(heard.times, heard.follow, strict=True) if t > 18 and follow > 0.99)
        < 18.0 + row.seconds
    )


def test_reordered_packets(tmp_path: Path) -> None:
    order = K.copy()
    for a in range(3750, 5000, 50):
        order[a : a + 5], order[a + 5 : a + 10] = K[a + 5 : a + 10], K[a : a + 5]
    heard = check("reordered-packets", Flow.healthy().take(order), 20, tmp_path)
    assert heard.counts["duplicates"] == heard.counts["filled"] == 125
    assert farthest(heard, BEGIN, 20) < 2


def test_reordered_samples_without_numbers(tmp_path: Path) -> None:
    order = K.copy()
    for a in range(3750, 5000, 7):
        order[a], order[a + 1] = K[a + 1], K[a]
    flow = Flow.healthy(numbered=False).take(order)
    heard = check("reordered-samples-of-a-headset-that-does-not-number-them", flow, 20, tmp_path)
    assert heard.counts == {"backward": 179}


def test_late_samples(tmp_path: Path) -> None:
    flow = Flow.healthy()
    flow.arrivals[inside(BEGIN, 18)] += 0.5
    flow.arrivals = np.maximum.accumulate(flow.arrivals)
    heard = check("late-samples", flow, 18.5, tmp_path)
    assert heard.counts == {}
    assert max(f.time - f.features.sample_time for f in heard.frames if 16 < f.time < 18) < 0.55


def test_bursts(tmp_path: Path) -> None:
    flow = Flow.healthy()
    there = inside(BEGIN, 18)
    flow.arrivals[there] = np.ceil(flow.times[there] / 0.5) * 0.5 + 0.01
    flow.arrivals = np.maximum.accumulate(flow.arrivals)
    assert check("bursts", flow, 18, tmp_path).counts == {}


def test_bursts_stamped_on_arrival(tmp_path: Path) -> None:
    flow = Flow.healthy(numbered=False)
    there = inside(BEGIN, 20)
    flow.times[there] = flow.arrivals[there] = ((np.floor(K / 25) + 1) * 0.1)[there]
    flow.arrivals = np.maximum.accumulate(flow.arrivals)
    heard = check("bursts-stamped-on-arrival", flow, 20, tmp_path)
    assert "restarts" not in heard.counts and heard.counts["lost"] <= 25, "the first burst looks like a gap"

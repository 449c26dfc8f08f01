"""The ring: one contiguous view, exact values at large offsets, never a torn window."""

import sys
import threading
import time

import numpy as np
import pytest

from brainmusic_daemon.acquisition.ring import Ring


def numbered(first: int, n: int, channels: int = 2) -> np.ndarray:
    """Samples whose every channel is the sample number."""
    return np.repeat(np.arange(first, first + n, dtype=np.float64)[:, np.newaxis], channels, axis=1)


@pytest.mark.parametrize("step", [1, 3, 7, 50])
def test_the_newest_samples_are_one_view_wherever_the_ring_stands(step: int) -> None:
    ring = Ring(2, 100, 20)
    for first in range(0, 1000, step):
        ring.write(numbered(first, step), time=first + step - 1, arrival=first + step - 1)
        window = ring.newest(20)
        assert np.shares_memory(window.samples, ring._flat) and window.samples.flags.c_contiguous
        absolute = window.samples + window.offset
        assert absolute[:, 0].tolist() == [max(0, k) for k in range(first + step - 20, first + step)]
        assert window.end == first + step and window.filled == min(20, first + step)
        assert window.time == first + step - 1


def test_before_anything_is_measured_the_window_is_empty_of_signal() -> None:
    ring = Ring(3, 40)
    window = ring.newest(10)
    assert window.samples.shape == (10, 3) and not window.samples.any() and window.filled == 0 and window.end == 0
    assert ring.arrival == -np.inf


def test_the_padding_holds_the_first_sample() -> None:
    ring = Ring(2, 40)
    ring.write(np.array([[140_000.0, -5.0], [140_001.0, -6.0]]), time=1.0, arrival=1.5)
    window = ring.newest(5)
    assert (window.samples + window.offset)[:, 0].tolist() == [140_000.0] * 4 + [140_001.0]
    assert window.filled == 2 and ring.arrival == 1.5


def test_a_large_offset_costs_no_precision() -> None:
    signal = np.random.default_rng(0).normal(0, 10, (50, 1))
    ring = Ring(1, 200, 50)
    ring.write(signal + 187_000.0, time=0.0, arrival=0.0)
    window = ring.newest(50)
    assert np.abs(window.samples + window.offset - 187_000.0 - signal).max() < 2e-6
    assert np.abs((signal + 187_000.0).astype(np.float32) - 187_000.0 - signal).max() > 1e-3, "float32 alone would lose"


def test_a_restart_pads_a_whole_window_and_counts_from_zero() -> None:
    ring = Ring(2, 100, 20)
    ring.write(numbered(0, 30), time=0.0, arrival=0.0)
    before = ring.newest(20)
    kept = before.samples.copy()
    ring.write(numbered(500, 3), time=0.0, arrival=0.0, restart=True)
    window = ring.newest(20)
    assert (window.samples + window.offset)[:, 1].tolist() == [500.0] * 18 + [501.0, 502.0]
    assert window.filled == 3 and window.end == 53
    assert np.array_equal(before.samples, kept), "a view handed out earlier stays what it was"
    assert np.array_equal(window.offset, before.offset), "the offset is constant per ring"


def test_a_first_write_is_no_restart() -> None:
    ring = Ring(1, 40, 10)
    ring.write(numbered(7, 2, 1), time=0.0, arrival=0.0, restart=True)
    assert ring.end == 2 and ring.newest(10).filled == 2


def test_a_stretch_longer_than_the_ring_leaves_its_newest_part() -> None:
    ring = Ring(1, 100, 20)
    ring.write(numbered(0, 1234, 1), time=0.0, arrival=0.0)
    assert ring.newest(20).samples[:, 0].tolist() == list(range(1214, 1234))


def test_a_ring_that_could_run_over_its_reader_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Ring(1, 30, 20)


def test_a_window_longer_than_the_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="made for 20"):
        Ring(1, 100, 20).newest(21)


def test_a_reader_beside_the_writer_never_sees_a_torn_window() -> None:
    ring, torn, seen, done = Ring(4, 4000, 100), [], set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            window = ring.newest(100)
            rows = window.samples + window.offset
            steps = np.diff(rows, axis=0)
            # consecutive numbers, or the hold of the first sample and then consecutive numbers
            held = 100 - window.filled
            good = (
                (steps[held:] == 1).all() and not steps[: max(0, held - 1)].any() and (np.ptp(rows, axis=1) == 0).all()
            )
            if not good:
                torn.append(rows)
            seen.add(window.end)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        at = 0
        for i in range(3000):
            ring.write(numbered(at, 5, 4), time=0.0, arrival=0.0, restart=i % 50 == 49)
            at += 5 if i % 50 != 48 else 10_000
            time.sleep(0)  # let the reader in: a writer that never pauses could run a whole ring ahead of it
    finally:
        done.set()
        reader.join()
        sys.setswitchinterval(interval)
    assert not torn and len(seen) > 20

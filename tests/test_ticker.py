"""Ticks come at absolute deadlines; what is late or missed is counted, and nothing drifts."""

from __future__ import annotations

import threading

import pytest

from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.service.metrics import Histogram
from brainmusic_daemon.service.ticker import Ticker
from tests.faults import find


def ticks(works: list[float], *, period: float = 0.02, start: float = 0.0) -> tuple[list[float], Ticker]:
    """Run one tick per entry of `works` (its seconds of work) on a virtual clock; return the deadlines."""
    clock, stop, seen = VirtualClock(start), threading.Event(), []

    def work(deadline: float) -> None:
        seen.append(deadline)
        clock.wait_until(clock.now() + works[len(seen) - 1])
        if len(seen) == len(works):
            stop.set()

    ticker = Ticker(clock, period, work)
    ticker.run(stop)
    return seen, ticker


def test_deadlines_are_multiples_of_the_period_however_long_it_runs() -> None:
    seen, ticker = ticks([0.005] * 1000, start=36_000.0)
    assert seen == [pytest.approx(36_000.0 + 0.02 * (n + 1), abs=1e-9) for n in range(1000)]
    assert ticker.counters()["late"] == ticker.counters()["missed"] == 0


def test_work_does_not_push_the_next_deadline() -> None:
    seen, _ = ticks([0.019] * 50)
    assert seen[-1] == pytest.approx(50 * 0.02)


def test_a_tick_that_takes_too_long_makes_the_next_late_or_missed() -> None:
    seen, ticker = ticks([0.001, 0.025, 0.001, 0.115, 0.001, 0.001])
    assert seen == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.18, 0.20])
    assert ticker.counters()["late"] == 2  # 5 ms after 0.06, and 15 ms after 0.18
    assert ticker.counters()["missed"] == 4  # 0.10, 0.12, 0.14, 0.16
    assert ticker.lateness.worst == pytest.approx(0.015)
    row, over = find("processor-starved"), 0.08 + 0.115
    assert row.seconds is not None and seen[-1] - over <= row.seconds  # from 0.20 on as before


def test_what_a_tick_raises_is_counted_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    clock, stop = VirtualClock(), threading.Event()

    def work(deadline: float) -> None:
        if deadline > 0.1:
            stop.set()
        raise RuntimeError("a plug-in")

    ticker = Ticker(clock, 0.02, work)
    ticker.run(stop)
    assert ticker.counters()["failed"] == ticker.counters()["ticks"] == 6
    assert ticker.done == 0  # nothing that feeds a watchdog
    assert len(caplog.records) == 1


def test_the_start_is_counted_apart() -> None:
    _, ticker = ticks([0.1, 0.001])
    ticker.started()
    assert ticker.counters()["missed"] == 0
    assert ticker.counters()["missed_at_start"] == 4


def test_on_the_wall_clock_it_ticks_and_stops() -> None:
    clock, stop, seen = WallClock(), threading.Event(), []
    ticker = Ticker(clock, 0.01, seen.append)
    thread = threading.Thread(target=ticker.run, args=(stop,))
    thread.start()
    while len(seen) < 10 and thread.is_alive():
        pass
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert seen == pytest.approx([seen[0] + 0.01 * round((at - seen[0]) / 0.01) for at in seen])


def test_percentiles_are_within_a_bin_of_the_truth() -> None:
    histogram = Histogram()
    for n in range(1, 1001):
        histogram.add(n * 1e-5)
    assert histogram.percentile(50) == pytest.approx(5e-3, rel=0.13)
    assert histogram.percentile(99) == pytest.approx(9.9e-3, rel=0.13)
    assert histogram.summary()["max_ms"] == pytest.approx(10.0)
    assert Histogram().percentile(99) == 0.0
    histogram.add(-1.0)
    histogram.add(1e9)
    assert histogram.count == 1002

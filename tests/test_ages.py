"""How old samples are is followed stage by stage: every one, and without a byte of memory on the tick."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import pytest

from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.service.ages import STAGES, Ages
from brainmusic_daemon.service.metrics import Histogram
from tests.daemons import daemon
from tests.receivers import wait_for


def tick(ages: Ages, clock: VirtualClock, begun: float, sampled: float, count: int, period: float = 0.004) -> None:
    """One tick: read 1 ms after it was sampled, 2 ms of analysis, 0.5 of mapping, 0.25 of sending."""
    clock._now = begun
    ages.begin(sampled + 0.001)
    clock._now += 0.002
    ages.hear()
    clock._now += 0.0005
    ages.make()
    clock._now += 0.00025
    ages.end(sampled, count, period)


def test_stages_add_up_and_every_sample_counts() -> None:
    clock = VirtualClock()
    ages = Ages(clock)
    for number in range(1, 101):
        tick(ages, clock, number * 0.02, number * 0.02 - 0.003, number * 5)
    mean = {name: each.total / each.count for name, each in ages.stages.items()}
    assert [*mean] == [*STAGES]
    assert mean == pytest.approx(
        {"source": 0.001, "ring": 0.002, "features": 0.002, "mapper": 0.0005, "output": 0.00025}, abs=1e-9
    )
    assert ages.every.count == 1 + 99 * 5  # of the first tick only the newest: nothing is known of those before
    whole = sum(mean.values())
    assert ages.every.worst == pytest.approx(whole + 4 * 0.004)
    assert ages.every.total == pytest.approx(whole + 99 * sum(whole + i * 0.004 for i in range(5)))


@pytest.mark.parametrize("fresh", [1, 5, 16, 17, 200, 201])
def test_many_samples_a_tick_are_counted_by_a_few(fresh: int) -> None:
    clock, period = VirtualClock(), 0.02 / fresh
    ages = Ages(clock)
    for number in range(1, 51):
        tick(ages, clock, number * 0.02, number * 0.02 - 0.001, number * fresh, period)
    assert ages.every.count == 1 + 49 * fresh
    truth = 0.00375 + (fresh - 1) / 2 * period
    assert ages.every.total / ages.every.count == pytest.approx(truth, abs=0.0005)


def test_padding_and_silence_are_no_samples() -> None:
    clock = VirtualClock()
    ages = Ages(clock)
    tick(ages, clock, 1.0, 0.99, 1000)
    tick(ages, clock, 1.02, 0.99, 1000)  # nothing new
    assert ages.every.count == 1
    tick(ages, clock, 5.0, 4.99, 2000)  # a new beginning, padded
    tick(ages, clock, 5.02, 5.01, 2005)
    assert ages.every.count == 1 + 1 + 5


def test_where_nothing_is_known_of_the_others_the_newest_stands_for_all() -> None:
    clock = VirtualClock()
    ages = Ages(clock)
    for number in range(1, 11):
        tick(ages, clock, number * 0.02, number * 0.02 - 0.003, 0, 0.0)
    assert ages.every.count == ages.stages["output"].count == 10


def test_the_tick_keeps_no_memory() -> None:
    clock = VirtualClock()
    ages = Ages(clock)
    tick(ages, clock, 1.0, 0.99, 5)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(2, 2_000):
        tick(ages, clock, number * 0.02, number * 0.02 - 0.003, number * 5)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000  # counts above 256 are objects of their own; none is added any more
    assert sys.getsizeof(ages.every._bins) == sys.getsizeof(Histogram()._bins)


def test_a_duration_may_count_several_times() -> None:
    several, single = Histogram(), Histogram()
    several.add(0.003, 4)
    for _ in range(4):
        single.add(0.003)
    assert several.summary() == single.summary() and several.summary()["mean_ms"] == pytest.approx(3.0)


def test_a_running_daemon_tells_where_the_time_goes() -> None:
    from brainmusic_daemon.service import exposition, measures, overview, status

    with daemon(name="ages") as running:
        wait_for(lambda: running.session.ages and running.session.ages.every.count > 250, 60)

        def adds_up() -> bool:  # the two are read one after the other: of other ticks, by a few
            shown = status.snapshot(running)
            means = sum(stage["mean_ms"] for stage in shown.stages.values())
            return bool(means == pytest.approx(shown.latency["mean_ms"], rel=0.25))

        wait_for(adds_up, 60, "for stages that add up to the latency")
        shown = status.snapshot(running)
        assert [*shown.stages] == [*STAGES]
        assert shown.age["mean_ms"] > shown.latency["mean_ms"]
        assert all(f"{name} " in status.timing(shown) for name in STAGES)
        text = exposition.render(measures.collect(running))
        assert 'brainmusic_stage_seconds_count{stage="ring"}' in text
        assert 'brainmusic_stage_seconds_bucket{stage="output",le="+Inf"}' in text
        assert text.count("# TYPE brainmusic_stage_seconds histogram") == 1
        assert "brainmusic_sample_age_seconds_sum" in text
        told = overview.details(running)["histograms"]
        assert {"age", *(f"stage.{name}" for name in STAGES)} <= {*told}

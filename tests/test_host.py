"""The host: mappers take over without a jump, what fails is replaced at once, what hangs is left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from brainmusic_daemon.api import CONTROL, Control, Features, latent
from brainmusic_daemon.mapping import seat as seating
from brainmusic_daemon.mapping.adjust import Adjustments, read
from brainmusic_daemon.mapping.direct import Direct
from brainmusic_daemon.mapping.guard import LATE, Worker
from brainmusic_daemon.mapping.host import Host, Report
from brainmusic_daemon.mapping.seat import Budget, Fault, Seat
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.registry import SettingErrors
from tests.faults import find
from tests.frames import TICK_S, make_frame

TEMPO = CONTROL["tempo"]
PATIENT = Budget(0.2)
AT_ONCE = Smoothing(0.0, slew=1e9)


class Constant:
    """Gives one value, or does what it is told to."""

    bounded = True

    def __init__(
        self, value: float = 100.0, control: Control = TEMPO, act: Callable[[int], object] | None = None
    ) -> None:
        self.value, self.controls, self.act = value, (control,), act
        self.smoothing = {control.name: AT_ONCE}
        self.calls = 0

    def prepare(self, names: Sequence[str], tick: float) -> None:
        if "refused" in names:
            raise ValueError("these features will not do")

    def map(self, features: Features) -> Mapping[str, float]:
        self.calls += 1
        found = self.act(self.calls) if self.act is not None else None
        if found is not None:
            return found  # type: ignore[return-value]
        return {self.controls[0].name: self.value}

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        return {("alpha", self.controls[0].name): 0.25}


class Unbounded(Constant):
    bounded = False


FEATURES = make_frame(0).features
NAMES = FEATURES.names


def at(number: int) -> Features:
    return replace(FEATURES, time=number * TICK_S)


def seat(mapper: Constant, name: str = "", budget: Budget = PATIENT, **adjust: Mapping[str, object]) -> Seat:
    made = Seat(name or f"to {mapper.value:g}", mapper, read(adjust, "adjust"), budget)
    made.prepare(NAMES, TICK_S)
    return made


@pytest.fixture
def make() -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def host(first: Constant) -> Host:
        fallback = Seat("the fallback", Direct(), Adjustments(), Budget(watch=False))
        found = Host(Seat("first", first, Adjustments(), PATIENT), fallback, TICK_S)
        found.prepare(NAMES)
        made.append(found)
        return found

    yield host
    for host_made in made:
        host_made.leave()


def tempo(host: Host, ticks: int, first: int = 0) -> list[float]:
    return [host.step(at(first + n), 1.0, held=False)["tempo"] for n in range(ticks)]


def reports(host: Host) -> list[Report]:
    return [*host.reports]


def test_a_swap_fades_from_the_old_mapper_to_the_new_one(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    assert tempo(host, 5)[-1] == 60.0
    host.install(seat(Constant(140.0)), fade_s=1.0)
    values = tempo(host, 60)
    assert values == sorted(values) and values[-1] == 140.0
    assert 60.0 < values[0] < 61.0  # it begins gently
    assert abs(values[24] - 100.0) < 4.0  # half-way at half time
    assert values[49] == 140.0 and values[48] < 140.0  # over after exactly one second
    assert host.playing.name == "to 140" and [r.fault for r in reports(host)] == [""]


def test_the_old_mapper_is_alive_while_it_fades(make: Callable[..., Host]) -> None:
    old = Constant(60.0)
    host = make(old)
    tempo(host, 5)
    host.install(seat(Constant(140.0)), fade_s=1.0)
    old.value = 70.0
    assert tempo(host, 1)[0] > 69.0
    calls = old.calls
    tempo(host, 60)
    assert old.calls - calls == 49  # and is asked no more when the fade is over


def test_without_a_fade_it_takes_over_in_one_tick(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    tempo(host, 5)
    host.install(seat(Constant(140.0)), fade_s=0.0)
    assert tempo(host, 1) == [140.0]


def test_a_swap_in_the_middle_of_a_fade_never_jumps(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    tempo(host, 5)
    values = [60.0]
    for target in (140.0, 50.0, 120.0, 80.0):
        host.install(seat(Constant(target)), fade_s=1.0)
        values += tempo(host, 17)
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    assert max(steps) < 100.0 * 0.04  # of a fade that takes 50 ticks over at most 100 BPM


def test_what_only_one_of_them_drives_meets_rest(make: Callable[..., Host]) -> None:
    host = make(Constant(140.0))
    tempo(host, 5)
    host.install(seat(Constant(0.9, CONTROL["loudness"]), "loud"), fade_s=0.2)
    for number in range(12):
        values = host.step(at(number), 1.0, held=False)
    assert values["loudness"] == pytest.approx(0.9) and values["tempo"] < 140.0
    for number in range(200):
        values = host.step(at(number), 1.0, held=False)
    assert values["tempo"] == pytest.approx(TEMPO.rest)


def test_controls_that_a_mapper_brings_are_heard_and_stay(make: Callable[..., Host]) -> None:
    host = make(Constant(140.0))
    before = {*host.step(at(0), 1.0, held=False)}
    host.install(seat(Constant(1.5, latent(3)), "latent"), fade_s=0.0)
    values = host.step(at(1), 1.0, held=False)
    assert {*values} - before == {"latent.3"} and [*values][-1] == "latent.3"
    host.install(seat(Constant(100.0)), fade_s=0.0)
    assert "latent.3" in host.step(at(2), 1.0, held=False)


ROWS = {
    **{"raises": "mapper-raises", "exits": "mapper-exits", "missing": "mapper-gives-too-little"},
    **{"nan": "mapper-gives-nan", "infinite": "mapper-gives-nan", "beyond": "mapper-gives-nan"},
    **{"text": "mapper-gives-text", "list": "mapper-gives-text"},
}
"""Which row of the table each of the faults stands for."""
FAULTS: dict[str, tuple[Callable[[int], object], str]] = {
    "raises": (lambda n: 1 // 0, "ZeroDivisionError"),
    "exits": (lambda n: exec("raise SystemExit(3)"), "SystemExit"),
    "nan": (lambda n: {"tempo": float("nan")}, "gave tempo = nan"),
    "infinite": (lambda n: {"tempo": float("inf")}, "gave tempo = inf"),
    "beyond": (lambda n: {"tempo": 151.0}, "not within 50 to 150"),
    "missing": (lambda n: {"loudness": 0.5}, "gave no value for tempo"),
    "text": (lambda n: {"tempo": "fast"}, "gave no number"),
    "list": (lambda n: [1.0], "gave list instead of"),
}


@pytest.mark.parametrize("kind", [Constant, Unbounded])
@pytest.mark.parametrize("name", FAULTS)
def test_what_fails_is_replaced_in_the_same_tick(name: str, kind: type[Constant], make: Callable[..., Host]) -> None:
    act, said = FAULTS[name]
    host = make(Constant(60.0))
    tempo(host, 5)
    bad = kind(140.0, act=lambda n: act(n) if n > 3 else None)
    host.install(seat(bad, "bad"), fade_s=0.0)
    values = tempo(host, 3)
    assert host.playing.name == "bad" and values == [140.0] * 3
    values = tempo(host, 30)
    assert host.playing.name == "first" and host.faults == 1
    assert values[0] > 138.0 and values[-1] == 60.0 and values == sorted(values, reverse=True)  # faded, no jump
    row = find(ROWS[name])
    assert row.seconds is not None and (values.index(60.0) + 1) * TICK_S <= row.seconds + 1e-9
    assert name == "list" or row.says([str(reports(host)[-1])]), reports(host)  # which says what it got instead
    assert said in str(reports(host)[-1]) and str(reports(host)[-1]).endswith("'first' plays now")


def test_when_the_one_before_fails_too_the_fallback_plays(make: Callable[..., Host]) -> None:
    first = Constant(60.0)
    host = make(first)
    tempo(host, 2)
    host.install(seat(Constant(140.0, act=lambda n: 1 // 0 if n > 1 else None), "bad"), fade_s=0.0)
    tempo(host, 1)
    first.act = lambda n: 1 // 0
    values = tempo(host, 30)
    assert all(50.0 <= value <= 150.0 for value in values)
    assert host.playing is host.fallback and host.faults == 2
    assert find("mappers-both-fail").says([str(reports(host)[-1])]), reports(host)


def test_a_mapper_that_hangs_is_left_behind_within_two_ticks(make: Callable[..., Host]) -> None:
    release = threading.Event()
    host = make(Constant(60.0))
    tempo(host, 2)
    hanging = Unbounded(140.0, act=lambda n: release.wait(30) and None if n > 3 else None)
    host.install(seat(hanging, "hanging", Budget(0.05)), fade_s=0.0)
    assert tempo(host, 3) == [140.0] * 3
    begun = time.perf_counter()
    values = tempo(host, 2)
    assert time.perf_counter() - begun < 1.0  # it would be 30 s
    assert values[0] == 140.0 and host.playing.name == "first"
    assert "took longer than 50 ms, 2 ticks in a row" in str(reports(host)[-1]) and reports(host)[-1].late
    row = find("mapper-hangs")
    assert row.says([str(reports(host)[-1])]), reports(host)
    values += tempo(host, 30)
    assert row.seconds is not None and (values.index(60.0) + 1) * TICK_S <= row.seconds + 1e-9
    release.set()


def test_once_late_is_no_reason(make: Callable[..., Host]) -> None:
    release = threading.Event()
    host = make(Constant(60.0))
    tempo(host, 2)
    late = Unbounded(140.0, act=lambda n: release.wait(30) and None if n == 3 else None)
    host.install(seat(late, "late", Budget(0.05)), fade_s=0.0)
    assert tempo(host, 3) == [140.0] * 3  # the third is the second's
    assert find("mapper-late-once").seconds == TICK_S and not find("mapper-late-once").message
    release.set()
    wait_for(lambda: late.calls == 3)
    time.sleep(0.01)  # until its answer is there: the lock that says so cannot be asked without taking it
    assert tempo(host, 20) == [140.0] * 20 and host.playing.name == "late" and host.faults == 0
    assert [report.fault for report in reports(host)] == [""]  # that it took over; nothing else is said


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_an_endless_loop_is_ended_from_outside(make: Callable[..., Host]) -> None:
    def endless(number: int) -> None:
        while number > 3:
            pass

    before, row = threading.active_count(), find("mapper-loops")
    host = make(Constant(60.0))
    tempo(host, 2)
    host.install(seat(Unbounded(140.0, act=endless), "endless", Budget(0.05)), fade_s=0.0)
    assert tempo(host, 3) == [140.0] * 3
    values = tempo(host, 32)
    assert row.says([str(reports(host)[-1])]), reports(host)
    assert row.seconds is not None and (values.index(60.0) + 1) * TICK_S <= row.seconds + 1e-9
    host.leave()
    wait_for(lambda: threading.active_count() <= before)


def test_a_worker_that_loops_ends_when_it_is_left() -> None:
    def endless(_: object) -> None:
        while True:
            pass

    worker = Worker(endless, "endless")
    assert worker.call(None, 0.02) is LATE and worker.call(None, 0.0) is LATE
    worker.leave()
    wait_for(lambda: not worker.interrupt())


def test_a_worker_answers_raises_and_ends() -> None:
    worker = Worker(lambda n: 10 // n, "divides")
    assert worker.call(5, 20.0) == 2
    with pytest.raises(ZeroDivisionError):
        worker.call(0, 20.0)
    assert worker.call(2, 20.0) == 5
    worker.leave()
    wait_for(lambda: not worker._thread.is_alive())


def test_another_headset_brings_back_a_mapper_that_could_not_do_with_the_last(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    tempo(host, 2)
    host.prepare(("refused",))
    assert host.playing is host.fallback and "these features will not do" in str(reports(host)[-1])
    host.prepare(NAMES)
    assert host.playing.name == "first" and not host.playing.fault


def test_one_that_hangs_when_a_headset_comes_back_is_left_behind(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Unbounded):
        def prepare(self, names: Sequence[str], tick: float) -> None:
            release.wait(5)

    allowed = seating.PREPARE_S
    monkeypatch.setattr(seating, "PREPARE_S", 0.05)
    release = threading.Event()
    host = make(Constant(60.0))
    host.install(Seat("slow", Slow(140.0), Adjustments(), PATIENT), 0.0)
    host.prepare(NAMES)
    assert host.playing is host.fallback and "was not prepared within 0.05 s" in str(reports(host)[-1])
    row = find("mapper-hangs-while-prepared")
    assert row.says([str(reports(host)[-1])]) and row.seconds == allowed, reports(host)
    release.set()


def test_a_mapper_prepared_for_another_headset_is_not_taken_up(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    other = Seat("other", Constant(140.0), Adjustments(), Budget())
    other.prepare(("alpha",), TICK_S)
    host.install(other, 0.0)
    assert tempo(host, 1) == [60.0] and "another headset" in str(reports(host)[-1])


def test_one_that_was_installed_before_any_headset_plays_when_it_comes(make: Callable[..., Host]) -> None:
    host = make(Constant(60.0))
    late = Seat("late", Constant(140.0), Adjustments(), Budget())
    host.install(late, 0.5)
    host.prepare(NAMES)
    assert tempo(host, 1) == [140.0] and host.playing is late


def test_while_the_signal_is_bad_the_mapper_is_not_asked_and_all_glides_to_rest(make: Callable[..., Host]) -> None:
    mapper = Constant(140.0)
    host = make(mapper)
    tempo(host, 3)
    calls = mapper.calls
    assert host.step(at(4), 1.0, held=True)["tempo"] == 140.0
    assert host.step(at(5), 0.5, held=True)["tempo"] == pytest.approx((140.0 + TEMPO.rest) / 2)
    assert mapper.calls == calls


def test_adjustments_shape_what_any_mapper_says(make: Callable[..., Host]) -> None:
    for settings, value, share in (  # the mapper's own share is 0.25
        ({"gain": 0.5}, 120.0, 0.125),
        ({"invert": True}, 60.0, -0.25),
        ({"output": [100, 120]}, 118.0, 0.05),
        ({"output": [120, 100], "gain": 2}, 100.0, -0.1),
        ({"offset": -0.2}, 120.0, 0.25),
        ({"freeze": True}, 140.0, 0.0),
        ({"smooth_s": 1}, 140.0, 0.25),
    ):
        made = seat(Constant(140.0), tempo=settings)
        assert made.map(FEATURES)["tempo"] == pytest.approx(value), settings
        assert made.explain(FEATURES)["alpha", "tempo"] == pytest.approx(share), settings


def test_a_knob_that_is_turned_counts_from_the_next_tick_on(make: Callable[..., Host]) -> None:
    host = make(Constant(140.0))
    assert tempo(host, 2)[-1] == 140.0
    host.adjust(host.playing, read({"tempo": {"invert": True, "smooth_s": 0}}, "adjust"))
    assert tempo(host, 1) == [60.0]
    host.adjust(host.playing, read({"tempo": {"freeze": True}}, "adjust"))
    assert tempo(host, 5) == [60.0] * 5
    host.adjust(host.playing, Adjustments())
    assert tempo(host, 5)[-1] == 140.0


def test_wrong_adjustments_are_all_told() -> None:
    with pytest.raises(SettingErrors) as error:
        read({"tempo": {"gian": 2}, "loudness": {"gain": -1}}, "mapper.adjust")
    assert [place for place, _ in error.value.problems] == ["mapper.adjust.tempo.gian", "mapper.adjust.loudness.gain"]


def test_a_fault_names_the_line_of_the_users_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def boom(n):\n    return 1 // 0\n")
    space: dict[str, Callable[[int], object]] = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    mapper = Constant(act=space["boom"])
    mapper.files = (file,)  # type: ignore[attr-defined]
    said = r"^failed in mine\.py, line 2, in boom: ZeroDivisionError.*\[return 1 // 0\]$"
    with pytest.raises(Fault, match=said) as caught:
        seat(mapper).map(FEATURES)
    assert find("user-file-fails").says([str(caught.value)])


def test_mappers_that_are_no_longer_needed_let_their_threads_end(make: Callable[..., Host]) -> None:
    before = threading.active_count()
    host = make(Constant(60.0))
    for number in range(20):
        host.install(seat(Unbounded(60.0 + number)), fade_s=0.04)
        tempo(host, 3)
        while host.dropped:
            host.dropped.popleft().leave()
    wait_for(lambda: threading.active_count() <= before + 2)  # the one that plays and the one before


def test_nobody_who_was_overtaken_replaced_or_left_at_another_headset_keeps_a_thread(make: Callable[..., Host]) -> None:
    before = threading.active_count()
    host = make(Constant(60.0))
    for number in range(20):  # asked for faster than there are ticks
        host.install(seat(Unbounded(60.0 + number)), fade_s=0.04)
    tempo(host, 1)
    assert host.playing.name == "to 79" and len(host.dropped) == 19
    host.install(seat(Unbounded(90.0)), fade_s=0.0)
    tempo(host, 1)
    host.prepare(NAMES)  # nobody goes back from one headset to what played with the last
    assert host.playing.name == "to 90"
    failing = Unbounded(140.0, act=lambda n: 1 / 0)
    host.install(seat(failing, "failing"), fade_s=0.0)
    tempo(host, 1)
    host.install(seat(Constant(100.0)), fade_s=0.0)
    tempo(host, 1)
    host.install(seat(Constant(101.0)), fade_s=0.0)
    tempo(host, 1)
    while host.dropped:
        host.dropped.popleft().leave()
    wait_for(lambda: threading.active_count() <= before)


def test_two_may_ask_for_an_explanation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status, the page and OSC ask in threads of their own; a worker answers one at a time."""

    class Pondering(Unbounded):
        def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
            time.sleep(0.002)
            return {("alpha", "tempo"): features.time}

    monkeypatch.setattr("brainmusic_daemon.mapping.seat.EXPLAIN_S", 5.0)
    made = seat(Pondering(60.0))
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(20):
            found = made.explain(at(number))
            if found != {("alpha", "tempo"): number * TICK_S}:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.leave()
    assert not wrong

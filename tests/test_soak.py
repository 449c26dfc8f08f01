"""The soak itself: a short day on the virtual clock holds what a whole one must; and every judge knows a bad one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

CHECKOUT = Path(__file__).parent.parent
sys.path.append(str(CHECKOUT / "scripts"))

from soaking import evening, judge, measure, told  # noqa: E402
from soaking.ears import delays  # noqa: E402
from soaking.measure import Look  # noqa: E402
from soaking.wall import Evening  # noqa: E402

HOURS = 0.1


@pytest.fixture(scope="module")
def short() -> dict[str, Any]:
    """Return what six minutes on the virtual clock came to."""
    path = os.pathsep.join([str(CHECKOUT / "scripts"), str(CHECKOUT)])
    done = subprocess.run(
        [sys.executable, "-m", "soaking.virtual", str(HOURS)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def wrong(found: dict[str, Any]) -> list[str]:
    return [each.what for each in judge.day(found) if not each.met]


def test_a_short_day_holds_every_promise(short: dict[str, Any]) -> None:
    assert wrong(short) == []
    assert short["ticks"] == HOURS * 3600 * 50 and short["time"] == HOURS * 3600
    assert short["swaps"] == short["asked"] == 1


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("delivered", 1, "samples"),
        ("births", 3, "headset gone and back"),
        ("wrong_times", 1, "ticks"),
        ("heartbeat", 400, "heartbeat over OSC"),
        ("frames", 2**32 + 5, "frames of the card"),
        ("events_waiting", 500, "queues of the synth"),
        ("faults", 1, "mappers swapped"),
        ("worst_clock_s", 0.002, "time of the newest sample"),
        ("grid_error_s", 0.002, "note onsets at the end"),
        ("notes_out_of_time", 1, "notes handed over"),
        ("card", [[0.007, 0.007, 0.007], [0.008, 0.008, 0.009], [0.008, 0.0087, 0.009]], "notes on a card 200 ppm off"),
        ("alpha", [[0.1, 0.5, 0.9], [0.1, 0.5, 0.9], [0.49, 0.5, 0.51]], "its adaptive range"),
        ("sound", {"finite": False, "loudest": 0.2}, "sound"),
    ],
)
def test_each_judge_of_a_day_knows_a_bad_one(short: dict[str, Any], name: str, value: Any, what: str) -> None:
    assert wrong({**short, name: value}) == [what]


def test_a_headset_that_never_went_away_proves_nothing(short: dict[str, Any]) -> None:
    assert wrong({**short, "hours": 0.5}) == ["headset gone and back"]


def test_hours_are_compared_where_there_are_some(short: dict[str, Any]) -> None:
    later = [[power + 0.02 for power in hour] for hour in short["raw"]]  # 5 %
    assert "alpha of the same minute" in wrong({**short, "hours": 24.0, "raw": [*short["raw"][:-1], later[1]]})


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="Windows does not go on as another program")
def test_another_python_takes_the_place_of_the_first() -> None:
    code = "import interpreter, os, sys; interpreter.become([sys.executable, '-c', {!r}], dict(os.environ))"
    code = code.format("import os; print(os.getpid()); raise SystemExit(3)")
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CHECKOUT / "scripts", stdout=subprocess.PIPE, text=True
    )
    assert process.communicate(timeout=60)[0] == f"{process.pid}\n" and process.returncode == 3


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task").exists(), reason="only Linux tells whose children are whose")
def test_a_soak_that_is_told_to_end_leaves_nobody_behind() -> None:
    soak = subprocess.Popen(
        [sys.executable, CHECKOUT / "scripts" / "soak", "--minutes", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started = Path(f"/proc/{soak.pid}/task/{soak.pid}/children")
    try:
        limit = time.monotonic() + 60
        while not (children := started.read_text().split()) and time.monotonic() < limit:
            time.sleep(0.02)
        assert len(children) == 1 and (Path("/proc") / children[0]).exists()
        soak.send_signal(signal.SIGTERM)
        said = soak.communicate(timeout=60)
    finally:
        soak.kill()
    assert soak.returncode == 128 + signal.SIGTERM and "ended before its time" in said[1]
    assert not (Path("/proc") / children[0]).exists()


# --- what both stand on -----------------------------------------------------------------------------------------------


def held(rise: float, *, seconds: float = 600.0, threads: int = 0) -> list[Look]:
    """Return looks at a process of 200 MB that grows by `rise` bytes, and now and then holds a model more."""
    rng = np.random.default_rng(4)
    found = []
    for t in np.arange(0.0, seconds):
        more = 30e6 if t % 60 < 12 else rng.normal(0, 2e5)
        size = round(200e6 + rise * t / seconds + more)
        found.append(Look(float(t), size, size, 20 + round(threads * t / seconds), 30))
    return found


def test_flat_memory_is_told_from_a_leak_beside_what_comes_and_goes() -> None:
    assert [each.met for each in measure.memory(held(0.0), 300.0)] == [True, True]
    assert [each.met for each in measure.memory(held(3e6), 300.0)] == [False, False]
    rise, middle = measure.growth(range(600), (each.own for each in held(3e6)))
    assert rise == pytest.approx(3e6, rel=0.15) and middle == pytest.approx(201e6, rel=0.02)
    assert [each.met for each in measure.memory(held(3e6, seconds=90.0), 300.0)] == [True, True]  # too short to tell


def test_a_handful_of_looks_is_not_judged() -> None:
    few = measure.memory(held(30e6, seconds=5.0), 300.0)
    assert all(each.met and "too short to judge" in each.measured for each in few)
    assert not any("too short" in each.measured for each in measure.memory(held(30e6, seconds=70.0), 300.0))


def test_a_thread_left_behind_now_and_then_is_a_leak() -> None:
    assert [each.met for each in measure.leaks(held(0.0))] == [True, True]
    assert [each.met for each in measure.leaks(held(0.0, threads=5))] == [False, True]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells")
def test_this_very_process_is_seen() -> None:
    import threading

    before = measure.look(os.getpid(), 0.0)
    ballast = np.ones(8_000_000)
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    after = measure.look(os.getpid(), 1.0)
    waiting.set()
    thread.join()
    assert after.own - before.own == pytest.approx(ballast.nbytes, rel=0.2)
    assert after.threads == before.threads + 1 and after.files == before.files
    assert measure.look(2**22 + 1, 0.0) == Look(0.0, 0, 0, 0, 0)  # nobody has this number


def test_the_ticks_drift_is_found_beneath_the_lateness_of_datagrams() -> None:
    rng, due = np.random.default_rng(1), np.arange(30_000) * 0.02
    late = rng.exponential(0.002, len(due))
    assert abs(evening.tick_drift(5000.0 + due + late)[0]) < 2e-4
    assert evening.tick_drift(5000.0 + due * (1 + 5e-6) + late)[0] == pytest.approx(0.003, abs=5e-4)


def test_each_note_is_found_once_or_not_at_all() -> None:
    played = np.arange(10.0)
    heard = np.sort(np.concatenate([played + 0.011, [3.5]]))
    assert delays(heard, played) == pytest.approx(np.full(10, 0.011))
    assert len(delays(np.delete(heard, 2), played)) == 9
    assert len(delays(np.zeros(0), played)) == 0


# --- an evening -------------------------------------------------------------------------------------------------------


def good() -> Evening:
    """Return an evening as it should be."""
    played = np.concatenate([np.arange(10.0, 20.0, 1 / 3), np.arange(570.0, 580.0, 1 / 3)])
    audio = dict.fromkeys(("notes_lost", "controls_lost", "failed", "reopened", "underflows"), 0.0)
    status = {
        "outputs": {"audio": audio, "osc": {"errors.127.0.0.1:1": 0.0}},
        "source_counters": {"reconnects": 3},
        "ticks": {"failed": 0, "missed": 0, "late": 0, "ticks": 30_000},
        "latency": {"p99_ms": 12.0},
    }
    return Evening(
        seconds=600.0,
        looks=held(0.0),
        ticks=np.arange(30_000) * 0.02,
        numbers=np.arange(0, 30_000, 50),
        note_arrivals=played + 0.0003,
        heard=(played[:30] + 0.012, played[30:] + 0.013),
        spans=((9.0, 21.0), (569.0, 581.0)),
        played=played,
        recording={"eeg": 10},
        recorded={"lost": 0, "trouble": ""},
        times_in_order=True,
        status=status,
        busy=SimpleNamespace(  # type: ignore[arg-type]
            done=Counter(status=5), failed=Counter[str](), births=3, refused=0, asked=[(99.8, "mapper.load linear")]
        ),
        said=["all is well"],
        exit_code=0,
        stop_s=0.5,
        files_left=0,
        load=1.0,
        asleep=0,
    )


def failures(found: Evening) -> list[str]:
    return [each.what.split(",")[0] for each in told.failed(evening.judge(found), strict=True)]


def test_a_good_evening_passes() -> None:
    assert failures(good()) == []


def test_each_judge_of_an_evening_knows_a_bad_one() -> None:
    fine = good()
    status = {**fine.status, "ticks": {**fine.status["ticks"], "missed": 2}}
    busy = SimpleNamespace(done=fine.busy.done, failed=Counter({"page: hung up": 1}), births=3, refused=0, asked=[])
    late = fine.note_arrivals + np.where(fine.played > 100, 0.003, 0.0)
    for changed, what in (
        (replace(fine, looks=held(4e6)), "resident memory (RSS)"),
        (replace(fine, looks=held(0.0, threads=5)), "threads"),
        (replace(fine, busy=busy), "requests: swaps"),  # type: ignore[arg-type]
        (replace(fine, said=["10:00 ERROR it broke"]), "ticks that raised"),
        (replace(fine, recorded={"lost": 4, "trouble": ""}), "recording"),
        (replace(fine, numbers=fine.numbers[::-1]), "order of ticks over OSC"),
        (replace(fine, exit_code=1), "end"),
        (replace(fine, ticks=fine.ticks * (1 + 5e-6)), "tick against the monotonic clock"),
        (replace(fine, note_arrivals=late), "notes received over OSC"),
        (replace(fine, heard=(fine.heard[0], fine.heard[1] + 0.02)), "notes heard"),
        (replace(fine, heard=(fine.heard[0], fine.heard[1][:4])), "notes heard"),
        (replace(fine, status=status), "missed ticks"),
    ):
        assert what in failures(changed), what
    never = SimpleNamespace(done=fine.busy.done, failed=Counter[str](), births=0, refused=0, asked=[])
    assert failures(replace(fine, busy=never)) == ["headset gone and back"]  # type: ignore[arg-type]
    missed = told.failed(evening.judge(replace(fine, status=status)), strict=False)
    assert missed == []  # a machine that is busy with other things makes no daemon wrong


def test_a_missed_tick_is_told_with_its_moment_and_what_was_asked_before_it() -> None:
    fine = good()
    status = {**fine.status, "ticks": {**fine.status["ticks"], "missed": 1}}
    holed = replace(fine, ticks=np.delete(fine.ticks, [5000]), status=status)
    told = next(each.measured for each in evening.judge(holed) if each.what == "missed ticks")
    assert "1 of 30,000" in told and "at 100.0 s (0.22 s after mapper.load linear)" in told

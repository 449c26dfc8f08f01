"""`brainmusic bench`: the arithmetic on made-up times, the comparison, and a short run of the real thing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.service.bench import analysis, figures, history, judge, machine, told
from brainmusic_daemon.service.bench.figures import Figure
from brainmusic_daemon.service.bench.run import Bench
from brainmusic_daemon.service.bench.stimulus import HALF_PERIOD, HIGH_UV, LOW_UV, TRUE_RATE_HZ, Stimulus, amplitude
from brainmusic_daemon.service.bench.stimulus import steps as steps_between
from tests.parts import CHECKOUT
from tests.pulse import Pulse, pulse  # noqa: F401  the fixture

RATE = 48_000


def test_the_stimulus_steps_where_it_says() -> None:
    n, up = steps_between(0, 10 * HALF_PERIOD)
    assert len(n) == 10
    assert np.array_equal(amplitude(n), np.where(up, HIGH_UV, LOW_UV))
    assert np.array_equal(amplitude(n - 1), np.where(up, LOW_UV, HIGH_UV))
    stimulus = Stimulus()
    whole = stimulus.samples(np.arange(2 * HALF_PERIOD))
    assert np.array_equal(whole[100:120], stimulus.samples(np.arange(100, 120)))  # any part, alone, is the same
    back = whole[:, stimulus.channels.index("O1")]
    assert back[HALF_PERIOD:].std() > 1.2 * back[:HALF_PERIOD].std()


def test_a_sample_is_known_by_its_values() -> None:
    stimulus, pushed = Stimulus(), np.arange(5000) / TRUE_RATE_HZ
    n = np.array([10, 999, 3000])
    values = stimulus.samples(n)[:, :3].astype(float) + 0.001  # what float32 and an offset leave of it
    assert analysis.which(values, pushed[n] + 0.01, pushed, stimulus).tolist() == n.tolist()
    assert analysis.which(values[:1] + 500, pushed[n[:1]] + 0.01, pushed, stimulus).tolist() == [-1]
    assert analysis.which(values[1:2], pushed[n[1:2]] - 0.01, pushed, stimulus).tolist() == [-1]  # not yet sent


def test_every_sample_has_the_first_window_that_covers_it() -> None:
    seen = analysis.first_seen(np.array([2, 2, 5, -1, 6]), np.array([1.0, 2.0, 3.0, 3.5, 4.0]), 9)
    assert np.isnan(seen[:3]).all()  # sent before anybody looked
    assert np.isnan(seen[7:]).all()  # never seen
    assert seen[3:7].tolist() == [3.0, 3.0, 3.0, 4.0]


@pytest.mark.parametrize("delay", [0.03, 0.12])
def test_half_rise_is_the_delay_of_a_pure_delay(delay: float) -> None:
    times = np.arange(0, 30, 0.02)
    at, up = np.arange(1.005, 28, 0.9137), np.arange(30) % 2 == 0
    up = up[: len(at)]
    truth = np.interp(times - delay, *_ramps(at, up))
    found = analysis.half_rise(times, truth, at, up)
    held = analysis.half_rise(times, truth, at, up, held=True)
    assert found is not None
    assert held is not None
    assert found.count >= 25
    assert found.half_s == pytest.approx(delay + 0.02, abs=0.004)  # half of the ramp's 40 ms
    assert held.half_s == pytest.approx(found.half_s + 0.01, abs=0.006)  # half a tick later, where values are held
    assert analysis.half_rise(times, np.ones_like(times), at, up) is None
    assert analysis.half_rise(np.zeros(0), np.zeros(0), at, up) is None


def _ramps(at: Any, up: Any) -> tuple[Any, Any]:
    x = np.sort(np.concatenate([at, at + 0.04]))
    y = np.repeat(up.astype(float), 2)
    y[::2] = ~up
    return x, y


def test_switches_of_the_sound_are_found_in_it() -> None:
    loudness = np.full(3 * RATE, 0.1)
    loudness[round(1.02 * RATE) : round(2.03 * RATE)] = 0.0  # heard 20 and 30 ms after
    loudness[round(0.5 * RATE) : round(0.5 * RATE) + 100] = 0.0  # 2 ms: a crossing, no silence
    gates = [(101.0, False), (102.0, True), (102.1, True), (102.9, False)]  # the third was open, the last unheard
    found = analysis.heard(gates, loudness, 100.0, RATE)
    assert found == pytest.approx([0.02, 0.03], abs=1e-3)
    assert not len(analysis.heard(gates, np.zeros(0), 100.0, RATE))


def test_percentiles_and_sums() -> None:
    found = analysis.percentiles(np.array([0.001, 0.002, np.nan, 0.003]))
    assert (found["p50_ms"], found["max_ms"], found["count"]) == (2.0, 3.0, 3)
    assert analysis.percentiles(np.full(3, np.nan)) == {}
    assert sorted(analysis.sums(np.array([0.01, 0.02]), np.array([0.1])).tolist()) == pytest.approx([0.11, 0.12])
    assert not len(analysis.sums(np.zeros(0), np.ones(3)))


def _run(version: str, **values: float) -> dict[str, Any]:
    return {"version": version, "when": "then", "values": values}


def test_what_is_within_the_noise_is_no_change() -> None:
    before = [_run("1", lag=10.0, speed=100.0) for _ in range(4)]
    last, alike = history.comparable(before, "1")
    assert last is not None

    def changed(**now: float) -> list[tuple[str, bool]]:
        wanted = {"lag": "lower", "speed": "higher", "size": ""}
        made = [Figure(name, value, "", "", wanted[name], 0.5) for name, value in now.items()]
        return [(change.name, change.better) for change in history.changes(made, last, alike)]

    assert changed(lag=10.9, speed=95.0) == []
    assert changed(lag=12.0, speed=130.0) == [("lag", False), ("speed", True)]
    assert changed(lag=8.0, speed=70.0) == [("lag", True), ("speed", False)]
    assert changed(size=5.0) == []  # not in the run before, and neither better nor worse


def test_a_machine_that_varies_has_more_noise() -> None:
    figure = Figure("lag", 13.0, "ms", "", noise=0.5)
    assert history.noise(figure, [10.0, 10.1, 9.9]) < 3.0 < history.noise(figure, [8.0, 10.0, 12.0, 14.0])
    assert history.noise(figure, []) == pytest.approx(2.6)  # of one run nothing is known


def test_the_run_before_is_that_of_this_version_or_else_the_newest() -> None:
    assert history.comparable([], "2") == (None, [])
    old, new = _run("1", lag=1.0), _run("2", lag=2.0)
    assert history.comparable([new, old], "2")[0] is new
    assert history.comparable([new, old], "3")[0] is old


def test_runs_are_kept_and_damage_is_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "new" / "machine.json"
    assert history.runs(file) == []
    for i in range(history.KEPT + 3):
        assert history.keep(file, history.runs(file), _run("1", lag=float(i)))
    kept = history.runs(file)
    assert [run["values"]["lag"] for run in kept] == [float(i) for i in range(3, history.KEPT + 3)]
    file.write_text(json.dumps([*kept, 7, {"values": {"lag": "no"}}, {"values": {}, "version": 1, "when": ""}]))
    assert history.runs(file) == kept
    for text in ("{", "{}", "[" * 100_000):
        file.write_text(text)
        assert history.runs(file) == []
    (tmp_path / "file").write_text("")
    assert not history.keep(tmp_path / "file" / "x.json", [], _run("1"))


def test_a_machine_has_a_file_of_its_own() -> None:
    here = machine.describe()
    assert here["processor"]
    assert history.file_of(here) == history.file_of({**here, "Python": "4", "brainmusic": "9"})
    assert history.file_of(here) != history.file_of({**here, "cores": 999})


def test_the_table_says_what_a_figure_means_and_what_changed() -> None:
    spread = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "max_ms": 4.0}
    made = figures.figures(
        {
            "datagram": spread,
            "sound": {},
            "jitter": spread,
            "stages": {"ring": spread},
            "single": {"cpu": 7.0, "underflows": 3},
        }
    )
    change = history.Change("datagram.p50", 2.0, 1.0, better=True)
    found = Bench(
        5.0, machine.describe(), 0.5, tuple(made), "no sound", {"when": "then", "version": "1"}, (change,), {}
    )
    text = told.text(found)
    assert "a sample's age when the first OSC with it is received" in text
    assert "better  datagram.p50: 2 → 1" in text
    assert "sample → sound" not in text
    assert all(told._NAMES.get(figure.name, figure.name) in text for figure in made[-2:])
    assert all(figure.meaning for figure in made)
    assert str(found.machine["processor"]) in text


def test_the_share_of_each_stage_is_told_the_analysis_first() -> None:
    spread = {"p50_ms": 10.0, "p95_ms": 20.0, "p99_ms": 21.0, "max_ms": 30.0, "mean_ms": 10.0, "count": 9}
    shares = judge.shares({"analysis": 75.0, "ring": 10.0, "sound": 15.0})
    assert shares == pytest.approx({"analysis": 75.0, "ring": 10.0, "sound": 15.0})
    assert judge.shares({}) == {}
    made = figures.figures(
        {
            "datagram": spread, "sound": spread, "jitter": spread, "stages": {"ring": spread, "sound": spread},
            "shares": shares, "delay_ms": 75.0, "single": {"analysis.designed": 75.0},
        }
    )  # fmt: skip
    values = {figure.name: figure.value for figure in made}
    assert values["brain.sound.p50"] == values["brain.datagram.p50"] == 85.0 and values["brain.sound.max"] == 105.0
    assert values["share.analysis"] == 75.0
    text = told.text(Bench(5.0, machine.describe(), 0.5, tuple(made), "found", None, (), {}))
    row = {line[:24].strip(): line for line in text.splitlines()}
    assert " 75.0 %" in row["of it: analysis"] and " 10.0 %" in row["of it: ring"] and "%" in row["of it: sound"]
    assert "85.00" in row["brain → sound"] and "%" not in row["brain → sound"]
    assert text.index("of it: analysis") < text.index("found") and "share." not in text


def _bench(env: dict[str, str], state: Path) -> dict[str, Any]:
    """Run the command as an installed one is, in a folder with a file that has the name of a library."""
    (state / "numpy.py").write_text("raise ImportError('not that numpy')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "brainmusic_daemon", "bench", "--seconds", "5", "--json"],
        env={**env, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(CHECKOUT)},
        cwd=state,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "100 %" in done.stderr
    return {**found, "values": {figure["name"]: figure["value"] for figure in found["figures"]}}


def _plausible(found: dict[str, Any]) -> None:
    """Generous: another program may take the processor; what cannot be is wrong arithmetic."""
    values = found["values"]
    assert found["samples"]["sent"] == pytest.approx(5 * TRUE_RATE_HZ, rel=0.2)
    assert found["samples"]["received"] > 0.9 * found["samples"]["sent"]
    assert found["unrecognised"] <= 5
    assert 3 < values["datagram.p50"] < 1000
    assert values["datagram.p50"] <= values["datagram.p95"] <= values["datagram.p99"] <= values["datagram.max"]
    stages = [values[f"stage.{name}.p50"] for name in figures.STAGES]
    assert all(stage > 0 for stage in stages)
    assert sum(stages) == pytest.approx(values["datagram.p50"], abs=0.5 * values["datagram.p50"])
    assert values["analysis.designed"] == pytest.approx(75.0)
    assert values["brain.datagram.p99"] == pytest.approx(75.0 + values["datagram.p99"])
    assert sum(value for name, value in values.items() if name.startswith("share.")) == pytest.approx(100.0, abs=0.1)
    assert 30 < values["analysis.measured"] < 200
    assert values["analysis.likeness"] > 0.7
    assert values["total.datagram"] > values["analysis.measured"] - 20
    assert 0.5 < values["cpu"] < 150
    assert 50 < values["memory"] < 1000
    assert 0.1 < values["startup.datagram"] < 60
    assert values["render.silent"] > values["render.sounding"] > 1
    assert values["ticks.missed"] < found["due"]


@pytest.mark.real
@pytest.mark.timeout(600)
def test_without_sound_the_rest_is_measured_and_it_says_why(tmp_path: Path) -> None:
    silent = {"PULSE_SERVER": f"unix:{tmp_path}/none", "JACK_NO_START_SERVER": "1"}
    found = _bench({**os.environ, **silent}, tmp_path)
    _plausible(found)
    if "audio" not in found["counters"]["outputs"]:  # a sound card that nothing hides is there
        assert found["sound"].startswith("not measured: no sound")
        assert not any(name.startswith("sound.") for name in found["values"])
    assert found["compared_with"] is None


@pytest.mark.real
@pytest.mark.timeout(600)
def test_the_sound_is_found_in_the_monitor(pulse: Pulse, tmp_path: Path) -> None:  # noqa: F811
    found = _bench(pulse.env, tmp_path)
    _plausible(found)
    assert "in the monitor's recording" in found["sound"]
    values = found["values"]
    assert values["datagram.p50"] < values["sound.p50"] < 1500
    assert values["total.sound"] > values["sound.p50"]
    assert values["brain.sound.p50"] == pytest.approx(75.0 + values["sound.p50"])
    assert values["share.analysis"] > values["share.sound"] > 0
    assert values["underflows"] >= 0
    assert 0 < values["startup.sound"] < 60
    again = history.runs(next((tmp_path / "brainmusic" / "bench").glob("*.json")))
    assert [run["version"] for run in again] == [found["machine"]["brainmusic"]]
    assert again[0]["values"] == values

"""`scripts/bench_peers`: its judge on made-up peers of known delay and noise, its receiver, its tables; no peer."""

from __future__ import annotations

import math
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from tests import parts

CHECKOUT = Path(__file__).parent.parent
RATE_HZ, SECONDS = 250.0, 60.0


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """The scripts are no package of the project: they are found as `scripts/bench_peers` finds them."""
    sys.path.insert(0, str(CHECKOUT / "scripts"))
    yield
    sys.path.remove(str(CHECKOUT / "scripts"))


def envelope(seed: int = 1) -> np.ndarray:
    """A slowly wandering amplitude (n_samples, 3), as alpha's is."""
    n = round(SECONDS * RATE_HZ)
    noise = np.random.default_rng(seed).normal(size=(n, 3))
    f = np.fft.rfftfreq(n, 1 / RATE_HZ)[:, None]
    slow = np.fft.irfft(np.fft.rfft(noise, axis=0) * np.exp(-((f / 1.5) ** 2)), n, axis=0)
    return np.asarray(5 + slow / slow.std(axis=0))


def delivered(truth: np.ndarray, pushed: np.ndarray, delay: float, noise: float, rate: float) -> dict[str, Any]:
    """What a peer sends that is `delay` late and adds noise of so many standard deviations."""
    times = np.arange(pushed[0], pushed[-1], 1 / rate)
    rng = np.random.default_rng(7)
    return {
        f"c{k}": (times, np.interp(times - delay, pushed, truth[:, k]) + noise * rng.normal(size=len(times)))
        for k in range(3)
    }


@pytest.mark.parametrize("delay", [0.03, 0.23, 1.2])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_peer_of_known_delay_and_noise_is_found_with_both(delay: float, noise: float) -> None:
    from peers.judge import judge

    truth, pushed = envelope(), 1000.0 + np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    rate = 100.0
    found = judge(delivered(truth, pushed, delay, noise, rate), truth, pushed)
    assert found.at_arrival[0] == pytest.approx(delay, abs=0.016)
    assert found.best_s == pytest.approx(delay + 0.5 / rate, abs=0.016)  # a receiver holds each value for a while
    expected = 1 / math.sqrt(1 + noise**2)
    assert found.best == pytest.approx(expected, abs=0.02)
    assert found.rate_hz == pytest.approx(rate, rel=0.02)
    if noise:
        assert math.isnan(found.reach_s)  # 0.89 is all it has
    else:
        assert delay - 0.15 < found.reach_s < delay
    assert (found.prompt > 0.9 * expected) == (delay < 0.1)


def test_a_slow_peer_is_judged_by_what_a_receiver_holds() -> None:
    from peers.judge import judge

    truth, pushed = envelope(), np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    found = judge(delivered(truth, pushed, 0.1, 0.0, 2.0), truth, pushed)
    assert found.at_arrival[0] == pytest.approx(0.1, abs=0.02)
    assert found.best_s == pytest.approx(0.35, abs=0.05)  # half a period of holding comes on top
    assert found.best < found.at_arrival[1]
    assert found.rate_hz == pytest.approx(2.0, rel=0.1)


def test_samples_that_left_late_are_known_by_when_they_left() -> None:
    from peers.judge import judge

    truth = envelope()
    pushed = np.arange(len(truth)) / RATE_HZ
    late = pushed + np.where(pushed > SECONDS / 2, 0.4, 0.0)  # a sender that stood still once
    found = judge(delivered(truth, late, 0.2, 0.0, 100.0), truth, late)
    assert found.at_arrival == (pytest.approx(0.2, abs=0.016), pytest.approx(1.0, abs=0.02))


def test_nothing_or_a_constant_is_no_verdict() -> None:
    from peers.judge import judge

    truth, pushed = envelope(), np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    silent = {f"c{k}": (np.zeros(0), np.zeros(0)) for k in range(3)}
    with pytest.raises(ValueError, match="0 values"):
        judge(silent, truth, pushed)
    still = {name: (times, np.ones(len(times))) for name, (times, _) in delivered(truth, pushed, 0, 0, 50).items()}
    with pytest.raises(ValueError, match="values in"):
        judge(still, truth, pushed)


def test_the_lag_at_which_a_curve_is_reached_lies_between_its_points() -> None:
    from peers.judge import reach

    lags = np.array([0.0, 0.1, 0.2, 0.3])
    assert reach(lags, np.array([0.5, 0.9, 1.0, 0.9]), 0.95) == pytest.approx(0.15)
    assert reach(lags, np.array([0.99, 0.9, 1.0, 0.9]), 0.95) == 0.0
    assert math.isnan(reach(lags, np.array([0.5, 0.9, 0.94, 0.9]), 0.95))


def test_datagrams_are_timed_and_read_by_channel() -> None:
    from peers.peer import by_address, by_position
    from peers.receiver import Receiver, values

    receiver = Receiver(["one", "other"])
    try:
        here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        before = time.perf_counter()
        for address, numbers in (("/alpha", (1.0, 2.0)), ("/alpha/o2", (3.0,)), ("/beta", (4.0, 5.0))):
            message = OscMessageBuilder(address)
            for number in numbers:
                message.add_arg(number, "f")
            here.sendto(message.build().dgram, ("127.0.0.1", receiver.ports["one"]))
        here.sendto(b"no OSC at all", ("127.0.0.1", receiver.ports["one"]))
        until = time.monotonic() + 20
        while len(receiver.datagrams["one"]) < 4 and time.monotonic() < until:
            time.sleep(0.005)
        after = time.perf_counter()
        here.close()
    finally:
        receiver.close()
    assert not receiver.datagrams["other"]
    watched = ("O1", "O2")
    row, single = by_position("/alpha"), by_address("/alpha/")
    found = values(receiver.datagrams["one"], lambda a, arguments: row(a, arguments, watched), watched)
    assert {name: list(numbers) for name, (_, numbers) in found.items()} == {"O1": [1.0], "O2": [2.0]}
    assert before <= found["O1"][0][0] <= after
    found = values(receiver.datagrams["one"], lambda a, arguments: single(a, arguments, watched), watched)
    assert {name: list(numbers) for name, (_, numbers) in found.items()} == {"O1": [], "O2": [3.0]}


def test_every_peer_is_pinned_and_takes_part_once_beside_ours() -> None:
    from peers import catalogue, environments

    peers = catalogue.every()
    assert len({peer.key for peer in peers}) == len(peers)
    for name in {peer.environment for peer in peers if peer.environment} | {"tools", "encoders"}:
        lines = (environments.REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        assert all("==" in line for line in lines if line and not line.startswith("#")), name
    groups = catalogue.waves(peers, 1.0)
    assert all(set(catalogue.ALWAYS) <= {peer.key for peer in group} for group in groups)
    once = [peer.key for group in groups for peer in group if peer.key not in catalogue.ALWAYS]
    assert sorted([*once, *catalogue.ALWAYS]) == sorted(peer.key for peer in peers)


def row(key: str, kind: str, reach_s: float, best_s: float, **others: Any) -> dict[str, Any]:
    """A row of the table, as far as its judgement goes."""
    made = {"tool": key, "setting": "as it comes", "about": "", "version": "1", "runs": 2, "why": "", "prompt": 0.5}
    costs = {"best": 0.96, "rate_hz": 50.0, "at_arrival": (0.1, 0.9), "cpu": 1.0, "memory_mb": 50.0, "processes": 1}
    figures = {"reach_s": reach_s, "best_s": best_s}
    return {**made, **costs, "key": key, "kind": kind, **figures, "by_minute": {"S001": figures}, **others}


def test_what_is_missed_is_said() -> None:
    from peers import tables

    both = {"S001": {"reach_s": 0.12, "best_s": 0.13}, "S002": {"reach_s": math.nan, "best_s": 0.13}}
    rows = [
        row("brainmusic", "ours", 0.08, 0.1),
        row("slow", "named", math.nan, 1.0),
        row("quick", "named", 0.24, 0.25),
        row("script", "script", 0.12, 0.13, by_minute=both),
        row("absent", "named", math.nan, math.nan, runs=0, why="pip could not install it"),
    ]
    said = tables.verdicts(rows)
    assert "yes, from 80 ms (S001)" in said
    assert "holds for 1 of 2 settings; missed against quick (as it comes): 3.12 ×" in said
    assert "holds for 0 of 1 settings; missed against script (as it comes): 1.50 ×" in said
    table = tables.peers(rows)
    assert "did not run: pip could not install it" in table and "12.5 ×" in table and "never" in table
    rows[0]["by_minute"] = {"S001": {"reach_s": 0.09, "best_s": 0.1}, "S002": {"reach_s": 0.04, "best_s": 0.1}}
    assert "| 1.3 × / it never is |" in tables.peers(rows)
    assert "| brainmusic, as it comes | 90 ms | 40 ms |" in tables.by_recording(rows)
    assert "| expert's script, as it comes | 120 ms | never |" in tables.by_recording(rows)
    rows[0]["by_minute"]["S002"]["reach_s"] = math.nan
    assert "no, from 90 ms (S001), never (S002)" in tables.verdicts(rows)
    assert tables.plain({"a": [math.nan, 1.0]}) == {"a": [None, 1.0]}


def test_only_its_own_section_of_the_docs_is_written(tmp_path: Path) -> None:
    from peers import docs

    file = tmp_path / "benchmarks.md"
    file.write_text(f"before\n\n{docs.BEGIN}\nold\n{docs.END}\n\nafter\n", encoding="utf-8")
    docs.write(file, "new\n")
    assert file.read_text(encoding="utf-8") == f"before\n\n{docs.BEGIN}\n\nnew\n\n{docs.END}\n\nafter\n"
    file.write_text("no place", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for it"):
        docs.write(file, "new")


def test_eyes_close_without_a_step() -> None:
    from peers.sender import _joined

    rows = np.random.default_rng(1).normal(size=(600, 2)) + 500
    made = np.array(_joined([1.0, -2.0], rows.tolist(), RATE_HZ))
    assert np.allclose(made[0], [1.0, -2.0])
    assert np.array_equal(made[250:], rows[250:])  # what is judged is what was recorded
    assert np.abs(np.diff(made, axis=0)).max() < 10


def test_without_recordings_the_simulated_person_is_played_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from peers import stimulus

    monkeypatch.setenv("BRAINMUSIC_TEST_DATA", "/nowhere")
    [minute] = stimulus.minutes()
    assert minute.name == "simulated"
    assert len(minute.samples) == len(minute.before) == round(stimulus.LONGEST_S * minute.samplerate)
    o1 = minute.channels.index("O1")
    opened = stimulus.envelope(minute.before[:, [o1]], minute.samplerate, stimulus.ALPHA).mean()
    assert minute.truth().shape == (len(minute.samples), len(stimulus.WATCHED))
    assert minute.truth()[:, 0].mean() > 2 * opened  # the eyes are closed
    assert len(minute.cut(20.0).samples) == round(20.0 * minute.samplerate)


def test_recorded_minutes_come_at_the_rate_of_a_headset() -> None:
    from peers import stimulus

    parts.recordings()
    for minute in stimulus.minutes():
        assert minute.samplerate == stimulus.RATE_HZ and minute.samples.shape[1] == len(stimulus.CHANNELS)
        assert 55 < len(minute.samples) / minute.samplerate <= stimulus.LONGEST_S + 0.1
        assert "recorded" in minute.name and 1 < minute.truth().mean() < 100  # µV

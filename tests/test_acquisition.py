"""The supervisor: channels, silence, reconnection, ends and errors, live and offline by the same steps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from brainmusic_daemon import registry
from brainmusic_daemon.acquisition.selection import select
from brainmusic_daemon.acquisition.supervisor import Acquisition, SourceState
from brainmusic_daemon.api import Chunk, Clock, ConfigError, EndOfStream, SourceLost, StreamInfo
from brainmusic_daemon.clock import VirtualClock, WallClock
from tests import parts
from tests.faults import find
from tests.faults.bed import Flow, Wire, listen
from tests.receivers import wait_for

FS = 250.0


class Board:
    """A board that sends sample k at k/250 s of its clock, and does what its script says in the meantime."""

    def __init__(self, channels: tuple[str, ...] = ("O1", "O2", "Fz"), end: float = np.inf) -> None:
        self.channels, self.end, self.samplerate = channels, end, FS
        self.opened = self.closed = 0
        self.opens: list[float] = []
        self.on_open: Callable[[float], None] = lambda now: None
        self.on_read: Callable[[float], None] = lambda now: None
        self.silent: Callable[[float], bool] = lambda now: False
        self.counts_anew, self.first = False, 0  # whether each opening begins with sample number 0

    def open(self, clock: Clock) -> StreamInfo:
        self.clock = clock
        self.opens.append(clock.now())
        self.opened += 1
        self.on_open(clock.now())
        self.next = int(np.ceil(clock.now() * FS - 1e-6))
        self.first = self.next if self.counts_anew else 0
        return StreamInfo("board", self.channels, self.samplerate)

    def read(self, timeout: float) -> Chunk | None:
        now = self.clock.now()
        self.on_read(now)
        there = int(min(now, self.end) * self.samplerate + 1e-6) + 1
        if there <= self.next and now >= self.end:
            raise EndOfStream
        if there <= self.next and timeout:
            self.clock.wait_until(min(now + timeout, self.next / self.samplerate))
            return None
        if self.silent(now):
            self.next = there
            return None
        if there <= self.next:
            return None
        k = np.arange(self.next, there)
        self.next = there
        samples = k[:, np.newaxis] + 1000.0 * np.arange(len(self.channels))
        return Chunk(samples, k / self.samplerate, int(k[0]) - self.first)

    def close(self) -> None:
        self.closed += 1


def run(
    acquisition: Acquisition, clock: VirtualClock, until: float, tick: float = 0.02
) -> list[tuple[float, bool, str]]:
    """Tick offline; return (time, alive, state) per tick."""
    seen = []
    acquisition.pump()
    while clock.now() < until - 1e-9:
        clock.wait_until(clock.now() + 0.02)
        acquisition.pump()
        seen.append((clock.now(), acquisition.alive(clock.now()), str(acquisition.state)))
    return seen


def make(board: Board, **settings: object) -> tuple[Acquisition, VirtualClock]:
    clock = VirtualClock()
    return Acquisition(board, clock, window_s=1.0, **settings), clock  # type: ignore[arg-type]


# --- what comes in --------------------------------------------------------------------------------------------------


def test_the_tick_finds_the_newest_window() -> None:
    acquisition, clock = make(Board())
    run(acquisition, clock, 2.0)
    assert acquisition.ring is not None and acquisition.info is not None
    window = acquisition.ring.newest(250)
    assert (window.samples + window.offset)[:, 0].tolist() == list(range(251, 501))
    assert window.time == 2.0 and acquisition.arrival == clock.now()
    assert acquisition.info.channels == ("O1", "O2", "Fz") and acquisition.generation == 1
    assert acquisition.counters()["samples"] == 501 and acquisition.seen and acquisition.error is None


def test_channels_are_chosen_and_left_out_whatever_their_case() -> None:
    acquisition, clock = make(Board(), channels=("o2", "FZ"), exclude=("fz",))
    run(acquisition, clock, 1.0)
    assert acquisition.info is not None and acquisition.info.channels == ("O2",)
    assert acquisition.ring is not None
    window = acquisition.ring.newest(1)
    assert (window.samples + window.offset).tolist() == [[1250.0]]


@pytest.mark.parametrize(
    ("channels", "exclude", "message"),
    [
        (("Fz.",), (), "features.channels: the source has no channel 'Fz.'; did you mean 'Fz'?"),
        ((), ("Cz9x",), "features.exclude: the source has no channel 'Cz9x'; there is O1, O2, Fz"),
        ((), ("O1", "O2", "Fz"), "no channel is left: the source has O1, O2, Fz"),
    ],
)
def test_a_wrong_choice_of_channels_ends_it(channels: tuple[str, ...], exclude: tuple[str, ...], message: str) -> None:
    board = Board()
    acquisition, _ = make(board, channels=channels, exclude=exclude)
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        acquisition.pump()
    assert acquisition.state == SourceState.FAILED and isinstance(acquisition.error, ConfigError)
    assert board.closed == board.opened == 1, "what was opened is closed"


def test_a_source_without_channels_or_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="the source has none"):
        select((), (), ())
    board = Board()
    board.samplerate = 0.0
    acquisition, _ = make(board)
    with pytest.raises(ConfigError, match=r"states a rate of 0\.0 Hz"):
        acquisition.pump()
    assert acquisition.state == SourceState.FAILED


def test_chunks_of_another_shape_are_a_lost_source_not_a_crash() -> None:
    board = Board()
    acquisition, clock = make(board)
    run(acquisition, clock, 0.5)
    board.channels = ("O1", "O2")  # it sends two channels now and has not said so
    board.read(0.0)
    clock.wait_until(0.6)
    acquisition.pump()
    row = find("shape-changes")
    assert acquisition.state == SourceState.LOST and row.says([acquisition.last_message]), acquisition.last_message

    class Changing(Wire):
        """Loses a channel once, at second 10."""

        def read(self, timeout: float) -> Chunk | None:
            chunk = super().read(timeout)
            if chunk is None or self._clock.now() < 10.0 or len(self.openings) > 1:
                return chunk
            return Chunk(chunk.samples[:, 1:], chunk.times, chunk.first)

    heard = listen(Changing(Flow.healthy(20.0)), 20.0)
    assert row.says(heard.said) and heard.states(10.0) == [*row.state.split(", "), "good"], heard.said
    late = [time for time, follow in zip(heard.times, heard.follow, strict=True) if time > 10.0 and follow < 0.99]
    assert row.seconds is not None and late and late[-1] - 10.0 <= row.seconds


# --- silence and return ---------------------------------------------------------------------------------------------


def test_silence_is_noticed_within_a_second_and_the_return_too() -> None:
    board = Board()
    board.silent = lambda now: 2.0 < now < 5.0
    acquisition, clock = make(board)
    seen = run(acquisition, clock, 12.0)
    lost = next(when for when, alive, _ in seen if when > 2.0 and not alive)
    assert 2.7 < lost < 3.0
    assert next(when for when, _, state in seen if state == "lost") < 3.0
    assert acquisition.state == SourceState.STREAMING and acquisition.alive(clock.now())
    counters = acquisition.counters()
    assert counters["reconnects"] == 1 and counters["restarts"] == 1 and board.opened == board.closed + 1
    assert acquisition.generation == 1, "the same headset keeps its ring"


def test_a_source_that_breaks_is_reopened_with_growing_pauses() -> None:
    board = Board()

    def away(now: float) -> None:
        if 1.0 < now < 30.0:
            raise SourceLost("the dongle is gone")

    board.on_read = board.on_open = away
    acquisition, clock = make(board, seed=4)
    seen = run(acquisition, clock, 40.0)
    pauses = np.diff(board.opens[1:])
    assert 0.2 <= board.opens[1] - 1.0 <= 0.3
    assert (np.diff(pauses[:4]) > 0).all() and pauses.max() <= 5.02 and pauses[-1] > 3.9
    assert acquisition.state == SourceState.STREAMING and acquisition.error is None
    assert any(state == "lost" for *_, state in seen)
    assert len({round(float(pause), 3) for pause in pauses[5:]}) > 1, "the pauses are jittered"


def test_the_error_is_there_while_the_source_is_away() -> None:
    board = Board()

    def gone(now: float) -> None:
        raise SourceLost("no headset named 'Muse-12AB'")

    board.on_open = gone
    acquisition, clock = make(board)
    run(acquisition, clock, 3.0)
    assert not acquisition.seen and acquisition.ring is None and not acquisition.alive(clock.now())
    assert isinstance(acquisition.error, SourceLost) and "Muse-12AB" in acquisition.last_message
    assert board.closed == board.opened > 2


def test_transitions_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()

    def away(now: float) -> None:
        if 1.0 < now < 20.0:
            raise SourceLost("gone")

    board.on_read = board.on_open = away
    acquisition, clock = make(board)
    with caplog.at_level(logging.DEBUG, logger="brainmusic_daemon.acquisition.supervisor"):
        run(acquisition, clock, 30.0)
    told = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert [message.split(":")[0] for message in told] == [
        "source 'board' is streaming",
        "gone",
        "source 'board' is streaming again",
    ]
    assert sum(record.levelno == logging.DEBUG for record in caplog.records) > 5


def test_a_board_that_counts_anew_after_each_opening_loses_nothing_by_it() -> None:
    board = Board()
    board.counts_anew = True

    def away(now: float) -> None:
        if board.opened == 1 and now > 1.0:
            raise SourceLost("gone")

    board.on_read = away
    acquisition, clock = make(board)
    run(acquisition, clock, 2.5)
    counters = acquisition.counters()
    assert counters["duplicates"] == counters["backward"] == counters["gaps"] == 0 and counters["restarts"] == 1
    assert acquisition.ring is not None and acquisition.ring.time == 2.5
    assert acquisition.ring.newest(250).filled == 250


def test_a_gap_in_a_recording_is_silence_but_no_reason_to_begin_anew() -> None:
    board = Board(end=12.0)
    board.reopen_on_silence = False  # type: ignore[attr-defined]
    board.silent = lambda now: 2.0 < now < 9.0
    acquisition, clock = make(board)
    seen = run(acquisition, clock, 8.0)
    row = find("recording-with-a-gap")
    assert acquisition.state == row.state == SourceState.LOST and isinstance(acquisition.error, SourceLost)
    assert row.says([acquisition.last_message])
    assert next(when for when, alive, _ in seen if when > 2.0 and not alive) < 3.0
    seen = run(acquisition, clock, 11.0)
    assert row.seconds is not None and next(when for when, alive, _ in seen if alive) - 9.0 <= row.seconds
    assert acquisition.state == SourceState.STREAMING and acquisition.error is None
    assert board.opened == 1 and acquisition.counters()["reconnects"] == 0
    assert acquisition.counters()["gaps"] == acquisition.counters()["restarts"] == 1


def test_another_headset_gets_a_new_ring() -> None:
    board = Board()
    board.silent = lambda now: 1.0 < now < 2.5
    acquisition, clock = make(board)
    run(acquisition, clock, 1.5)
    before = acquisition.setup
    board.channels = ("TP9", "AF7", "AF8", "TP10")
    run(acquisition, clock, 4.0)
    assert acquisition.generation == before.generation + 1 and acquisition.ring is not before.ring
    assert acquisition.ring is not None and acquisition.ring.newest(10).samples.shape == (10, 4)
    assert acquisition.counters()["samples"] > 2 * 250, "the counters go on"


def test_an_estimated_rate_that_differs_a_little_keeps_the_ring() -> None:
    board = Board()
    board.silent = lambda now: 1.0 < now < 2.5
    acquisition, clock = make(board)
    run(acquisition, clock, 1.5)
    board.samplerate = 250.2
    run(acquisition, clock, 5.0)
    assert acquisition.generation == 1 and acquisition.info is not None and acquisition.info.samplerate == 250.0
    board.silent, board.samplerate = lambda now: 5.0 < now < 6.5, 256.0
    run(acquisition, clock, 10.0)
    assert acquisition.generation == 2 and acquisition.info.samplerate == 256.0


def test_the_same_samples_again_and_again_are_no_sign_of_life() -> None:
    board = Board()
    acquisition, clock = make(board)
    run(acquisition, clock, 1.0)
    stale = Chunk(np.ones((5, 3)), np.arange(5) / FS, 200)
    reads = iter(range(10_000))
    board.read = lambda timeout: None if next(reads) % 2 else stale  # type: ignore[method-assign]  # one per tick
    run(acquisition, clock, 1.85)
    assert not acquisition.alive(clock.now())


# --- ends -----------------------------------------------------------------------------------------------------------


def test_a_recording_ends() -> None:
    board = Board(end=1.0)
    acquisition, clock = make(board)
    with pytest.raises(EndOfStream):
        run(acquisition, clock, 5.0)
    with pytest.raises(EndOfStream):
        acquisition.pump()
    assert acquisition.state == SourceState.ENDED and acquisition.counters()["samples"] == 251 and board.closed == 1


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("xdf_reference/clock_resets.xdf", {"gaps": 1, "restarts": 1}),  # minutes apart, with a reset of the clock
        ("xdf_muse/muse_P002.xdf", {}),
        ("openbci_text/gui_v6_blinks_jaw_alpha.txt", {}),
        ("eyes_open_closed/S001R02.edf", {}),
    ],
)
def test_a_real_recording_is_played_once_with_its_gaps(file: str, expected: dict[str, int]) -> None:
    path = parts.recordings() / file
    clock = VirtualClock()
    acquisition = Acquisition(registry.build("source", "recording", {"path": str(path)}, ""), clock, window_s=1.0)
    with pytest.raises(EndOfStream):
        run(acquisition, clock, 3600.0)
    counters = acquisition.counters()
    assert counters["samples"] > 1000
    assert {name: n for name, n in counters.items() if n and name not in ("samples", "lost")} == expected
    assert acquisition.ring is not None
    window = acquisition.ring.newest(90)
    assert np.isfinite(window.samples).all() and window.samples.any() and window.filled == 90
    assert acquisition.arrival - window.time < 0.021, "the newest sample is at most a tick old"


def test_offline_a_bug_in_a_source_shows_itself() -> None:
    board = Board()
    board.on_read = lambda now: 1 / 0  # type: ignore[assignment,return-value]
    acquisition, _ = make(board)
    with pytest.raises(ZeroDivisionError):
        acquisition.pump()


# --- the thread -----------------------------------------------------------------------------------------------------


def test_live_and_offline_fill_the_ring_alike() -> None:
    board = Board(end=0.5)
    live = Acquisition(board, WallClock(), window_s=1.0)
    live.start()
    try:
        wait_for(lambda: live.state == SourceState.ENDED)
    finally:
        live.stop()
    acquisition, clock = make(Board(end=0.5))
    with pytest.raises(EndOfStream):
        run(acquisition, clock, 5.0)
    assert live.ring is not None and acquisition.ring is not None
    first = int(live.ring.offset[0])  # the thread opened it a moment later
    n = live.ring.end
    assert n == 126 - first
    assert np.array_equal(
        live.ring.newest(n).samples + live.ring.offset, acquisition.ring.newest(n).samples + acquisition.ring.offset
    )


def test_live_silence_is_noticed_and_a_bug_in_a_source_does_not_end_the_thread() -> None:
    row, board, clock = find("driver-fails"), Board(), WallClock()
    fail = threading.Event()

    def read(now: float) -> None:
        if fail.is_set():
            fail.clear()
            raise RuntimeError("a bug")

    board.on_read = read
    acquisition = Acquisition(board, clock, window_s=1.0, silence_s=0.2)
    acquisition.start()
    try:
        wait_for(lambda: acquisition.alive(clock.now()))
        failed = time.monotonic()
        fail.set()
        wait_for(lambda: acquisition.state in row.state.split(", "))
        assert row.says([acquisition.last_message]) and "RuntimeError: a bug" in acquisition.last_message
        wait_for(lambda: acquisition.alive(clock.now()))
        assert row.seconds is not None and time.monotonic() - failed <= row.seconds
        board.silent = lambda now: True
        wait_for(lambda: acquisition.state == SourceState.LOST)
    finally:
        acquisition.stop()
    assert board.closed == board.opened


def test_stop_is_quick_idempotent_and_does_not_wait_for_a_blocking_open(caplog: pytest.LogCaptureFixture) -> None:
    board, release = Board(), threading.Event()
    board.on_open = lambda now: release.wait(60) and None
    acquisition = Acquisition(board, WallClock(), window_s=1.0)
    acquisition.start()
    wait_for(lambda: board.opened == 1)
    acquisition.stop(timeout=0.05)
    acquisition.stop(timeout=0.05)
    assert not board.closed and "does not let go" in caplog.text  # it came back while the source still blocks
    release.set()
    assert acquisition._thread is not None
    acquisition._thread.join(5)
    assert board.closed == 1


def test_stop_without_start_and_a_close_that_fails_raise_nothing() -> None:
    board = Board()
    acquisition, clock = make(board)
    acquisition.stop()
    acquisition, clock = make(board)
    run(acquisition, clock, 0.1)
    board.close = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    acquisition.stop()
    acquisition.stop()

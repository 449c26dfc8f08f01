"""The BrainFlow source against BrainFlow's synthetic and playback boards, and boards that are not there."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.acquisition import boards
from brainmusic_daemon.acquisition.brainflow import _PARAMETERS, Brainflow
from brainmusic_daemon.acquisition.counter import Counter
from brainmusic_daemon.api import Chunk, ConfigError, SourceLost
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.registry import build, settings_of
from tests.faults import find

MUSE = ("TP9", "AF7", "AF8", "TP10")


def _listen(source: Brainflow, seconds: float) -> list[Chunk]:
    chunks, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        chunk = source.read(0.05)
        if chunk is not None:
            chunks.append(chunk)
    return chunks


@pytest.fixture(scope="module")
def raw_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one second of the synthetic board as BrainFlow writes it."""
    path = tmp_path_factory.mktemp("brainflow") / "raw.csv"
    source = Brainflow(board="synthetic", streamer=f"file://{path}:w")
    source.open(WallClock())
    _listen(source, 1.0)
    source.close()
    return path


# --- boards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [("CYTON_BOARD", "CYTON_BOARD"), ("cyton", "CYTON_BOARD"), ("Muse 2", "MUSE_2_BOARD"), ("muse-s", "MUSE_S_BOARD")],
)
def test_boards_by_name(given: str, name: str) -> None:
    assert boards.identify(given)[1] == name


@pytest.mark.parametrize("given", [38, "38"])
def test_boards_by_number(given: int | str) -> None:
    assert boards.identify(given) == (38, "MUSE_2_BOARD")


def test_unknown_boards_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no board 'cyten'; did you mean 'cyton'\?"):
        boards.identify("cyten")
    with pytest.raises(ConfigError, match="number 4711"):
        boards.identify(4711)
    with pytest.raises(ConfigError, match="brainmusic devices"):
        boards.identify("zzzzzz")


def test_the_boards_describe_themselves() -> None:
    muse = boards.describe(*boards.identify("muse_2"))
    assert (muse.channels, muse.samplerate) == (MUSE, 256.0)
    cyton = boards.describe(*boards.identify("cyton"))
    assert (len(cyton.channels), cyton.samplerate, cyton.rail_uv) == (8, 250.0, 187_500.0)
    assert boards.describe(*boards.identify("brainalive")).channels[4] == "Cz"  # written CZ there
    ganglion = boards.describe(*boards.identify("ganglion"))
    assert ganglion.channels == ("Ch1", "Ch2", "Ch3", "Ch4")


def test_a_board_without_eeg_is_refused() -> None:
    with pytest.raises(ConfigError, match="EMOTIBIT_BOARD has no EEG channels"):
        Brainflow(board="emotibit").open(WallClock())
    with pytest.raises(ConfigError, match="preset 'ancillary'"):
        Brainflow(board="cyton", preset="ancillary").open(WallClock())


# --- the synthetic board --------------------------------------------------------------------------


@pytest.mark.real
def test_the_synthetic_board_live() -> None:
    source, clock = Brainflow(), WallClock()
    info = source.open(clock)
    try:
        assert (info.samplerate, len(info.channels), info.channels[6]) == (250.0, 16, "Oz")
        late = []
        chunks, end = [], time.perf_counter() + 1.6
        while time.perf_counter() < end:
            chunk = source.read(0.05)
            if chunk is not None:
                chunks.append(chunk)
                late.append(clock.now() - float(chunk.times[-1]))
    finally:
        source.close()
    samples, times = np.concatenate([c.samples for c in chunks]), np.concatenate([c.times for c in chunks])
    assert samples.dtype == np.float64 and samples.shape == (len(times), 16)
    assert samples.std(axis=0).min() > 1
    assert 100 < len(times) < 440  # 400 on a machine that does nothing else
    assert np.median(np.diff(times)) == pytest.approx(0.004, rel=0.25)
    assert 0 <= statistics.median(late) < 0.5
    numbered = [c for c in chunks if c.first is not None]
    assert numbered, "its counter wraps at 256 and is to be trusted after that"
    assert all(b.first == a.first + len(a.times) for a, b in itertools.pairwise(numbered) if a.first)


@pytest.mark.real
def test_opened_again_after_close_and_never_twice() -> None:
    source = Brainflow()
    for _ in range(2):
        source.open(WallClock())
        assert _listen(source, 0.1)
        with pytest.raises(SourceLost, match="open already"):
            Brainflow().open(WallClock())
        source.close()
        source.close()
        with pytest.raises(SourceLost, match="closed"):
            source.read(0.0)


@pytest.mark.real
def test_names_replace_the_boards_own() -> None:
    names = [f"E{i}" for i in range(16)]
    source = Brainflow(names=names)
    assert source.open(WallClock()).channels == tuple(names)
    source.close()
    with pytest.raises(ConfigError, match="2 names for 16 channels"):
        Brainflow(names=["a", "b"]).open(WallClock())


@pytest.mark.real
def test_a_clock_that_is_set_does_not_move_the_samples(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """BrainFlow stamps with the time of day; here it jumps by an hour against the session, as when NTP sets it."""
    row, source, clock = find("clock-set-under-brainflow"), Brainflow(), WallClock()
    source.open(clock)
    try:
        _listen(source, 0.05)
        real = clock.now
        begin = real()
        monkeypatch.setattr(clock, "now", lambda: real() + 3600)
        off = [begin]
        assert row.seconds is not None
        while real() - begin < 2 * row.seconds:
            chunk = source.read(0.5)
            assert chunk is not None
            if abs(clock.now() - float(chunk.times[-1])) > 2.0:  # 0.01 on a machine that does nothing else
                off.append(real())
    finally:
        source.close()
    assert off[-1] - begin <= row.seconds and not caplog.messages


# --- the playback board ---------------------------------------------------------------------------


@pytest.mark.real
def test_playback_gives_the_recording(raw_csv: Path) -> None:
    recorded = np.loadtxt(raw_csv, delimiter="\t")[:, 1:17]
    source = Brainflow(board="PLAYBACK_FILE_BOARD", master_board="synthetic", file=str(raw_csv))
    info = source.open(WallClock())
    chunks = _listen(source, 0.6)
    source.close()
    assert info.channels[6] == "Oz" and info.details["board"] == "PLAYBACK_FILE_BOARD"
    got = np.concatenate([c.samples for c in chunks])
    assert len(got) > 100
    assert np.array_equal(got, recorded[: len(got)])


@pytest.mark.real
def test_commands_reach_the_board(raw_csv: Path) -> None:
    """With the old time stamps the playback board repeats those of the file, an age ago."""
    settings = {"board": "playback_file", "master_board": -1, "file": str(raw_csv)}
    source = Brainflow(**settings, commands=["old_timestamps"])
    clock = WallClock()
    source.open(clock)
    time.sleep(0.2)
    chunk = source.read(0.5)
    source.close()
    assert chunk is not None and clock.now() - float(chunk.times[-1]) > 0.5


def test_playback_needs_a_master_and_a_file() -> None:
    with pytest.raises(ConfigError, match="needs `master_board`"):
        Brainflow(board="playback_file").open(WallClock())
    with pytest.raises(ConfigError, match=r"check `file` \(/nowhere\.csv\)"):
        Brainflow(board="playback_file", master_board="synthetic", file="/nowhere.csv").open(WallClock())


# --- boards that are not there --------------------------------------------------------------------


def test_a_missing_port_setting_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"CYTON_BOARD: invalid arguments.*need `serial_port`"):
        Brainflow(board="cyton").open(WallClock())


def test_a_missing_dongle_is_lost() -> None:
    with pytest.raises(SourceLost, match=r"serial port '/dev/nothing' cannot be opened"):
        Brainflow(board="cyton", serial_port="/dev/nothing").open(WallClock())


@pytest.mark.parametrize("code", range(1, 19))
def test_every_code_has_a_way_out(code: int) -> None:
    shim = boards.library()
    error = shim.BrainFlowError("unable to prepare streaming session", code)
    assert boards.reason(error) and "_" not in boards.reason(error)
    assert boards.way_out(code, "MUSE_2_BOARD", "", "") and boards.way_out(code, "CYTON_BOARD", "COM3", "")


def test_all_input_parameters_are_settings() -> None:
    parameters = vars(boards.library().BrainFlowInputParams())
    assert set(parameters) - {"master_board"} == set(_PARAMETERS.split())
    assert set(parameters) <= set(settings_of(Brainflow))
    values = {key: 1 if isinstance(value, int) else "x" for key, value in parameters.items()}
    made = build("source", "brainflow", values, "source")
    assert {key: getattr(made, key) for key in values} == values


def test_parameters_reach_brainflow(monkeypatch: pytest.MonkeyPatch) -> None:
    shim, seen = boards.library(), {}
    real = shim.BoardShim

    def spy(board: int, params: object) -> object:
        seen.update(vars(params))
        return real(board, params)

    monkeypatch.setattr(shim, "BoardShim", spy)
    monkeypatch.setattr(spy, "get_board_descr", real.get_board_descr, raising=False)
    monkeypatch.setattr(spy, "get_board_presets", real.get_board_presets, raising=False)
    monkeypatch.setattr(spy, "disable_board_logger", real.disable_board_logger, raising=False)
    values = {"serial_port": "/dev/nothing", "timeout": 3, "other_info": "o", "ip_port": 7, "mac_address": "m"}
    with pytest.raises(SourceLost):
        Brainflow(board="cyton", **values).open(WallClock())
    assert {key: seen[key] for key in values} == values


def test_nothing_reaches_the_terminal() -> None:
    code = (
        "from brainmusic_daemon.acquisition.brainflow import Brainflow\n"
        "from brainmusic_daemon.clock import WallClock\n"
        "from brainmusic_daemon.api import BrainmusicError\n"
        "s = Brainflow(); s.open(WallClock()); s.read(0.1); s.close()\n"
        "try: Brainflow(board='cyton', serial_port='/dev/nothing').open(WallClock())\n"
        "except BrainmusicError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- the counter ----------------------------------------------------------------------------------


def _numbers(
    counts: np.ndarray, rate: float = 250.0, times: np.ndarray | None = None
) -> list[tuple[int, int, int | None]]:
    stamps = np.arange(len(counts)) / rate if times is None else times
    return Counter(rate).numbers(counts.astype(float), stamps)


def test_a_wrapping_counter_is_trusted_after_its_first_wrap() -> None:
    count = np.arange(600) + 100
    assert _numbers(count % 256) == [(0, 156, None), (156, 600, 157)]


def test_losses_split_and_are_counted_across_the_wrap() -> None:
    count = np.delete(np.arange(1000), range(510, 520))
    (_, _, _), (a, b, first), (c, d, then) = _numbers(count % 256, times=count / 250)
    assert (a, b, c, d) == (256, 510, 510, 990)
    assert then - first == 520 - 256


def test_a_loss_of_whole_wraps_shows_in_the_time_stamps() -> None:
    count = np.delete(np.arange(2000), range(600, 600 + 512))
    stretches = _numbers(count % 256, times=count / 250)
    assert stretches[-1][2] - stretches[-2][2] == 600 + 512 - 256


@pytest.mark.parametrize("count", [np.arange(900) // 12, np.arange(900) * 2, np.zeros(900)])
def test_other_counters_are_not_trusted(count: np.ndarray) -> None:
    assert _numbers(count % 256) == [(0, 900, None)]


def test_a_counter_that_goes_wild_loses_trust() -> None:
    wild = np.random.default_rng(0).integers(0, 256, 2000)
    stretches = _numbers(np.concatenate((np.arange(600) % 256, wild)))
    assert stretches[-1][2] is None and stretches[-1][1] - stretches[-1][0] > 1000


def test_chunking_does_not_change_the_numbers() -> None:
    count = np.delete(np.arange(3000), range(900, 1000))
    whole = _numbers(count % 256, times=count / 250)
    counter, parts, at = Counter(250.0), [], 0
    for size in [1, 7, 300, 41] * 20:
        piece = slice(at, min(at + size, len(count)))
        if piece.start >= len(count):
            break
        stretches = counter.numbers((count[piece] % 256).astype(float), count[piece] / 250)
        parts += [(first, stop - start) for start, stop, first in stretches]
        at += size
    joined = np.concatenate([first + np.arange(n) for first, n in parts if first is not None])
    expected = np.concatenate([first + np.arange(stop - start) for start, stop, first in whole if first is not None])
    assert np.array_equal(joined, expected)

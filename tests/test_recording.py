"""The recording source: every format, what real files do wrong, and its pacing."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon.acquisition import formats, labels
from brainmusic_daemon.acquisition.formats.take import estimate_rate, runs_of
from brainmusic_daemon.acquisition.recording import Recording
from brainmusic_daemon.api import Chunk, ConfigError, EndOfStream, StreamInfo
from brainmusic_daemon.clock import VirtualClock, WallClock
from tests import edf_writer, parts, xdf_writer
from tests.xdf_writer import Stream

RATE = 200.0


def _noise(n: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, channels)) * 20


def _play(source: Recording, tick: float = 0.02, laps_s: float = 1e9) -> tuple[StreamInfo, list[Chunk]]:
    """Read a source to its end on a virtual clock."""
    clock, chunks = VirtualClock(), []
    info = source.open(clock)
    try:
        for i in itertools.count():
            clock.wait_until(i * tick)
            if clock.now() > laps_s:
                break
            while (chunk := source.read(0.0)) is not None:
                assert np.all(chunk.times <= clock.now() + 1e-9)
                chunks.append(chunk)
    except EndOfStream:
        pass
    source.close()
    return info, chunks


def _all(chunks: Sequence[Chunk]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers = [np.arange(len(c.times)) + (c.first if c.first is not None else 0) for c in chunks]
    return (
        np.concatenate([c.samples for c in chunks]),
        np.concatenate([c.times for c in chunks]),
        np.concatenate(numbers),
    )


def _xdf(folder: Path, *streams: Stream) -> Path:
    return xdf_writer.write(folder / "test.xdf", streams)


def _eeg(times: np.ndarray, samples: np.ndarray | None = None, **settings: Any) -> Stream:
    values = _noise(len(times)) if samples is None else samples
    names = [{"label": label, "unit": "uV"} for label in ("Fz", "O1", "O2")[: values.shape[1]]]
    return Stream(
        **({"name": "amp", "rate": RATE, "fmt": "double64", "channels": names} | settings), samples=values, times=times
    )


# --- pacing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def edf(tmp_path: Path) -> tuple[Path, np.ndarray]:
    path = tmp_path / "a.edf"
    return path, edf_writer.write(path, _noise(1000), ["Fp1.", "CZ", "EEG O1-REF"])


def test_samples_become_due_at_their_time(edf: tuple[Path, np.ndarray]) -> None:
    path, written = edf
    info, chunks = _play(Recording(path=str(path)))
    samples, times, numbers = _all(chunks)
    assert (info.channels, info.samplerate) == (("Fp1", "Cz", "O1"), 100.0)
    np.testing.assert_allclose(samples, written, atol=1e-9)
    assert np.array_equal(numbers, np.arange(1000))
    np.testing.assert_allclose(times, np.arange(1000) / 100, atol=1e-12)
    assert {len(chunk.times) for chunk in chunks} <= {1, 2, 3}
    assert samples.dtype == np.float64 and samples.flags.c_contiguous


def test_chunking_changes_nothing(edf: tuple[Path, np.ndarray]) -> None:
    whole = [_all(_play(Recording(path=str(edf[0])), tick)[1]) for tick in (0.02, 0.0173, 3.0)]
    for other in whole[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(whole[0], other, strict=True))


def test_start_and_duration_cut(edf: tuple[Path, np.ndarray]) -> None:
    path, written = edf
    samples, times, numbers = _all(_play(Recording(path=str(path), start_s=2.5, duration_s=1.5))[1])
    np.testing.assert_allclose(samples, written[250:400], atol=1e-9)
    assert (times[0], numbers[0]) == (0, 0)


def test_a_start_beyond_the_end_says_how_long_it_is(edf: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match=r"start_s = 99 .* it is 10\.0 s long"):
        Recording(path=str(edf[0]), start_s=99).open(VirtualClock())


def test_loop_goes_on_in_time_and_number(edf: tuple[Path, np.ndarray]) -> None:
    path, written = edf
    samples, times, numbers = _all(_play(Recording(path=str(path), loop=True, start_s=8), laps_s=5.0)[1])
    assert len(samples) == 501
    np.testing.assert_allclose(samples[200:400], written[800:], atol=1e-9)
    np.testing.assert_allclose(times, np.arange(501) / 100, atol=1e-9)
    assert np.array_equal(numbers, np.arange(501))


def test_the_end_comes_after_the_last_sample_and_again(edf: tuple[Path, np.ndarray]) -> None:
    source, clock = Recording(path=str(edf[0])), VirtualClock()
    source.open(clock)
    clock.wait_until(100)
    chunk = source.read(0)
    assert chunk is not None and len(chunk.times) == 1000
    for _ in range(2):
        with pytest.raises(EndOfStream):
            source.read(0)
    source.close()
    source.close()


def test_a_gap_is_waited_out(tmp_path: Path) -> None:
    """The supervisor reopens silent sources; a recording would begin anew at each of its gaps."""
    from brainmusic_daemon.acquisition.supervisor import Acquisition

    times = np.arange(800) / RATE
    times[400:] += 5
    clock = VirtualClock()
    acquisition = Acquisition(Recording(path=str(_xdf(tmp_path, _eeg(times)))), clock, window_s=0.5)
    with pytest.raises(EndOfStream):
        for i in range(1000):
            clock.wait_until(i * 0.02)
            acquisition.pump()
    counts = acquisition.counters()
    assert (counts["samples"], counts["lost"], counts["reconnects"]) == (800, 5 * RATE, 0)


def test_a_virtual_clock_is_never_moved(edf: tuple[Path, np.ndarray]) -> None:
    source, clock = Recording(path=str(edf[0])), VirtualClock()
    source.open(clock)
    assert source.read(1.0) is not None
    assert source.read(1.0) is None
    assert clock.now() == 0


def test_the_wall_clock_paces(edf: tuple[Path, np.ndarray]) -> None:
    source, clock = Recording(path=str(edf[0])), WallClock()
    source.open(clock)
    begin, samples = clock.now(), 0
    while clock.now() < begin + 0.3:
        chunk = source.read(0.05)
        if chunk is not None:
            samples += len(chunk.times)
            assert clock.now() - 0.1 < chunk.times[-1] <= clock.now()
    assert 28 <= samples <= 32


def test_names_can_be_given(edf: tuple[Path, np.ndarray]) -> None:
    assert Recording(path=str(edf[0]), names=["a", "b", "oz"]).open(VirtualClock()).channels == ("a", "b", "Oz")
    with pytest.raises(ConfigError, match="2 names for 3 channels"):
        Recording(path=str(edf[0]), names=["a", "b"]).open(VirtualClock())


# --- files that mne reads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1.0), ("mV", 1e3), ("V", 1e6)])
def test_edf_units(tmp_path: Path, unit: str, factor: float) -> None:
    written = edf_writer.write(
        tmp_path / "u.edf", _noise(500) / factor, ["a", "b", "c"], unit=unit, physical=200 / factor
    )
    samples = _all(_play(Recording(path=str(tmp_path / "u.edf")))[1])[0]
    np.testing.assert_allclose(samples, written * factor, atol=1e-6)


def test_edf_that_holds_volts_as_microvolts(tmp_path: Path) -> None:
    edf_writer.write(tmp_path / "u.edf", _noise(500) / 1e6, ["a", "b", "c"], unit="uV", physical=0.0002)
    info, chunks = _play(Recording(path=str(tmp_path / "u.edf")))
    assert 10 < _all(chunks)[0].std() < 40
    assert "volts" in info.details["units"]


def test_bdf_leaves_out_what_is_not_eeg(tmp_path: Path) -> None:
    names = ["Fp1", "O2", "ECG", "EOG left", "EXG1", "Status", "Fp1"]
    written = edf_writer.write(tmp_path / "b.bdf", _noise(300, 7), names)
    info, chunks = _play(Recording(path=str(tmp_path / "b.bdf")))
    assert info.channels == ("Fp1-0", "O2", "Fp1-1")  # mne numbers doubles
    np.testing.assert_allclose(_all(chunks)[0], written[:, [0, 1, 6]], atol=1e-6)
    assert "ECG" in info.details["left out"]


def test_fif_takes_the_eeg_only(tmp_path: Path) -> None:
    import mne

    data = _noise(400, 4)
    info = mne.create_info(["Cz", "heart", "Oz", "STI"], 200.0, ["eeg", "ecg", "eeg", "stim"], verbose="error")
    path = tmp_path / "me_raw.fif"
    mne.io.RawArray(data.T / 1e6, info, verbose="error").save(path, fmt="double", verbose="error")
    told, chunks = _play(Recording(path=str(path)))
    assert (told.channels, told.samplerate) == (("Cz", "Oz"), 200.0)
    np.testing.assert_allclose(_all(chunks)[0], data[:, [0, 2]], rtol=1e-9)


def test_a_file_without_eeg_lists_its_channels(tmp_path: Path) -> None:
    import mne

    info = mne.create_info(["heart", "STI"], 200.0, ["ecg", "stim"], verbose="error")
    path = tmp_path / "me_raw.fif"
    mne.io.RawArray(np.zeros((2, 100)), info, verbose="error").save(path, verbose="error")
    with pytest.raises(ConfigError, match=r"no EEG channels .*1 ecg, 1 stim"):
        Recording(path=str(path)).open(VirtualClock())


@pytest.mark.parametrize("suffix", [".vhdr", ".eeg", ".vmrk"])
def test_brainvision_by_any_of_its_files(tmp_path: Path, suffix: str) -> None:
    data = _noise(300, 2).astype("<f4")
    (tmp_path / "v.eeg").write_bytes(data.tobytes())
    (tmp_path / "v.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=v.eeg\n"
        "[Marker Infos]\nMk1=New Segment,,1,1,0,20260101100000000000\n",
        encoding="utf-8",
    )
    (tmp_path / "v.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=v.eeg\n"
        "MarkerFile=v.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\nSamplingInterval=4000\n"
        "[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\nCh1=Fz,,0.1,µV\nCh2=O1,,0.1,µV\n",
        encoding="utf-8",
    )
    info, chunks = _play(Recording(path=str(tmp_path / f"v{suffix}")))
    assert (info.channels, info.samplerate) == (("Fz", "O1"), 250.0)
    np.testing.assert_allclose(_all(chunks)[0], data * 0.1, rtol=1e-5)


# --- XDF --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ["float32", "double64", "int16", "int32", "int64", "int8"])
def test_xdf_formats(tmp_path: Path, fmt: str) -> None:
    values = np.round(_noise(600)).clip(-100, 100)
    info, chunks = _play(Recording(path=str(_xdf(tmp_path, _eeg(50 + np.arange(600) / RATE, values, fmt=fmt)))))
    samples, times, numbers = _all(chunks)
    assert (info.name, info.channels, info.samplerate) == ("amp", ("Fz", "O1", "O2"), RATE)
    assert np.array_equal(samples, values) and np.array_equal(numbers, np.arange(600))
    np.testing.assert_allclose(times, np.arange(600) / RATE, atol=1e-9)


def _kind(name: str, kind: str | None, names: Sequence[str] = (), **settings: Any) -> Stream:
    channels = [{"label": label} for label in names]
    width = len(names) or 2
    return Stream(name, _noise(300, width), 9 + np.arange(300) / RATE, kind, RATE, channels=channels, **settings)


@pytest.mark.parametrize(
    ("others", "eeg"),
    [
        (
            [_kind("acc", "ACC", "XYZ"), _kind("muse ppg", "EEG", ["LUX", "IR", "RED"])],
            _kind("muse", "EEG", ["TP9", "AF7"]),
        ),
        ([_kind("ppg", "PPG")], _kind("EEG", "Muse")),  # name and type swapped
        ([_kind("gyro", "GYRO")], _kind("openbci_eeg", "signal")),
        ([_kind("aux", "AUX", ["AUX1"])], _kind("amp", None, ["Fp1", "Fp2", "Oz"])),  # no type at all
        ([_kind("marks", "Markers", ["m"])], _kind("a", "eeg")),
        ([_kind("events of the EEG", "Markers")], _kind("b", "EEG")),
    ],
)
def test_the_eeg_is_found_by_evidence(tmp_path: Path, others: list[Stream], eeg: Stream) -> None:
    empty = Stream("first", np.zeros((0, 8)), [], "EEG", RATE)
    for order in ([empty, *others, eeg], [eeg, *others, empty]):
        assert Recording(path=str(_xdf(tmp_path, *order))).open(VirtualClock()).name == eeg.name


@pytest.mark.parametrize("wanted", ["Second", "MISC", "s-2", "2"])
def test_a_stream_can_be_named(tmp_path: Path, wanted: str) -> None:
    path = _xdf(tmp_path, _kind("first", "EEG"), _kind("second", "misc", source_id="s-2"))
    assert Recording(path=str(path), stream=wanted).open(VirtualClock()).name == "second"
    with pytest.raises(ConfigError, match=r"no stream 'third'.*'second'"):
        Recording(path=str(path), stream="third").open(VirtualClock())


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("V", 1e6), ("mV", 1e3), ("microvolts", 1.0), ("µV", 1.0), ("nV", 1e-3), ("counts", 1.0), ("", 1.0)],
)
def test_xdf_units(tmp_path: Path, unit: str, factor: float) -> None:
    values = _noise(400)
    channels = [{"label": label, "unit": unit} for label in ("Fz", "O1", "O2")]
    info, chunks = _play(Recording(path=str(_xdf(tmp_path, _eeg(np.arange(400) / RATE, values, channels=channels)))))
    np.testing.assert_allclose(_all(chunks)[0], values if unit == "V" else values * factor)
    if unit == "V":  # 20 V on a head: microvolts under a wrong name
        assert "too large" in info.details["units"]
    if unit in ("counts", ""):
        assert unit in info.details["units"]


def test_true_volts_become_microvolts(tmp_path: Path) -> None:
    values, channels = _noise(400), [{"label": label, "unit": "V"} for label in ("Fz", "O1", "O2")]
    stream = _eeg(np.arange(400) / RATE, values / 1e6, channels=channels)
    np.testing.assert_allclose(_all(_play(Recording(path=str(_xdf(tmp_path, stream))))[1])[0], values, rtol=1e-6)


def test_volts_without_a_unit_are_recognised(tmp_path: Path) -> None:
    stream = _eeg(np.arange(400) / RATE, _noise(400) / 1e6, channels=[])
    info, chunks = _play(Recording(path=str(_xdf(tmp_path, stream))))
    assert 10 < _all(chunks)[0].std() < 40 and "volts" in info.details["units"]
    assert info.channels == ("Ch1", "Ch2", "Ch3")


def test_a_long_gap_stays_a_gap(tmp_path: Path) -> None:
    times = 30 + np.arange(2000) / RATE
    times[1200:] += 274
    samples, stamps, numbers = _all(_play(Recording(path=str(_xdf(tmp_path, _eeg(times)))), tick=0.5)[1])
    assert np.diff(stamps).max() == pytest.approx(274 + 1 / RATE, abs=1e-3)
    assert numbers[1200] - numbers[1199] == 274 * RATE + 1
    assert len(samples) == 2000


def test_a_true_rate_that_differs_is_taken(tmp_path: Path) -> None:
    info = Recording(path=str(_xdf(tmp_path, _eeg(np.arange(3000) / 257.2, rate=256.0)))).open(VirtualClock())
    assert info.samplerate == pytest.approx(257.2, abs=0.05)
    assert "256 Hz is stated" in info.details["rate"]


def test_rate_zero_is_estimated(tmp_path: Path) -> None:
    jitter = np.random.default_rng(1).uniform(0, 1e-3, 3000)
    info = Recording(path=str(_xdf(tmp_path, _eeg(np.arange(3000) / 250 + jitter, rate=0.0)))).open(VirtualClock())
    assert info.samplerate == pytest.approx(250, rel=2e-3)
    assert "no rate is stated" in info.details["rate"]


def test_steps_back_by_the_thousand_are_jitter(tmp_path: Path) -> None:
    times = np.arange(4000) / RATE + np.tile([0.02, 0.0, -0.02, 0.01], 1000)
    _, stamps, numbers = _all(_play(Recording(path=str(_xdf(tmp_path, _eeg(times)))))[1])
    np.testing.assert_allclose(np.diff(stamps), 1 / RATE, atol=1e-5)
    assert np.array_equal(numbers, np.arange(4000))


def test_clock_offsets_are_honoured(tmp_path: Path) -> None:
    """The sender's clock runs 1 % fast; the offsets measured every 5 s say so."""
    true = np.arange(6000) / RATE
    remote = true * 1.01 + 77
    measured = np.arange(0, 31, 5.0)
    offsets = [(at * 1.01 + 77, at - (at * 1.01 + 77)) for at in measured]
    info = Recording(path=str(_xdf(tmp_path, _eeg(remote, offsets=offsets)))).open(VirtualClock())
    assert info.samplerate == RATE


def test_nan_and_infinities_pass(tmp_path: Path) -> None:
    values = _noise(400)
    values[100, 1], values[200, 0], values[:, 2] = np.nan, np.inf, np.nan
    samples = _all(_play(Recording(path=str(_xdf(tmp_path, _eeg(np.arange(400) / RATE, values)))))[1])[0]
    assert np.array_equal(samples, values, equal_nan=True)


def test_a_truncated_file_gives_what_is_whole(tmp_path: Path) -> None:
    path = _xdf(tmp_path, _eeg(np.arange(1000) / RATE))
    path.write_bytes(path.read_bytes()[:-3000])
    samples = _all(_play(Recording(path=str(path)))[1])[0]
    assert 700 < len(samples) < 1000 and np.array_equal(samples, _noise(1000)[: len(samples)])


def test_a_lying_chunk_length_gives_what_is_before_it(tmp_path: Path) -> None:
    path = _xdf(tmp_path, _eeg(np.arange(1000) / RATE))
    path.write_bytes(path.read_bytes() + b"\x04" + struct.pack("<I", 1) + struct.pack("<H", 5) + b"x" * 30)
    info, chunks = _play(Recording(path=str(path)))
    assert len(_all(chunks)[0]) == 1000
    assert "damaged" in info.details["damage"]


def test_a_chunk_that_states_more_samples_than_it_holds_is_left_out(tmp_path: Path) -> None:
    path = _xdf(tmp_path, _eeg(np.arange(1000) / RATE))
    content = path.read_bytes()
    at = content.rindex(b"\x03\0" + struct.pack("<I", 1) + b"\x04") + 7  # in the last chunk: how many samples
    path.write_bytes(content[:at] + struct.pack("<I", 2**31) + content[at + 4 :])  # 17 GB of stamps alone
    info, chunks = _play(Recording(path=str(path)))
    assert np.array_equal(_all(chunks)[0], _noise(1000)[:950])
    assert "damaged in the middle" in info.details["damage"] or "damaged after" in info.details["damage"]


def test_a_stream_of_more_channels_than_there_can_be_does_not_take_the_others_along(tmp_path: Path) -> None:
    path = _xdf(tmp_path, _eeg(np.arange(1000) / RATE))
    key = struct.pack("<I", 9)
    crowd = _eeg(np.arange(10) / RATE).header().replace(b"<channel_count>3<", b"<channel_count>99999999<")
    assert b"99999999" in crowd
    more = (
        xdf_writer.chunk(2, key + crowd) + xdf_writer.chunk(3, key + b"\x01\0") + xdf_writer.chunk(6, key + b"<info/>")
    )
    path.write_bytes(path.read_bytes() + more)
    assert np.array_equal(_all(_play(Recording(path=str(path)))[1])[0], _noise(1000))


def test_a_rate_below_a_tenth_of_a_hertz_has_lines_of_some_stamps_too() -> None:
    runs, _ = runs_of(np.array([0.0, 30.0, 95.0, 125.0]), 0.032)
    assert np.isfinite([value for run in runs for value in (run.time, run.step)]).all()


@pytest.mark.parametrize(
    "content", [b"", b"XDF:", b"not an XDF file at all", b"XDF:" + b"\xff" * 200, b"XDF:\x04\xff\xff\xff\x7f"]
)
def test_broken_xdf_is_one_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.xdf"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.xdf") as caught:
        Recording(path=str(path)).open(VirtualClock())
    assert "\n" not in str(caught.value)


def test_no_eeg_lists_the_streams(tmp_path: Path) -> None:
    path = _xdf(tmp_path, _kind("wrist", "ACC", "XYZ"), Stream("m", ["a"], [1.0], "Markers", 0.0, "string"))
    with pytest.raises(ConfigError, match=r"no EEG stream; there is 'wrist' \(type ACC.*'m' \(type Markers"):
        Recording(path=str(path)).open(VirtualClock())


# --- time stamps ------------------------------------------------------------------------------------------------


def test_a_stalled_radio_is_no_gap() -> None:
    times = np.arange(4000) / RATE
    times[1000:1150] = times[1150]  # 0.75 s of samples arrive at once, late
    runs, remark = runs_of(times, RATE)
    assert len(runs) == 1 and remark == ""


def test_a_clock_set_back_follows_on() -> None:
    times = np.arange(4000) / RATE
    times[2000:] -= 500
    runs, remark = runs_of(times, RATE)
    assert len(runs) == 2 and "set back 1 times" in remark
    assert runs[1].time == pytest.approx(runs[0].end) and runs[1].number == 2000


@pytest.mark.parametrize(("loss", "nominal", "expected"), [(0, 250.0, 250.0), (0, 0.0, 250.0), (7, 250.0, 250.0)])
def test_rates(loss: int, nominal: float, expected: float) -> None:
    """With `loss` of every 17 samples missing, the usual step confirms the stated rate."""
    kept = np.flatnonzero(np.arange(9000) % 17 >= loss)
    assert estimate_rate(kept / 250, nominal)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("nominal", [256.0, 0.0])
def test_rates_of_bursts(nominal: float) -> None:
    """A radio packet's 12 samples carry one time stamp."""
    times = np.repeat(np.arange(250) * 12 / 256, 12)
    assert estimate_rate(times, nominal)[0] == pytest.approx(256, rel=2e-4)
    assert len(runs_of(times, 256.0)[0]) == 1


@pytest.mark.parametrize(
    "times",
    [np.full(300, 5.0), np.r_[np.nan, np.arange(299) / 250], 1e15 + np.arange(300) / 250, -np.arange(300) / 250],
)
def test_useless_stamps_leave_the_stated_rate(tmp_path: Path, times: np.ndarray) -> None:
    _, stamps, numbers = _all(_play(Recording(path=str(_xdf(tmp_path, _eeg(times, rate=250.0)))))[1])
    np.testing.assert_allclose(np.diff(stamps), 1 / 250, rtol=0.1)
    assert np.array_equal(numbers, np.arange(300))


def test_neither_rate_nor_stamps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a rate nor usable time stamps"):
        Recording(path=str(_xdf(tmp_path, _eeg(np.full(300, 5.0), rate=0.0)))).open(VirtualClock())


# --- text -------------------------------------------------------------------------------------------------------

_COLUMNS = "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Timestamp, Other, Timestamp (Formatted)"


def _openbci(path: Path, index: np.ndarray, titles: bool = True, extra: str = "") -> np.ndarray:
    values = np.round(_noise(len(index), 2), 2)
    head = [
        "%OpenBCI Raw EXG Data",
        "%Number of channels = 2",
        "%Sample Rate = 250 Hz",
        "%Board = OpenBCI_GUI$BoardGanglion",
    ]
    rows = [
        f"{int(i) % 256}, {a:.2f}, {b:.2f}, 0.5, {1557936053000 + i * 4}, 0, 12:00:53.329"
        for i, (a, b) in zip(index, values, strict=True)
    ]
    path.write_text(
        "\n".join([*head, *([_COLUMNS] if titles else []), *rows, *([extra] if extra else [])]), encoding="utf-8"
    )
    return values


@pytest.mark.parametrize("titles", [True, False])
def test_openbci_text(tmp_path: Path, titles: bool) -> None:
    values = _openbci(tmp_path / "o.txt", np.arange(700), titles)
    info, chunks = _play(Recording(path=str(tmp_path / "o.txt")))
    assert (info.samplerate, info.channels) == (250.0, ("Ch1", "Ch2"))
    samples, _, numbers = _all(chunks)
    assert np.array_equal(samples, values) and np.array_equal(numbers, np.arange(700))


def test_openbci_losses_are_counted(tmp_path: Path) -> None:
    index = np.delete(np.arange(3000), [*range(500, 510), *range(1000, 1600)])
    _openbci(tmp_path / "o.txt", index)
    info, chunks = _play(Recording(path=str(tmp_path / "o.txt")))
    _, times, numbers = _all(chunks)
    assert np.array_equal(numbers, index)
    np.testing.assert_allclose(times, index / 250, atol=1e-9)
    assert info.details["gaps"] == "2 gaps, 610 samples in all"


def test_openbci_damage_is_left_out_and_said(tmp_path: Path) -> None:
    _openbci(tmp_path / "o.txt", np.arange(400), extra="144, 12.0, broken li")
    info, chunks = _play(Recording(path=str(tmp_path / "o.txt")))
    assert len(_all(chunks)[0]) == 400 and info.details["damage"] == "1 unreadable lines left out"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello\nworld\n", "neither an OpenBCI header"),
        ("%OpenBCI Raw EXG Data\n%Number of channels = 2\n0, 1, 2\n", "sample rate"),
        ("%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 250 Hz\n", "no samples"),
        ("1\t2\t3\n", "set `board`"),
    ],
)
def test_broken_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        Recording(path=str(tmp_path / "t.txt")).open(VirtualClock())


def test_brainflow_csv(tmp_path: Path) -> None:
    """A Muse 2 file: packet number, four EEG rows, two others, time, marker."""
    data = np.column_stack(
        [np.arange(900) % 256, _noise(900, 4), np.zeros(900), 1.7e9 + np.arange(900) / 256, np.zeros(900)]
    )
    np.savetxt(tmp_path / "b.csv", np.delete(data, range(300, 340), axis=0), fmt="%.6f", delimiter="\t")
    info, chunks = _play(Recording(path=str(tmp_path / "b.csv"), board="muse_2"))
    samples, _, numbers = _all(chunks)
    assert (info.channels, info.samplerate) == (("TP9", "AF7", "AF8", "TP10"), 256.0)
    assert len(samples) == 860 and numbers[-1] == 899 and numbers[300] == 340
    np.testing.assert_allclose(samples[:300], data[:300, 1:5], atol=1e-6)
    with pytest.raises(ConfigError, match="8 columns, too few for a CYTON_BOARD"):
        Recording(path=str(tmp_path / "b.csv"), board="cyton").open(VirtualClock())


# --- what is no recording -----------------------------------------------------------------------------------------


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recording .*nowhere\.edf"):
        Recording(path=str(tmp_path / "nowhere.edf")).open(VirtualClock())
    (tmp_path / "a.mp3").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"format of the recording .*known are \.xdf"):
        Recording(path=str(tmp_path / "a.mp3")).open(VirtualClock())


@pytest.mark.parametrize(
    "name", ["a.edf", "a.bdf", "a.fif", "a.vhdr", "a.set", "a.gdf", "a.cnt", "a.xdf", "a.txt", "a.xdfz"]
)
def test_rubbish_is_one_message(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00rubbish\xff" * 100)
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")) as caught:
        Recording(path=str(tmp_path / name)).open(VirtualClock())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.edf", "a.xdf", "a.txt"])
def test_a_folder_is_no_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError):
        Recording(path=str(tmp_path / name)).open(VirtualClock())


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "tidied"),
    [
        ("Fc5.", "FC5"), ("O1..", "O1"), ("Cz..", "Cz"), ("FP1", "Fp1"), ("EEG F3", "F3"), ("EEG T3-REF", "T3"),
        ("fpz", "Fpz"), ("AF7", "AF7"), ("afp3h", "AFp3h"), ("POZ", "POz"), ("A1", "A1"), ("my channel", "my channel"),
        ("EXG 1", "EXG 1"), ("", ""),
    ],
)  # fmt: skip
def test_names_are_tidied(given: str, tidied: str) -> None:
    assert labels.tidy(given) == tidied


# --- real recordings ----------------------------------------------------------------------------------------------


def _real(name: str) -> formats.Take:
    return formats.load(parts.recordings() / name)


def test_real_edf() -> None:
    take = _real("eyes_open_closed/S001R02.edf")
    assert (take.samples.shape, take.samplerate) == ((9760, 64), 160.0)
    assert {"O1", "Oz", "O2", "FC5", "Fp1", "Iz"} <= set(take.channels)
    assert 5 < np.median(take.samples.std(axis=0)) < 200
    assert _real("rest_vs_arithmetic/Subject03_2.edf").channels == ("F3", "Fz", "F4", "P3", "Pz", "P4", "O1", "O2")


def test_real_muse() -> None:
    take = _real("xdf_muse/muse_P002.xdf")
    assert (take.channels, take.samplerate, len(take.samples)) == (("TP9", "AF7", "AF8", "TP10"), 256.0, 4356)
    assert take.details["left out"] == "AUX_RIGHT"
    assert take.uid.startswith("Muse_")


def test_real_clock_reset() -> None:
    take = _real("xdf_reference/clock_resets.xdf")
    assert take.samplerate == pytest.approx(92.9, abs=0.3)  # 93.2 before the reset, 92.7 after it
    first, second = take.runs
    assert second.time - first.end == pytest.approx(273.9, abs=0.5)


def test_real_flat_and_short() -> None:
    take = _real("xdf_emg_markers/markersPlusEKG.xdf")
    assert take.samples.shape == (5620, 8) and len(take.runs) == 1
    short = _real("xdf_emg_markers/handFour.xdf")
    assert (len(short.samples), short.samplerate, len(short.runs)) == (60, 250.0, 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xdf_emg_markers/justMarkers.xdf", "'Blinky' .type Markers"),
        ("xdf_reference/empty_streams.xdf", "no EEG stream"),
        ("xdf_reference/chunk_length_lie.xdf", "no EEG stream"),
        ("xdf_reference/out_of_order_clock_offsets.xdf", "no EEG stream"),
        ("xdf_reference/out_of_order_sample_chunk.xdf", "no EEG stream"),
    ],
)
def test_real_files_without_eeg(name: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _real(name)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_real_openbci() -> None:
    take = _real("openbci_text/gui_v6_blinks_jaw_alpha.txt")
    assert (take.samples.shape, take.samplerate, take.rail_uv) == ((22490, 8), 250.0, 187_500.0)
    assert take.channels[-2:] == ("O1", "O2") and take.samples[0, 0] == 61379.36

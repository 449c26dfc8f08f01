"""The CSV output: every tick is a row, every number comes back, a full disk harms nothing."""

from __future__ import annotations

import csv
import errno
import logging
import math
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.api import ConfigError, Event, Frame, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs import blockfile
from brainmusic_daemon.outputs.csv import Csv
from tests.faults import find
from tests.frames import make_frame, make_info, make_names


def written(path: Path, *frames: Frame) -> list[dict[str, str]]:
    out = Csv(path=path)
    out.open(VirtualClock(), make_info())
    for frame in frames:
        out.send(frame)
    out.close()
    return rows(path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def test_every_feature_and_control_has_a_column_and_every_tick_a_row(tmp_path: Path) -> None:
    frames = [make_frame(number, quality=[1, 0.5, 0, 0.5], state=State.HELD) for number in range(100)]
    table = written(tmp_path / "out.csv", *frames)
    names = [f"feature.{name}" for name in make_names()] + [f"control.{name}" for name in frames[0].controls.values]
    assert [*table[0]] == ["time", *names, "quality", "state", "events"]
    assert "feature.raw.alpha.frontal" in table[0]
    assert len(table) == 100
    for row, frame in zip(table, frames, strict=True):
        assert float(row["time"]) == pytest.approx(frame.time, abs=1e-6)
        for name in frame.features.names:
            assert np.float32(row[f"feature.{name}"]) == np.float32(frame.features[name])
        for name, value in frame.controls.values.items():
            assert np.float32(row[f"control.{name}"]) == np.float32(value)
        assert (row["quality"], row["state"], row["events"]) == ("0.5", "held", "")


def test_events_stand_in_the_row_of_their_tick(tmp_path: Path) -> None:
    events = [Event("blink", 0.01, 0.8), Event("alpha_burst", 0.02, 0.3)]
    table = written(tmp_path / "out.csv", make_frame(0), make_frame(1, events=events), make_frame(2, events=events[:1]))
    assert [row["events"] for row in table] == ["", "blink;alpha_burst", "blink"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_what_is_not_finite_is_nan(tmp_path: Path, bad: float) -> None:
    (row,) = written(tmp_path / "out.csv", make_frame(values={"alpha": bad}, quality=[1, 1, 1, bad]))
    assert math.isnan(float(row["feature.alpha"]))
    assert math.isnan(float(row["quality"]))
    assert math.isfinite(float(row["feature.beta"]))


def test_a_stream_without_channels_has_no_quality(tmp_path: Path) -> None:
    (row,) = written(tmp_path / "out.csv", make_frame(channels=[], names=["alpha"]))
    assert row["quality"] == "nan"


def test_names_with_commas_and_quotes_stay_one_column(tmp_path: Path) -> None:
    names = ['alpha.a,b"c', "alpha.ü"]
    (row,) = written(tmp_path / "out.csv", make_frame(channels=['a,b"c', "ü"], names=names, values=[0.25, 0.5]))
    assert row['feature.alpha.a,b"c'] == "0.25"
    assert row["feature.alpha.ü"] == "0.5"


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    frames = [make_frame(number) for number in range(60)]
    written(tmp_path / "a.csv", *frames)
    written(tmp_path / "b.csv", *frames)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_another_headset_starts_another_file_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = Csv(path=tmp_path / "out.csv")
    out.open(VirtualClock(), make_info())
    for number in range(5):
        out.send(make_frame(number))
    for number in range(5, 12):
        out.send(make_frame(number, channels=["O1", "O2"]))
    out.close()
    assert (len(rows(tmp_path / "out.csv")), len(rows(tmp_path / "out.2.csv"))) == (5, 7)
    assert "feature.alpha.O1" in rows(tmp_path / "out.2.csv")[0]
    (record,) = caplog.records
    assert "out.2.csv" in record.message
    assert out.counters() == {"rows": 12, "lost": 0, "errors": 0, "files": 2}


def test_ticks_without_a_headset_keep_the_columns(tmp_path: Path) -> None:
    names = ["alpha", "raw.alpha"]
    frames = [
        make_frame(n, channels=["O1"] if n in (2, 4) else [], names=names if n in (2, 4) else []) for n in range(6)
    ]
    table = written(tmp_path / "out.csv", *frames)
    assert [row["time"] for row in table] == ["0.04", "0.06", "0.08", "0.1"]
    assert [row["feature.alpha"] == "nan" for row in table] == [False, True, False, True]
    assert all(float(row["control.loudness"]) > 0 for row in table)
    assert not (tmp_path / "out.2.csv").exists()


def test_opened_again_it_goes_on_in_the_same_file(tmp_path: Path) -> None:
    out = Csv(path=tmp_path / "out.csv")
    for number in range(3):
        out.open(VirtualClock(), make_info())
        out.send(make_frame(number))
        out.close()
        out.close()
    out.send(make_frame(9))
    assert [row["time"] for row in rows(tmp_path / "out.csv")] == ["0.0", "0.02", "0.04"]
    assert out.counters()["rows"] == 3


def test_a_new_session_overwrites(tmp_path: Path) -> None:
    written(tmp_path / "out.csv", *(make_frame(number) for number in range(50)))
    assert len(written(tmp_path / "out.csv", make_frame())) == 1


@pytest.mark.parametrize("place", ["missing/out.csv", "."])
def test_a_place_that_cannot_work_is_named_with_the_way_out(tmp_path: Path, place: str) -> None:
    out = Csv(path=tmp_path / place)
    with pytest.raises(ConfigError, match="folder you own") as caught:
        out.open(VirtualClock(), make_info())
    assert str(tmp_path / place) in str(caught.value)
    row = find("file-cannot-be-made")
    assert row.says([str(caught.value)]) and row.state == f"exit {caught.value.exit_code}"
    out.send(make_frame())
    out.close()


def test_the_file_grows_while_it_is_written(tmp_path: Path) -> None:
    out = Csv(path=tmp_path / "out.csv")
    out.open(VirtualClock(), make_info())
    for number in range(101):  # 2 s
        out.send(make_frame(number))
    assert len(rows(tmp_path / "out.csv")) == 101
    out.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a system with /dev/full")
def test_a_disk_that_is_full_from_the_start_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    out = Csv(path=Path("/dev/full"))
    out.open(VirtualClock(), make_info())
    for number in range(200):
        out.send(make_frame(number))
    out.close()
    counters = out.counters()
    assert (counters["rows"], counters["lost"]) == (0, 200)
    assert counters["errors"] > 1
    assert len(caplog.records) == 1


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Csv(path=Path("~/out.csv")).path == tmp_path / "out.csv"


class SmallDisk(blockfile.FileIO):
    """A file on a disk of so many bytes, which takes a part of a block before it is full, as real ones do."""

    room = 0

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        left = SmallDisk.room - self.tell()
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:left])


@pytest.mark.parametrize("room", [100_000, 100])
def test_a_full_disk_is_counted_logged_once_and_leaves_whole_rows(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(blockfile, "FileIO", SmallDisk)
    SmallDisk.room = room
    out = Csv(path=tmp_path / "out.csv")
    out.open(VirtualClock(), make_info())
    for number in range(500):
        out.send(make_frame(number))
    fault, full = find("table-disk-full"), rows(tmp_path / "out.csv")
    assert (0 < len(full) < 500) is (room > 10_000)
    assert all(row["state"] == "good" for row in full)
    SmallDisk.room = 10_000_000  # someone made room
    there, size = None, (tmp_path / "out.csv").stat().st_size  # there: when the first row after that is in the file, s
    for number in range(500, 700):
        out.send(make_frame(number))
        if there is None and (tmp_path / "out.csv").stat().st_size > size:
            there = number * 0.02
    out.close()
    assert there is not None and fault.seconds is not None and there - 500 * 0.02 <= fault.seconds
    table = rows(tmp_path / "out.csv")
    assert all(row["state"] == fault.state for row in table)
    assert float(table[-1]["time"]) == pytest.approx(699 * 0.02)
    counters = out.counters()
    assert counters["rows"] == len(table)
    assert counters["rows"] + counters["lost"] == 700
    assert counters["errors"] > 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR] and fault.says(caplog.messages)

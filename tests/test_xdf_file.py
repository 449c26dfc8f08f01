"""The XDF file is what the specification and its readers ask for, and readable wherever it is cut off."""

from __future__ import annotations

import io
import logging
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import pyxdf

from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.formats import xdf_file as reader
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.outputs import xdf_chunks as chunks
from brainmusic_daemon.outputs import xdf_file
from brainmusic_daemon.outputs.xdf_file import XdfFile, free_name

ORIGIN = 12_345.0
EEG = chunks.Stream(
    "amp <1> & Söhne", "EEG", "uid-1", ("O1", "Größe µ"), ("microvolts",) * 2, ("EEG",) * 2, 250.0, "double64",
    {"device": {"detail": [{"name": "left out", "value": "x\x00y"}, {"name": "host", "value": "a"}]}},
)  # fmt: skip
MARKERS = chunks.Stream("brainmusic.markers", "Markers", "m-1", ("marker",), ("",), ("Markers",), 0.0, "string")


def samples(n: int) -> np.ndarray:
    made = np.random.default_rng(n).normal(140_000, 20, (n, 2))
    made[n // 2] = np.nan
    return made


def put(file: XdfFile, number: int, first: int, values: np.ndarray, fmt: str = "double64") -> None:
    times = ORIGIN + (first + np.arange(len(values))) / 250
    file.write(number, chunks.rows(times, values, fmt), len(times), float(times[0]), float(times[-1]))


def say(file: XdfFile, number: int, time: float, text: str) -> None:
    file.write(number, chunks.text_row(time, text), 1, time, time)


def walk(content: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (start, end, tag, content) of every chunk, by the specification alone."""
    assert content[:4] == b"XDF:"
    at = 4
    while at < len(content):
        width = content[at]
        length = int.from_bytes(content[at + 1 : at + 1 + width], "little")
        body = at + 1 + width
        yield at, body + length, struct.unpack_from("<H", content, body)[0], content[body + 2 : body + length]
        at = body + length


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes."""
    resource = pytest.importorskip("resource", reason="needs limits of file sizes, which Windows does not have")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def short(path: Path) -> tuple[Path, np.ndarray]:
    """Write a file of 60 samples and 3 markers in three rounds."""
    values = samples(60)
    file = XdfFile(path, {"datetime": "2026-11-22T12:00:00+0000"}, ORIGIN)
    eeg, markers = file.add(EEG), file.add(MARKERS)
    for round_ in range(3):
        put(file, eeg, 20 * round_, values[20 * round_ : 20 * round_ + 20])
        say(file, markers, ORIGIN + round_, f"event {round_} ä")
        assert file.flush(sync=True)
    file.close()
    return path, values


def test_pyxdf_reads_every_bit_of_it(tmp_path: Path) -> None:
    path, values = short(tmp_path / "a.xdf")
    (eeg, markers), header = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    assert header["info"]["datetime"] == ["2026-11-22T12:00:00+0000"]
    np.testing.assert_array_equal(eeg["time_series"], values)
    np.testing.assert_array_equal(eeg["time_stamps"], ORIGIN + np.arange(60) / 250)
    assert eeg["info"]["name"] == ["amp <1> & Söhne"]
    channels = eeg["info"]["desc"][0]["channels"][0]["channel"]
    assert [channel["label"] for channel in channels] == [["O1"], ["Größe µ"]]
    assert [text for (text,) in markers["time_series"]] == ["event 0 ä", "event 1 ä", "event 2 ä"]
    assert eeg["footer"]["info"]["sample_count"] == ["60"]
    assert float(eeg["footer"]["info"]["last_timestamp"][0]) == pytest.approx(ORIGIN + 59 / 250)


def test_our_own_source_reads_it(tmp_path: Path) -> None:
    path, values = short(tmp_path / "a.xdf")
    take = formats.load(path)
    np.testing.assert_array_equal(take.samples, values)
    assert (take.channels, take.samplerate, take.uid) == (("O1", "Größe µ"), 250.0, "uid-1")
    assert "damage" not in take.details


def test_the_layout_is_what_eeglabs_reader_needs(tmp_path: Path) -> None:
    """What load_xdf.m and eeg_load_xdf.m take for granted, one by one; they cannot run here."""
    path, _ = short(tmp_path / "a.xdf")
    known: dict[int, Any] = {}
    tags = []
    for _, _, tag, content in walk(path.read_bytes()):
        tags.append(tag)
        if tag in (1, 2, 6):
            text = content if tag == 1 else content[4:]
            assert text.isascii()  # `fread(…, '*char')` decodes as the machine does
            root = ElementTree.fromstring(text)
            assert root.tag == "info"
            assert all(re.fullmatch(r"[A-Za-z]\w{0,62}", element.tag) for element in root.iter())  # fields of a struct
        if tag == 2:
            number = struct.unpack_from("<I", content)[0]
            assert number not in known
            known[number] = root
            needed = ("name", "type", "channel_count", "nominal_srate", "channel_format", "source_id", "desc")
            assert all(root.find(name) is not None for name in needed)
            assert all(root.findtext(name) for name in needed[:5])  # `strcmp`, `str2num` of nothing fail
            labels = root.findall("desc/channels/channel")
            assert len(labels) == int(root.findtext("channel_count") or 0)
            assert all(channel.findtext("label") and channel.find("type") is not None for channel in labels)
        if tag in (3, 4, 6):
            assert struct.unpack_from("<I", content)[0] in known  # `idmap` knows streams whose header has come
    assert tags[0] == 1
    assert tags[-2:] == [6, 6]
    assert tags.count(5) == 3
    assert tags.count(4) == 2  # one offset for each stream: a constant needs no fit
    types = {root.findtext("name"): root.findtext("type") for root in known.values()}
    assert types == {"amp <1> & Söhne": "EEG", "brainmusic.markers": "Markers"}  # what becomes data, what events


def test_cut_off_anywhere_it_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path, values = short(tmp_path / "a.xdf")
    content = path.read_bytes()
    whole = [(end, content_[4:]) for _, end, tag, content_ in walk(content) if tag == 3 and content_[0] == 1]
    first_sample = whole[0][0]
    cut = tmp_path / "cut.xdf"
    for at in range(len(content)):
        cut.write_bytes(content[:at])
        there = sum(20 for end, _ in whole if end <= at)
        if at < first_sample:
            with pytest.raises(ConfigError, match=re.escape(str(cut))):
                formats.load(cut)
            continue
        take = formats.load(cut)
        np.testing.assert_array_equal(take.samples, values[:there])


def test_cut_off_anywhere_pyxdf_reads_it_unless_the_cut_goes_through_a_header_or_a_tag(tmp_path: Path) -> None:
    path, _ = short(tmp_path / "a.xdf")
    content = path.read_bytes()
    logging.getLogger("pyxdf.pyxdf").setLevel(logging.CRITICAL)
    refused = set()
    for at in range(4, len(content)):
        try:
            pyxdf.load_xdf(io.BytesIO(content[:at]), dejitter_timestamps=False)
        except Exception:  # noqa: BLE001 - pyxdf's are of many kinds
            refused.add(at)
    expected = set()
    for start, end, tag, _ in walk(content):
        expected |= set(range(start + 5, start + 7))  # between the length and the end of the tag
        if tag in (1, 2, 4):
            expected |= set(range(start + 7, end))
    assert refused <= expected


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path, _ = short(tmp_path / "a.xdf")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"a-2\.xdf"):
        XdfFile(path, {}, 0.0)
    assert path.read_bytes() == before
    assert free_name(path) == tmp_path / "a-2.xdf"
    with pytest.raises(ConfigError, match="cannot record to"):
        XdfFile(tmp_path / "no" / "a.xdf", {}, 0.0)


def test_a_full_disk_costs_nothing_that_memory_can_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, values = tmp_path / "a.xdf", samples(900)
    file = XdfFile(path, {}, ORIGIN)
    eeg = file.add(EEG)
    put(file, eeg, 0, values[:300])
    assert file.flush(sync=True)
    markers = file.add(MARKERS)  # its header comes when there is no room
    with limited(file.bytes + 2_000):
        for at in (300, 500):
            put(file, eeg, at, values[at : at + 200])
            say(file, markers, ORIGIN + at, f"at {at}")
            assert not file.flush(sync=True)
            assert file.trouble
            np.testing.assert_array_equal(formats.load(path).samples, values[:300])
    put(file, eeg, 700, values[700:])
    assert file.flush(sync=True)
    assert not file.trouble
    file.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]  # it stops, it goes on
    np.testing.assert_array_equal(formats.load(path).samples, values)
    (_, said), _ = reader.streams(path)
    assert said.samples == [["at 300"], ["at 500"]]
    assert file.lost == 0


def test_a_disk_that_stays_full_costs_the_oldest_and_that_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xdf_file, "KEEP_BYTES", 8_000)
    path, values = tmp_path / "a.xdf", samples(2_000)
    file = XdfFile(path, {}, ORIGIN)
    eeg, markers = file.add(EEG), file.add(MARKERS)
    put(file, eeg, 0, values[:100])
    file.flush(sync=True)
    with limited(file.bytes):
        say(file, markers, ORIGIN, "rated before the disk was full")
        for at in range(100, 1_900, 100):
            put(file, eeg, at, values[at : at + 100])
            assert not file.flush(sync=True)
    put(file, eeg, 1_900, values[1_900:])
    file.close()
    take = formats.load(path)
    kept = len(take.samples)
    assert kept < 600
    assert file.lost + kept == 2_000
    np.testing.assert_array_equal(take.samples[:100], values[:100])
    np.testing.assert_array_equal(take.samples[100:], values[-(kept - 100) :])
    assert take.runs[1].number == 2_000 - kept + 100  # the gap is where it was
    (_, said), _ = reader.streams(path)
    assert len(said.samples) == 1


def test_a_disk_that_is_full_at_the_end_leaves_a_readable_file(tmp_path: Path) -> None:
    path, values = tmp_path / "a.xdf", samples(200)
    file = XdfFile(path, {}, ORIGIN)
    eeg = file.add(EEG)
    put(file, eeg, 0, values[:100])
    file.flush(sync=True)
    put(file, eeg, 100, values[100:])
    with limited(file.bytes + 1):
        file.close()
        file.close()
    np.testing.assert_array_equal(formats.load(path).samples, values[:100])
    assert file.lost == 100

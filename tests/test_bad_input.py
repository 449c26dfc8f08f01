"""Whatever is wrong outside: one message that names it, the documented exit code, no traceback, no hang."""

from __future__ import annotations

import csv
import gc
import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import cli, liblsl
from brainmusic_daemon.service import host as hosting
from tests import edf_writer, parts, xdf_writer
from tests.faults import find
from tests.pulse import Pulse, pulse  # noqa: F401 - a fixture
from tests.receivers import wait_for
from tests.signals import CYTON
from tests.xdf_writer import Stream

RATE = 250
QUIET = ("--set", "output.audio.enabled=false")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and all it said."""

    code: int
    text: str

    def says(self, *words: str) -> bool:
        return all(word in self.text for word in words)

    def ended_as(self, fault: str) -> bool:
        """Return whether the row of this name says how it ended, and what."""
        row = find(fault)
        return row.state == f"exit {self.code}" and row.says([self.text])


Command = Callable[..., Outcome]


@pytest.fixture
def brainmusic(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command line, in this process: what it changes in it is put back."""
    log = logging.getLogger("brainmusic_daemon")
    before = log.handlers[:], log.level, log.propagate, sys.getswitchinterval()

    def call(*arguments: str, within: float = 120.0) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["brainmusic", *arguments])
        begun = time.monotonic()
        code = cli._command()
        assert time.monotonic() - begun < within, "it hung"
        out = capsys.readouterr()
        assert "Traceback" not in out.err + out.out
        return Outcome(code, out.out + out.err)

    yield call
    log.handlers[:], log.level, log.propagate = before[:3]
    sys.setswitchinterval(before[3])
    gc.unfreeze()


def noise(n: int = 4 * RATE, channels: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, channels)) * 10


def recording(
    path: Path, samples: np.ndarray, rate: float = RATE, unit: str = "microvolts", names: Any = None, **settings: Any
) -> str:
    """Write samples (n_samples, n_channels) as an XDF with one EEG stream."""
    labels = list(names) if names is not None else [*CYTON, *(f"X{i}" for i in range(300))][: samples.shape[1]]
    channels = [{"label": label, "unit": unit, "type": "EEG"} for label in labels]
    times = settings.pop("times", 100 + np.arange(len(samples)) / rate)
    xdf_writer.write(path, [Stream("amp", samples, times, rate=rate, channels=channels, **settings)])
    return str(path)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "nope"], ["there is no configuration 'nope'", "default", "muse"]),
        (["--config", "."], ["there is no configuration '.'"]),
        (["--set", "session.tick_ms"], ["'session.tick_ms'", "section.key=value"]),
        (["--set", "session=1"], ["section.key=value"]),
        (["--set", "sesion.tick_ms=20"], ["sesion", "did you mean 'session'?"]),
        (["--set", "session.tickms=20"], ["session.tickms", "did you mean 'tick_ms'?"]),
        (["--set", "session.tick_ms=0"], ["session.tick_ms", "greater than or equal to 2", "got 0"]),
        (["--set", "session.tick_ms=nan"], ["session.tick_ms", "nan"]),
        (["--set", "session.tick_ms=-20"], ["session.tick_ms", "-20"]),
        (["--set", "session.tick_ms.x=1"], ["session.tick_ms"]),
        (["--set", "features.delay_ms=1e308"], ["features.delay_ms", "2000"]),
        (["--set", "features.kernel_s=inf"], ["features.kernel_s", "inf"]),
        (["--set", "quality.rail_uv=-5"], ["quality.rail_uv", "-5"]),
        (["--set", "source.kind=lls"], ["there is no source 'lls'", "did you mean 'lsl'?"]),
        (["--set", "output.autio.gain_db=1"], ["there is no output 'autio'", "did you mean 'audio'?"]),
        (["--set", "output.osc=3"], ["output.osc", "kind"]),
        (["--set", "output.osc.targets=127.0.0.1:9000"], ["output.osc.targets", 'write ["127.0.0.1:9000"]']),
        (["--set", "output.osc.targets=[]"], ["output.osc.targets", "at least 1"]),
        (["--set", 'output.osc.targets=["127.0.0.1:99999"]'], ["127.0.0.1:99999", "port from 1 to 65535"]),
        (["--set", 'output.osc.targets=["127.0.0.1:0"]'], ["127.0.0.1:0", "port from 1 to 65535"]),
        (["--set", "output.table.kind=csv"], ["output.table.path", "needs the setting 'path'"]),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_way_out(
    brainmusic: Command, arguments: list[str], words: list[str]
) -> None:
    for command in ("check", "run"):
        outcome = brainmusic(command, *arguments)
        assert outcome.code == 2 and outcome.says(*words), outcome.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfes\x00e\x00", ["cannot read the configuration", "utf-8"]),
        (bytes(range(256)) * 4, ["cannot read the configuration"]),
        (b"import numpy\n", ["is not valid TOML", "line 1"]),
        (b"x = " + b"[" * 5000 + b"]" * 5000, ["is not valid TOML", "nested"]),
    ],
    ids=["utf-16", "binary", "a script", "bottomless"],
)
def test_a_configuration_that_is_none_is_named(
    brainmusic: Command, tmp_path: Path, content: bytes, words: list[str]
) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    outcome = brainmusic("check", "--config", str(path))
    assert outcome.code == 2 and outcome.says("my.toml", *words), outcome.text
    assert outcome.ended_as("configuration-none") or "is not valid TOML" in words, outcome.text


def test_ten_mistakes_are_ten_lines(brainmusic: Command, tmp_path: Path) -> None:
    path = tmp_path / "ten.toml"
    path.write_text(
        "[sesion]\n[session]\ntickms = 20\ntick_ms = 500\n[features]\ndelay_ms = -4\n[quality]\nflat_uv = 'much'\n"
        "[baseline]\nmemory_s = 1\n[source]\nkind = 'lls'\n[mapper.routes.pitch]\nfrom = 'alpha'\n"
        "[mapper.routes.loudness]\nfrom = 'alpha +'\n[output.osc]\nmode = 'bundles'\n",
        encoding="utf-8",
    )
    outcome = brainmusic("run", "--config", str(path))
    lines = outcome.text.strip().splitlines()
    assert outcome.ended_as("configuration-wrong"), outcome.text
    assert "10 problems in" in lines[0] and len(lines) == 11, outcome.text
    places = ["sesion", "session.tickms", "session.tick_ms", "features.delay_ms", "quality.flat_uv"]
    places += ["baseline.memory_s", "source.kind", "routes.pitch", "routes.loudness.from", "output.osc.mode"]
    assert all(any(place in line for line in lines[1:]) for place in places), outcome.text


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["run", "--sing"],
        ["run", "--for", "-1"],
        ["run", "--for", "nan"],
        ["run", "--for", "soon"],
        ["render"],
        ["render", "x.xdf", "--start", "-1"],
        ["replay", "x.xdf", "--speed", "0"],
        ["replay", "x.xdf", "--speed", "nan"],
    ],
)
def test_wrong_usage_is_exit_code_2(brainmusic: Command, arguments: list[str]) -> None:
    outcome = brainmusic(*arguments)
    assert outcome.code == 2 and outcome.text.strip(), outcome.text


# --- no source --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (["kind=brainflow", "board=CYTN_BOARD"], 2, ["no board 'CYTN_BOARD'", "did you mean 'cyton'?"]),
        (["kind=brainflow", "board=999"], 2, ["no board with the number 999", "brainmusic devices"]),
        (["kind=brainflow", "board=GANGLION_BOARD"], 2, ["GANGLION_BOARD", "serial_port"]),
        (["kind=brainflow", "board=CYTON_BOARD", "serial_port=/dev/ttyNONE"], 3, ["/dev/ttyNONE", "dongle"]),
        (["kind=brainflow", "board=MUSE_2_BOARD", "timeout=1"], 3, ["MUSE_2_BOARD"]),
        (["kind=brainflow", "board=PLAYBACK_FILE_BOARD"], 2, ["master_board"]),
        (["kind=recording", "path=none.xdf"], 2, ["there is no recording none.xdf"]),
        (["kind=recording"], 2, ["needs the setting 'path'"]),
    ],
)
def test_no_source_ends_within_the_patience(
    brainmusic: Command, source: list[str], code: int, words: list[str]
) -> None:
    settings = [part for setting in source for part in ("--set", f"source.{setting}")]
    outcome = brainmusic("run", *QUIET, "--set", "session.patience_s=0.5", *settings)
    assert outcome.code == code and outcome.says("brainmusic: ", *words), outcome.text


@pytest.mark.real
def test_an_lsl_stream_that_is_not_there_lists_those_that_are(brainmusic: Command) -> None:
    pylsl = liblsl.load()
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("Other headset", "EEG", 4, 250, "float32", "other-1"))
    outcome = brainmusic(
        "run", *QUIET, "--set", "session.patience_s=0.5", "--config", "lsl", "--set", "source.name=Nobody"
    )
    del outlet
    assert outcome.ended_as("no-headset"), outcome.text
    assert outcome.says("name='Nobody'", "'Other headset' (type EEG, 4 × float32"), outcome.text


# --- recordings that are none -----------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0).bytes(5000)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.edf", b"", []),
        ("empty.xdf", b"", ["no XDF file"]),
        ("empty.csv", b"", ["is empty"]),
        ("text.edf", b"dear diary\n" * 50, ["damaged, or not what its name says"]),
        ("text.bdf", b"dear diary\n" * 50, ["damaged, or not what its name says"]),
        ("text.fif", b"dear diary\n" * 50, ["damaged, or not what its name says"]),
        ("text.vhdr", b"dear diary\n" * 50, []),
        ("text.set", b"dear diary\n" * 50, []),
        ("text.xdf", b"dear diary\n" * 50, ["no XDF file"]),
        ("text.csv", b"dear,diary\n" * 50, ["neither an OpenBCI header", "dear,diary"]),
        ("head.xdf", b"XDF:", ["no EEG stream"]),
        ("garbage.xdf", b"XDF:" + RANDOM, []),
        ("garbage.csv", RANDOM, []),
        ("garbage.xdf.gz", RANDOM, []),
        ("numbers.csv", b"1\t2\t3\n" * 50, ["`board`"]),
        ("short.txt", b"%OpenBCI Raw EXG Data\n%Number of channels = 8\n", ["sample rate"]),
        ("no-rows.txt", b"%OpenBCI Raw EXG Data\n%Number of channels = 8\n%Sample Rate = 250 Hz\n", ["no samples"]),
        ("song.mp3", RANDOM, ["cannot tell the format", ".xdf", ".edf"]),
        ("nameless", RANDOM, ["cannot tell the format"]),
    ],
)
def test_a_file_that_is_no_recording(
    brainmusic: Command, tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    outcome = brainmusic("render", str(path))
    assert outcome.ended_as("recording-is-none") and outcome.says(name, *words), outcome.text
    assert len(outcome.text.strip().splitlines()) == 1, outcome.text
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["folder.edf", "folder.xdf", "folder.csv"])
def test_a_folder_is_no_recording(brainmusic: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    outcome = brainmusic("render", str(tmp_path / name))
    assert outcome.code == 2 and outcome.says(name), outcome.text


def test_a_file_that_may_not_be_read(brainmusic: Command, tmp_path: Path) -> None:
    path = Path(recording(tmp_path / "mine.xdf", noise()))
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # root may read everything but this
        path.unlink()
        path.symlink_to("/proc/self/mem")
    else:
        path.chmod(0)
    outcome = brainmusic("render", str(path))
    assert outcome.code == 2 and outcome.says("mine.xdf"), outcome.text


@pytest.mark.parametrize("change", [("channel_count>8<", "channel_count>x<"), ("channel_count>8<", "channel_count>0<")])
def test_a_stream_that_lies_about_its_channels(brainmusic: Command, tmp_path: Path, change: tuple[str, str]) -> None:
    path = Path(recording(tmp_path / "lie.xdf", noise(100)))
    before, after = (text.encode() for text in change)
    path.write_bytes(path.read_bytes().replace(before, after))
    outcome = brainmusic("render", str(path))
    assert outcome.code == 2 and outcome.says("lie.xdf"), outcome.text


def test_a_recording_without_eeg_lists_what_it_holds(brainmusic: Command, tmp_path: Path) -> None:
    path = tmp_path / "moves.xdf"
    streams = [
        Stream("gyro", noise(200, 3), np.arange(200) / 50, type="GYRO", rate=50.0),
        Stream("cues", ["a", "b"], [0.0, 1.0], type="Markers", rate=0.0, fmt="string"),
    ]
    xdf_writer.write(path, streams)
    outcome = brainmusic("render", str(path))
    assert outcome.code == 2 and outcome.says("no EEG stream", "'gyro' (type GYRO", "'cues' (type Markers"), (
        outcome.text
    )
    edf = tmp_path / "heart.edf"
    edf_writer.write(edf, noise(300, 2), ["ECG", "Resp"])
    outcome = brainmusic("render", str(edf))
    assert outcome.code == 2 and outcome.says("heart.edf", "no EEG channels (there is ECG, Resp)"), outcome.text


def test_damage_is_told_and_the_rest_played(brainmusic: Command, tmp_path: Path) -> None:
    edf = tmp_path / "cut.edf"
    edf_writer.write(edf, noise(600, 2), ["O1", "O2"])
    edf.write_bytes(edf.read_bytes()[:-500])
    outcome = brainmusic("render", str(edf))
    assert outcome.code == 0 and outcome.says("damage: ", "4.0 s in"), outcome.text
    xdf = Path(recording(tmp_path / "cut.xdf", noise()))
    xdf.write_bytes(xdf.read_bytes()[:-1500])
    played = ("--set", "baseline.settle_s=1", "--controls", str(tmp_path / "t.csv"))
    outcome = brainmusic("render", str(xdf), *played)
    row = find("recording-is-cut")
    assert outcome.code == 0 and row.says([outcome.text]), outcome.text
    assert {line["state"] for line in table(tmp_path / "t.csv")} == {"calibrating", row.state}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("xdf_reference/chunk_length_lie.xdf", 2, ["no EEG stream"]),
        ("xdf_reference/clock_resets.xdf", 0, ["gaps: 1 gaps, 273.9 s"]),
        ("xdf_reference/empty_streams.xdf", 2, ["no EEG stream", "0 samples"]),
        ("xdf_reference/minimal.xdf", 0, ["3 channels at 10 Hz"]),
        ("xdf_reference/out_of_order_clock_offsets.xdf", 2, ["no EEG stream"]),
        ("xdf_reference/out_of_order_sample_chunk.xdf", 2, ["no EEG stream"]),
        ("xdf_emg_markers/handFour.xdf", 0, ["obci_eeg1"]),
        ("xdf_emg_markers/justMarkers.xdf", 2, ["no EEG stream", "'Blinky' (type Markers"]),
        ("xdf_emg_markers/markersPlusEKG.xdf", 0, ["obci_eeg1"]),
    ],
)
def test_real_files_that_are_damaged_or_hold_something_else(
    brainmusic: Command, tmp_path: Path, name: str, code: int, words: list[str]
) -> None:
    outcome = brainmusic("render", str(parts.recordings() / name), "--for", "20", "--controls", str(tmp_path / "t.csv"))
    assert outcome.code == code and outcome.says(*words), outcome.text


# --- signals that are none --------------------------------------------------------------------------------------------


def _holes(samples: np.ndarray) -> np.ndarray:
    samples[500:520] = np.nan
    samples[600, 3], samples[601, 4] = np.inf, -np.inf
    samples[700:, 2] = np.nan
    return samples


@pytest.mark.parametrize(
    ("change", "usable", "words"),
    [
        (_holes, True, ["nonfinite"]),
        (lambda x: np.full_like(x, np.nan), False, ["nonfinite"]),
        (lambda x: np.full_like(x, -np.inf), False, ["nonfinite"]),
        (lambda x: x * 1e30, False, ["nonfinite"]),
        (lambda x: np.zeros_like(x), False, ["resting"]),
        (lambda x: np.full_like(x, 187_500.0), False, ["resting"]),
        (lambda x: np.where(np.arange(len(x))[:, None] % 2, 187_500.0, -187_500.0) + 0 * x, False, ["resting"]),
    ],
    ids=["holes", "nan", "infinite", "absurd", "flat", "railed", "railed both ways"],
)
def test_signals_that_are_none_rest_and_never_reach_an_output(
    brainmusic: Command, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], usable: bool, words: list[str]
) -> None:
    path = recording(tmp_path / "x.xdf", change(noise(7 * RATE)))
    outcome = brainmusic("render", path, "--controls", str(tmp_path / "t.csv"), "--osc", str(tmp_path / "t.jsonl"))
    assert outcome.code == 0 and outcome.says(*words), outcome.text
    rows = table(tmp_path / "t.csv")
    numbers = [[float(row[name]) for name in row if name not in ("state", "events")] for row in rows]
    assert len(rows) == 350 and np.isfinite(numbers).all()
    assert (rows[-1]["state"] == "resting") != usable
    assert not any(word in (tmp_path / "t.jsonl").read_text(encoding="utf-8") for word in ("null", "NaN", "Infinity"))


@pytest.mark.parametrize(
    ("factor", "unit", "said"),
    [
        (1e-6, "volts", ""),
        (1e-3, "millivolts", ""),
        (1e-6, "microvolts", "units: the file or stream says µV, but the values"),
        (1.0, "furlongs", "units: unknown unit furlongs, taken as µV"),
        (1.0, "", "units: states no unit, µV assumed"),
    ],
)
def test_units_are_converted_and_a_guess_is_told(
    brainmusic: Command, tmp_path: Path, factor: float, unit: str, said: str
) -> None:
    samples = noise(4 * RATE)
    path = recording(tmp_path / "x.xdf", samples * factor, unit=unit, fmt="double64")
    outcome = brainmusic("render", path, "--controls", str(tmp_path / "t.csv"))
    assert outcome.code == 0 and (said in outcome.text if said else "units:" not in outcome.text), outcome.text
    power = float(table(tmp_path / "t.csv")[-1]["feature.raw.beta"])
    assert 1 < power < 200  # white noise of 100 µV² up to 125 Hz: 17 Hz of it


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (noise(1), RATE, ["8 channels at 250 Hz"]),
        (noise(2), RATE, []),
        (noise(100), RATE, ["0.4 s in"]),
        (noise(1000, 1), RATE, ["1 channels"]),
        (noise(4000, 8), 2000, ["2000 Hz"]),
        (noise(500, 256), RATE, ["256 channels"]),
        (noise(100, 8), 20, ["20 Hz"]),
        (noise(30, 8), 5, ["5 Hz"]),
    ],
    ids=["one sample", "two samples", "shorter than a kernel", "mono", "2 kHz", "256 channels", "20 Hz", "5 Hz"],
)
def test_recordings_at_the_edge_are_played(
    brainmusic: Command, tmp_path: Path, samples: np.ndarray, rate: float, words: list[str]
) -> None:
    path = recording(tmp_path / "x.xdf", samples, rate)
    outcome = brainmusic("render", path, "--controls", str(tmp_path / "t.csv"))
    assert outcome.code == 0 and outcome.says(*words), outcome.text
    rows = table(tmp_path / "t.csv")
    assert len(rows) == max(1, math.ceil(round((len(samples) - 1) / rate / 0.02, 6))) or len(rows) >= 1
    assert all(math.isfinite(float(row["control.loudness"])) for row in rows)


@pytest.mark.parametrize(
    "times",
    [
        np.full(1000, np.nan),
        np.full(1000, 5.0),
        -np.arange(1000) / RATE,
        np.r_[np.arange(500), 1e10 + np.arange(500)] / RATE,
    ],
    ids=["nan", "standing still", "backwards", "a step of a year"],
)
def test_time_stamps_that_are_none_do_not_stretch_the_recording(
    brainmusic: Command, tmp_path: Path, times: np.ndarray
) -> None:
    outcome = brainmusic("render", recording(tmp_path / "x.xdf", noise(1000), times=times))
    assert outcome.code == 0 and outcome.says("4.0 s in") and "lost 9" not in outcome.text, outcome.text


def test_nothing_begins_behind_the_end_and_nothing_lasts_no_time(brainmusic: Command, tmp_path: Path) -> None:
    path = recording(tmp_path / "x.xdf", noise())
    outcome = brainmusic("render", path, "--start", "100")
    assert outcome.code == 2 and outcome.says("x.xdf", "4.0 s long"), outcome.text
    outcome = brainmusic("render", path, "--for", "0", "--controls", str(tmp_path / "t.csv"))
    assert outcome.code == 0 and outcome.says("0.0 s in"), outcome.text
    assert brainmusic("run", *QUIET, "--for", "0").code == 0


def test_a_recording_that_ends_ends_the_run(brainmusic: Command, tmp_path: Path) -> None:
    path = recording(tmp_path / "x.xdf", noise(RATE))
    outcome = brainmusic("run", *QUIET, "--set", "source.kind=recording", "--set", f"source.path={path}", "--for", "60")
    assert outcome.ended_as("recording-ends"), outcome.text


# --- outputs that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--wav", "nowhere/x.wav", ["there is no folder"]),
        ("--wav", "x.mp3", [".wav or .flac"]),
        ("--wav", "x", [".wav or .flac"]),
        ("--wav", ".", [".wav or .flac"]),
        ("--controls", "nowhere/x.csv", ["there is no folder"]),
        ("--controls", ".", ["cannot write"]),
        ("--osc", ".", ["cannot write"]),
        ("--controls", "x.xdf", ["it is the recording itself"]),
        ("--osc", "nested/../x.xdf", ["it is the recording itself"]),
        ("--controls", "link.csv", ["it is the recording itself"]),
    ],
)
def test_a_file_that_cannot_be_written(
    brainmusic: Command, tmp_path: Path, option: str, name: str, words: list[str]
) -> None:
    path = Path(recording(tmp_path / "x.xdf", noise()))
    (tmp_path / "nested").mkdir()
    (tmp_path / "link.csv").hardlink_to(path)
    before = path.read_bytes()
    outcome = brainmusic("render", str(path), option, str(tmp_path / name))
    assert outcome.code == 2 and outcome.says("brainmusic: ", *words), outcome.text
    assert path.read_bytes() == before


def test_two_outputs_do_not_share_a_file(brainmusic: Command, tmp_path: Path) -> None:
    path = recording(tmp_path / "x.xdf", noise())
    both = str(tmp_path / "both")
    outcome = brainmusic("render", path, "--controls", both, "--osc", both)
    assert outcome.code == 2 and outcome.says("both", "a name of its own"), outcome.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_told_and_ends_in_exit_code_4(brainmusic: Command, tmp_path: Path) -> None:
    path = recording(tmp_path / "x.xdf", noise())
    outcome = brainmusic("render", path, "--osc", "/dev/full", "--controls", str(tmp_path / "whole.csv"))
    assert outcome.ended_as("render-disk-full"), outcome.text
    assert outcome.text.count("cannot write '/dev/full'") == 1 and "whole.csv" not in outcome.text
    assert len(table(tmp_path / "whole.csv")) == 200
    (tmp_path / "full.wav").symlink_to("/dev/full")
    outcome = brainmusic("render", path, "--wav", str(tmp_path / "full.wav"), within=90.0)  # may compile the synth
    assert outcome.code in (2, 4) and outcome.says("cannot write", "full.wav"), outcome.text


def test_an_osc_target_that_is_not_known(brainmusic: Command) -> None:
    nowhere, here = "no-such-host.invalid:57120", f"127.0.0.1:{parts.free_port()}"
    outcome = brainmusic("run", *QUIET, "--for", "0.5", "--set", f'output.osc.targets=["{nowhere}"]')
    assert outcome.ended_as("osc-no-host-known") and outcome.says(nowhere), outcome.text
    outcome = brainmusic("run", *QUIET, "--for", "3", "--set", f'output.osc.targets=["{nowhere}", "{here}"]')
    assert outcome.code == 0 and outcome.says(nowhere, "the other targets go on"), outcome.text
    assert outcome.says(f"nobody listens at {here}")


def test_an_audio_device_that_is_not_there(brainmusic: Command) -> None:
    from brainmusic_daemon.outputs import audio

    audio.warm_up(lambda _: None)
    device = ("--set", "output.audio.device=no such device")
    outcome = brainmusic("run", "--for", "2", *device, "--set", f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]')
    row = find("audio-none")
    assert outcome.code == 0 and row.says([outcome.text]) and outcome.text.count("no sound: ") == 1, outcome.text
    assert row.seconds == max(hosting._RETRY_S), "the longest pause between two looks for it"
    assert outcome.says("brainmusic render RECORDING --wav OUT.wav", "not open: audio")
    outcome = brainmusic("run", "--for", "2", *device, "--set", "output.osc.enabled=false")
    assert outcome.code == 4 and outcome.says("no output could be opened", "no sound: "), outcome.text


@pytest.mark.real
def test_an_audio_device_that_goes_away_while_it_plays(pulse: Pulse) -> None:  # noqa: F811
    command = [sys.executable, "-m", "brainmusic_daemon", "run", "--for", "15"]
    command += ["--set", f'output.osc.targets=["127.0.0.1:{parts.free_port()}"]']
    with subprocess.Popen(command, env=pulse.env, stderr=subprocess.PIPE, text=True, cwd=pulse.folder) as process:
        wait_for(lambda: pulse.played, 30, "for the sound to begin")
        with pulse.capture() as file:
            wait_for(lambda: np.abs(pulse.sound(file)).max(initial=0) > 0.01, 30, "for sound")
        pulse.kill()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in said, said
    assert find("audio-gone").says([said]) and "stopped after" in said, said

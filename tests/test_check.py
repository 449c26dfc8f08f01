"""`brainmusic check`: what it says about a configuration, on any terminal and through a pipe."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from brainmusic_daemon import config
from brainmusic_daemon.api import CONTROL, ConfigError
from brainmusic_daemon.cli.check import check
from brainmusic_daemon.mapping.route import DEFAULTS
from brainmusic_daemon.mapping.smoothing import Smoother, Smoothing
from brainmusic_daemon.service import describe

PITCH = CONTROL["fundamental_frequency"]
TEXT = """
[source]
kind = "recording"
path = "some.xdf"
[output.osc]
targets = ["127.0.0.1:9000", "127.0.0.1:9001"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def described(tables: dict[str, Any] | None = None, **mapper: Any) -> describe.Description:
    base = {"source": {"kind": "recording", "path": "some.xdf"}, "output": {"osc": {}}, "mapper": mapper}
    return describe.describe(config.resolve({**base, **(tables or {})}))


def text(found: describe.Description, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(describe.render(found))
    return stream.getvalue()


def measured_rise(span: float, smoothing: Smoothing) -> float:
    """Return the 10-90 % rise time of the real smoother, in seconds."""
    tick = 1e-4
    smoother = Smoother([PITCH], {PITCH.name: smoothing}, tick)
    smoother.reset({PITCH.name: PITCH.low})
    rise, value = 0, PITCH.low
    while value < PITCH.low + 0.9 * span:
        value = smoother.step({PITCH.name: PITCH.low + span})[PITCH.name]
        rise += value >= PITCH.low + 0.1 * span
    return rise * tick


@pytest.mark.parametrize(
    ("time_s", "slew"), [(0.1, 1e6), (0.0, 400.0), (0.1, 400.0), (0.1, 2000.0), (0.1, 3400.0), (0.02, 5000.0)]
)
@pytest.mark.parametrize("span", [400.0, 50.0])
def test_the_rise_time_that_is_printed_is_that_of_the_smoother(time_s: float, slew: float, span: float) -> None:
    wanted = measured_rise(span, Smoothing(time_s, slew))
    assert describe.rise_s(span, time_s, slew) == pytest.approx(wanted, abs=4e-4)


def test_rise_time_of_nothing_is_nothing() -> None:
    assert describe.rise_s(0.0, 0.1, 10.0) == 0.0
    assert described(routes={"mode": {"from": "alpha", "freeze": True}}).drives[0].rise_ms == math.inf


def test_the_description_holds_what_was_resolved() -> None:
    found = described(
        {"features": {"delay_ms": 100, "bands": {"mu": [9, 11]}}, "session": {"tick_ms": 10}},
        routes={"tempo": {"from": "mu", "invert": True, "output": [60, 90], "gain": 2, "offset": 0.1, "curve": "log"}},
    )
    (drive,) = found.drives
    assert (found.tick_ms, found.delay_ms, found.bands) == (10, 100, {"mu": (9, 11)})
    assert (drive.control.name, drive.source, drive.output) == ("tempo", "mu", (90, 60))  # inverted: high end first
    assert drive.shape == "log, gain 2, offset +0.1" and drive.slew == CONTROL["tempo"].slew
    assert "loudness" in found.resting and "tempo" not in found.resting and not found.remarks


def test_features_that_no_headset_has_are_pointed_out() -> None:
    found = described(routes={"tempo": {"from": "alhpa.frontal"}, "mode": {"from": "raw.engagement + alpha.XY"}})
    assert found.remarks == ("tempo: there is no feature 'alhpa.frontal' (did you mean 'alpha'?)",)
    assert "Note: tempo" in text(found)


def test_settings_that_are_off_or_empty_are_left_out_unless_they_were_switched_off() -> None:
    quiet = {"kind": "simulator", "drift_uv": 0}
    assert (
        "drift_uv=0" in described({"source": quiet}).source and "duration_s" not in described({"source": quiet}).source
    )


def test_no_output_is_pointed_out() -> None:
    assert "no output" in text(described({"output": {}}))


def test_the_table_says_everything_within_eighty_columns() -> None:
    printed = text(described())
    assert printed.isascii() and max(len(line) for line in printed.splitlines()) <= 80
    for name, route in DEFAULTS.items():
        control = CONTROL[name]
        assert f"rest {control.rest:g}" in printed and f"max {control.slew:g}" in printed
        assert name in printed and route["from"] in printed
    for part in (
        "recording path=some.xdf",
        "20 ms",
        "75 ms (designed",
        "alpha 8-13",
        "targets=127.0.0.1:57120",
        "110 to 440 Hz",
    ):
        assert part in printed
    assert "driven by nothing: z.0" in " ".join(printed.split())


@pytest.mark.parametrize("width", [60, 80, 200])
def test_long_expressions_and_paths_fold_instead_of_vanishing(width: int) -> None:
    expression = "max(alpha.occipital, alpha.parietal, alpha.temporal) - 0.5 * (theta + delta)"
    printed = text(described(routes={"loudness": {"from": expression}}), width)
    assert max(len(line) for line in printed.splitlines()) <= width
    assert "..." not in printed and "0.5 *" in printed


def test_another_mapper_is_described_by_its_controls() -> None:
    class Other:
        """A mapper without routes."""

        controls = (CONTROL["tempo"],)

    made = config.resolve({"source": {"kind": "recording", "path": "some.xdf"}, "output": {"osc": {}}})
    made = replace(made, choice=replace(made.choice, mapper=Other()))  # type: ignore[arg-type]
    found = describe.describe(made)
    assert [drive.control.name for drive in found.drives] == ["tempo"] and found.drives[0].source == ""
    assert "50 to 150 BPM" in text(found)


def test_the_command_prints_and_opens_nothing(file: Path) -> None:
    app = typer.Typer()
    app.command()(check)
    result = CliRunner().invoke(app, ["--config", str(file), "--set", "features.delay_ms=120"])
    assert result.exit_code == 0, result.output  # although there is no such recording
    assert "120 ms" in result.stdout and "127.0.0.1:9001" in result.stdout


def test_the_command_reports_all_mistakes(file: Path) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(check)
    result = CliRunner().invoke(
        app, ["--config", str(file), "--set", "features.dealy_ms=1", "--set", "session.tick_ms=0"]
    )
    assert isinstance(result.exception, ConfigError) and result.exception.exit_code == 2
    assert "'delay_ms'" in str(result.exception) and "session.tick_ms" in str(result.exception)


def test_it_can_be_piped_where_only_ascii_is_known(file: Path) -> None:
    file = file.rename(file.with_name("gehörnt.toml"))
    command = [sys.executable, "-m", "brainmusic_daemon", "check", "--config", str(file)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    result = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    lines = result.stdout.decode("ascii").splitlines()
    assert not any("\x1b" in line for line in lines) and max(map(len, lines)) <= 80
    broken = subprocess.run([*command, "--set", "sesion.tick_ms=3"], capture_output=True, env=environment, timeout=60)
    assert broken.returncode == 2 and b"Traceback" not in broken.stderr and b"'session'" in broken.stderr

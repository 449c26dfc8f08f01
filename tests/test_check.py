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

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from brainmusic_daemon import config
from brainmusic_daemon.api import CONTROL, ConfigError
from brainmusic_daemon.cli.check import check
from brainmusic_daemon.mapping.route import DEFAULTS
from brainmusic_daemon.mapping.smoothing import Smoother, Smoothing
from brainmusic_daemon.service import describe, printed, steadiness
from tests import parts

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
    Console(file=stream, width=width, highlight=False).print(printed.render(found))
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


# --- steadiness -------------------------------------------------------------------------------------------------------


def test_what_is_printed_of_a_step_is_what_the_low_pass_must_do() -> None:
    (half,) = steadiness.step_s(PITCH, Smoothing(0.3, 1e9), 0.001, (0.5,))
    assert half == pytest.approx(0.3 * math.log(2), abs=1e-3)
    assert steadiness.step_s(PITCH, Smoothing(0.0, 100.0), 0.02, (0.5, 1.0)) == pytest.approx([2.0, 4.0], abs=0.02)
    assert steadiness.step_s(PITCH, Smoothing(freeze=True), 0.02, (0.5,)) == [math.inf]


def test_the_lag_is_found_between_the_ticks() -> None:
    t = np.arange(1500) * 0.02
    wave = sum(np.sin(2 * np.pi * f * t + f) for f in (0.3, 0.7, 1.1))
    late = sum(np.sin(2 * np.pi * f * (t - 0.13) + f) for f in (0.3, 0.7, 1.1))
    assert steadiness.lag_s(wave, late, 0.02) == pytest.approx(0.13, abs=0.002)


def test_the_trade_is_measured_on_the_smoother_that_plays() -> None:
    rng = np.random.default_rng(1)
    targets = [{PITCH.name: 300.0 + float(x)} for x in rng.normal(0, 20, 1500)]

    def trade(smoothing: Smoothing) -> steadiness.Trade:
        return steadiness.compare([PITCH], {PITCH.name: smoothing}, targets, 0.02)[PITCH.name]

    nothing, share = trade(Smoothing(0.0, 1e9)), 1 - math.exp(-0.02 / 0.2)
    assert nothing.jitter == pytest.approx(1.0) and nothing.lag_ms == pytest.approx(0.0, abs=1.0)
    # a one-pole low-pass turns white noise of variance 1, whose differences have 2, into differences of 2 s²/(2 - s)
    assert trade(Smoothing(0.2, 1e9)).jitter == pytest.approx(share / math.sqrt(2 - share), rel=0.1)
    frozen = trade(Smoothing(freeze=True))
    assert frozen.jitter == 0.0 and math.isinf(frozen.half_ms) and math.isinf(frozen.lag_ms)


def test_the_command_prints_the_measured_trade_and_what_others_would_give() -> None:
    made = config.resolve(
        {"mapper": {"routes": {"loudness": {"from": "alpha", "smoothing": "critical"}}}, "output": {}}
    )
    found = steadiness.measure(made)
    stream = io.StringIO()
    Console(file=stream, width=80, highlight=False).print(printed.render(describe.describe(made), found))
    shown = stream.getvalue()
    assert shown.isascii() and max(len(line) for line in shown.splitlines()) <= 80
    trade = found.trades["loudness"]
    assert f"{trade.half_ms:.0f} ms" in shown and f"{trade.jitter:.0%}" in shown and "critical 0.1 s" in shown
    others = {(kind, time_s): other for kind, time_s, other in found.others}
    assert [*others] == [*steadiness.ALTERNATIVES]
    slow, fast = others["low-pass", 1.0], others["low-pass", 0.05]
    assert slow.jitter < 0.5 * fast.jitter and slow.lag_ms > 2 * fast.lag_ms and slow.half_ms > 2 * fast.half_ms


def test_a_mapper_that_cannot_be_tried_is_named_and_the_rest_is_printed() -> None:
    made = config.resolve({"features": {"channels": ["Nz1"]}, "output": {"osc": {}}})
    found = steadiness.measure(made)
    assert "Nz1" in found.why_not
    stream = io.StringIO()
    Console(file=stream, width=80).print(printed.render(describe.describe(made), found))
    assert "was not measured" in stream.getvalue() and "fundamental_frequency" in stream.getvalue()


def test_the_rise_of_other_kinds_is_measured() -> None:
    route = {"from": "alpha", "smoothing": "critical", "smooth_s": 1.0, "slew": 1000}
    # 1 - (1 + wt) exp(-wt) is 0.1 at wt = 0.532 and 0.9 at 3.890; w = 2 / smooth_s
    assert described(routes={"tempo": route}).drives[0].rise_ms == pytest.approx(1000 * (3.890 - 0.532) / 2, abs=2)
    assert "critical 1 s" in text(described(routes={"tempo": route}))


def test_what_an_adjustment_does_to_a_control_is_told() -> None:
    table = {"kind": "linear", "adjust": {"reverb": {"output": [0.3, 0.9], "invert": True, "gain": 2.0}}}
    found = describe.describe(config.resolve({"mapper": table, "output": {}}))
    drive = next(drive for drive in found.drives if drive.control.name == "reverb")
    assert drive.output == (0.9, 0.3) and drive.shape == "gain 2" and drive.source.startswith("0.45 + 0.5 alpha")
    assert "0.9 to 0.3" in text(found)


def test_adjustments_of_a_mapper_count() -> None:
    found = described(adjust={"tempo": {"smooth_s": 3.0}})
    assert next(drive for drive in found.drives if drive.control.name == "tempo").smoothing.time_s == 3.0


def test_it_is_measured_on_a_recording_too() -> None:
    found = steadiness.measure(config.load(), parts.recordings() / "eyes_open_closed" / "S001R02.edf")
    assert found.on.endswith(".edf") and 0 < found.trades["loudness"].jitter < 1


def test_a_mapper_of_ones_own_is_named_as_its_file(tmp_path: Path) -> None:
    mine = tmp_path / "breath.py"
    mine.write_text((parts.CHECKOUT / "examples" / "mappers" / "breath.py").read_text(encoding="utf-8"))
    (tmp_path / "my.toml").write_text('[mapper]\nkind = "breath.py"\n')
    assert describe.describe(config.load(tmp_path / "my.toml")).mapper == "breath.py"


def test_scenes_are_told_with_what_they_bring() -> None:
    found = describe.describe(config.load("scenes"))
    assert found.scenes["calm"].startswith("a mapper of its own (direct), preset slow-bells in 8 s: few notes")
    assert found.scenes["words"].startswith("semantic in 4 s")
    assert "scene storm" in text(found) and "preset pulse in 1 s" in text(found)

"""`brainmusic train`: from files to a model that plays and a page, or to one clear message and nothing written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError, Features, State
from brainmusic_daemon.learning.fit import Plan
from brainmusic_daemon.learning.network import Shape
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.service import listening, material, training
from tests import learned, signals, xdf_writer

QUICK = Shape(hidden=(16,), epochs=5)
RATE = 250.0
CHANNELS = ("Fp1", "Fp2", "O1", "O2")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return learned.write_csv(tmp_path / "me.csv", learned.session(900))


def command(*arguments: object, timeout: float = 100.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "brainmusic_daemon", "train", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "200"},
    )


def eeg(path: Path, seconds: float, alpha_uv: float, seed: int = 0, channels: Sequence[str] = CHANNELS) -> Path:
    n = int(seconds * RATE)
    x = signals.pink(n, len(channels), RATE, seed)
    x += signals.sine(n, RATE, 10.0, alpha_uv)[:, None]
    streams = [
        xdf_writer.Stream(
            "eeg", x, np.arange(n) / RATE, rate=RATE, channels=[{"label": name, "unit": "uV"} for name in channels]
        )
    ]
    return xdf_writer.write(path, streams, per_chunk=250)


def test_a_table_becomes_a_model_and_a_page(table: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "m.safetensors", tmp_path / "m.html"
    done = command(table, "--mapper", "linear", "--out", out, "--report", page, "--no-compare")
    assert done.returncode == 0, done.stderr
    assert "The learned mapping is" in done.stdout
    assert "better than the direct one on your data" in done.stdout
    assert re.search(r"R² on what it has not seen: mode 0\.\d\d, brightness 0\.\d\d", done.stdout)
    assert str(out) in done.stdout
    assert "training: 100 %" in done.stderr  # no terminal: plain lines
    assert "\x1b" not in done.stderr
    model = model_file.load(out)
    assert [control.name for control in model.controls] == ["mode", "brightness"]
    assert "me.csv" in page.read_text(encoding="utf-8")
    assert not [*tmp_path.glob("*.part")]


@pytest.mark.parametrize("kind", ["linear", "neural"])
def test_what_was_learned_plays(kind: str, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    done = training.train([str(table)], Plan(kind, compare=False, stretches=3, shape=QUICK), out)
    mapper = registry.build("mapper", kind, {"model": str(out)}, "mapper")
    mapper.prepare(done.data.features, 0.02)
    index = {name: number for number, name in enumerate(done.data.features)}
    for row in done.data.x[:20]:
        features = Features(0, 0, done.data.features, row.astype(float), index, (), np.zeros(0), State.GOOD)
        said = mapper.map(features)
        expected = done.result.learned.predict(row[None])[0]
        for control, value in zip(done.data.controls, expected, strict=True):
            assert said[control.name] == pytest.approx(control.clip(float(value)), abs=1e-3)


def test_the_same_data_give_the_same_file(table: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        training.train([str(table)], Plan("neural", compare=False, stretches=3, shape=QUICK), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_direct_mapper_is_heard_on_the_same_rows(tmp_path: Path) -> None:
    """Targets that the direct mapper made itself cannot be bettered, and the sentence says so."""
    mapper = registry.build("mapper", "direct", {"routes": {"brightness": {"from": "alpha"}}}, "mapper")
    made = learned.session(900)
    mapper.prepare(made.features, 0.02)
    index = {name: number for number, name in enumerate(made.features)}
    rows = [Features(0, 0, made.features, row.astype(float), index, (), np.zeros(0), State.GOOD) for row in made.values]
    made = replace(made, targets={"brightness": np.array([mapper.map(row)["brightness"] for row in rows], np.float32)})
    table = learned.write_csv(tmp_path / "a.csv", made)
    routes = 'mapper.routes={brightness={from="alpha"}}'
    done = training.train([str(table)], Plan(compare=False), tmp_path / "m", overrides=[routes])
    assert done.result.scores["direct"][0].r2 > 0.999
    assert done.result.against_direct.better is False
    assert "is not better than the direct one" in training.summary(done, tmp_path / "m")


def test_recordings_that_stand_for_something_are_one_session(tmp_path: Path) -> None:
    calm, busy = eeg(tmp_path / "calm.xdf", 40, 25.0, 1), eeg(tmp_path / "busy.xdf", 30, 2.0, 2)
    out = tmp_path / "m.safetensors"
    done = training.train(
        [f"{calm}@mode=0.2,tempo=60", f"{busy}@mode=0.8,tempo=120"],
        Plan("linear", compare=False, gap_s=2.0),
        out,
        overrides=["baseline.settle_s=2"],
        features=["alpha*", "beta*"],
    )
    data = done.data
    assert data.names == ("calm.xdf + busy.xdf",)
    assert len({*data.stretch}) == 2
    mode = data.y[:, [control.name for control in data.controls].index("mode")]
    np.testing.assert_allclose(mode[data.times < 39.9], 0.2)
    np.testing.assert_allclose(mode[data.times > 40.1], 0.8)
    assert data.times[mode > 0.5].min() > 41.9  # the seam, where a kernel sees both, is left out
    assert data.times.max() > 69
    alpha = data.x[:, data.features.index("alpha")]
    assert alpha[mode < 0.5].mean() > alpha[mode > 0.5].mean() + 0.2  # one baseline for both
    assert all(score.r2 > 0.6 for score in done.result.scores["linear"])


def test_the_features_are_those_of_a_render(tmp_path: Path) -> None:
    """What is learned from is what will be heard: no value knows anything of what comes after it."""
    from brainmusic_daemon import config

    calm = eeg(tmp_path / "calm.xdf", 12, 25.0)
    resolved = config.load(None, ["baseline.settle_s=2"])
    whole = listening.listen(resolved, [(calm, {"mode": 0.2}), (eeg(tmp_path / "b.xdf", 8, 2.0), {"mode": 0.8})])
    alone = listening.listen(config.load(None, ["baseline.settle_s=2"]), [(calm, {"mode": 0.2})])
    count = len(alone.values) - 1  # the last one sees the end of the file
    assert count > 400
    np.testing.assert_array_equal(whole.values[:count], alone.values[:count])


def test_recordings_of_different_headsets_do_not_make_one_session(tmp_path: Path) -> None:
    one, two = eeg(tmp_path / "a.xdf", 4, 9.0), eeg(tmp_path / "b.xdf", 4, 9.0, channels=("O1", "O2"))
    with pytest.raises(ConfigError, match="4 channels at 250 Hz: recordings that belong together are of one headset"):
        training.train([f"{one}@mode=0.2", f"{two}@mode=0.8"], Plan(), tmp_path / "m")


def test_one_class_is_refused(tmp_path: Path) -> None:
    calm = eeg(tmp_path / "a.xdf", 15, 9.0)
    with pytest.raises(ConfigError, match="nothing to tell apart"):
        training.train([f"{calm}@mode=0.2"], Plan(), tmp_path / "m", overrides=["baseline.settle_s=1"])
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gone.xdf", "there is no file"),
        ("gone.xdf@tempo=60", "there is no file"),
        ("{there}@tempo", "write control=value"),
        ("{there}@tempo=fast", "write control=value"),
        ("{there}@tempo=nan", "write control=value"),
        ("{there}@tempi=60", "no control 'tempi'; did you mean 'tempo'"),
        ("{there}@tempo=300", "tempo goes from 50 to 150 BPM"),
        ("anna:gone.xdf", "there is no file"),
    ],
)
def test_data_that_make_no_sense(text: str, message: str, tmp_path: Path) -> None:
    there = tmp_path / "a.edf"
    there.write_bytes(b"")
    with pytest.raises(ConfigError, match=message):
        material.parse(text.format(there=there))


def test_names_of_persons_and_files(tmp_path: Path) -> None:
    for name in ("a.xdf", "odd@b=1.xdf"):
        (tmp_path / name).write_bytes(b"")
    assert material.parse(f"anna:{tmp_path / 'a.xdf'}").person == "anna"
    item = material.parse(f"anna:{tmp_path / 'a.xdf'}@tempo=60,latent.3=-1.5")
    assert (item.person, item.path, item.targets) == ("anna", tmp_path / "a.xdf", {"tempo": 60.0, "latent.3": -1.5})
    assert material.parse(str(tmp_path / "odd@b=1.xdf")).targets == {}  # a file of that name is there


def test_a_recording_that_says_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"say what it stands for: a\.edf@tempo=60"):
        training.train([str(tmp_path / "a.edf")], Plan(), tmp_path / "m")


def test_nothing_is_overwritten_that_is_needed(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    (tmp_path / "link.csv").symlink_to(table)
    for out, report, message in (
        (table, None, "one of the data"),
        (tmp_path / "link.csv", None, "one of the data"),
        (tmp_path / "m", table, "one of the data"),
        (tmp_path / "m", tmp_path / "m", "wanted for the model already"),
        (tmp_path, None, "it is a folder"),
        (tmp_path / "no" / "m", None, "there is no such folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            training.train([str(table)], Plan(), out, report)
    assert table.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_whoever_stops_it_has_what_was_there_before(share: float, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"older")
    stop = threading.Event()

    def progress(done: float, total: float) -> None:
        if done / total >= share:
            stop.set()

    with pytest.raises(training.Stopped):
        training.train(
            [str(table)], Plan("neural", shape=QUICK), out, tmp_path / "m.html", stop=stop, progress=progress
        )
    assert out.read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"me.csv", "m.safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process here")
def test_control_c_ends_it_with_nothing_written(table: Path, tmp_path: Path) -> None:
    arguments = [table, "--mapper", "neural", "--out", tmp_path / "m", "--epochs", "100000", "--dropout", "0.5"]
    started = subprocess.Popen(
        [sys.executable, "-m", "brainmusic_daemon", "train", *map(str, arguments), "--hidden", "256,256"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert started.stderr is not None
    try:
        for line in started.stderr:
            if "training" in line:
                break
        time.sleep(0.2)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 130
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"me.csv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mapper", "linear"], "--out"),
        (["--out", "m"], "--mapper"),
        (["--mapper", "magic", "--out", "m"], "magic"),
        (["--mapper", "neural", "--out", "m", "--hidden", "64,x"], "--hidden 64,x"),
        (["--mapper", "neural", "--out", "m", "--hidden", "0"], "--hidden 0"),
    ],
)
def test_bad_usage_is_2(arguments: list[str], message: str, table: Path) -> None:
    done = command(table, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_learned_from_twice(table: Path, tmp_path: Path) -> None:
    """The blocks would count double, and the interval be too narrow by a third."""
    copy = tmp_path / "copy.csv"
    copy.write_bytes(table.read_bytes())
    for data, said in (
        ([table, table], "me.csv is given twice: what is there twice"),
        ([table, copy], "copy.csv holds the same as me.csv"),
        ([f"{table}@tempo=60", f"{table}@mode=0.2"], "say all that it stands for at once"),
    ):
        with pytest.raises(ConfigError, match=said):
            training.train([str(one) for one in data], Plan(compare=False), tmp_path / "m.safetensors")


def test_how_to_play_it_can_be_copied_into_a_shell(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "my music.safetensors"
    done = training.train([str(table)], Plan(compare=False), out)
    assert training.summary(done, out).endswith(f"play it: brainmusic swap '{out}'")


def test_options_have_an_effect(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option of the command reaches the plan."""
    import typer
    from typer.testing import CliRunner

    from brainmusic_daemon.cli.train import train

    seen: dict[str, Any] = {}

    def spy(data: list[str], plan: Plan, out: Path, report: Path | None, **more: Any) -> None:
        seen.update(more, data=data, plan=plan, out=out, report=report)
        raise training.Stopped

    monkeypatch.setattr(training, "train", spy)
    app = typer.Typer()
    app.command()(train)
    text = (
        f"{table} b.csv --mapper neural --out m --report r.html --control mode --control tempo --feature alpha* "
        "--split person --stretches 7 --gap 1.5 --block 20 --no-compare --alpha 0.5 --hidden 8,4 --activation tanh "
        "--dropout 0.2 --weight-decay 0.3 --epochs 9 --seed 4 --config muse --set a.b=1"
    )
    CliRunner().invoke(app, text.split())
    assert seen["plan"] == Plan(
        "neural", False, 7, None, 1.5, 20.0, True, 0.5, Shape((8, 4), "tanh", 0.2, 0.3, epochs=9, seed=4)
    )
    assert (seen["data"], str(seen["out"]), str(seen["report"])) == ([str(table), "b.csv"], "m", "r.html")
    assert (seen["config"], seen["overrides"]) == ("muse", ["a.b=1"])
    assert (seen["controls"], seen["features"]) == (["mode", "tempo"], ["alpha*"])

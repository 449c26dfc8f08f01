"""Names that no disk can hold, and homes of nobody, wherever a file is named: each command says so, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainmusic_daemon.there import is_file, is_folder, is_there
from tests.test_bad_input import RATE, Command, brainmusic, noise, recording  # noqa: F401 - a fixture

LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--config", f"{LONG}.toml"),
        ("check", "--config", f"{LONG}.toml"),
        ("check", "--config", "neural", "--set", f"mapper.model={LONG}.safetensors"),
        ("render", f"{LONG}.xdf", "--wav", "a.wav"),
        ("render", f"{LONG}.edf", "--wav", "a.wav"),
        ("render", f"{LONG}.eeg", "--wav", "a.wav"),
        ("render", f"{LONG}.txt", "--wav", "a.wav"),
        ("render", "a.xdf", "--wav", f"{LONG}.wav"),
        ("render", "a.xdf", "--wav", f"{LONG}/a.wav"),
        ("render", "a.xdf", "--midi", f"{LONG}.mid"),
        ("render", "a.xdf", "--controls", f"{LONG}.csv"),
        ("render", "a.xdf", "--wav", "a.wav", "--config", f"{LONG}.toml"),
        ("replay", f"{LONG}.xdf"),
        ("replay", f"{LONG}.csv"),
        ("train", f"{LONG}.xdf", "--mapper", "linear", "--out", "a.safetensors"),
        ("train", "a.xdf@tempo=60", "--mapper", "linear", "--out", f"{LONG}.safetensors"),
        ("calibrate", "anna", "--from", f"{LONG}.xdf"),
        ("calibrate", LONG, "--from", "a.xdf"),
        ("run", "--config", "~xxxnobody/a.toml"),
        ("render", "~xxxnobody/a.xdf", "--wav", "a.wav"),
        ("render", "a.xdf", "--wav", "~xxxnobody/a.wav"),
        ("replay", "~xxxnobody/a.xdf"),
        ("train", "~xxxnobody/a.xdf", "--mapper", "linear", "--out", "a.safetensors"),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "long"),
)
def test_a_name_that_no_disk_holds(
    words: tuple[str, ...],
    brainmusic: Command,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path / "profiles"))
    recording(tmp_path / "a.xdf", noise(20 * RATE))
    outcome = brainmusic(*words)
    assert outcome.code in (2, 4), outcome.text
    assert "xxx" in outcome.text and len(outcome.text) < 2000
    assert not [*tmp_path.glob("*.wav")], "nothing is left that was begun"


def test_there_is_no_file_of_an_odd_name() -> None:
    for odd in (LONG, "a\0b", "/dev/null/a"):
        assert not is_file(Path(odd)) and not is_folder(Path(odd)) and not is_there(Path(odd))

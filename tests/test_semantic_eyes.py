"""Real eyes, open and closed, in words and in colours: what the bundled configurations make of them, to the file."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from brainmusic_daemon.service.render import render_files
from tests import parts

OPEN_S, CLOSED_S = 61.0, 122.0  # from when on


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return eyes open, closed and open again, a minute each, as one recording."""
    folder = parts.recordings() / "eyes_open_closed"
    import mne

    runs = [mne.io.read_raw_edf(folder / f"S001R0{run}.edf", preload=True, verbose="error") for run in (1, 2, 1)]
    whole = mne.concatenate_raws(runs, verbose="error")
    whole.set_annotations(None)
    path = tmp_path_factory.mktemp("eyes") / "eyes_raw.fif"
    whole.save(path, verbose="error")
    return path


def heard(file: Path, address: str) -> list[tuple[float, list[float | str]]]:
    lines = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if f'"{address}"' in line)
    return [(line["time"], line["args"]) for line in lines]


def share(texts: list[tuple[float, list[float | str]]], word: str, begin: float, end: float) -> float:
    """Return in which share of the heartbeats between two times the sentence had this word."""
    within = [word in str(text) for time, (text, *_) in texts if begin <= time < end]
    return sum(within) / len(within)


def test_words_follow_the_eyes(eyes: Path, tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    render_files(eyes, "semantic", (), files={"jsonl": file})
    texts = heard(file, "/brainmusic/text")
    assert share(texts, "calm", OPEN_S + 15, CLOSED_S) > 0.6 and share(texts, "calm", CLOSED_S + 15, 200) < 0.2
    assert (
        share(texts, "energetic", CLOSED_S + 15, 200) > 0.6 and share(texts, "energetic", OPEN_S + 15, CLOSED_S) < 0.1
    )
    sentences = [text for _, (text, *_) in texts]
    changes = sum(a != b for a, b in itertools.pairwise(sentences))
    assert 3 <= changes <= 0.1 * 183  # no more than one in ten seconds
    prompts = heard(file, "/brainmusic/prompt")
    calm = [(time, float(weight)) for time, (_, text, weight) in prompts if str(text).startswith("calm, soft pads")]
    closed = np.mean([weight for time, weight in calm if OPEN_S + 15 <= time < CLOSED_S])
    opened = np.mean([weight for time, weight in calm if time >= CLOSED_S + 15])
    assert closed > 0.6 and opened < 0.2


def test_latents_follow_the_eyes_and_reach_the_wire(eyes: Path, tmp_path: Path) -> None:
    file = tmp_path / "latents.jsonl"
    render_files(eyes, "latent", (), files={"jsonl": file})
    rows = heard(file, "/brainmusic/latent")
    times, values = np.array([time for time, _ in rows]), np.array([row for _, row in rows], dtype=float)
    assert values.shape[1] == 8 and np.abs(values).max() <= 1.0
    closed = values[(times >= OPEN_S + 15) & (times < CLOSED_S)].mean(axis=0)
    opened = values[times >= CLOSED_S + 15].mean(axis=0)
    assert np.linalg.norm(closed - opened) > 0.5  # of a cube with the side 2


def test_a_blend_speaks_and_drives_all(eyes: Path, tmp_path: Path) -> None:
    file = tmp_path / "blend.jsonl"
    render_files(eyes, "blend", (), files={"jsonl": file}, seconds=70.0)
    assert heard(file, "/brainmusic/text")
    tempo = [float(value) for _, (value, *_) in heard(file, "/brainmusic/control/tempo")]
    colour = [float(value) for _, (value, *_) in heard(file, "/brainmusic/control/z.3")]
    assert np.ptp(tempo) > 20 and np.ptp(colour) > 0.3

"""Whatever parses, fed with what nobody would write: the kept corpus, and mutations of it, the same ones each time."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import bed
from tests.fuzz.bed import Target


@pytest.fixture(autouse=True)
def _aside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Targets set folders of their own, and what they are told fills no log."""
    for name in ("BRAINMUSIC_PROFILES", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(bed.folder()))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=bed.names())
def target(request: pytest.FixtureRequest) -> Target:
    return bed.target(request.param)


def test_what_is_kept_does_no_harm(target: Target) -> None:
    corpus = target.corpus()
    assert corpus, f"{target.name} has no corpus"
    for data in corpus:
        target.timed(data)


def test_mutations_do_no_harm(target: Target, tmp_path: Path) -> None:
    for number, data in enumerate(itertools.islice(bed.mutations(target, 1), target.quick)):
        try:
            target.timed(data)
        except Exception as error:
            kept = tmp_path / f"{target.name}-{number}"
            kept.write_bytes(data)
            raise AssertionError(
                f"{type(error).__name__} {error}; again: python -m tests.fuzz {target.name} --again {kept}"
            ) from error


def test_mutations_are_the_same_each_time_and_differ() -> None:
    one, other, seeded = ([*itertools.islice(bed.mutations(bed.target("osc"), seed), 200)] for seed in (1, 1, 2))
    assert one == other != seeded and len({*one}) > 150


def test_a_target_that_fails_or_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bed.target("toml")
    monkeypatch.setattr(bed, "PATIENCE_S", 0.0)
    with pytest.raises(bed.Slow):
        made.timed(made.corpus()[0])
    monkeypatch.setattr("brainmusic_daemon.tomlfile.ConfigError", RuntimeError)
    with pytest.raises(RuntimeError):
        made.fuzz(b"a = ")


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in bed.CORPUS.rglob("*") if path.is_file()) < 200_000
    assert {path.name for path in bed.CORPUS.iterdir()} == {*bed.names()}

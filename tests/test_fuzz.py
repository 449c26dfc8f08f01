"""Whatever parses, fed with what nobody would write: the kept corpus, and mutations of it, the same ones each time."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
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


def test_a_finding_of_an_earlier_run_is_one_until_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, mended = tmp_path / "found", tmp_path / "mended"
    found.mkdir()
    for name in ("KeyError-1", "KeyError-1.txt", "Slow-2", "Slow-2.txt"):
        (found / name).write_text(name)
    assert command.standing(found, mended, lambda path: path.name == "Slow-2") == (found / "Slow-2",)
    assert command.inputs(found) == (found / "Slow-2",) and [*mended.iterdir()] == [mended / "KeyError-1"]
    assert capsys.readouterr().out == f"mended: {mended / 'KeyError-1'}\n"


def test_an_input_is_tried_again_in_a_process_of_its_own(tmp_path: Path) -> None:
    fine = tmp_path / "fine"
    fine.write_bytes(b"a = 1")
    assert not command.reproduces("toml", fine)
    assert command.reproduces("toml", tmp_path)  # no file: the process ends with an error, as with a finding


def test_every_target_says_what_it_feeds_without_being_imported() -> None:
    assert all(bed.about(name).endswith(".") for name in bed.names())


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in bed.CORPUS.rglob("*") if path.is_file()) < 200_000
    assert {path.name for path in bed.CORPUS.iterdir()} == {*bed.names()}

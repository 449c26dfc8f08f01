"""What repeats the tests: the same order for a seed, and what is not the same each time is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import repeated

FLAKY = """
from pathlib import Path
def test_steady(): pass
def test_flaky():
    seen = Path(__file__).with_name("seen")
    was = seen.exists()
    seen.touch()
    assert was
"""


def test_what_differs_is_named_and_what_always_fails_is_not() -> None:
    runs = [{"a": "passed", "b": "failure", "c": "passed"}, {"a": "failure", "b": "failure"}]
    assert repeated.differing(runs) == {"a": ["passed", "failure"], "c": ["passed", "absent"]}


def test_a_flaky_test_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(FLAKY)
    assert repeated.main(2, ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)]) == 1
    assert "test_it::test_flaky: failure, passed\n1 of 2 tests were not the same in 2 runs" in capfd.readouterr().out

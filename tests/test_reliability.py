"""The page of troubles says what the rows say, and every row stands on a test and on a piece of the program."""

from __future__ import annotations

import ast
import re

import pytest

from tests import faults
from tests.faults import Fault, page, proving
from tests.faults.proofs import Proof, proofs

ROWS = faults.rows()


def test_the_page_is_what_the_rows_say() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "run scripts/reliability"


def test_names_are_unlike_and_groups_are_known() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for group in faults.GROUPS:
        assert {row.group for row in faults.rows(group)} <= {group}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row: Fault) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.name)
    assert row.trouble and row.heard and row.state
    assert (row.without is None) == bool(row.reason), "either it is handled, or it says why it can't be"
    assert row.reason or row.seconds is not None or row.recovery


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_names_a_test_that_is_there(row: Fault) -> None:
    file, _, name = row.test.partition("::")
    tree = ast.parse((page.CHECKOUT / file).read_text(encoding="utf-8"))
    assert name.partition("[")[0] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.without], ids=lambda row: row.name)
def test_what_a_row_takes_out_stands_once_in_the_program(row: Fault) -> None:
    assert row.without is not None
    file, old, new = row.without
    assert file.startswith("brainmusic_daemon/") and old != new
    source = (page.CHECKOUT / file).read_text(encoding="utf-8")
    assert source.count(old) == 1
    compile(source.replace(old, new), file, "exec")


def test_every_row_was_shown_to_stand_on_its_handling() -> None:
    known = proofs()
    missing = [
        row.name for row in ROWS if row.without and Proof.digest_of(row) != getattr(known.get(row.name), "digest", "")
    ]
    assert not missing, f"run scripts/reliability --prove {' '.join(missing)}"


def test_a_message_may_leave_out_what_differs() -> None:
    row = Fault("x", "values", "", "", "", "source '…' is streaming…: 8 channels", 1.0, "", None)
    assert row.says(["INFO source 'a' is streaming again: 8 channels at 250 Hz"])
    assert not row.says(["source 'a' is streaming", "8 channels"])


def test_the_means_of_proof_can_say_no() -> None:
    """A change that takes nothing away leaves the test passing; one that does makes it fail."""
    here = "tests/test_reliability.py::test_a_message_may_leave_out_what_differs"
    idle = ("tests/faults/__init__.py", "Return whether the message stands in", "Tell whether the message stands in")
    real = ("tests/faults/__init__.py", 'self.message.split("…")', "[self.message]")
    with proving.copied() as folder:
        assert not proving.fails(Fault("idle", "values", "", "", "", "", 1.0, here, idle), folder)[0]
        failed, _, how = proving.fails(Fault("real", "values", "", "", "", "", 1.0, here, real), folder)
    assert failed and "assert" in how


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_held_against_what_its_test_sees(row: Fault) -> None:
    """Otherwise page and test could drift apart."""
    assert row.name in (page.CHECKOUT / row.test.partition("::")[0]).read_text(encoding="utf-8")

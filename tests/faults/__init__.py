"""Every trouble that was tried, one row each: what happens then, which test shows it, and what the test stands on.

A group of rows is a module here: `TITLE` in plain words and `ROWS`.  `scripts/reliability` writes docs/reliability.md
from them, and shows that each row's test fails once the handling is taken out.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

GROUPS = (
    *("samples", "clocks", "values", "devices"),
    *("outputs", "disk", "settings", "user_code", "signals", "memory"),
)
"""The order of the page."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One trouble."""

    name: str  # unlike any other: small words joined by hyphens
    group: str  # the module it stands in
    trouble: str  # goes on after "What happens when …": plain words
    heard: str  # what the music does meanwhile: plain words
    state: str  # what is announced meanwhile (`api.State`), or how a command ends: "exit 2", "refused"
    message: str  # what the user reads; `…` stands for what differs from case to case; "": nothing is said
    seconds: float | None  # at most this long until all is as before, in session seconds; None: not by itself
    test: str  # pytest's name of the test that shows it: "tests/test_x.py::test_y"
    without: tuple[str, str, str] | None  # file, text in it (once), what stands there when the handling is taken out
    recovery: str = ""  # words that go with `seconds`, or stand for them
    loses: str = "nothing"  # of what is recorded or saved meanwhile
    reason: str = ""  # of one that can't be survived: why; it has no `without`

    def says(self, lines: Iterable[str]) -> bool:
        """Return whether the message stands in one of the lines."""
        pattern = re.compile(".*?".join(map(re.escape, self.message.split("…"))), re.DOTALL)
        return any(pattern.search(line) for line in lines)


def title(group: str) -> str:
    """Return the heading of a group; its own name while it has no module."""
    try:
        return str(importlib.import_module(f"tests.faults.{group}").TITLE)
    except ModuleNotFoundError as error:
        if error.name != f"tests.faults.{group}":
            raise
        return group


def rows(*groups: str) -> tuple[Fault, ...]:
    """Return all rows (of some groups) in the order of the page."""
    found: list[Fault] = []
    for group in groups or GROUPS:
        try:
            found += importlib.import_module(f"tests.faults.{group}").ROWS
        except ModuleNotFoundError as error:
            if error.name != f"tests.faults.{group}":
                raise
    return tuple(found)


def find(name: str) -> Fault:
    """Return the row of this name: so that a test and the page state one figure."""
    return next(row for row in rows() if row.name == name)

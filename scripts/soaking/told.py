"""Verdicts in, a table out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from soaking.measure import Verdict


def table(title: str, verdicts: Sequence[Verdict]) -> str:
    """Return it as text; what is not met is marked."""
    wide = max(len(each.what) for each in verdicts)
    asked = max(len(each.asked) for each in verdicts)
    lines = [f"{_mark(v)} {v.what:{wide}}  {v.asked:{asked}}  {v.measured}" for v in verdicts]
    return "\n".join([title, *lines])


def _mark(verdict: Verdict) -> str:
    return "  " if verdict.met else "! " if verdict.timing else "✗ "


def failed(verdicts: Sequence[Verdict], strict: bool) -> list[Verdict]:
    """Return what makes the soak fail; how quick the machine was counts only where that is asked for."""
    return [each for each in verdicts if not each.met and (strict or not each.timing)]


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

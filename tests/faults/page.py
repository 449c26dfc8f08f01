"""The rows in, docs/reliability.md out."""

from __future__ import annotations

from pathlib import Path

from tests.faults import GROUPS, Fault, rows, title
from tests.faults.proofs import Proof, proofs

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "reliability.md"

_HEAD = """# What happens on stage when …

Every line below is a trouble that was made on purpose, in front of the real chain: a scripted headset on a virtual
clock where a second takes a moment, or the real program with real LSL, BrainFlow, files and signals where the trouble
is one of a process. A test makes each one, waits for what stands here, reads the message, and measures how long the
music takes to be as before, in seconds of the session. The tests run with every change of the program, and compare
with the figures of this page.

**How to read it.** *Heard*: what the music does meanwhile. *State* is what the daemon announces (`/brainmusic/state`,
the status line, the page): `calibrating` (it is still getting to know you), `good`, `held` (the signal is bad: the
last good sound is kept), `resting` (bad for longer: a quiet, open sound), `lost` (nothing comes from the headset: the
same quiet sound, and it is looked for). *Back within* is counted from the moment the trouble is over until all is as
before to a hundredth, and nobody has to do anything unless it says so; the way back from rest is a glide of a second,
so most of it is heard long before. *A recording loses* is about `brainmusic record` and the recording that runs
beside the music.
"""

_TESTS = """## What each line stands on

A test that cannot fail shows nothing. So for every line the piece of the program that deals with the trouble was
taken out of a copy, once, and its test was run there: it has to fail. `scripts/reliability --prove NAME` does it
again.
"""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _message(row: Fault) -> str:
    return f"`{_cell(row.message)}`" if row.message else "–"


def _back(row: Fault) -> str:
    figure = "" if row.seconds is None or (row.seconds == 0 and row.recovery) else f"{row.seconds:g} s"
    return _cell(", ".join(part for part in (figure, row.recovery) if part) or "–")


def _table(group: str) -> list[str]:
    lines = [f"## {title(group)}", ""]
    lines += ["| what happens when … | heard | state | what you read | back within | a recording loses |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in rows(group):
        if not row.reason:
            cells = (
                _cell(row.trouble),
                _cell(row.heard),
                _cell(row.state),
                _message(row),
                _back(row),
                _cell(row.loses),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _not_survived() -> list[str]:
    lost = [row for row in rows() if row.reason]
    if not lost:
        return []
    lines = [
        "## What it does not survive",
        "",
        "| what happens when … | what then | what you read | why |",
        "|---|---|---|---|",
    ]
    lines += [f"| {_cell(row.trouble)} | {_cell(row.heard)} | {_message(row)} | {_cell(row.reason)} |" for row in lost]
    return [*lines, ""]


def _proved(row: Fault, known: dict[str, Proof]) -> str:
    if row.without is None:
        return "not survived, see above"
    proof = known.get(row.name)
    if proof is None or not proof.stands(row):
        return "**not shown yet**"
    since = "" if proof.is_of_today(row) else "; the test was changed since"
    return f"fails without its handling in `{row.without[0]}`: shown on {proof.date} ({proof.seconds:.0f} s){since}"


def text() -> str:
    """Return the page."""
    known = proofs()
    lines = [_HEAD]
    for group in GROUPS:
        if rows(group):
            lines += _table(group)
    lines += _not_survived()
    handled = [row for row in rows() if row.without is not None]
    shown = [row for row in handled if row.name in known and known[row.name].stands(row)]
    dates = sorted({known[row.name].date for row in shown})
    when = f", {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") if dates else ""
    took = sum(known[row.name].seconds for row in shown)
    lines += [
        _TESTS,
        f"**Shown for {len(shown)} of {len(handled)} lines{when}, in {took:.0f} s of tests altogether; for "
        f"{sum(known[row.name].is_of_today(row) for row in shown)} of them with the test as it stands today.**",
        "",
    ]
    lines += [f"* `{row.name}`: `{row.test}`; {_proved(row, known)}" for row in rows()]
    return "\n".join(lines) + "\n"

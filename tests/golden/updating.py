"""A reason in; all sessions taken anew, and those that have changed written, with the reason, out.

Where the recordings of real people are absent, what is kept of them stays as it is, and that is said.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

from tests.golden import comparing, keeping
from tests.golden.fingerprint import exact, fingerprint, machine
from tests.golden.sessions import recording, sessions
from tests.golden.taking import take


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/golden", description="Golden sessions: compare, or write anew.")
    parser.add_argument("--update", metavar="WHY", help="write what has changed, and why, e.g. 'softer attacks'")
    parser.add_argument("--add", action="store_true", help="keep this kind of machine's hashes, where nothing differs")
    options = parser.parse_args()
    if options.update is not None and len(options.update.split()) < 2:
        parser.error("say why in a few words: they are kept in tests/golden/HISTORY.md")
    sys.exit(run(options.update, add=options.add))


def run(why: str | None, *, add: bool = False) -> int:
    """Compare all sessions, or write them; return the exit code."""
    key, changed, differ = machine(), [], 0
    with tempfile.TemporaryDirectory() as folder:
        for session in sessions():
            if session.recording and recording(session) is None:
                print(f"{session.name}: left as it is, as its recording is not here", flush=True)
                continue
            if session.needs and importlib.util.find_spec(session.needs) is None:
                print(f"{session.name}: left as it is, as {session.needs} is not installed", flush=True)
                continue
            taken = take(session, Path(folder))
            means, now, kept = fingerprint(taken), exact(taken), keeping.load(session.name)
            told = f"{session.name}: new" if kept is None else said(session.name, kept, key, means, now)
            differ += bool(told)
            print(told or f"{session.name}: as it was", flush=True)
            if told and why is not None:
                keeping.save(session.name, means, {key: now})
                changed.append(session.name)
            elif add and not told and kept is not None and key not in kept[1]:
                keeping.save(session.name, kept[0], {**kept[1], key: now})
    if changed and why is not None:
        keeping.note(why, changed)
        print(f"{len(changed)} written; the reason stands in {keeping.HISTORY.name}: commit both")
        return 0
    return 1 if differ else 0


def said(name: str, kept: tuple[comparing.Fingerprint, dict[str, comparing.Exact]], key: str,
         means: comparing.Fingerprint, now: comparing.Exact) -> str:  # fmt: skip
    """Return how a session differs from what is kept: to the last bit where the machine is of a kind that is known."""
    before, machines = kept
    if key in machines:
        return comparing.exactly(name, machines[key], now, before, means)
    return comparing.nearly(name, before, means)

"""What was shown for each row, kept beside the rows: one file a group, written by `scripts/reliability --prove`."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tests.faults import GROUPS, Fault

FOLDER = Path(__file__).parent / "proved"


@dataclass(frozen=True, slots=True)
class Proof:
    """That a row's test has failed without its handling."""

    digest: str  # of what was taken out and of the test's name: a changed row has to be shown anew
    date: str
    seconds: float
    seen: str  # how the test failed
    source: str = ""  # digest of the test as it was then

    @staticmethod
    def digest_of(row: Fault) -> str:
        return _digest([row.test, row.without])

    @staticmethod
    def source_of(row: Fault) -> str:
        return _digest(_source(row.test))

    def stands(self, row: Fault) -> bool:
        """Return whether it is about the row as it is."""
        return self.digest == self.digest_of(row)

    def is_of_today(self, row: Fault) -> bool:
        """Return whether the test, too, is as it was when this was shown."""
        return self.stands(row) and self.source == self.source_of(row)


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


@cache
def _functions(file: str) -> dict[str, str]:
    """Return the tests of a file, function by function."""
    text = (Path(__file__).resolve().parents[2] / file).read_text(encoding="utf-8")
    functions = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in functions}


def _source(test: str) -> str:
    file, _, name = test.partition("::")
    return _functions(file).get(name.partition("[")[0], "")


def proofs() -> dict[str, Proof]:
    """Return all that was shown, by the rows' names."""
    found: dict[str, Proof] = {}
    for group in GROUPS:
        path = FOLDER / f"{group}.json"
        if path.exists():
            found |= {name: Proof(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
    return found


def keep(row: Fault, proof: Proof, names: set[str]) -> None:
    """Write one down; those of rows that are no longer there (`names`: the group's) go."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{row.group}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = {name: values for name, values in known.items() if name in names} | {row.name: asdict(proof)}
    path.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

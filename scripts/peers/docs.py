"""Tables in; the section of docs/benchmarks.md between its two markers, replaced, out."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- bench_peers: written by scripts/bench_peers -->", "<!-- bench_peers: end -->"


def check(file: Path) -> str:
    """Return what is in the file.  Raises ValueError where the markers are not there once, in their order."""
    content = file.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1 or content.index(END) < content.index(BEGIN):
        raise ValueError(f"{file} has no place for it: it needs the line {BEGIN} and, below it, {END}")
    return content


def write(file: Path, text: str) -> None:
    """Replace what is between the markers; everything else stays.  Raises ValueError as `check` does."""
    content = check(file)
    head, _, rest = content.partition(BEGIN)
    _, _, tail = rest.partition(END)
    file.write_text(f"{head}{BEGIN}\n\n{text.strip()}\n\n{END}{tail}", encoding="utf-8")

"""Tables of a configuration, each as its section checks it; whatever is wrong is a problem that can be told."""

from __future__ import annotations

import tomllib
from typing import Any

from brainmusic_daemon import people, reading, registry, sections

MOST = 2048
QUICK = 1600
_TABLES = ("source", "mapper", "fallback", "output", "scene", "derived")
_SETTINGS = sorted({key for model in sections.SECTIONS.values() for key in model.model_fields})
WORDS = (
    *sections.SECTIONS,
    *_TABLES,
    *(f"{key} = " for key in _SETTINGS),
    *(f'kind = "{n}"' for k in registry.KINDS for n in registry.names(k)),
    "[routes.tempo]",
    'from = "alpha"',
    "output = [60, 120]",
    "adjust.tempo = {gain = 2}",
    "[[layers]]",
    "[[source]]",
    "person = ",
    "0x" + "f" * 3600,
    "nan",
    "inf",
    "-1",
    "true",
    "[]",
    "{}",
    '""',
    "1e300",
    "1979-05-27",
    "07:32:00",
    '"../x"',
    '"\\u0000"',
)


def fuzz(data: bytes) -> None:
    """Read the first line as the name of a section, the rest as what it holds."""
    name, _, text = data.partition(b"\n")
    try:
        tables = tomllib.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return  # another target's affair
    told(name.decode("utf-8", "replace"), tables)


def told(name: str, tables: dict[str, Any]) -> None:
    """Check one section, and write down what is wrong as the user would read it."""
    problems: list[tuple[str, str]] = []
    if name in sections.SECTIONS:
        made = reading.section(name, sections.SECTIONS[name], tables, problems)
        assert problems or made is not None
        if made is not None:
            again: list[tuple[str, str]] = []
            assert reading.section(name, type(made), made.model_dump(), again) == made and not again, again
    elif name == "source":
        people.read(tables.get("source", tables), ("alpha",), problems)
    elif name in ("mapper", "fallback"):
        reading.mapper(name, _harmless(tables), "", problems)
    elif name == "output":
        reading.shared_files(reading.outputs(_harmless(tables), problems))
    elif name == "scene":
        reading.scenes(_harmless(tables), "", problems)
    else:
        problems += reading.derived_problems(tables)
    lines = [f"  {place}: {message}" for place, message in problems]
    assert "Traceback" not in "\n".join(lines)


def _harmless(tables: Any) -> Any:
    """Leave out the kinds that run a file of the user's: whoever names one wants that."""
    if isinstance(tables, dict):
        return {key: _harmless(value) for key, value in tables.items()}
    if isinstance(tables, list):
        return [_harmless(value) for value in tables]
    return tables if not isinstance(tables, str) or not tables.endswith(".py") else "direct"


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with: what the bundled configurations say, table by table."""
    from brainmusic_daemon import tomlfile

    found: dict[str, bytes] = {}
    for path in sorted(tomlfile.folder().glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        text = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
        for name in tomllib.loads(text):
            mine = [part for part in _parts(text) if part[0].split(".")[0] == name]
            body = "\n".join((f"[{head[len(name) + 1 :]}]\n" if head != name else "") + rest for head, rest in mine)
            if body.strip() and len(body) < 1500 and len([n for n in found if n.startswith(name)]) < 4:
                found[f"{name}-{path.stem}"] = f"{name}\n{body}".encode()
    found["several"] = b'source\n[[source]]\nkind = "lsl"\nperson = "anna"\n[[source]]\nkind = "simulator"\nseed = 3\n'
    found["derived"] = b'derived\nderived = ["engagement", "iaf"]\nsettings = {iaf = {low = 7}}\n'
    return found


def _parts(text: str) -> list[tuple[str, str]]:
    parts, head, lines = [], "", list[str]()
    for line in text.splitlines():
        if line.startswith("[") and not line.startswith("[["):
            parts.append((head, "\n".join(lines)))
            head, lines = line.partition("]")[0][1:], []
        else:
            lines.append(line)
    return [part for part in [*parts, (head, "\n".join(lines))] if part[0]]

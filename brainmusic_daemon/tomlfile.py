"""A name or a path in, the tables of a TOML file out, and what the command line changes about them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from brainmusic_daemon import people
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import expanded, is_file


def folder() -> Path:
    """Return the folder of the bundled configurations: in the package when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def own_folder() -> Path:
    """Return the folder of this user's configurations; it may not be there yet."""
    import platformdirs

    return platformdirs.user_config_path("brainmusic", appauthor=False)


def is_bundled(file: Path) -> bool:
    """Return whether a file lies in the folder of the bundled configurations, which an upgrade replaces."""
    return file.parent.resolve() == folder().resolve()  # a link to one of them is its user's own


def locate(file: str | Path | None) -> Path:
    """Return the file of a path, of a bundled configuration's name, or of a name in the user's own folder.

    Raises ConfigError.
    """
    if file is None:
        return folder() / "default.toml"
    path = expanded(file)
    bundled = folder() / f"{file}.toml"
    if is_file(path):
        return path
    if path.parent == Path() and is_file(bundled):
        return bundled
    own = own_folder()
    if path.parent == Path():
        for mine in (own / path, own / f"{path}.toml"):
            if is_file(mine):
                return mine
    known = [found.stem for found in folder().glob("*.toml")]
    raise ConfigError(
        f"there is no configuration '{file}': give a path, the name of a file in {own}, or one of the bundled names "
        f"({', '.join(sorted(known))})"
    )


def parse(path: Path) -> dict[str, Any]:
    """Read a TOML file.  Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    except ValueError as error:  # a number of 5,000 digits is one that tomllib does not know
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply") from error


def override(tables: dict[str, Any], text: str) -> None:
    """Set what a `section.key=value` text says.  Raises ConfigError."""
    key, separator, value = text.partition("=")
    parts = key.strip().split(".")
    if not separator or len(parts) < 2 or not all(parts):
        raise ConfigError(f"--set {text!r}: write it as section.key=value, e.g. --set features.delay_ms=100")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()  # a bare word is a string: --set source.kind=lsl
    at: Any = tables
    for part in parts[:-1]:
        at = people.table_of(at, part) if isinstance(at, list) else at.setdefault(part, {})
        if not isinstance(at, dict) and not (part == "source" and people.are_tables(at)):
            raise ConfigError(f"--set {text!r}: '{part}' is a value, not a table")
    if isinstance(at, list):
        raise people.whose(at, parts[-1])
    at[parts[-1]] = parsed

"""The configuration that a service is to run with, in; for a bundled one, a copy of this user's own, out.

What is turned on the page can be saved into the copy, and an upgrade, which replaces the bundled one, leaves it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import is_file


def place(file: Path) -> Path:
    """Return the file to run with: itself, or for a bundled one its place in the user's own folder."""
    return configuration.own_folder() / file.name if configuration.is_bundled(file) else file


def copy(file: Path) -> list[str]:
    """Copy a bundled configuration, and the files that it names beside it, to `place`; return what to tell.

    What is there already is used as it is, never written over.  Raises ConfigError.
    """
    target = place(file)
    if target == file:
        return []
    beside = sorted({*_named(configuration.parse(file), file.parent)})
    return [_copied(file.parent / name, target.parent / name) for name in (file.name, *beside)]


def _named(value: Any, folder: Path) -> Iterator[str]:
    """Yield every text in the tables that is the name of a file in or below `folder`."""
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, list):
        for part in value:
            yield from _named(part, folder)
    elif isinstance(value, str) and value and not Path(value).is_absolute() and ".." not in Path(value).parts:
        yield from [value] if is_file(folder / value) else []


def _copied(file: Path, target: Path) -> str:
    try:
        data = file.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            try:
                out.write(data)
                out.flush()
            except OSError:  # half of it would be taken for the user's the next time
                target.unlink(missing_ok=True)
                raise
    except FileExistsError:
        return f"{target} is there already: it is used as it is"
    except OSError as error:
        raise ConfigError(f"cannot copy {file.name} to {target}: {error.strerror or error}") from error
    return f"{target} is your copy of '{file.stem}': what is turned and saved stands there"

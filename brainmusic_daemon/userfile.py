"""The path of a user's Python file in, the one plug-in class in it out; run anew at every call, so that edits count."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import time
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import expanded, is_file

_KEPT = 8  # newest modules: objects of older ones live on by themselves


def load(kind: str, path: Path) -> type[Any]:
    """Run the file and return its class that carries `@plugin`.

    Raises ConfigError with the line where it fails.  What the file does is the user's own business: it is code, and it
    is run because it was named.
    """
    path = expanded(path).resolve()
    if not is_file(path):
        raise ConfigError(f"there is no file '{path}'")
    name = f"brainmusic_user_{path.stem}_{time.monotonic_ns()}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module  # where dataclasses and type hints look names up
    try:
        text = path.read_text(encoding="utf-8-sig")
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
        found = _plugin(kind, path, module)
    except ConfigError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"'{path.name}' cannot be loaded: {where(error, path)}") from error
    _forget()
    if kind == "mapper":
        found.files = (path,)
        found.bounded = False  # a promise that only code of the project and of packages can make
    return found


def where(error: BaseException, path: Path) -> str:
    """Return an error as one line that names the line of the file it came from."""
    import traceback

    if isinstance(error, SyntaxError) and error.filename:
        return f"line {error.lineno}: {error.msg}" + (f"  [{error.text.strip()}]" if error.text else "")
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == str(path):
            return f"line {frame.lineno}, in {frame.name}: {what}" + (f"  [{frame.line}]" if frame.line else "")
    return what


def _plugin(kind: str, path: Path, module: Any) -> type[Any]:
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and "__brainmusic_plugin__" in vars(member)
    ]
    if len(found) != 1:
        count = "no class" if not found else f"{len(found)} classes"
        raise ConfigError(f"'{path.name}' has {count} with @plugin (from brainmusic_daemon.api); one {kind} is wanted")
    return found[0]


def _forget() -> None:
    mine = [name for name in sys.modules if name.startswith("brainmusic_user_")]
    for name in sorted(mine, key=lambda name: int(name.rpartition("_")[2]))[:-_KEPT]:
        del sys.modules[name]

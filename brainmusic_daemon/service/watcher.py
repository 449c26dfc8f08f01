"""Files in, a call whenever one of them was saved out; by the operating system's own notices, not by looking again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

_log = logging.getLogger(__name__)

_LOOK_MS = 500  # how soon other files are watched, and how soon it stops
_SETTLE_MS = 60  # programs save in several steps


class Watcher:
    """Watches the folders that the files are in, because most editors save by putting another file in place."""

    def __init__(self, changed: Callable[[set[Path]], None]) -> None:
        """`changed` is called in the watcher's thread with those of the files that were saved."""
        self._changed = changed
        self._files: Mapping[Path, object] = {}  # file → how it was when it was last taken up
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="files", daemon=True)

    def watch(self, files: Collection[Path]) -> None:
        """Watch these files, and no others, from now on.  From any thread."""
        before = self._files
        paths = [file.resolve() for file in files]
        self._files = {path: before.get(path, _look(path)) for path in paths}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        import watchfiles

        while not self._stop.is_set():
            watched = self._files.keys()
            folders = {file.parent for file in watched if file.parent.is_dir()}
            if not folders:
                self._stop.wait(_LOOK_MS / 1000)
                continue
            try:
                notices = watchfiles.watch(
                    *folders,
                    debounce=4 * _SETTLE_MS,
                    step=_SETTLE_MS,
                    stop_event=self._stop,
                    rust_timeout=_LOOK_MS,
                    yield_on_timeout=True,
                    recursive=False,
                    raise_interrupt=False,
                    watch_filter=lambda _, path: Path(path) in self._files,
                )
                for _ in notices:
                    self._compare()
                    if self._files.keys() != watched:
                        break
            except (OSError, RuntimeError) as error:  # a folder that went away, or too many watches on this machine
                _log.warning("files are not watched for a while: %s", error)
                self._stop.wait(5.0)

    def _compare(self) -> None:
        """Tell what is not as it was: also what was saved before the notices began, or on a drive that gives none."""
        files = self._files
        now = {file: _look(file) for file in files}
        saved = {file for file, looks in now.items() if looks is not None and looks != files[file]}
        if saved:
            if self._files is files:
                self._files = {file: looks or files[file] for file, looks in now.items()}
            self._changed(saved)


def _look(file: Path) -> object:
    """Return what tells one state of a file from another; None where there is none, or nothing in it yet.

    Many programs save by emptying the file and filling it again: an empty configuration is a valid one, but nobody's.
    """
    try:
        found = file.stat()
    except OSError:
        return None
    return None if not found.st_size else (found.st_mtime_ns, found.st_size, found.st_ino)

"""Files in, a call whenever one of them was saved out; by the operating system's own notices, not by looking again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

_log = logging.getLogger(__name__)

_LOOK_MS = 500  # how soon other files are watched, and how soon it stops
_SETTLE_MS = 60  # programs save in several steps


class Watcher:
    """Watches the folders that the files are in, because most editors save by putting another file in place."""

    def __init__(self, changed: Callable[[set[Path]], None]) -> None:
        """`changed` is called in the watcher's thread with those of the files that were saved."""
        self._changed = changed
        self._files: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="files", daemon=True)

    def watch(self, files: Collection[Path]) -> None:
        """Watch these files, and no others, from now on.  From any thread."""
        self._files = frozenset(file.resolve() for file in files)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        import watchfiles

        while not self._stop.is_set():
            files = self._files
            folders = {file.parent for file in files if file.parent.is_dir()}
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
                for notice in notices:
                    saved = {Path(path) for change, path in notice if change is not watchfiles.Change.deleted}
                    if saved:
                        self._changed(saved)
                    if self._files != files:
                        break
            except (OSError, RuntimeError) as error:  # a folder that went away, or too many watches on this machine
                _log.warning("files are not watched for a while: %s", error)
                self._stop.wait(5.0)

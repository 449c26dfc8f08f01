"""A serial port's name in; the port for this program alone out, where the system does not see to that itself."""

from __future__ import annotations

import contextlib
import importlib
import os

from brainmusic_daemon.api import SourceLost


class Claim:
    """Holds a serial port against other daemons, and against all programs that ask.

    Unix lets any number of programs open one, and the second to do so takes bytes away from the first and resets its
    board; Windows lets one only.
    """

    def __init__(self) -> None:
        self._file: int | None = None

    def take(self, port: str, board: str) -> None:
        """Claim the port.  Raises SourceLost where another program has it; silent where it cannot be opened."""
        self.leave()
        try:
            fcntl = importlib.import_module("fcntl")
            made = os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except (ImportError, OSError, ValueError, AttributeError):  # Windows, or no such port: the board's to say
            return
        try:
            fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(made)
            raise SourceLost(
                f"board {board}: another program, perhaps another daemon, listens at serial port '{port}': stop that "
                '(`brainmusic stop`), or let it publish with [output.lsl] and listen to it here, kind = "performer"'
            ) from None
        except OSError:  # a system that locks no devices
            os.close(made)
            return
        self._file = made

    def leave(self) -> None:
        """Let others have it.  Idempotent, never raises."""
        held, self._file = self._file, None
        if held is not None:
            with contextlib.suppress(OSError):
                os.close(held)

"""What a service manager wants to hear, in; datagrams to the socket it named, out: sd_notify(3) without a library.

Where no manager listens (a terminal, a Mac, Windows) all of it does nothing.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Self

_log = logging.getLogger(__name__)

_MOST = 4_000  # bytes of one datagram, of which a status is most
_SHARE = 0.25  # of the watchdog's time between two looks


class Notify:
    """Tells the service manager READY, STATUS, WATCHDOG and STOPPING.  From any thread; never raises, never blocks."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ) if self._address is not None else 0.0  # 0: there is none
        self._status = ""
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @property
    def listening(self) -> bool:
        """Return whether a service manager started us and wants to hear."""
        return self._socket is not None

    def ready(self) -> None:
        """Say that the start is over."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Say, in one line for people, what goes on; only a new line is sent."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say no more."""
        made, self._socket = self._socket, None
        if made is not None:
            made.close()

    def _send(self, text: str) -> None:
        made, address = self._socket, self._address
        if made is None or address is None:
            return
        with contextlib.suppress(OSError):  # a manager that is gone, or too busy: the music is not its business
            made.sendto(text.encode()[:_MOST], address)


class Heart:
    """Feeds the watchdog while ticks are done: where they hang, or all fail, it stops, and the service is restarted.

    Looking and feeding happen in a thread of their own; it is the *count of ticks* that decides, so that a daemon whose
    other threads are fine but whose music stands still is no healthy one.
    """

    def __init__(self, notify: Notify, ticks: Callable[[], int]) -> None:
        """`ticks` counts those that came to their end; one that was only begun is no sign of life."""
        self._notify, self._ticks = notify, ticks
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, where there is a watchdog."""
        if not self._notify.watchdog_s:
            return
        with contextlib.suppress(RuntimeError, AttributeError, ValueError):  # no stderr: then without
            faulthandler.enable()  # the watchdog's SIGABRT then says in the journal where each thread stood
        self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Feed no more.  Never raises."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _look(self) -> None:
        every, seen = self._notify.watchdog_s * _SHARE, -1
        while True:
            ticks = self._ticks()
            if ticks != seen:
                seen = ticks
                self._notify.alive()
            if self._stop.wait(every):
                return


def _address(named: str) -> str | None:
    """Return the socket's address as Python wants it; None where there is none that this system knows."""
    if not named or not hasattr(socket, "AF_UNIX"):
        return None
    if named[0] == "@":  # in the kernel's own name space instead of a folder
        return "\0" + named[1:]
    if named[0] == "/":
        return named
    _log.warning("NOTIFY_SOCKET names '%s', which is no socket of this machine: the service manager is not told", named)
    return None


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Return the time within which the watchdog must be fed, s; 0 where there is none, or it is another process's."""
    try:
        owner = int(environ.get("WATCHDOG_PID", "") or os.getpid())
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return 0.0
    return max(0, microseconds) / 1e6 if owner == os.getpid() else 0.0

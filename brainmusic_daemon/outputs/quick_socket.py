"""Datagrams in, the same on the network out, without handing the interpreter to other threads in between.

Python gives its lock away around each system call.  A tick sends some fifty datagrams, each within two millionths of a
second; where threads of somebody's mapper compute in Python, each call then costs it a turn of some of them: 70 ms a
tick with four, and 12 ticks a second in place of 50.  A socket that never blocks has no need to give anything away.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def _of_the_system() -> Callable[[int, bytes, int, int], int] | None:
    """Return the C library's `send`, called with the lock held; None where there is none of that kind."""
    if sys.platform == "win32":  # its sockets are no file descriptors, and its errors are told elsewhere
        return None
    try:
        found = ctypes.PyDLL(None, use_errno=True).send
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_ssize_t
    return found


_send = _of_the_system()


class QuickSocket(socket.socket):
    """A connected socket for datagrams; it must not be made to block: everything would wait for it."""

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_DGRAM)
        self.setblocking(False)

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send one datagram; return its size in bytes.  Raises OSError, as sockets do."""
        if _send is None:
            return super().send(data, flags)
        content = bytes(data)
        sent = _send(self.fileno(), content, len(content), flags)
        if sent < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return sent

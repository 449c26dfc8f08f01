"""A function that may hang in, its answer within a budget out, or word that there is none yet; it never holds the tick.

A mapper that does not promise to be `bounded` is called in a thread of its own.  The tick hands a value over and waits
as long as it can spare; who is later than that is left behind, at work for nobody.  A Python loop that never ends is
stopped by an exception raised from outside; what hangs in C code keeps its thread until the process ends.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Abandoned(BaseException):
    """Raised inside a call that nobody waits for any longer."""


@dataclass(frozen=True, slots=True)
class Late:
    """The call is still at work."""


LATE = Late()


class Worker(Generic[A, R]):
    """Calls one function in a thread of its own, one call at a time.

    `call` is for one calling thread only.  A call costs two hand-overs of the interpreter, some 20 µs on an idle
    machine, up to a switch interval each where other Python threads are busy.
    """

    def __init__(self, function: Callable[[A], R], name: str) -> None:
        self._function = function
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._argument: Any = None
        self._result: Any = None
        self._error: BaseException | None = None
        self._busy = self._left = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, argument: A, budget_s: float) -> R | Late:
        """Return function(argument), or LATE when it takes longer than `budget_s`.  Raises what the function raises.

        The answer to a call that was late is thrown away; as long as it is at work, further calls are late at once.
        """
        if self._busy:
            if not self._done.acquire(blocking=False):
                return LATE
            self._error = None
        self._argument, self._busy = argument, True
        self._go.release()
        if not self._done.acquire(timeout=budget_s):
            return LATE
        self._busy = False
        result, error = self._result, self._error
        self._argument = self._result = self._error = None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def leave(self) -> None:
        """Let the thread end: at once where it waits, else as soon as it reaches a line of Python.  Never blocks."""
        self._left = True
        if self._busy and not self._done.acquire(blocking=False):
            self.interrupt()
        elif self._go.locked():
            self._go.release()

    def interrupt(self) -> bool:
        """Raise `Abandoned` in a thread that was left at work; return whether it is still alive."""
        if self._thread.is_alive() and self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(Abandoned))
        return self._thread.is_alive()

    def _work(self) -> None:
        with suppress(Abandoned):  # wherever it comes
            while True:
                self._go.acquire()
                if self._left:
                    return
                try:
                    self._result = self._function(self._argument)
                except Abandoned:
                    return
                except BaseException as error:  # noqa: BLE001 - also SystemExit: the one who called decides
                    self._error = error
                if self._left:
                    return
                self._done.release()

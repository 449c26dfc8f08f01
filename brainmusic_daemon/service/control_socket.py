"""Commands as JSON lines over TCP on this machine in, answers out: how the shell talks to a running daemon.

Whoever knows the token of the run file may command.  A client that is slow, silent or hostile costs one thread for some
seconds, never the daemon.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from brainmusic_daemon import __version__
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import client, overview, run_file
from brainmusic_daemon.service.control import Answer, Control

_log = logging.getLogger(__name__)

MOST_CLIENTS = 16
MOST_BYTES = 65_536  # of a request
PATIENCE_S = 5.0  # with a client that sends or reads slowly
BUSY_S = 0.02  # with one that is turned away
_ACCEPT_S = 0.2


class ControlSocket:
    """Listens on 127.0.0.1; the run file says where.  It is what makes a daemon the only one of its name."""

    def __init__(
        self, control: Control, name: str, private: Mapping[str, Callable[[list[object]], Answer]] | None = None
    ) -> None:
        """`private`: further commands, which are the shell's alone."""
        self._control, self._name, self._private = control, name, private or {}
        self._token = secrets.token_urlsafe(24)
        self._socket: socket.socket | None = None
        self._stop = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_CLIENTS)
        self._thread = threading.Thread(target=self._accept, name="control-socket", daemon=True)
        self._told = False  # that nobody is heard
        self.turned_away = 0  # wrong token, too long, no JSON, too many

    def start(self) -> None:
        """Listen, and write the run file.  Raises ConfigError where a daemon of this name runs."""
        self._refuse_second()
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.bind(("127.0.0.1", 0))
            made.listen(MOST_CLIENTS)
            made.settimeout(_ACCEPT_S)
            self._socket = made
            self._write(made.getsockname()[1])
        except OSError as error:
            made.close()
            self._socket = None
            _log.warning("`brainmusic status`, `swap` and `stop` will not reach this daemon: %s", error)
            return
        except BaseException:
            made.close()
            self._socket = None
            raise
        self._thread.start()

    def stop(self) -> None:
        """Remove the run file and hang up.  Idempotent, never raises."""
        self._stop.set()
        if self._socket is None:
            return
        run_file.remove(self._name, self._token)
        with suppress(OSError):
            self._socket.close()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        self._socket = None

    def _refuse_second(self) -> None:
        limit = time.monotonic() + run_file.FRESH_S + 0.5
        while run_file.being_written(self._name) and time.monotonic() < limit:
            time.sleep(0.02)
        other = run_file.read(self._name)
        if other is not None and client.is_alive(other):
            raise ConfigError(
                f"a daemon named '{self._name}' runs already (process {other.pid}, since {other.since}): end it with "
                f"`brainmusic stop`, or give this one a name of its own: --set session.name=…"
            )
        # What a crash has left behind; by its token, as another one may be starting at this moment.
        run_file.remove(self._name, other.token if other is not None else None)

    def _write(self, port: int) -> None:
        run = run_file.Run(self._name, os.getpid(), port, self._token, time.time(), __version__)
        try:
            run_file.write(run)
        except FileExistsError:
            raise ConfigError(f"another daemon named '{self._name}' is starting at this moment") from None
        except run_file.Unsafe as error:
            raise OSError(str(error)) from error

    # --- threads ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        listening = self._socket
        assert listening is not None
        while not self._stop.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError as error:  # no more files may be open
                if self._stop.wait(_ACCEPT_S):
                    return
                self._deaf(error)
                continue
            if not self._places.acquire(blocking=False):
                self.turned_away += 1
                self._say_busy(connection)
                continue
            try:
                threading.Thread(target=self._serve, args=(connection,), name="control-client", daemon=True).start()
            except RuntimeError as error:  # no more threads
                self._places.release()
                connection.close()
                self._deaf(error)
            else:
                self._told = False

    def _deaf(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            _log.warning("`brainmusic status`, `swap` and `stop` do not reach this daemon for a while: %s", error)

    def _say_busy(self, connection: socket.socket) -> None:
        """Turn a client away, in words: one that hears nothing would take this daemon for gone."""
        with suppress(OSError), connection:
            connection.settimeout(BUSY_S)
            connection.recv(MOST_BYTES)  # what is left unread when it closes would make the system cut the answer
            _send(connection, Answer(False, "too many programs ask at once", {"name": self._name}, "busy"))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(PATIENCE_S)
                line = _line(connection)
                answer = self._answer(line)
                if answer is not None:
                    _send(connection, answer)
        except OSError:  # it hung up, or was too slow
            pass
        finally:
            self._places.release()

    def _answer(self, line: bytes | None) -> Answer | None:
        """Return the answer to a request; None: not even an answer is due."""
        request = _parsed(line)
        token = request.get("token")
        if not isinstance(token, str) or not hmac.compare_digest(
            token.encode("utf-8", "replace"), self._token.encode()
        ):
            self.turned_away += 1
            return None
        command, arguments = request.get("command"), request.get("arguments", [])
        if not isinstance(command, str) or not isinstance(arguments, list):
            return Answer(False, "a request has a command and a list of arguments", reason="type")
        if command in self._private:
            return self._private[command](arguments)
        return self._control.ask(command, arguments)


def _send(connection: socket.socket, answer: Answer) -> None:
    said = {"ok": answer.ok, "text": answer.text, "data": answer.data, "reason": answer.reason}
    connection.sendall(json.dumps(overview.plain(said)).encode() + b"\n")


def _line(connection: socket.socket) -> bytes | None:
    """Return what comes up to the first line feed; None: too long, or not in time."""
    limit, line = time.monotonic() + PATIENCE_S, b""
    while b"\n" not in line:
        if len(line) > MOST_BYTES or time.monotonic() > limit:  # also one that sends a byte now and then
            return None
        part = connection.recv(8192)
        if not part:
            return None
        line += part
    return line.partition(b"\n")[0]


def _parsed(line: bytes | None) -> dict[str, Any]:
    try:
        request = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}

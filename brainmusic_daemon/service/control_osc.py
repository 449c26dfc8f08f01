"""OSC datagrams in, commands of the table out, answers back to whoever sent: how Max, Pd and SuperCollider steer."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from brainmusic_daemon.outputs.osc_encoding import message
from brainmusic_daemon.sections import ControlConfig
from brainmusic_daemon.service import commands
from brainmusic_daemon.service.allowance import Allowance
from brainmusic_daemon.service.allowed import Allowed
from brainmusic_daemon.service.control import Answer, Control
from brainmusic_daemon.service.osc_decoding import MOST_BYTES, Malformed, messages
from brainmusic_daemon.service.tally import Tally

_log = logging.getLogger(__name__)

HEAD = "/brainmusic/"
REPLY = "/brainmusic/reply"
RETRY_S = 5.0
BURST = 64  # datagrams between two pauses
PAUSE_S = 0.004  # the tick's turn
BUFFER_BYTES = 1 << 20
MOST_TEXT = 1_000  # of a reply, characters
REPLIES, REPLIES_PER_S = 100.0, 20.0  # to one address: at once, and from then on
_KNOWN = 100  # addresses that are remembered
_BANG = ((1,), (None,))  # what buttons send to a command that takes nothing: a bang, nil, 1 or 1.0


class ControlOsc:
    """Listens for commands; a port that is taken is tried again, and never stops the music."""

    def __init__(self, control: Control, settings: ControlConfig) -> None:
        self._control, self._settings = control, settings
        self.allowed = Allowed(settings.allow)
        self._socket: socket.socket | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="control-osc", daemon=True)
        self._known: dict[str, tuple[str, tuple[str, ...]]] = {}  # address → command and arguments in it
        self._replies = Allowance(REPLIES, REPLIES_PER_S)
        self._replying = threading.Lock()  # answers come from the control's thread, complaints from this one
        self._tally = Tally()  # packets come from the web server's loop, too
        self.port = 0  # that it listens at; 0: at none

    def start(self) -> None:
        """Begin to listen, where that is wanted; returns at once."""
        if not self._settings.enabled:
            return
        if self._settings.beyond_loopback:
            _log.warning(
                "OSC control listens at %s: %s can command the music over the network, without a password; "
                'control.host = "127.0.0.1" keeps it to this computer',
                self._settings.host,
                "whoever reaches this computer" if self.allowed.anybody else ", ".join(self._settings.allow),
            )
        self._open(first=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening.  Idempotent, never raises."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        self._close()

    def counters(self) -> dict[str, float]:
        """Return the port, how many messages came, and by reason what was wrong with them."""
        return {"port": self.port, "received": self.received, **self.wrong}

    @property
    def received(self) -> int:
        """Return how many messages came."""
        return self._tally.received

    @property
    def wrong(self) -> dict[str, int]:
        """Return by reason how many datagrams or messages were wrong."""
        return self._tally.wrong

    def _open(self, first: bool = False) -> None:
        host, port = self._settings.host, self._settings.osc_port
        made = None
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, kind)
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            made.bind(address)
            made.setblocking(False)
        except OSError as error:
            if made is not None:
                made.close()
            if first:
                _log.warning(
                    "OSC control: cannot listen at %s:%d (%s); trying on. Another port: --set control.osc_port=…",
                    host, port, error.strerror or error,
                )  # fmt: skip
            return
        self.port = made.getsockname()[1]
        self._socket = made
        if port == 0 or not first:
            _log.info("OSC control listens at %s:%d", host, self.port)

    def _close(self) -> None:
        taken, self._socket, self.port = self._socket, None, 0
        if taken is not None:
            taken.close()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.is_set():
            if self._socket is None:
                if not self._stop.wait(RETRY_S):
                    self._open()
                continue
            try:
                if select.select([self._socket], [], [], 0.2)[0]:
                    self._drain(self._socket)
                    time.sleep(PAUSE_S)
            except Exception:  # noqa: BLE001 - a mistake of ours, or the network is gone: listen anew
                _log.exception("OSC control failed; listening anew")
                self._close()

    def _drain(self, listening: socket.socket) -> None:
        for _ in range(BURST):
            try:
                datagram, sender = listening.recvfrom(MOST_BYTES + 1)
            except BlockingIOError:
                return
            except ConnectionError:  # Windows tells so of a reply that nobody took
                continue
            except OSError:  # Windows tells so of a datagram beyond the buffer
                self._tally.count("oversized")
                continue
            if sender[0] not in self.allowed:  # not a word to it: an answer would go to whoever it claims to be
                self._tally.count("forbidden")
                self._tally.tell(f"forbidden {sender[0]}", f"{sender[0]} may not command; control.allow says who may")
                continue
            self._take_all(datagram, sender)

    def take(self, packet: bytes, who: str) -> bool:
        """Take a packet that came another way, from whom no answer reaches; return whether it is OSC.  Any thread."""
        return self._take_all(packet, (who, 0), answered=False)

    def _take_all(self, packet: bytes, sender: Any, answered: bool = True) -> bool:
        try:
            found = messages(packet)
        except Malformed as error:
            self._tally.count("malformed", f"malformed.{error}")
            self._tally.tell(f"{sender[0]}", f"what came from {sender[0]}:{sender[1]} is no OSC ({error})")
            return False
        for address, arguments in found:
            self._tally.count_message()
            self._take(address, arguments, sender if answered else None)
        return True

    def _take(self, address: str, arguments: tuple[object, ...], sender: Any) -> None:
        route = self._known.get(address)
        if route is None:
            route = find(address)
            if route is None:
                self._answered(address, sender, "", Answer(False, f"there is no {address[:80]}", reason="unknown"))
                return
            if len(self._known) < _KNOWN:
                self._known[address] = route
        name, inside = route
        if arguments in _BANG and not commands.BY_NAME[name].arguments:
            arguments = ()
        reply = partial(self._answered, address, sender, name)
        self._control.submit(name, (*inside, *arguments), reply, trusted=False)

    def _answered(self, address: str, sender: Any, name: str, answer: Answer) -> None:
        """Tell the sender what came of it; of a knob that is turned only what is wrong, and that not too often."""
        if not answer.ok:
            self._tally.count(answer.reason)
            if answer.reason != "refused":  # that is in the log already
                self._tally.tell(address, f"{address[:80]}: {answer.text}")
            if not self._tally.may_complain((address, sender)):
                return
        elif commands.BY_NAME[name].state:
            return
        if sender is None or not self._may_answer(sender[0]):
            return
        text = " ".join(answer.text.split())[:MOST_TEXT]
        self._send(message(REPLY, (name or address[:80], "ok" if answer.ok else "no", text)), sender)

    def _send(self, datagram: bytes, sender: Any) -> None:
        listening = self._socket
        if listening is not None and sender is not None:
            try:
                listening.sendto(datagram, sender)
            except (OSError, ValueError):
                self._tally.count("reply_lost")

    def _may_answer(self, who: str) -> bool:
        """Return whether this address is to get one more reply: a datagram can name any sender but this computer.

        A status is twenty times as long as what asks for it: whoever pretends to be another computer of a network that
        was allowed must not be able to drown it in what it has not asked for.
        """
        if who.startswith("127.") or who == "::1":
            return True
        with self._replying:
            may = self._replies.take(who)
        if not may:
            self._tally.count("reply_withheld")
        return may


def find(address: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the command of an address and the arguments that are part of it; None: there is none."""
    if not address.startswith(HEAD):
        return None
    parts = address[len(HEAD) :].split("/")
    for length in range(len(parts), 0, -1):
        command = commands.BY_NAME.get(".".join(parts[:length]))
        inside = parts[length:]
        if command is not None and sum(a.in_address for a in command.arguments) == len(inside):
            return command.name, tuple(inside)
    return None

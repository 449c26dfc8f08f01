"""Requests of any front end in, carried out one after the other in a thread beside the tick, answers out."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.api import BrainmusicError
from brainmusic_daemon.service import actions, commands, places
from brainmusic_daemon.service.command import Command, Refused, Value
from brainmusic_daemon.service.explainer import Explainer

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

TURN_S = 0.02  # between two turns: of a knob's values that come within it, and in a row, the newest counts
PATIENCE_S = 30.0  # with what a request has set going
MOST = 256  # requests that wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    ok: bool
    text: str  # one line for people
    data: Mapping[str, Any] = field(default_factory=dict)  # for programs
    reason: str = ""  # of a refusal: one of commands.Wrong, "refused", "busy" or "failed"


Reply = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class _Request:
    command: Command
    values: tuple[Value, ...]
    reply: Reply


class Control:
    """Carries out commands; `submit` from any thread but the tick's."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._urgent_lock = threading.Lock()
        self._events: deque[_Request] = deque()
        self._states: dict[tuple[Any, ...], _Request] = {}  # (after so many events, knob) → newest value
        self._open: list[tuple[actions.Ticket, Reply, float]] = []
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._reload = False
        self._explainer = Explainer(daemon)
        self._thread = threading.Thread(target=self._work, name="control", daemon=True)
        self.done = 0
        self.replaced = 0  # values of knobs that a newer one overtook
        self.refused: dict[str, int] = {}  # reason → how often

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits is not done any more.  Idempotent, never raises."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def submit(
        self, name: str, given: Sequence[object], reply: Reply = lambda answer: None, trusted: bool = True
    ) -> None:
        """Check a request and have it carried out; `reply` hears of it, in whichever thread.  Never raises.

        `trusted` False: it comes over a network, so that files are names in the configuration's folder, never paths.
        """
        try:
            command = commands.find(name)
            values = command.read(given)
            if not trusted:
                values = places.inside(self._daemon.config, command, values)
        except Refused as error:
            self._refuse(reply, str(error), error.reason)
            return
        request = _Request(command, values, reply)
        if command.urgent:
            self._carry_out(request)
            return
        with self._lock:
            if command.state:
                key = (len(self._events), name, *values[:-1])  # it overtakes none
                self.replaced += key in self._states
                full = len(self._states) >= MOST and key not in self._states
                if not full:
                    self._states[key] = request
            else:
                full = len(self._events) >= MOST
                if not full:
                    self._events.append(request)
        if full:
            self._refuse(reply, f"{name}: too much at once, try again", "busy")
        elif not command.state:
            self._wake.set()

    def ask(self, name: str, given: Sequence[object], timeout: float = PATIENCE_S) -> Answer:
        """Have a request carried out and wait for the answer.  Not from the control thread."""
        answers: list[Answer] = []
        answered = threading.Event()

        def take(answer: Answer) -> None:
            answers.append(answer)
            answered.set()

        self.submit(name, given, take)
        answered.wait(timeout)
        return answers[0] if answers else Answer(False, f"{name}: no answer within {timeout:g} s", reason="busy")

    def reload_soon(self) -> None:
        """Ask for a reload; all that a signal handler may do."""
        self._reload = True

    def counters(self) -> dict[str, float]:
        """Return how many requests were carried out, overtaken and, by reason, refused."""
        return {"done": self.done, "replaced": self.replaced, **{f"refused.{k}": n for k, n in self.refused.items()}}

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(TURN_S)
            self._wake.clear()
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - a mistake of ours: the thread lives on
                _log.exception("the control failed")

    def _turn(self) -> None:
        if self._reload:
            self._reload = False
            self.submit("reload", (), _log_answer)
        with self._lock:
            states, self._states = self._states, {}
            events = [*self._events]
            self._events.clear()
        turned = [(key[0], request) for key, request in states.items()]  # after so many events
        for _, request in sorted([*enumerate(events, 1), *turned], key=itemgetter(0)):
            self._carry_out(request)
        self._close_tickets()
        self._explainer.look()

    def _carry_out(self, request: _Request) -> None:
        name = request.command.name
        try:
            result = self._act(request)
        except (Refused, BrainmusicError) as error:
            self._refuse(request.reply, str(error), getattr(error, "reason", "refused"))
            return
        except Exception as error:  # noqa: BLE001 - a mistake of ours: told, counted, and the thread lives on
            _log.exception("%s failed", name)
            self._refuse(request.reply, f"{name} failed: {type(error).__name__}: {error}", "failed")
            return
        if isinstance(result, actions.Done):
            self.done += 1
            request.reply(Answer(True, result.text, result.data))
        else:
            self._open.append((result, request.reply, time.monotonic() + PATIENCE_S))
            self._close_tickets()

    def _act(self, request: _Request) -> actions.Done | actions.Ticket:
        action = actions.ACTIONS[request.command.name]
        if not request.command.urgent:
            return action(self._daemon, *request.values)
        with self._urgent_lock:  # two at once, from two front ends
            return action(self._daemon, *request.values)

    def _close_tickets(self) -> None:
        waiting = []
        for ticket, reply, until in self._open:
            if ticket.wait(0.0):
                self.done += bool(ticket.ok)
                if ticket.ok:
                    reply(Answer(True, ticket.message, getattr(ticket, "data", {})))
                else:
                    self._refuse(reply, ticket.message, "refused")
            elif time.monotonic() > until:
                self._refuse(reply, f"still at work after {PATIENCE_S:g} s", "busy")
            else:
                waiting.append((ticket, reply, until))
        self._open = waiting

    def _refuse(self, reply: Reply, text: str, reason: str) -> None:
        with self._lock:
            self.refused[reason] = self.refused.get(reason, 0) + 1
        reply(Answer(False, text, reason=reason))


def _log_answer(answer: Answer) -> None:
    _log.log(logging.INFO if answer.ok else logging.WARNING, "%s", answer.text)

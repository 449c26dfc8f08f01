"""Outputs that speak OSC in; each address sent once, then a scale, and what a receiver should have seen out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from brainmusic_daemon.api import (
    CONTROLS,
    Controls,
    Event,
    Features,
    Frame,
    Note,
    Prompt,
    State,
    StreamInfo,
    Words,
)
from brainmusic_daemon.config import Config
from brainmusic_daemon.outputs import osc_words
from brainmusic_daemon.outputs.osc_encoding import Message
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.errands import Ticket

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

FEATURE = 0.75
SHARE = 0.75  # of a control's range
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)  # C major from middle C
NOTE_S = 0.25
EVENTS = ("alpha_burst", "blink", "jaw")
WORDS = Words("this is a test", (Prompt(0, "this is a test", 1.0),))
USUAL = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")  # of a headset that is not there
MARK = "/brainmusic/testing"


class Rehearsal:
    """Tests receivers, in a thread of its own, while the music goes on: the next tick has the true values again."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def begin(self, only: str = "") -> Ticket:
        """Begin a test of all outputs that can be tested, or of one.  Raises Refused."""
        outputs = self._daemon.config.outputs
        known = {name: output for name, output in outputs.items() if hasattr(output, "rehearse")}
        if only and only not in known:
            raise Refused(f"there is no OSC output '{only[:60]}'; there is {', '.join(known) or 'none'}", "unknown")
        if not known:
            raise Refused("there is no OSC output: the configuration has no [output.osc]")
        if not self._lock.acquire(blocking=False):
            raise Refused("a test is under way", "busy")
        ticket, chosen = Tested(), {only: known[only]} if only else known
        threading.Thread(target=self._run, args=(ticket, chosen), name="test", daemon=True).start()
        return ticket

    def stop(self) -> None:
        """Let a test come to its end."""
        self._stop.set()

    def _run(self, ticket: Tested, outputs: Mapping[str, Any]) -> None:
        try:
            ticket.close(True, self._test(ticket, outputs))
        except Exception as error:  # noqa: BLE001 - a test must not be what fails
            ticket.close(False, f"the test failed: {type(error).__name__}: {error}")
        finally:
            self._lock.release()

    def _test(self, ticket: Tested, outputs: Mapping[str, Any]) -> str:
        frame, lost = self._frame(), self._daemon.host.lost
        closed = {name: lost[name] for name in outputs if name in lost}
        outputs = {name: output for name, output in outputs.items() if name not in lost}
        sent: dict[str, list[Message]] = {name: [] for name in outputs}
        self._say(outputs, MARK, 1)
        for name, output in outputs.items():
            sent[name] += output.rehearse(frame)
        for pitch in SCALE:
            if self._stop.wait(NOTE_S):
                break
            note = Note(self._daemon.clock.now(), float(pitch), 0.7, 0.8 * NOTE_S)
            for name, output in outputs.items():
                sent[name] += output.rehearse(replace(frame, notes=(note,)), notes=True)
        self._stop.wait(NOTE_S)
        for message in osc_words.messages(None, WORDS, False):
            self._say(outputs, message[0], *message[1])
        self._say(outputs, MARK, 0)
        ticket.data = {"sent": sent, "lost": closed, "targets": {name: _targets(o) for name, o in outputs.items()}}
        return "; ".join(
            [
                *(_told(name, output, sent[name]) for name, output in outputs.items()),
                *(f"output '{name}' is not open: {why}" for name, why in closed.items()),
            ]
        )

    def _say(self, outputs: Mapping[str, Any], address: str, *arguments: int | float | str) -> None:
        for output in outputs.values():
            output.say(address, arguments)

    def _frame(self) -> Frame:
        """Return a frame with a recognisable value for everything, under the names that are in use."""
        frame, session = self._daemon.session.frame, self._daemon.session
        names, channels = (frame.features.names, frame.features.channels) if frame is not None else ((), ())
        if not names:
            names, channels = usual_names(session.config), USUAL
        now = self._daemon.clock.now()
        values = np.full(len(names), FEATURE)
        state = frame.features.state if frame is not None else State.LOST
        events = tuple(Event(name, now, 1.0) for name in EVENTS)
        index = {name: number for number, name in enumerate(names)}
        features = Features(now, now, names, values, index, channels, np.ones(len(channels)), state, events)
        known = {control.name: control for control in (*CONTROLS, *session.pipeline.host.controls)}
        driven = frame.controls.values if frame is not None else {control.name: 0.0 for control in CONTROLS}
        turned = {name: known[name].low + SHARE * (known[name].high - known[name].low) for name in driven}
        number, drone = (frame.number, frame.drone) if frame is not None else (0, None)
        return Frame(now, number, features, Controls(now, turned), (), drone, WORDS)


class Tested(Ticket):
    """What became of a test."""

    def __init__(self) -> None:
        super().__init__()
        self.data: Mapping[str, Any] = {}


def usual_names(config: Config) -> tuple[str, ...]:
    """Return the names of the features as a usual headset of eight electrodes has them."""
    from brainmusic_daemon.features import bank
    from brainmusic_daemon.pipeline import derived

    return bank.build(StreamInfo("", USUAL, 250.0), config, derived(config.features)).names


def _targets(output: Any) -> dict[str, bool]:
    """Return target → whether somebody listens there, as far as the system tells."""
    counters = output.counters()
    head = "listening."
    return {name.removeprefix(head): bool(there) for name, there in counters.items() if name.startswith(head)}


def _told(name: str, output: Any, sent: list[Message]) -> str:
    """Return what a receiver of this output should have seen."""
    addresses = dict.fromkeys(address for address, _ in sent)
    notes = sum(address == "/brainmusic/note" for address, _ in sent)
    there = _targets(output)
    alone = [target for target, listens in there.items() if not listens]
    said = f"{name}: {len(addresses)} addresses to {', '.join(there)}"
    if output.dialect == "brainmusic":
        scale = f"then {notes} notes, C major from 60 to 72" if notes else "no notes: the music is muted"
        said += f" between {MARK} 1 and 0: features {FEATURE:g}, controls at three quarters, events 1, {scale}"
    else:
        said += f" in the dialect '{output.dialect}', from {next(iter(addresses), 'none')} on"
    return said + (f"; nobody listens at {', '.join(alone)}" if alone else "")

"""Frames in, MIDI on a port out: notes at their onsets and controllers, from a thread of its own.

The only file that imports python-rtmidi.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from brainmusic_daemon.api import Clock, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs import midi_events
from brainmusic_daemon.outputs.midi_events import Bytes, Events

_log = logging.getLogger(__name__)

CLOSE_S = 0.5  # of patience with a port that hangs
LOOK_S = 1.0  # how often it is asked whether the port is still there
EARLY_S = 0.0005  # the thread sleeps until so little before a message is due


def ports(api: str = "") -> list[str]:
    """Return the names of the MIDI outputs of this machine.  Raises OutputLost."""
    made = _connect(api)
    try:
        return [str(name) for name in made.get_ports()]
    finally:
        made.delete()


def _connect(api: str) -> Any:
    """Return an rtmidi.MidiOut that has no port yet.  Raises OutputLost."""
    try:
        import rtmidi
    except ImportError as error:
        raise OutputLost('no MIDI: python-rtmidi is missing: pip install "brainmusic-daemon[midi]"') from error
    known = {rtmidi.get_api_name(number): number for number in rtmidi.get_compiled_api()}
    if api and api not in known:
        raise OutputLost(f"no MIDI: there is no system '{api}' here; there is {', '.join(sorted(known))}")
    if sys.platform == "linux" and api in ("", "alsa") and not Path("/dev/snd/seq").exists():
        # asking ALSA all the same writes to the terminal
        raise OutputLost(
            'no MIDI: this machine has no MIDI system (no /dev/snd/seq: modprobe snd-seq); with JACK: api = "jack"'
        )
    try:
        return rtmidi.MidiOut(known[api] if api else rtmidi.API_UNSPECIFIED, name="brainmusic")
    except (rtmidi.RtMidiError, RuntimeError) as error:
        raise OutputLost(f"no MIDI: the system's MIDI cannot be reached ({error})") from error


@plugin
class Midi:
    """Notes and control changes on a MIDI port, for synthesizers and music programs."""

    port: Annotated[str, Field(description="part of the port's name; empty: the first; virtual: the name it gets")] = ""
    virtual: Annotated[bool, Field(description="make a port that others connect to (not on Windows)")] = False
    api: Annotated[str, Field(description="MIDI system, e.g. jack; empty: the machine's usual one")] = ""
    channel: Annotated[int, Field(ge=0, le=15, description="of the controllers and the first part, from 0")] = 0
    controls: Annotated[dict[str, int], Field(description="control → controller number; empty: no controllers")] = (
        field(default_factory=lambda: dict(midi_events.CONTROLS))
    )
    rate_hz: Annotated[float, Field(gt=0, le=1000, description="a controller changes at most so often, Hz")] = 50.0

    _port: Any = field(default=None, init=False, repr=False)
    _clock: Clock | None = field(default=None, init=False, repr=False)
    _events: Events = field(default_factory=Events, init=False, repr=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False, repr=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)  # taken before _changed
    _endings: list[Bytes] = field(default_factory=list, init=False, repr=False)  # go out before anything else
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)
    _closing: bool = field(default=False, init=False, repr=False)
    _silent: bool = field(default=False, init=False, repr=False)
    _sent: int = field(default=0, init=False, repr=False)
    _errors: int = field(default=0, init=False, repr=False)
    _name: str = field(default="", init=False, repr=False)  # of the port; empty: our own, which cannot be pulled out
    _look_at: float = field(default=0.0, init=False, repr=False)
    gone: str = field(default="", init=False, repr=False)  # why it must be opened anew, which `OutputHost` does

    def __post_init__(self) -> None:
        midi_events.check(self.controls)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Open the port.  Raises OutputLost, naming the ports there are."""
        self.close()
        self._name = self.gone = ""
        self._port = self._open_port()
        self._clock, self._closing = clock, False
        self._events = Events(self.channel, self.controls, self.rate_hz)
        self._sent = self._errors = 0
        self._writing, self._endings = threading.Lock(), []  # the one before may hang in a port that was left behind
        if not isinstance(clock, VirtualClock):
            self._thread = threading.Thread(target=self._work, args=(clock, self._port), name="midi", daemon=True)
            self._thread.start()

    def send(self, frame: Frame) -> None:
        """Hand a tick to the thread; on the virtual clock send what is due."""
        if self._port is None:
            return
        with self._changed:
            self._events.take(frame if not self._silent else replace(frame, notes=()))
            self._changed.notify()
        if self._thread is None:
            self._pass_on(self._port, lambda: self._events.due(frame.time))

    def panic(self) -> None:
        """End every note and cut what rings on, until `mute(False)`.  From any thread."""
        self._quieten(hard=True)

    def mute(self, on: bool) -> None:
        """Let every note end, and begin none; or go on.  From any thread."""
        if on:
            self._quieten(hard=False)
        self._silent = on

    def _quieten(self, hard: bool) -> None:
        """Leave the ends to the thread, which sends them at once, or as soon as a port that hangs answers again."""
        self._silent = True
        port = self._port
        if port is None:
            return
        with self._changed:
            self._end_all(hard)
            self._changed.notify()
        if self._thread is None:
            self._pass_on(port, tuple)

    def _end_all(self, hard: bool) -> None:
        """Put what ends everything before all that waits; each message once, however often it is asked for."""
        ends = (data for _, data in self._events.silence(0.0, hard=hard))
        self._endings = [*dict.fromkeys((*self._endings, *ends))]

    def close(self) -> None:
        """End every note, reset the controllers, close the port; one that hangs is left behind after half a second."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=CLOSE_S)
        self._thread = None
        port, self._port = self._port, None
        if port is None:
            return
        if not self._writing.acquire(timeout=CLOSE_S / 10):
            _log.warning("the MIDI port '%s' does not answer; leaving it behind", self._name or self.port)
            return
        try:
            self._end_all(hard=False)
            self._write(port, self._endings)
        finally:
            self._writing.release()
        with contextlib.suppress(Exception):  # a port that is gone is closed
            port.close_port()
            port.delete()

    def counters(self) -> Mapping[str, float]:
        """Messages sent, changes of controllers put off by the limit, and messages that the port refused."""
        return {"sent": self._sent, "limited": self._events.limited, "errors": self._errors}

    def _open_port(self) -> Any:
        made = _connect(self.api)
        name = self.port
        try:
            if self.virtual:
                made.open_virtual_port(self.port or "brainmusic")
                return made
            names = [str(name) for name in made.get_ports()]
            found = [number for number, name in enumerate(names) if self.port.lower() in name.lower()]
            if found:
                name = names[found[0]]
                made.open_port(found[0], "brainmusic")
                self._name = name
                return made
        except Exception as error:  # rtmidi's errors differ by system
            made.delete()
            raise OutputLost(f"MIDI port '{name}' cannot be opened: {error}") from error
        made.delete()
        there = f"there is {', '.join(names)}" if names else "this machine has none (virtual = true makes one)"
        raise OutputLost(f"no MIDI port '{self.port}': {there}" if self.port else f"no MIDI port: {there}")

    def _work(self, clock: Clock, port: Any) -> None:
        while True:
            with self._changed:
                wait = self._events.next_time() - clock.now()
                if wait > EARLY_S and not self._closing and not self._endings:
                    self._changed.wait(min(wait - EARLY_S / 2, 1.0))
                if self._closing or self._port is not port:  # one that hung may find another one open
                    return
            self._pass_on(port, lambda: self._events.due(clock.now() + EARLY_S))
            if self._name and not self.gone and clock.now() >= self._look_at:
                self._look_at = clock.now() + LOOK_S
                self._look(port)

    def _look(self, port: Any) -> None:
        """Notice that the port has vanished: sending to one that is pulled out may well succeed, with JACK it does."""
        try:
            with self._writing:
                there = self._name in [str(name) for name in port.get_ports()]
        except Exception as error:  # noqa: BLE001  rtmidi's errors differ by system
            _log.debug("MIDI: %s", error)
            there = False
        there = there or self._port is not port  # that one was left behind
        if not there and not self._closing:
            self.gone = f"the MIDI port '{self._name}' is gone"

    def _pass_on(self, port: Any, take: Callable[[], Iterable[tuple[float, Bytes]]]) -> None:
        """Send what `take` gives before anybody else sends: else a note that begins could overtake its own end."""
        with self._writing:
            with self._changed:
                messages = [*self._endings, *(data for _, data in take())]
                self._endings = []
            self._write(port, messages)  # neither the tick nor a panic waits for the port

    def _write(self, port: Any, messages: Iterable[Bytes]) -> None:
        """Send messages; one that the port refuses is counted, the first is told."""
        for data in messages:
            try:
                port.send_message(data)
                self._sent += 1
            except Exception as error:  # noqa: BLE001  rtmidi's errors differ by system
                self._errors += 1
                if self._errors == 1:
                    _log.warning("MIDI: the port refuses messages: %s", error)

"""Arguments of a command in, what it does to a running daemon out: one function per command, none of them slow.

What takes its time leaves a ticket.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from brainmusic_daemon import __version__
from brainmusic_daemon.api import Control
from brainmusic_daemon.service import calibration, overview
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.there import expanded

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon


@dataclass(frozen=True, slots=True)
class Done:
    """What was done."""

    text: str  # one line for people
    data: Mapping[str, Any] = field(default_factory=dict)


class Ticket(Protocol):
    """What a request that takes its time leaves behind."""

    ok: bool | None
    message: str

    def wait(self, timeout: float | None = None) -> bool: ...


def _known(daemon: Daemon, name: str) -> Control:
    """Return the control of this name.  Raises Refused."""
    known = {control.name: control for control in daemon.session.pipeline.host.controls}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(known)}"
        raise Refused(f"there is no control '{name[:60]}'{hint}", "unknown")
    return known[name]


def _route(daemon: Daemon, control: str, setting: str, value: float | bool) -> Ticket:
    if not daemon.mappers.may_drive(control):
        _known(daemon, control)  # told at once, and to who turned it: edits of one moment are made together
    return daemon.mappers.edit(control, setting, value)


def _rate(daemon: Daemon, rating: float) -> Done:
    daemon.session.journal.note("rating", value=rating)
    recorded, learned = daemon.recorder.status is not None, daemon.tutor.active
    said = f"{'recorded' if recorded else 'not recorded'}, {'learning from it' if learned else 'not learning'}"
    return Done(f"rated {rating:+g}: {said}", {"recorded": recorded, "learned": learned})


def _target(daemon: Daemon, control: str, value: float) -> Done:
    found = _known(daemon, control)
    if not found.low <= value <= found.high:
        raise Refused(f"{control} goes from {found.low:g} to {found.high:g} {found.unit}".rstrip(), "range")
    daemon.session.journal.note("target", control, value)
    return Done(f"{control} ought to be {value:g} {found.unit}".rstrip())


def _learn(daemon: Daemon, on: bool) -> Done | Ticket:
    return Done(daemon.tutor.on()) if on else daemon.tutor.off()


def _calibrate(daemon: Daemon, name: str, eyes_open: float, eyes_closed: float, person: str, without: str) -> Done:
    return Done(daemon.calibration.start(name, eyes_open, eyes_closed, person, without))


def _calibration(daemon: Daemon) -> Done:
    told = daemon.calibration.guidance
    daemon.sounding.say(calibration.ADDRESS, *calibration.message(told))
    seconds = f", {told.left_s:.0f} s left" if told.left_s else ""
    kept = f"; kept {told.kept_s:.0f} s, rejected {told.rejected_s:.0f} s" if told.kept_s or told.rejected_s else ""
    said = "; ".join([told.text, *told.found, *told.notes]) or "no calibration yet"
    return Done(f"{told.phase}: {said}{seconds}{kept}", overview.plain(asdict(told)))


def _marker(daemon: Daemon, text: str) -> Done:
    daemon.session.journal.note("marker", text=text)
    return Done(f"marked '{text}'")


def _mute(daemon: Daemon, on: bool) -> Done:
    daemon.sounding.mute(on)
    return Done("muted" if on else "the music fades in")


def _panic(daemon: Daemon, on: bool) -> Done:
    if not on:
        return _mute(daemon, False)
    daemon.sounding.panic()
    return Done("silence; `resume` ends it")


def _gain(daemon: Daemon, decibels: float) -> Done:
    reached = daemon.sounding.gain(decibels)
    if not reached:
        raise Refused("no output has a level to set: there is no [output.audio]")
    return Done(f"gain {decibels:g} dB")


def _record(daemon: Daemon, file: str) -> Done:
    name = file or time.strftime("brainmusic-%Y%m%d-%H%M%S.xdf")
    path = (daemon.config.control.folder / expanded(name)).absolute()
    daemon.recorder.start(path)
    return Done(f"recording to {path}", {"file": str(path)})


def _stop_recording(daemon: Daemon) -> Done:
    done = daemon.recorder.stop()
    if done is None:
        raise Refused("there is no recording to stop")
    lost = f", {done.lost} samples lost" if done.lost else ""
    data = {"file": str(done.path), "seconds": done.seconds, "bytes": done.bytes, "lost": done.lost}
    return Done(f"recorded {done.seconds:.1f} s to {done.path}{lost}", data)


def _status(daemon: Daemon) -> Done:
    text, data = overview.look(daemon)
    return Done(text, data | overview.details(daemon))


def _stop(daemon: Daemon) -> Done:
    daemon.end()
    return Done("stopping")


def _ping(daemon: Daemon) -> Done:
    name = daemon.config.session.name
    return Done(f"{name}, brainmusic {__version__}", {"name": name, "version": __version__})


ACTIONS: Mapping[str, Callable[..., Done | Ticket]] = {
    "mapper.load": lambda daemon, mapper, fade_s: daemon.mappers.load(mapper, fade_s),
    "mapper.undo": lambda daemon: daemon.mappers.undo(),
    "mapper.redo": lambda daemon: daemon.mappers.redo(),
    "scene": lambda daemon, name, fade_s: daemon.mappers.scene(name, fade_s),
    "preset": lambda daemon, preset: daemon.mappers.preset(preset),
    "route": _route,
    "save": lambda daemon, file: daemon.mappers.save(file),
    "rate": _rate,
    "target": _target,
    "learn": _learn,
    "learn.reset": lambda daemon: daemon.tutor.reset(),
    "learn.save": lambda daemon, file: daemon.tutor.save(file),
    "calibrate.start": _calibrate,
    "calibrate.cancel": lambda daemon: Done(daemon.calibration.cancel()),
    "calibrate.state": _calibration,
    "profile": lambda daemon, name, person: daemon.profiles.take_up(name, person),
    "profile.none": lambda daemon, person: daemon.profiles.take_up("", person),
    "marker": _marker,
    "mute": _mute,
    "gain": _gain,
    "panic": _panic,
    "resume": lambda daemon: _mute(daemon, False),
    "record.start": _record,
    "record.stop": _stop_recording,
    "test": lambda daemon, output: daemon.rehearsal.begin(output),
    "status": _status,
    "reload": lambda daemon: daemon.mappers.reload(),
    "stop": _stop,
    "ping": _ping,
}

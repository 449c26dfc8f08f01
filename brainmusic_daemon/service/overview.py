"""A running daemon in, all that a front end may want to know of it out: as plain data, and as a line."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from brainmusic_daemon import __version__
from brainmusic_daemon.service import prometheus, status

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

STEPS = 10  # of the history that are told


def look(daemon: Daemon) -> tuple[str, dict[str, Any]]:
    """Return a line for people and everything as data: numbers that are not finite are None, so that it is JSON.

    Not from the tick.
    """
    session = daemon.session
    host, recording = session.pipeline.host, daemon.recorder.status
    found: dict[str, Any] = {
        "name": daemon.config.session.name,
        "version": __version__,
        "config": daemon.config.origin,
        "mapper": {
            "name": host.playing.name,
            "wanted": host.wanted.name,
            "fault": host.wanted.fault,
            "swaps": host.swaps,
            "faults": host.faults,
            "refused": daemon.mappers.refusals,
        },
        "preset": daemon.mappers.history.step.preset,
        "undone": len(daemon.mappers.history.steps) - 1 - daemon.mappers.history.at,  # steps to take back an undo
        "history": [
            {"mapper": step.name, "preset": step.preset, "origin": step.origin, "seconds": step.time}
            for step in daemon.mappers.history.steps[-STEPS:]
        ],
        "sound": {
            "muted": daemon.sounding.muted,
            "panic": daemon.sounding.panicked,
            "gain_db": daemon.sounding.gain_db,
        },
        "learning": daemon.tutor.status,
        "calibration": asdict(daemon.calibration.guidance),
        "profile": daemon.profiles.standing,
        "profiles": daemon.profiles.known,
        "recording": asdict(recording) if recording is not None else None,
        "control": daemon.control.counters(),
        "osc_in": daemon.osc_in.counters(),
        "page": daemon.web.here,  # without the token: this may be read by whoever may command
        "unhealthy": prometheus.reasons(daemon),
    }
    if session.frame is None:
        return f"{daemon.config.session.name} is starting", dict(plain(found))
    shown = status.snapshot(daemon)
    found |= asdict(shown)
    found["controls"] = dict(session.frame.controls.values)
    return _line(shown, found), dict(plain(found))


def details(daemon: Daemon) -> dict[str, Any]:
    """Return what only machines read, as plain data: durations as (upper edge in s, count up to it), versions, ports.

    The last edge, which is infinite, is None.
    """
    ticker, web = daemon.ticker, daemon.web.counters()
    durations = {"latency": daemon.session.latency, "lateness": ticker.lateness, "duration": ticker.duration}
    if (ages := daemon.session.ages) is not None:
        durations |= {"age": ages.every, **{f"stage.{name}": each for name, each in ages.stages.items()}}
    found = {
        "histograms": {
            name: {"buckets": histogram.cumulative(), "sum_s": histogram.total} for name, histogram in durations.items()
        },
        "versions": {"brainmusic": __version__, "python": platform.python_version(), "system": platform.platform()},
        "web": web,
    }
    return dict(plain(found))


def _line(shown: status.Status, found: Mapping[str, Any]) -> str:
    """Return the essence."""
    mapper = found["mapper"]
    said = [f"{shown.seconds:.0f} s {shown.state}: {shown.source}{status.each(shown)}", f"mapper {mapper['name']}"]
    if mapper["fault"]:
        said[-1] += f" instead of {mapper['wanted']}, which {mapper['fault']}"
    said.append(f"preset {found['preset']}")
    if found["sound"]["panic"] or found["sound"]["muted"]:
        said.append("panic: silent" if found["sound"]["panic"] else "muted")
    if (recording := found["recording"]) is not None:
        goes_on = f", goes on from {recording['continues'].name}" if recording["continues"] else ""
        said.append(f"recording {recording['path']}, {recording['seconds']:.0f} s{goes_on}")
        said += [recording["trouble"]] if recording["trouble"] else []
    said += [f"page {found['page']}"] if found["page"] else []
    drives = " ".join(f"{d.control} {d.text}" + (f" ({d.cause})" if d.cause else "") for d in shown.drives)
    return "; ".join(part for part in [*said, drives, status.timing(shown)] if part)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: paths are texts, what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value)

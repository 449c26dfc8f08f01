"""A recording in, files out: the offline twin of a live run, on the virtual clock, the same bits each time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainmusic_daemon import config as configuration
from brainmusic_daemon import registry
from brainmusic_daemon.acquisition.several import Several
from brainmusic_daemon.acquisition.supervisor import Acquisition
from brainmusic_daemon.api import ConfigError, EndOfStream, Output, OutputLost, SourceLost
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.service.host import OutputHost
from brainmusic_daemon.service.session import Session, warm_up
from brainmusic_daemon.there import expanded, is_folder, is_there

_LOSSES = ("lost", "errors", "failed")  # counters of the file outputs that say that a file is not whole


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a render did."""

    seconds: float  # of the recording
    ticks: int
    elapsed: float  # seconds of work, start-up not counted
    states: Mapping[str, float]  # state → share of the ticks
    session: Session

    @property
    def speed(self) -> float:
        """Return how many times faster than real time it was."""
        return self.seconds / max(self.elapsed, 1e-9)


def render(
    config: Config,
    outputs: Mapping[str, Output],
    *,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> Rendered:
    """Play the configured source to its end, or for `seconds`, as fast as it goes.

    A tick at T sees exactly the samples whose time is ≤ T, as a live tick would with a source without delay.  Raises
    what the source and the outputs raise on opening.
    """
    clock = VirtualClock()
    session = Session(config, clock)
    acquisition = session.acquisition
    opened: OutputHost | None = None
    states: dict[str, int] = {}
    number = 0
    try:
        ended = _pump(acquisition)  # opens the source
        session.attach()
        if acquisition.info is None:
            raise acquisition.error or SourceLost("the source cannot be opened")
        opened = OutputHost(outputs, clock, acquisition.info, lambda now_open: setattr(session, "outputs", now_open))
        opened.open_now()
        total = _length(config.source, seconds)
        warm_up()
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it over and over
        begun = time.perf_counter()
        last = False
        while not last and (stop is None or not stop.is_set()):
            deadline = (number + 1) * config.tick
            if seconds is not None and deadline > seconds + 1e-9:
                break
            clock.wait_until(deadline)
            last = ended = ended or _pump(acquisition)  # this tick still sees the last samples
            session.attach()
            frame = session.tick(deadline)
            states[frame.features.state] = states.get(frame.features.state, 0) + 1
            number += 1
            if number % 500 == 0:
                progress(deadline, total)
        elapsed = time.perf_counter() - begun
    finally:
        gc.unfreeze()
        if opened is not None:
            opened.stop()
        acquisition.stop()
    shares = {state: count / max(number, 1) for state, count in states.items()}
    return Rendered(number * config.tick, number, elapsed, shares, session)


def _pump(acquisition: Acquisition | Several) -> bool:
    """Read all that is due; return whether that was the end."""
    try:
        acquisition.pump()
    except EndOfStream:
        return True
    return False


def _length(source: object, seconds: float | None) -> float:
    """Return how long it will be in seconds, for the progress bar; 0 where the source does not know."""
    length = float(getattr(source, "length_s", 0.0))
    return min(length, seconds) if seconds and length else seconds or length


def summary(done: Rendered) -> str:
    """Return what a render did as one line for people."""
    shares = ", ".join(f"{state} {share:.0%}" for state, share in done.states.items())
    repaired = {name: n for name, n in done.session.counters().items() if n and name not in ("samples", "ticks")}
    trouble = "; repaired or lost: " + ", ".join(f"{name} {n:g}" for name, n in repaired.items()) if repaired else ""
    speed = f"{done.seconds:.1f} s in {done.elapsed:.1f} s, {done.speed:.0f} × real time"
    return f"{speed}; signal {shares or 'none'}{trouble}"


def render_files(
    recording: Path,
    config: str | None,
    overrides: Sequence[str],
    *,
    files: Mapping[str, Path | None],
    start: float = 0.0,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> Rendered:
    """Render a recording to files: `files` is output kind (wav, csv, jsonl, smf) → path.

    Settings of the configuration's outputs of the same kind carry over (for jsonl, those of OSC).  Raises OutputLost
    when a file could not be written to its end, e.g. because the disk is full.
    """
    wanted = {kind: expanded(path) for kind, path in files.items() if path is not None}
    _refuse_to_overwrite(expanded(recording), [*wanted.values()])
    source: dict[str, Any] = {"kind": "recording", "path": str(recording), "start_s": start}
    resolved = configuration.load(config, overrides, {"source": source})
    outputs = {kind: _file_output(kind, path, resolved) for kind, path in wanted.items()}
    done = render(resolved, outputs, seconds=seconds, stop=stop, progress=progress)
    cut = [str(wanted[kind]) for kind, output in outputs.items() if any(map(output.counters().get, _LOSSES))]
    if cut:
        raise OutputLost(f"not all of it is written, so do not rely on {', '.join(cut)}: is the disk full?")
    return done


def _refuse_to_overwrite(recording: Path, files: Sequence[Path]) -> None:
    """Raise ConfigError where a file would overwrite the recording, or another one, under whatever name."""
    for i, file in enumerate(files):
        for other in (recording, *files[:i]):
            if file.resolve() == other.resolve() or (is_there(file) and is_there(other) and file.samefile(other)):
                what = "the recording itself" if other is recording else "wanted for something else already"
                raise ConfigError(f"cannot write {file}: it is {what}; give each file a name of its own")


def _file_output(kind: str, path: Path, config: Config) -> Output:
    """Make a file output with the settings that the configuration has for its live counterpart."""
    counterpart = {"jsonl": "osc", "wav": "audio", "smf": "midi"}.get(kind, kind)
    tables = config.tables.get("output", {})
    found: Mapping[str, Any] = next((t for name, t in tables.items() if t.get("kind", name) in (kind, counterpart)), {})
    known = registry.settings_of(registry.find("output", kind))
    settings = {key: value for key, value in found.items() if key in known}
    if not is_folder(path.parent):
        raise ConfigError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        return registry.build("output", kind, {**settings, "path": str(path)}, f"output.{kind}")  # type: ignore[no-any-return]
    except registry.SettingErrors as error:
        raise ConfigError(str(error)) from error

"""A headset, a person and a mapper in; cues to raise and lower each control, and what the controls did, out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.formats import markers
from brainmusic_daemon.api import CONTROL, Clock, ConfigError, Control, EndOfStream, State, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features.profile import Ability
from brainmusic_daemon.registry import did_you_mean
from brainmusic_daemon.service import trials as plan
from brainmusic_daemon.service.guide import Leader
from brainmusic_daemon.service.host import OutputHost
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.steadiness import played
from brainmusic_daemon.service.trials import BLOCK, LOWER, RAISE, REST, WORDS, Trial

_LATER = 0.4  # of a trial pass before it counts: hearing, trying, smoothing
_GOOD = 0.6  # of what counts must be good signal
_FREE_S = 6.0  # to find out what a control is, before its first cue
_CUE = re.compile(r"^cue (\S+) (raise|lower|rest|over)\b")
_SAY = {RAISE: "RAISE", LOWER: "LOWER", REST: "rest: let it be"}


class Agency(Leader):
    """Leads through the controllability test: for each control a block of cues, while the music plays."""

    what = "controllability test"
    forgives_s = 30.0  # the trials meanwhile do not count; the others are not lost

    def __init__(
        self,
        config: Config,
        clock: Clock,
        controls: Sequence[Control],
        *,
        trials: int = 8,
        trial_s: float = 8.0,
        pause_s: float = 2.0,
        seed: int = 0,
        record: Path | None = None,
        **told: Any,
    ) -> None:
        super().__init__(config, clock, **told)
        self._record = record
        self._outputs, self._source = config.outputs, config.source
        self._controls, self._trial_s, self._pause_s = controls, trial_s, pause_s
        rng = np.random.default_rng(seed)
        self.orders = {control.name: plan.order(trials, rng) for control in controls}

    @property
    def seconds(self) -> float:
        """Return how long it will take, the waiting for the headset left out."""
        cues = sum(len(order) for order in self.orders.values())
        return len(self._controls) * _FREE_S + cues * (self._trial_s + self._pause_s)

    def run(self) -> dict[str, list[Trial]] | None:
        """Return each control's trials, or None when it was stopped.  Raises SourceLost or ConfigError."""
        session = self._session

        def opened(outputs: tuple[Any, ...]) -> None:
            session.outputs = outputs

        recorder = Recorder(session)
        host = OutputHost({} if self._virtual else self._outputs, self._clock, StreamInfo("", (), 0.0), opened)
        host.start()
        try:
            self._begin()
            if self._record is not None:
                recorder.start(self._record)
            minutes = max(1, round(self.seconds / 60))
            self._say(f"{len(self._controls)} controls, about {minutes} min: listen, and steer what you hear")
            begun = self._clock.now()
            found: dict[str, list[Trial]] = {}
            for control in self._controls:
                found[control.name] = []
                self._say(f"{control.name} ({control.help}): try freely what moves it")
                self._for(_FREE_S)
                for number, cue in enumerate(self.orders[control.name]):
                    trial = self._trial(control, cue, number // len(BLOCK))
                    if self._stopped:
                        return None
                    if trial is not None:
                        found[control.name].append(trial)
                    self._for(self._pause_s)
                    self._progress(self._clock.now() - begun, self.seconds)
            self._say("Done: thank you")
            return found
        finally:
            recorder.stop()
            host.stop()
            session.acquisition.stop()
            session.pipeline.host.leave()

    def _trial(self, control: Control, cue: int, block: int) -> Trial | None:
        """Cue once; return the trial, or None where the signal was not good enough."""
        journal = self._session.journal
        journal.note("cue", control.name, float(cue), WORDS[cue])
        self._wish(cue)
        self._say(f"{_SAY[cue]} {control.name if cue else ''}".rstrip())
        self._bell()
        start, values, ticks = self._clock.now(), [], 0
        while self._clock.now() < start + self._trial_s and not self._stopped:
            features = self._one_tick()
            frame = self._session.frame
            if self._clock.now() >= start + _LATER * self._trial_s:
                ticks += 1
                if features is not None and frame is not None and _usable(features.state):
                    values.append(frame.controls[control.name])
        journal.note("cue", control.name, 0.0, "over")
        self._wish(REST)
        return Trial(start, cue, float(np.mean(values)), block) if values and len(values) >= _GOOD * ticks else None

    def _wish(self, cue: int) -> None:
        """Tell a simulated person, who can hear nothing."""
        follow = getattr(self._source, "follow", None)
        if follow is not None:
            follow(float(cue))

    def _for(self, seconds: float) -> None:
        until = self._clock.now() + seconds
        while self._clock.now() < until and not self._stopped:
            self._one_tick()


def chosen(config: Config, names: Sequence[str]) -> list[Control]:
    """Return the controls to be tested: those named, or all that the mapper drives.  Raises ConfigError."""
    frozen = {name for name, smoothing in getattr(config.mapper, "smoothing", {}).items() if smoothing.freeze}
    driven = {control.name: control for control in config.mapper.controls if control.name not in frozen}
    for name in names:
        if name not in driven:
            why = "is frozen" if name in frozen else "is driven by nothing here" if name in CONTROL else "is no control"
            raise ConfigError(f"'{name}' {why}{did_you_mean(name, list(driven))}")
    if not driven:
        raise ConfigError("the mapper drives no control that moves: there is nothing to be tested")
    return [driven[name] for name in dict.fromkeys(names)] or list(driven.values())


def from_recordings(config: Config, paths: Sequence[Path], names: Sequence[str]) -> dict[str, list[Trial]]:
    """Return the trials of recordings that hold cues as markers: `cue tempo raise`, … `lower`, `rest`, `over`.

    The configured mapper plays them again: another one than at the time shows what the person would have done to it,
    as far as they did not steer by ear.  Raises ConfigError.
    """
    found: dict[str, list[Trial]] = {}
    for count, path in enumerate(paths):
        recording = path.expanduser()
        marked = [
            (m.time, match) for m in markers.read(recording, formats.load(recording)) if (match := _CUE.match(m.text))
        ]
        cues = [(time, match[1], match[2]) for time, match in marked]
        if not cues:
            raise ConfigError(f"{path} holds no cues: markers such as 'cue tempo raise', as this test writes them")
        heard = _played(config, recording, cues, count)
        for name, trials in heard.items():
            level = float(np.mean([trial.value for trial in trials])) if trials else 0.0
            base = found.setdefault(name, [])
            old = float(np.mean([trial.value for trial in base])) if base else level
            base += [replace(trial, value=trial.value - level + old) for trial in trials]  # another day, another level
    wanted = names or list(found)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ConfigError(f"there is no cue for '{missing[0]}' in {', '.join(map(str, paths))}")
    return {name: found[name] for name in wanted}


def _played(config: Config, path: Path, cues: Sequence[tuple[float, str, str]], count: int) -> dict[str, list[Trial]]:
    """Play one recording; return the trials of each control in it."""
    driven = {control.name for control in chosen(config, ())}
    words = {word: cue for cue, word in WORDS.items()}
    ends = [*(time for time, *_ in cues[1:]), cues[-1][0] + 60.0]
    clock = VirtualClock()
    session = Session(config, clock, played(path))
    spans = []
    for (start, name, word), end in zip(cues, ends, strict=True):
        if word in words and name in driven:
            spans.append((start + _LATER * (end - start), end, name, words[word]))
    found: dict[str, list[Trial]] = {name: [] for *_, name, _ in spans}
    counts = dict.fromkeys(found, 0)
    at, values, ticks, number = 0, [], 0, 0
    try:
        session.acquisition.pump()
        while at < len(spans):
            number += 1
            now = number * config.tick
            clock.wait_until(now)
            ended = False
            try:
                session.acquisition.pump()
            except EndOfStream:
                ended = True
            session.attach()
            frame = session.tick(now)
            start, end, name, cue = spans[at]
            if start <= now < end:
                ticks += 1
                if _usable(frame.features.state):
                    values.append(frame.controls[name])
            if now >= end or ended:
                if values and len(values) >= _GOOD * ticks:
                    block = 1000 * count + counts[name] // len(BLOCK)
                    found[name].append(Trial(start + 1e5 * count, cue, float(np.mean(values)), block))
                counts[name] += 1
                at, values, ticks = at + 1, [], 0
                if ended:
                    break
    finally:
        session.acquisition.stop()
        session.pipeline.host.leave()
    return found


def _usable(state: State) -> bool:
    return state in (State.GOOD, State.CALIBRATING)


def told(found: Mapping[str, Ability]) -> list[str]:
    """Return what was found in plain words, one line per control."""
    width = max(len(name) for name in found) if found else 0
    lines = []
    for name, one in found.items():
        unit = CONTROL[name].unit if name in CONTROL else ""
        line = f"{name:{width}}  {one.verdict}"
        if not one.why_not:
            line += (
                f"; raise over lower {one.difference:+.3g}{' ' + unit if unit else ''}, d = {one.effect:.2f} "
                f"({one.low:.2f} to {one.high:.2f}), AUC {one.auc:.2f}, p = {one.chance:.3g}"
            )
        lines.append(line)
    return lines

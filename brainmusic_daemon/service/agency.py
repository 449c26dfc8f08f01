"""A headset, a person and a mapper in; cues to raise and lower each control, and what the controls did, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import CONTROL, Clock, ConfigError, Control, State, StreamInfo
from brainmusic_daemon.config import Config
from brainmusic_daemon.features.profile import Ability
from brainmusic_daemon.registry import did_you_mean
from brainmusic_daemon.service import trials as plan
from brainmusic_daemon.service.guide import Leader
from brainmusic_daemon.service.host import OutputHost
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.trials import BLOCK, LOWER, RAISE, REST, WORDS, Trial

LATER = 0.4  # of a trial pass before it counts: hearing, trying, smoothing
GOOD = 0.6  # of what counts must be good signal
_FREE_S = 6.0  # to find out what a control is, before its first cue
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
            if self._clock.now() >= start + LATER * self._trial_s:
                ticks += 1
                if features is not None and frame is not None and usable(features.state):
                    values.append(frame.controls[control.name])
        journal.note("cue", control.name, 0.0, "over")
        self._wish(REST)
        return Trial(start, cue, float(np.mean(values)), block) if values and len(values) >= GOOD * ticks else None

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


def usable(state: State) -> bool:
    """Return whether what the controls do now is the person's doing."""
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

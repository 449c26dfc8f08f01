"""Recordings that hold cues as markers in; what the controls of the configured mapper would have done, out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.formats import markers
from brainmusic_daemon.api import ConfigError, EndOfStream
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.service.agency import GOOD, LATER, chosen, usable
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.steadiness import played
from brainmusic_daemon.service.trials import BLOCK, WORDS, Trial
from brainmusic_daemon.there import expanded

_CUE = re.compile(r"^cue (\S+) (raise|lower|rest|over)\b")


def from_recordings(config: Config, paths: Sequence[Path], names: Sequence[str]) -> dict[str, list[Trial]]:
    """Return the trials of recordings that hold cues as markers: `cue tempo raise`, … `lower`, `rest`, `over`.

    The configured mapper plays them again: another one than at the time shows what the person would have done to it,
    as far as they did not steer by ear.  Raises ConfigError.
    """
    found: dict[str, list[Trial]] = {}
    for count, path in enumerate(paths):
        recording = expanded(path)
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
            spans.append((start + LATER * (end - start), end, name, words[word]))
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
                if usable(frame.features.state):
                    values.append(frame.controls[name])
            if now >= end or ended:
                if values and len(values) >= GOOD * ticks:
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

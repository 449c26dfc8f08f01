"""A resolved configuration in; how steady its smoothing makes each control, and how late, measured, out.

The smoother that plays is run on the targets that the configuration's own mapper makes of a simulated person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainmusic_daemon import registry
from brainmusic_daemon.acquisition.simulator import Simulator
from brainmusic_daemon.api import BrainmusicError, ConfigError, Control, EndOfStream, Features, FloatArray, Source
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.mapping.adjust import Adjustments
from brainmusic_daemon.mapping.seat import Budget, Fault, Seat
from brainmusic_daemon.mapping.smoothing import Kind, Smoother, Smoothing
from brainmusic_daemon.people import Person
from brainmusic_daemon.service.session import Session, warm_up

CAP = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1"),
    *("O2", "AF7", "AF8", "TP9", "TP10"),
)
"""Electrodes of the simulated person: what the usual headsets have."""

SERIES_S = 45.0  # how long the person is listened to
SETTLE_S = 15.0  # of it pass before anything is measured: the ranges are still being learned
_LONGEST_S = 60.0
_LAG_S = 3.0  # at most, is looked for

ALTERNATIVES: tuple[tuple[Kind, float], ...] = (
    ("low-pass", 0.05),
    ("low-pass", 0.1),
    ("low-pass", 0.3),
    ("low-pass", 1.0),
    ("critical", 0.1),
    ("critical", 0.3),
    ("one-euro", 0.3),
    ("one-euro", 1.0),
    ("one-euro", 3.0),
)


@dataclass(frozen=True, slots=True)
class Trade:
    """What a smoothing costs and brings."""

    half_ms: float  # from a step of the target by a tenth of the range to half of it; inf: it never gets there
    lag_ms: float  # by which the control trails its target in the series; nan: the target does not move
    jitter: float  # RMS change from tick to tick, as a share of the target's own; nan: it does not move


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What the configured smoothing does to each control, and what others would do to all of them."""

    trades: Mapping[str, Trade]  # control →
    others: tuple[tuple[Kind, float, Trade], ...]  # kind, time_s, median over the controls that move
    on: str = "a simulated person"  # what was listened to
    why_not: str = ""  # nothing was measured, and this is the reason


def measure(config: Config, recording: Path | None = None) -> Steadiness:
    """Measure the configured mapper's smoothing and the alternatives.  Opens no device; takes about a second.

    Raises ConfigError for a recording that cannot be read.
    """
    on = "a simulated person" if recording is None else recording.name
    source = None if recording is None else played(recording)
    try:
        heard = listen(config, source)
        seat = Seat(config.choice.name, config.mapper, config.choice.adjustments, Budget(watch=False))
        seat.prepare(heard[0].names, config.tick)
        targets = [dict(seat.map(features)) for features in heard]
    except (BrainmusicError, Fault) as error:
        return Steadiness({}, (), on, str(error))
    trades = compare(seat.controls, seat.smoothing, targets, config.tick)
    others = []
    for kind, time_s in ALTERNATIVES:
        settings = {c.name: Smoothing(time_s, kind=kind) for c in seat.controls}
        found = [
            trade for trade in compare(seat.controls, settings, targets, config.tick).values() if trade.jitter >= 0
        ]
        if found:
            columns = zip(*((trade.half_ms, trade.lag_ms, trade.jitter) for trade in found), strict=True)
            others.append((kind, time_s, Trade(*(float(np.median(column)) for column in columns))))
    return Steadiness(trades, tuple(others), on)


def played(recording: Path) -> Source:
    """Return a recording as a source.  Raises ConfigError."""
    try:
        return registry.build("source", "recording", {"path": str(recording)}, "--from")  # type: ignore[no-any-return]
    except registry.SettingErrors as error:
        raise ConfigError(str(error)) from error


def listen(config: Config, source: Source | None = None, seconds: float = SERIES_S) -> list[Features]:
    """Return the features of the simulated person (or `source`), as this configuration hears them, one per tick."""
    warm_up()
    cheap = replace(config.choice, mapper=config.fallback, adjustments=Adjustments())
    clock = VirtualClock()
    people = tuple(Person(person.name, Simulator(channels=CAP, seed=seed)) for seed, person in enumerate(config.people))
    plain = replace(config, profile=None, choice=cheap, source=Simulator(channels=CAP), people=people)
    session = Session(plain, clock, source)
    heard = []
    try:
        session.acquisition.pump()
        for number in range(1, round(seconds / config.tick) + 1):
            clock.wait_until(number * config.tick)
            try:
                session.acquisition.pump()
            except EndOfStream:
                break
            session.attach()
            features = session.tick(number * config.tick).features
            if features.names and features.time > SETTLE_S:
                heard.append(features)
    finally:
        session.acquisition.stop()
    if not heard:
        raise session.acquisition.error or ConfigError(f"there is nothing to hear after {SETTLE_S:g} s")
    return heard


def compare(
    controls: Sequence[Control],
    settings: Mapping[str, Smoothing],
    targets: Sequence[Mapping[str, float]],
    tick: float,
) -> dict[str, Trade]:
    """Run the smoother on `targets`, one mapping per tick, and on a step; return what came of each control."""
    smoother = Smoother(controls, settings, tick)
    smoother.reset(targets[0])
    values = [smoother.step(target) for target in targets]
    found = {}
    for control in controls:
        wanted = np.array([target.get(control.name, control.rest) for target in targets])
        given = np.array([value[control.name] for value in values])
        rough = float(np.sqrt(np.mean(np.diff(wanted) ** 2)))
        moves = rough > 1e-9 * (control.high - control.low)
        found[control.name] = Trade(
            half_ms=1000 * step_s(control, settings.get(control.name, Smoothing()), tick, (0.5,), _tenth(control))[0],
            lag_ms=1000 * lag_s(wanted, given, tick) if moves else math.nan,
            jitter=float(np.sqrt(np.mean(np.diff(given) ** 2))) / rough if moves else math.nan,
        )
    return found


def _tenth(control: Control) -> tuple[float, float]:
    return control.low, control.low + 0.1 * (control.high - control.low)


def step_s(
    control: Control,
    setting: Smoothing,
    tick: float,
    shares: Sequence[float],
    output: tuple[float, float] | None = None,
) -> list[float]:
    """Return when a step over `output` (the whole range) has got to each of the rising `shares`, s; inf: never.

    Between ticks it is interpolated.
    """
    low, high = (control.low, control.high) if output is None else sorted(output)
    smoother = Smoother([control], {control.name: setting}, tick)
    smoother.reset({control.name: low})
    found: list[float] = []
    before, value, time = low, low, 0.0
    while len(found) < len(shares):
        if value >= low + shares[len(found)] * (high - low):
            rise = value - before
            found.append(time - tick * ((value - low - shares[len(found)] * (high - low)) / rise if rise > 0 else 0.0))
            continue
        if time > _LONGEST_S or setting.freeze:
            return found + [math.inf] * (len(shares) - len(found))
        before, time = value, time + tick
        value = smoother.step({control.name: high})[control.name]
    return found


def lag_s(wanted: FloatArray, given: FloatArray, tick: float) -> float:
    """Return by how much `given` trails `wanted`, s: where their correlation is greatest, by a parabola."""
    a, b = wanted - wanted.mean(), given - given.mean()
    if float(np.ptp(given)) <= 1e-9 * float(np.ptp(wanted)):  # it stands still
        return math.inf
    most = min(round(_LAG_S / tick), len(a) // 3)
    n = len(a) - most
    late = b[most : most + n]
    scores = np.array([float(np.corrcoef(a[most - lag : most - lag + n], late)[0, 1]) for lag in range(most)])
    best = int(np.argmax(scores))
    if 0 < best < most - 1:
        left, middle, right = scores[best - 1 : best + 2]
        bend = left - 2 * middle + right
        return float(tick * (best + (0.5 * (left - right) / bend if bend else 0.0)))
    return tick * best

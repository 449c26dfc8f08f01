"""A running daemon in, what its user wants to know out: as values, and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from brainmusic_daemon.api import CONTROL
from brainmusic_daemon.features.together import Together

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon
    from brainmusic_daemon.service.session import Session

_SHOWN_FEATURES = ("engagement", "relaxation", "asymmetry", "synchrony", "interbrain")  # one row
_NAMES = {"fundamental_frequency": "pitch", "noise_amount": "noise", "attack_time": "attack"}
_GLITCHES = ("output_failures", "gaps", "filled", "lost", "nonfinite", "duplicates", "restarts", "reconnects")
_TROUBLE = ("underflow", "overflow", "error", "dropped", "reopened", "nonfinite", "lost", "failed", "repaired")


@dataclass(frozen=True, slots=True)
class Driven:
    """One control now, and the feature that moves it most."""

    control: str
    text: str
    cause: str


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the daemon."""

    seconds: float
    state: str
    source: str
    quality: tuple[tuple[str, float], ...]  # channel, 0..1
    features: tuple[tuple[str, float], ...]  # name, 0..1
    drives: tuple[Driven, ...]
    analysis_delay_ms: float  # of every band that is not named in `band_delays_ms`
    band_delays_ms: dict[str, float]
    latency: dict[str, float]  # newest sample → handed to the outputs
    jitter: dict[str, float]  # lateness of the ticks
    ticks: dict[str, float]
    source_counters: dict[str, float]
    outputs: dict[str, dict[str, float]]
    lost: dict[str, str]  # outputs that are not open, and why
    battery: float | None = None  # of the headset, percent; None: it does not tell
    resistances: dict[str, float] = field(default_factory=dict)  # channel → kΩ, where the board measures it
    people: dict[str, str] = field(default_factory=dict)  # state of each, where there are several
    age: dict[str, float] = field(default_factory=dict)  # every sample → handed to the outputs
    stages: dict[str, dict[str, float]] = field(default_factory=dict)  # of the newest sample's way


def snapshot(daemon: Daemon) -> Status:
    """Collect the status; from any thread but the tick's, a few times a second."""
    session = daemon.session
    frame, info = session.frame, session.acquisition.info
    assert frame is not None
    features = frame.features
    bands = [name for name in daemon.config.features.bands if name in features]
    shown = [*bands, *(name for name in _SHOWN_FEATURES if name in features)]
    causes: dict[str, tuple[float, str]] = {}
    bank = session.pipeline.bank
    if bank is not None and features.names == bank.names:  # else the frame is one of the headset before
        for (feature, control), share in session.pipeline.explain(features).items():
            if abs(share) > causes.get(control, (0.0, ""))[0]:
                causes[control] = (abs(share), f"{feature} {'↑' if features[feature] >= 0.5 else '↓'}")
    driven = [control.name for control in session.pipeline.host.playing.controls]
    return Status(
        seconds=frame.time,
        state=str(features.state) if session.acquisition.seen and features.names else "waiting",
        source=_source(session.acquisition.last_message, info, session.acquisition.battery),
        quality=tuple(zip(features.channels, features.quality.tolist(), strict=True)),
        features=tuple((name, features[name]) for name in shown),
        drives=tuple(
            Driven(_NAMES.get(name, name), _amount(name, frame.controls[name]), causes.get(name, (0.0, ""))[1])
            for name in driven
        ),
        analysis_delay_ms=daemon.config.features.delay_ms,
        band_delays_ms=_other_delays(session),
        latency=session.latency.summary(),
        jitter=daemon.ticker.lateness.summary(),
        ticks=daemon.ticker.counters(),
        source_counters=session.counters(),
        outputs=daemon.host.counters(),
        lost=dict(daemon.host.lost),
        battery=session.acquisition.battery,
        resistances=dict(session.acquisition.resistances),
        people=_people(session),
        age=session.ages.every.summary() if session.ages is not None else {},
        stages={name: each.summary() for name, each in session.ages.stages.items()} if session.ages is not None else {},
    )


def _people(session: Session) -> dict[str, str]:
    """Return how each of several persons' signal is; `waiting` for a headset that has not come yet."""
    bank = session.pipeline.bank
    states = bank.states if isinstance(bank, Together) else {}
    return {person.name: str(states.get(person.name, "waiting")) for person in session.config.people}


def _other_delays(session: Session) -> dict[str, float]:
    """Return the delay of each band that has another than `features.delay_ms`."""
    bank, usual = session.pipeline.bank, session.config.features.delay_ms
    found = {name: round(1000 * delay, 1) for name, delay in bank.delays.items()} if bank else {}
    return {name: delay for name, delay in found.items() if delay != usual}


def _source(message: str, info: object, battery: float | None) -> str:
    channels, rate = getattr(info, "channels", ()), getattr(info, "samplerate", 0.0)
    charge = f", battery {battery:.0f} %" if battery is not None else ""
    return f"{getattr(info, 'name', '')}, {len(channels)} channels at {rate:g} Hz{charge}" if info else message


def _amount(control: str, value: float) -> str:
    unit = CONTROL[control].unit if control in CONTROL else ""
    return f"{value:.3g} {unit}".rstrip() if unit != "Hz" else f"{value:.0f} Hz"


def timing(shown: Status) -> str:
    """Return latency and glitches as one line."""
    glitches = {name: count for name, count in shown.source_counters.items() if name in _GLITCHES and count}
    for output, counters in shown.outputs.items():
        glitches |= {f"{output} {name}": count for name, count in counters.items() if _is_glitch(name) and count}
    ticks = shown.ticks
    glitches |= {"failed ticks": ticks["failed"]} if ticks["failed"] else {}
    trouble = ", ".join(f"{name} {count:g}" for name, count in glitches.items()) or "none"
    alone = [
        name.removeprefix("listening.")
        for counters in shown.outputs.values()
        for name, listening in counters.items()
        if name.startswith("listening.") and not listening
    ]
    trouble += f"   nobody listens at {', '.join(alone)}" if alone else ""
    trouble += f"   not open: {', '.join(shown.lost)}" if shown.lost else ""
    others = ", ".join(f"{name} {delay:.0f}" for name, delay in shown.band_delays_ms.items())
    others = f" ({others})" if others else ""
    return (
        f"latency  analysis {shown.analysis_delay_ms:g} ms{others} + system {shown.latency['p50_ms']:.1f} ms "
        f"(99 %: {shown.latency['p99_ms']:.1f}{_shares(shown)})   ticks {ticks['ticks']:g}, late {ticks['late']:g}, "
        f"missed {ticks['missed']:g}   glitches {trouble}"
    )


def _shares(shown: Status) -> str:
    """Return where the system's part of the latency goes, as means."""
    means = {name: each["mean_ms"] for name, each in shown.stages.items() if each["count"]}
    return "; " + ", ".join(f"{name} {mean:.1f}" for name, mean in means.items()) if means else ""


def _is_glitch(counter: str) -> bool:
    return any(word in counter for word in _TROUBLE)


def line(shown: Status) -> str:
    """Return everything as one line for a log."""
    brain = " ".join(f"{name} {value:.2f}" for name, value in shown.features)
    good = sum(quality > 0.5 for _, quality in shown.quality)
    music = " ".join(f"{d.control} {d.text}" + (f" ({d.cause})" if d.cause else "") for d in shown.drives)
    return (
        f"{shown.seconds:.0f} s {shown.state}: {shown.source}{each(shown)}; contact {good}/{len(shown.quality)}; "
        f"{brain}; {music}; {timing(shown)}"
    )


def each(shown: Status) -> str:
    """Return the state of each of several persons, to be added to a line."""
    return "".join(f"; {person} {state}" for person, state in shown.people.items())


def farewell(shown: Status) -> str:
    """Return the last words of a run."""
    return f"stopped after {shown.seconds:.1f} s; {timing(shown)}"

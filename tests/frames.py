"""Frames as a tick would hand them over, made by hand: for the tests of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from brainmusic_daemon.api import CONTROLS, Controls, Event, Features, Frame, Note, State, StreamInfo

MUSE = ("TP9", "AF7", "AF8", "TP10")
BANDS = ("delta", "theta", "alpha", "beta", "gamma")
TICK_S = 0.02


def make_names(channels: Sequence[str] = MUSE, regions: Sequence[str] = ("frontal", "temporal")) -> tuple[str, ...]:
    """Return the names that the pipeline gives for these channels, `raw.` twins included."""
    names = [f"{band}{place}" for band in BANDS for place in ("", *(f".{p}" for p in (*regions, *channels)))]
    names += ["engagement", "asymmetry", "theta_alpha", "activation"]
    return (*names, *(f"raw.{name}" for name in names))


def make_frame(
    number: int = 0,
    *,
    channels: Sequence[str] = MUSE,
    names: Sequence[str] | None = None,
    values: Sequence[float] | Mapping[str, float] | None = None,
    controls: Mapping[str, float] | None = None,
    quality: Sequence[float] | None = None,
    state: State = State.GOOD,
    notes: Sequence[Note] = (),
    events: Sequence[Event] = (),
    time: float | None = None,
    seed: int = 0,
) -> Frame:
    """Return tick `number`; what is not given is drawn from 0..1 (features) or is at rest (controls)."""
    names = make_names(channels) if names is None else tuple(names)
    index = {name: place for place, name in enumerate(names)}
    drawn = np.random.default_rng((seed, number)).random(len(names))
    if isinstance(values, Mapping):
        for name, value in values.items():
            drawn[index[name]] = value
    elif values is not None:
        drawn = np.array(values, dtype=np.float64)
    when = number * TICK_S if time is None else time
    features = Features(
        time=when,
        sample_time=when - 0.004,
        names=names,
        values=drawn,
        index=index,
        channels=tuple(channels),
        quality=np.ones(len(channels)) if quality is None else np.array(quality, dtype=np.float64),
        state=state,
        events=tuple(events),
    )
    resting = {control.name: control.rest for control in CONTROLS if not control.name.startswith("z.")}
    return Frame(when, number, features, Controls(when, resting if controls is None else controls), tuple(notes))


def make_info(channels: Sequence[str] = MUSE, samplerate: float = 256.0) -> StreamInfo:
    return StreamInfo("test", tuple(channels), samplerate)

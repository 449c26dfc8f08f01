"""A resolved configuration in; what drives what, over which range and how fast, out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brainmusic_daemon import registry
from brainmusic_daemon.api import CONTROL, Control
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import delays, kernels
from brainmusic_daemon.features.delays import Promise
from brainmusic_daemon.features.pairs import GROUP
from brainmusic_daemon.mapping.expression import nearest
from brainmusic_daemon.mapping.route import Route, Shaping
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.sections import SceneConfig
from brainmusic_daemon.service import steadiness

_ASSUMED_HZ = 250.0  # no headset is asked: most of the affordable ones have this rate


@dataclass(frozen=True, slots=True)
class Drive:
    """One control and what moves it."""

    control: Control
    source: str  # the expression; empty: the mapper as a whole
    input: tuple[float, float]
    output: tuple[float, float]  # in the control's unit; the first end belongs to the first end of `input`
    shape: str  # curve, and what else bends the way from input to output
    smoothing: Smoothing
    slew: float  # greatest change per second, in the control's unit
    rise_ms: float  # from 10 to 90 % of a step over the whole output range; inf: frozen


@dataclass(frozen=True, slots=True)
class Description:
    """The resolved set-up."""

    origin: str
    source: str
    mapper: str
    music: str
    scenes: Mapping[str, str]  # name → what it brings
    outputs: Mapping[str, str]
    tick_ms: float
    delay_ms: float
    kernel_s: float
    bands: Mapping[str, tuple[float, float]]
    samplerate: float  # Hz: the source's where it is set, else assumed
    assumed: bool
    promises: Mapping[str, Promise]  # what each band's kernel is good for
    profile: str  # whose it is; empty: anybody's
    agency: tuple[str, ...]  # what this person was found to control, a line per control
    waits: tuple[str, ...]  # what is to be said about bands that are later than `delay_ms`, or fall short
    drives: tuple[Drive, ...]
    resting: tuple[str, ...]  # controls that nothing drives
    remarks: tuple[str, ...]


def describe(config: Config) -> Description:
    """Say what `config` comes to; nothing is opened, so whether the headset has a feature is not known yet."""
    routes: Mapping[str, Route] = getattr(config.mapper, "routes", {})
    own: Mapping[str, Smoothing] = getattr(config.mapper, "smoothing", {})
    smoothing = config.choice.adjustments.smoothing(config.mapper.controls, own)
    formulas: Mapping[str, str] = getattr(config.mapper, "formulas", {})
    drives = tuple(
        _drive(
            control,
            routes.get(control.name),
            smoothing.get(control.name, Smoothing()),
            formulas.get(control.name, ""),
            config.choice.adjustments.shapings.get(control.name, Shaping.model_validate({})),
        )
        for control in config.mapper.controls
    )
    driven = {drive.control.name for drive in drives}
    stated = float(getattr(config.source, "samplerate", 0.0) or 0.0)
    promises = _promises(config, stated or _ASSUMED_HZ)
    return Description(
        origin=config.origin,
        source="\n".join(_sources(config)),
        mapper=config.choice.name or _kind(config.mapper),
        music=_music(config),
        scenes={name: _scene(scene, config) for name, scene in config.scenes.items()},
        outputs={name: _settings(output) for name, output in config.outputs.items()},
        tick_ms=config.session.tick_ms,
        delay_ms=config.features.delay_ms,
        kernel_s=config.features.kernel_s,
        bands=dict(config.features.bands),
        samplerate=stated or _ASSUMED_HZ,
        assumed=not stated,
        promises=promises,
        profile="" if config.profile is None else f"{config.profile.name}, of {config.profile.day}",
        agency=tuple(_agency(config)),
        waits=tuple(_waits(config.features, promises)),
        drives=drives,
        resting=tuple(name for name in CONTROL if name not in driven),
        remarks=tuple(_remarks(config, routes)),
    )


def _sources(config: Config) -> Iterator[str]:
    """Say what is listened to, and whom, where there are several."""
    if not config.people:
        yield _settings(config.source)
    for person in config.people:
        known = f" (profile of {person.profile.day})" if person.profile is not None else ""
        yield f"{person.name}: {_settings(person.source)}{known}"


def _agency(config: Config) -> Iterator[str]:
    """Say what the person can control, as `brainmusic agency` found it."""
    for name, one in (config.profile.agency if config.profile is not None else {}).items():
        size = "" if one.why_not else f" (d {one.effect:.1f}, {one.low:.1f} to {one.high:.1f}; {one.made.isoformat()})"
        yield f"{name}: {one.verdict}{size}"


def _promises(config: Config, samplerate: float) -> dict[str, Promise]:
    """Design the kernels as a headset of this rate would have them, and say what can be expected of them."""
    features = config.features
    bands = {name: edges for name, edges in features.bands.items() if edges[0] < samplerate / 2 - 1}
    chosen = delays.configured(features, bands)
    prior = config.profile.prior if config.profile is not None else delays.expected(bands)
    made = kernels.design(
        [*bands.values()], samplerate, round(features.kernel_s * samplerate), [*chosen.values()], prior
    )
    return delays.promises(made, bands, chosen, samplerate, prior)


def _waits(features: Any, promises: Mapping[str, Promise]) -> Iterator[str]:
    fidelity = features.fidelity
    for name, promise in promises.items():
        late, ms = promise.delay > features.delay_ms / 1000 + 1e-6, 1000 * promise.delay
        if name in features.delays_ms:
            continue
        if late and promise.correlation >= fidelity - delays.TOLERANCE:
            yield f"{name} waits {ms:.0f} ms: what features.fidelity = {fidelity:g} takes (0: no band waits)"
        elif late:
            yield f"{name}: fidelity {fidelity:g} is out of reach; {ms:.0f} ms gives {promise.correlation:.2f}"
        elif fidelity > 0 and promise.correlation < fidelity - delays.TOLERANCE:  # by a profile: delays fit anybody
            yield f"{name}: {promise.correlation:.2f} is to be expected with this person's spectrum at {ms:.0f} ms"


def rise_s(span: float, time_s: float, slew: float) -> float:
    """Return how long a step of `span` takes from 10 to 90 %, behind a slew limit and a one-pole low-pass.

    As long as more than slew·time_s is left the slew limit governs, then the exponential.
    """
    knee = slew * time_s

    def until(left: float) -> float:
        if left >= knee:
            return (span - left) / slew
        start = min(span, knee)
        return (span - start) / slew + time_s * math.log(start / left)

    return until(0.1 * span) - until(0.9 * span) if span > 0 else 0.0


def rise_of(control: Control, smoothing: Smoothing, output: tuple[float, float]) -> float:
    """Return how long a step over `output` takes from 10 to 90 %, s; inf: it is frozen."""
    if smoothing.freeze:
        return math.inf
    if smoothing.kind == "low-pass" and smoothing.acceleration is None:
        slew = control.slew if smoothing.slew is None else smoothing.slew
        return rise_s(abs(output[1] - output[0]), smoothing.time_s, slew)
    first, last = steadiness.step_s(control, smoothing, 0.001, (0.1, 0.9), output)
    return last - first


def _drive(control: Control, route: Route | None, smoothing: Smoothing, formula: str, adjusted: Shaping) -> Drive:
    """`adjusted` is what is done to the values of a mapper that has no routes."""
    bend: Route | Shaping = route or adjusted
    slew = control.slew if smoothing.slew is None else smoothing.slew
    output = bend.output or (control.low, control.high)
    rise = 1000 * rise_of(control, smoothing, output)
    if bend.invert:
        output = output[::-1]
    bends = [] if route is None else [route.curve if route.amount is None else f"{route.curve} {route.amount:g}"]
    if bend.gain != 1:
        bends.append(f"gain {bend.gain:g}")
    if bend.offset:
        bends.append(f"offset {bend.offset:+g}")
    if route is None:
        return Drive(control, formula, (0.0, 1.0), output, ", ".join(bends), smoothing, slew, rise)
    return Drive(control, route.source, route.input, output, ", ".join(bends), smoothing, slew, rise)


def _remarks(config: Config, routes: Mapping[str, Route]) -> list[str]:
    """Point out features that no headset can have; a channel or region that is missing shows only when one is there."""
    derived = config.features.derived or registry.names("feature")
    given = [getattr(registry.find("feature", name), "names", (name,)) for name in derived]
    known = {*config.features.bands, *(name.split(".")[0] for names in given for name in names)}
    known |= {*getattr(config.mapper, "terms", ())}  # what a mapper's routes may name beside features
    people = {person.name for person in config.people}
    known |= {GROUP} if people else set()
    remarks = []
    for route in routes.values():
        for name in route.expression.features():
            head, *rest = name.removeprefix("raw.").split(".")
            head = rest[0] if rest and head in people else head
            if head not in known:
                remarks.append(f"{route.control}: there is no feature '{name}'{nearest(head, known)}")
    if not config.outputs:
        remarks.append("no output: nothing will be heard or sent; add [output.audio] or [output.osc]")
    return remarks


def _scene(scene: SceneConfig, config: Config) -> str:
    """Return what a scene changes, and over which time."""
    own = (
        f"a mapper of its own ({scene.mapper.get('kind', 'direct')})"
        if isinstance(scene.mapper, dict)
        else scene.mapper
    )
    brings = [own] if own else []
    brings += [f"preset {scene.preset}"] if scene.preset else []
    fade_s = config.swap.fade_s if scene.fade_s is None else scene.fade_s
    said = f"{', '.join(brings) or 'nothing'} in {fade_s:g} s"
    return f"{said}: {scene.help}" if scene.help else said


def _music(config: Config) -> str:
    """Return the preset, its parts and its scales in one line."""
    preset = config.preset
    said = f"{config.music.preset} ({preset.title})" if preset.title else config.music.preset
    if preset.plain or not preset.layer:
        return f"{said}: the chord follows the controls at once, no notes"
    parts = ", ".join(f"{name} ({layer.plays})" for name, layer in preset.layer.items())
    tempo = f"{preset.tempo[0]:g} to {preset.tempo[1]:g} BPM"
    return f"{said}: {parts}; {preset.scales[0]} to {preset.scales[-1]}; {tempo}; seed {config.music.seed}"


def _kind(made: Any) -> str:
    return type(made).__module__.rpartition(".")[2]


def _settings(made: Any) -> str:
    """Return the kind of a plug-in and its settings, less those that are off or empty by default."""
    words = []
    for name, setting in registry.settings_of(type(made)).items():
        value = getattr(made, name)
        if value or (value != setting.default and value not in (None, [], {}, ())):
            words.append(f"{name}={_word(value)}")
    return " ".join([_kind(made), *words])


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_word(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

"""All that a plug-in author imports: the values that flow, the protocols, the errors, and `@plugin`.

Time is axis 0 everywhere; EEG is in microvolts; times are session seconds (see `clock`).  Arrays inside a value are
never written after they were handed over.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar, dataclass_transform, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

# --- errors -----------------------------------------------------------------------------------------------------------


class BrainmusicError(Exception):
    """A failure that a user can act on: its text names the thing, the value and the way out."""

    exit_code = 1


class ConfigError(BrainmusicError):
    """A setting, a name or a file is wrong; trying again without a change is of no use."""

    exit_code = 2


class Unfit(ConfigError):
    """What has come does not go with the settings: the wrong device rather than a wrong setting, perhaps."""


class SourceLost(BrainmusicError):
    """The source is away; opening it again later may succeed."""

    exit_code = 3


class OutputLost(BrainmusicError):
    """The output is away; opening it again later may succeed."""

    exit_code = 4


class EndOfStream(Exception):
    """A recording has been read to its end."""


# --- values -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source delivers once it is open."""

    name: str
    channels: tuple[str, ...]  # names as the device gives them, made unique by the source
    samplerate: float  # Hz, > 0: stated by the device, or estimated by the source where it states none
    uid: str = ""  # tells one device from another across reconnections
    rail_uv: float | None = None  # |value| at which the amplifier saturates, where the board states it
    details: Mapping[str, str] = field(default_factory=dict)  # for people: board, file, host, unit found …


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive samples as the source delivered them."""

    samples: FloatArray  # (n_samples, n_channels) µV, float64; may hold NaN and infinities: acquisition repairs them
    times: FloatArray  # (n_samples,) session seconds, as exact as the source knows them; may jitter or step back
    first: int | None = None  # number of the first sample, where the source counts them: gaps become visible


@dataclass(frozen=True, slots=True)
class Window:
    """The newest stretch of the ring buffer: evenly spaced, finite, without gaps."""

    samples: (
        FloatArray  # (n_samples, n_channels) µV float32, relative to `offset`; a view: read it during the tick only
    )
    offset: FloatArray  # (n_channels,) µV float64, constant per ring: absolute = samples + offset
    end: int  # number of samples written so far, up to and including the newest of this window
    time: float  # session seconds of the newest sample
    filled: int  # how many of the samples are measured rather than padding (≤ n_samples)
    repaired: npt.NDArray[np.bool_]  # (n_channels,) True where a channel's newest chunk held NaN or infinities


class State(StrEnum):
    """What the music does with the signal, announced over OSC and in the log."""

    CALIBRATING = "calibrating"  # the window or the baseline is still filling
    GOOD = "good"
    HELD = "held"  # the signal is bad: the last good controls are kept
    RESTING = "resting"  # bad for longer: the controls glide to rest
    LOST = "lost"  # no samples arrive: the controls glide to rest


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment: a blink, a jaw clench, the onset of an alpha burst."""

    name: str
    time: float  # session seconds at which it was in the signal, as well as that is known
    strength: float  # 0..1


@dataclass(frozen=True, slots=True)
class Signal:
    """How the signal of one of several persons is, at one tick."""

    state: State
    follow: float  # 0..1, the share by which the music follows this person


@dataclass(frozen=True, slots=True)
class Features:
    """One tick's features: `values[index[name]]`; every `<name>` is 0..1, its `raw.<name>` is physical."""

    time: float  # session seconds of the tick
    sample_time: float  # session seconds of the newest sample that went in
    names: tuple[str, ...]
    values: FloatArray  # (n_features,) float64, finite
    index: Mapping[str, int]
    channels: tuple[str, ...]
    quality: FloatArray  # (n_channels,) 0 unusable … 1 good
    state: State
    events: tuple[Event, ...] = ()  # found in this tick
    people: Mapping[str, Signal] = field(default_factory=dict)  # person → signal, where several play

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.index[name]])

    def __contains__(self, name: object) -> bool:
        return name in self.index


@dataclass(frozen=True, slots=True)
class Control:
    """The contract of one control: a mapper stays inside `low`..`high`, the host limits its change to `slew`."""

    name: str
    unit: str
    low: float
    high: float
    rest: float  # where it glides when there is no usable signal
    slew: float  # greatest change per second, in the control's unit
    help: str = ""

    def clip(self, value: float) -> float:
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Controls:
    """The absolute values of all controls at one tick: state, not events; the newest wins."""

    time: float
    values: Mapping[str, float]  # finite, in range; the order is that of the mapper's `controls`

    def __getitem__(self, name: str) -> float:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Note:
    """One note: an event with an exact onset."""

    time: float  # session seconds of the onset, a little ahead of the tick that made it
    pitch: float  # MIDI note number, fractions allowed
    velocity: float  # 0..1
    duration: float  # seconds until it is let go
    channel: int = 0
    pan: float = 0.0  # -1 left … 1 right
    attack: float = 0.01  # seconds
    decay: float = 0.0  # a struck sound fades with this time constant, seconds; 0: it is sustained
    release: float = 0.15  # time constant of its end, seconds


@dataclass(frozen=True, slots=True)
class Drone:
    """How the synth's voices are shared: steady tones below, all other voices for the notes of a score."""

    root_hz: float
    tones: int  # how many of root, octave below, fifth: 0..3
    level: float  # 0..1, of full level
    breath: float  # 0..1, share of `noise_amount` that is heard
    notes: float  # amplitude of a note of velocity 1, as a share of full level


@dataclass(frozen=True, slots=True)
class Prompt:
    """One weighted text, as live text-to-music models take them."""

    slot: int  # from 0; the same slot later replaces it
    text: str
    weight: float  # 0 (silent) and up


@dataclass(frozen=True, slots=True)
class Words:
    """What a mapper says in words; a new object only when something has changed."""

    text: str  # one sentence
    prompts: tuple[Prompt, ...] = ()
    embedding: tuple[float, ...] = ()  # weighted sum of the prompts' embeddings, where a text encoder is loaded


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that one tick hands to the outputs."""

    time: float  # session seconds at which it leaves
    number: int  # count of ticks, from 0; missed ticks leave a hole
    features: Features
    controls: Controls
    notes: tuple[Note, ...] = ()
    drone: Drone | None = None  # None: the synth's own chord, from the controls alone
    words: Words | None = None  # of a mapper that speaks
    mapper: str = ""  # which one plays
    follow: float = 0.0  # 0..1, the share by which the music follows the brain: 0 at rest


# --- the controls of the synth ----------------------------------------------------------------------------------------

CONTROLS: tuple[Control, ...] = (
    Control("fundamental_frequency", "Hz", 100.0, 500.0, 147.0, 400.0, "pitch"),
    Control("loudness", "", 0.1, 1.0, 0.15, 2.0, "how loud, as a share of full level"),
    Control("brightness", "", 0.0, 1.0, 0.25, 2.0, "how much of the energy lies in the upper harmonics"),
    Control("noise_amount", "", 0.0, 0.5, 0.05, 1.0, "breath: filtered noise beside the harmonics"),
    Control("reverb", "", 0.0, 1.0, 0.5, 1.0, "size and share of the room"),
    Control("attack_time", "s", 0.01, 0.5, 0.3, 1.0, "how slowly sounds begin"),
    Control("tempo", "BPM", 50.0, 150.0, 60.0, 30.0, "pulse"),
    Control("mode", "", 0.0, 1.0, 0.5, 0.5, "0 darkest … 1 brightest scale"),
    Control("complexity", "", 0.0, 1.0, 0.2, 1.0, "how many tones a chord has"),
    Control("density", "", 0.0, 1.0, 0.2, 1.0, "how many notes fall on a beat"),
    *(Control(f"z.{i}", "", -1.0, 1.0, 0.0, 2.0, "timbre latent") for i in range(8)),
)
"""Ranges after the project's founding notebook for the first six; rest is a quiet, dark, open sound."""

CONTROL: Mapping[str, Control] = {control.name: control for control in CONTROLS}


def latent(number: int, low: float = -3.0, high: float = 3.0, slew: float = 6.0) -> Control:
    """Return the control of one dimension of an outside model's latent vector (RAVE, nn~): `latent.<number>`.

    The range is that of three standard deviations of the unit normal that such models are trained towards.
    """
    return Control(f"latent.{number}", "", low, high, min(max(0.0, low), high), slew, "latent of an outside model")


# --- protocols --------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Session time; `WallClock` live, `VirtualClock` offline."""

    def now(self) -> float: ...

    def wait_until(self, deadline: float, stop: threading.Event | None = None) -> bool:
        """Wait until `deadline`, or until `stop` is set; return whether it is set."""


class Source(Protocol):
    """Where samples come from; all calls come from the acquisition thread.

    Settings are validated when the object is made; nothing is opened, and no heavy library imported, before `open`.
    A source whose silence is no fault (a recording with a gap) says `reopen_on_silence: ClassVar[bool] = False`.
    One whose settings alone decide what it delivers (the name of a board) says `settled: ClassVar[bool] = True`: what
    does not fit once will never.  One that can choose among devices may have `pass_over(why)`: the one that was opened
    last is of no use, for this reason; another one is wanted.
    """

    def open(self, clock: Clock) -> StreamInfo:
        """Connect.  Raises SourceLost (worth another try) or ConfigError (not); may be called again after `close`.

        Unfit is worth another try where somebody waits: another device may answer then.
        """

    def read(self, timeout: float) -> Chunk | None:
        """Return what arrived, waiting at most `timeout` seconds; None: nothing yet.

        Raises SourceLost or EndOfStream.  A source that is paced by the clock returns the samples whose time is
        ≤ clock.now(), and never waits on a virtual clock.
        """

    def close(self) -> None:
        """Let go of everything.  Idempotent, never raises."""


class Output(Protocol):
    """Where a tick goes.

    An output may also have, called from other threads than the tick's, whether it is open or not, and kept over a
    reconnection: `panic()` (silence within 50 ms, until `mute(False)`), `mute(on)` (fade out or in), `gain(decibels)`
    of its sound, and `say(address, arguments)`: send one OSC message that belongs to no tick.
    """

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Connect.  Raises OutputLost (worth another try) or ConfigError (not); may be called again after `close`.

        `info` is empty (no channels, rate 0) where no headset has come yet; frames without features come first then.
        """

    def send(self, frame: Frame) -> None:
        """Pass one tick on.  Called from the tick: never blocks, never raises; what fails is counted."""

    def close(self) -> None:
        """Flush and let go.  Idempotent, never raises."""

    def counters(self) -> Mapping[str, float]:
        """Everything that went wrong, and how much went out, since `open`.  From any thread."""


@runtime_checkable
class Mapper(Protocol):
    """Features to controls: no input or output, no clock, no randomness that is not seeded.

    A mapper may also have: `smoothing` (control → `mapping.smoothing.Smoothing`); `words` (`Words` or None, as of the
    last `map`); `files` (paths that it was loaded from: they are watched, and it is loaded anew when they change);
    `remarks` (what the user should hear, after `prepare`); and `bounded: ClassVar[bool] = True`, a promise that
    `map` always ends within some 100 µs: the tick then calls it directly, every other mapper in a thread that it can
    leave behind.
    """

    controls: tuple[Control, ...]  # what it drives; the rest of CONTROLS stays at rest

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Learn which features there are and how long a tick is (seconds), before the first `map`.

        May be slow: it is called beside the tick, again for every headset.  Raises ConfigError where the features are
        not those that it needs, listing the difference.
        """

    def map(self, features: Features) -> Mapping[str, float]:
        """Return a value for every control of `controls`."""

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return (feature, control) → the signed share of the control's range that this feature moves it by now."""


# --- plug-ins ---------------------------------------------------------------------------------------------------------

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
def plugin(cls: type[_T]) -> type[_T]:
    """Mark a class as the plug-in of its module.

    The folder is the kind, the file is the name, the fields are the settings (annotate them with pydantic's `Field` for
    bounds and help), the docstring is the help.  State that is not a setting is a field with `init=False`.
    """
    made = dataclass(kw_only=True, eq=False)(cls)
    made.__brainmusic_plugin__ = True  # type: ignore[attr-defined]
    return made

"""What the daemon sends over OSC in, the methods that describe it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from brainmusic_daemon.api import Control, Event, Frame, State
from brainmusic_daemon.music.bell import CALLS
from brainmusic_daemon.outputs.osc import STOPPED
from brainmusic_daemon.outputs.osc_dialects import person_address
from brainmusic_daemon.outputs.osc_encoding import Layout, escape, floats_in, int32
from brainmusic_daemon.outputs.osc_words import EMBEDDING, PROMPT, TEXT, plain
from brainmusic_daemon.service.calibration import ADDRESS as CALIBRATION
from brainmusic_daemon.service.calibration import CUE, message
from brainmusic_daemon.service.explainer import NAMED
from brainmusic_daemon.service.guidance import Phase
from brainmusic_daemon.service.oscquery_look import Look
from brainmusic_daemon.service.oscquery_tree import READ, Method, Slot, Value

EVENTS: Final[Mapping[str, str]] = {
    "alpha_burst": "a burst of alpha begins",
    "blink": "the eyes blink",
    "jaw": "the jaw is clenched",
}
_SHARE = Slot("f", 0.0, 1.0, clips=True)
_NOTE = (Slot("i", 0, 127, clips=True), _SHARE, Slot("f", 0.0, unit="s"))
_SECONDS = Slot("f", 0.0, unit="s")
_TONE = (
    Slot("f", 0.0, 127.0), _SHARE, _SECONDS, Slot("f", -1.0, 1.0), _SECONDS, _SECONDS, _SECONDS, Slot("i", 0),
)  # fmt: skip
_DRONE = (Slot("f", 0.0, unit="Hz"), Slot("f", 0.0, 8.0), _SHARE, _SHARE)


def methods(layout: Layout, frame: Frame, controls: Sequence[Control]) -> Iterator[Method[Look]]:
    """Give a method for every address that is sent while names are those of `layout` and `frame`."""
    yield from _floats(layout, frame, {escape(control.name): control for control in controls})
    states = Slot("s", choices=(*(str(state) for state in State), STOPPED))
    yield Method("/brainmusic/state", "what the music does with the signal", READ, (states,), _of_frame(_state))
    for who in frame.features.people:
        about = f"what the music does with {who}'s signal"
        yield Method(person_address(who, "state"), about, READ, (states,), _of_frame(_state_of(who)))
    count, beat = (Slot("i", 0, 2**31 - 1),), _of_frame(lambda f: [int32(f.number)])
    yield Method("/brainmusic/heartbeat", "number of the tick; starts again from 0", READ, count, beat)
    charge = (Slot("f", 0.0, 100.0),)
    yield Method("/brainmusic/battery", "charge of the headset, percent, where it tells", READ, charge, _battery)
    for name, about in EVENTS.items():
        about = f"{about}: its strength, when it happens"
        yield Method(f"/brainmusic/event/{name}", about, READ, (_SHARE,), _last(name))
    yield Method("/brainmusic/note", "a note begins: MIDI pitch, velocity, seconds", READ, _NOTE)
    about = "the same note: pitch, velocity, seconds, pan, attack, decay, release, channel"
    yield Method("/brainmusic/tone", about, READ, _TONE)
    yield Method(TEXT, "what the mapper says, in one sentence", READ, (Slot("s"),), _of_frame(_text))
    prompt = (Slot("i", 0), Slot("s"), Slot("f", 0.0))
    yield Method(PROMPT, "slot, text, weight: a prompt of a text-to-music model", READ, prompt)
    yield from _embedding(frame)
    shares = (Slot("s"), Slot("f", -1.0, 1.0))
    for control in frame.controls.values:
        about = f"the features that drive {control} most, and their shares of its range, the strongest first"
        longer = tuple(shares * count for count in range(2, NAMED + 1))
        yield Method(f"/brainmusic/explain/{escape(control)}", about, READ, shares, others=longer)
    yield Method("/brainmusic/reply", "to whom sent a command: which, ok or no, one line", READ, (Slot("s"),) * 3)
    calls = (Slot("s", choices=(*CALLS,)),)
    yield Method(CUE, "the bell of a calibration: begin, close or open the eyes, failed", READ, calls)
    about = "a calibration: phase, what to do, seconds left, seconds kept and rejected"
    yield Method(CALIBRATION, about, READ, (Slot("s", choices=(*map(str, Phase),)), Slot("s"), *(_SECONDS,) * 3), _led)
    yield Method("/brainmusic/testing", "a test begins (1), or has ended (0)", READ, (Slot("i", 0, 1),))


def _floats(layout: Layout, frame: Frame, controls: Mapping[str, Control]) -> Iterator[Method[Look]]:
    """Give the addresses of floats: features, controls, latent, drone, quality."""
    for address, count in zip(layout.addresses, layout.counts, strict=True):
        room, _, name = address.removeprefix("/brainmusic/").partition("/")
        slots: tuple[Slot, ...] = (Slot("f"),) * count
        about = "values in the unit of the headset"
        if room == "feature" and name.startswith("raw."):
            about = f"{name.removeprefix('raw.')} as it was measured; band powers in µV²"
        elif room == "feature":
            about, slots = f"{name} against your own usual, which is 0.5", (_SHARE,)
        elif room == "control":
            known = controls.get(name)
            about = known.help or name if known is not None else name
            slots = (_slot(known),) if known is not None else slots
        elif room == "latent":
            about = "the latent vector in one message, in order of number"
            head = "latent." if "latent.0" in frame.controls.values else "z."
            inside = [controls.get(f"{head}{number}") for number in range(count)]
            slots = tuple(_slot(each) if each is not None else Slot("f") for each in inside)
        elif room == "drone":
            about, slots = "the steady tones: root, how many (8: the whole chord), level, breath", _DRONE
        elif room == "person":
            about, slots = f"how far the music follows {name.partition('/')[0]}", (_SHARE,)
        elif room == "quality":
            about, slots = (
                f"contact of {', '.join(frame.features.channels[:count])}: 0 unusable, 1 good",
                (_SHARE,) * count,
            )
        yield Method(address, about, READ, slots, _at(address))


def _slot(control: Control) -> Slot:
    return Slot("f", control.low, control.high, unit=control.unit, clips=True)


def _at(address: str) -> Callable[[Look], Sequence[Value] | None]:
    return lambda look: look.floats(address)


def _of_frame(read: Callable[[Frame], Sequence[Value] | None]) -> Callable[[Look], Sequence[Value] | None]:
    return lambda look: read(look.frame) if look.frame is not None else None


def _state(frame: Frame) -> Sequence[Value]:
    return [str(frame.features.state)]


def _state_of(who: str) -> Callable[[Frame], Sequence[Value] | None]:
    def read(frame: Frame) -> Sequence[Value] | None:
        signal = frame.features.people.get(who)
        return [str(signal.state)] if signal is not None else None

    return read


def _battery(look: Look) -> Sequence[Value] | None:
    charge = look.daemon.session.acquisition.battery
    return [charge] if charge is not None else None


def _text(frame: Frame) -> Sequence[Value]:
    return [plain(frame.words.text) if frame.words is not None else ""]


def _led(look: Look) -> Sequence[Value] | None:
    guidance = look.daemon.calibration.guidance
    return message(guidance) if guidance.under_way else None


def _last(name: str) -> Callable[[Look], Sequence[Value] | None]:
    """Return what reads the newest event of a name, if it has just happened."""

    def read(look: Look) -> Sequence[Value] | None:
        found: list[Event] = [
            event for frame in [*look.daemon.session.frames] for event in frame.features.events if event.name == name
        ]
        return [found[-1].strength] if found else None

    return read


def _embedding(frame: Frame) -> Iterator[Method[Look]]:
    """Give the address of the embedding, where a text encoder is loaded and one message holds it."""
    count = len(frame.words.embedding) if frame.words is not None else 0
    if 0 < count <= floats_in(EMBEDDING):
        read = _of_frame(lambda f: f.words.embedding if f.words is not None else None)
        yield Method(EMBEDDING, "of the prompts, summed by their weights", READ, (Slot("f"),) * count, read)

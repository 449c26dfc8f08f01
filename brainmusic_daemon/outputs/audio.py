"""Frames in, sound on an audio device out: the renderer runs as a C function in PortAudio's own thread.

What touches PortAudio stands in `portaudio`.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from brainmusic_daemon.api import Clock, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.outputs import portaudio
from brainmusic_daemon.outputs.portaudio import devices as devices
from brainmusic_daemon.outputs.streamclock import StreamClock
from brainmusic_daemon.synth import timbre_space
from brainmusic_daemon.synth.instrument_model import check, load

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine
    from brainmusic_daemon.synth.instrument_model import Model
    from brainmusic_daemon.synth.notes import Notes
    from brainmusic_daemon.synth.voicing import Voicing

_log = logging.getLogger(__name__)

FADE_S = 0.12
PANIC_S = 0.02
MUTE_S = 0.3
STALL_S = 1.0  # no callback for this long: the device is gone
TELL_ATTEMPT = 3  # from when on it is worth a word why
RESCAN_S = 3.0  # of patience with PortAudio that looks for devices
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)
JITTER = 0.2  # share of a pause that is left to chance


def warm_up(progress: Callable[[str], None]) -> float:
    """Compile the synth, or load it from the cache; return the seconds.  `progress` hears of a compilation."""
    from brainmusic_daemon.synth import engine

    return engine.warm_up(progress)


@plugin
class Audio:
    """Sound on an audio device, from a compiled synth that Python cannot hold up."""

    device: Annotated[str, Field(description="index, or part of the name; empty: the default device")] = ""
    samplerate: Annotated[int, Field(ge=8000, le=192_000, description="Hz; the device's own where it refuses")] = 48_000
    frames: Annotated[int, Field(ge=16, le=8192, description="frames per block")] = 256
    latency: Annotated[Literal["low", "high"], Field(description="buffering that the device is asked for")] = "low"
    gain_db: Annotated[float, Field(ge=-60, le=12, description="output gain, dB")] = 0.0
    timbre: Annotated[Path | None, Field(description="timbre space of z.0 … z.7, a .npz; empty: our own")] = None
    instrument: Annotated[Literal["synth", "torchscript"], Field(description="what makes the sound")] = "synth"
    model: Annotated[Path | None, Field(description="file of an exported model: a program, which is run")] = None
    latent_scale: Annotated[float, Field(gt=0, le=10, description="latent of the model where z is 1")] = 2.0

    _model: Model | None = field(default=None, init=False, repr=False)
    _space: timbre_space.TimbreSpace = field(init=False, repr=False)
    _engine: Engine | None = field(default=None, init=False, repr=False)
    _playing: tuple[Engine, Notes, StreamClock] | None = field(default=None, init=False, repr=False)
    _clock: Clock | None = field(default=None, init=False, repr=False)
    _stream: Any = field(default=None, init=False, repr=False)
    _supervisor: threading.Thread | None = field(default=None, init=False, repr=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _past: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _starved: int = field(default=0, init=False, repr=False)  # underflows that the stream's clock knows of
    _failed: int = field(default=0, init=False, repr=False)
    _reopened: int = field(default=0, init=False, repr=False)
    _voicing: Voicing | None = field(default=None, init=False, repr=False)  # its values outlive a reconnection
    _silent: bool = field(default=False, init=False, repr=False)
    _gain_db: float | None = field(default=None, init=False, repr=False)  # set while it plays
    _kept: list[Any] = field(default_factory=list, init=False, repr=False)  # what a hanging stream still points at

    def __post_init__(self) -> None:
        self.model = check(self.instrument, self.model)
        self._space = timbre_space.load(self.timbre)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Start the sound.  Raises OutputLost where there is no device, ConfigError where the model is none."""
        probe = portaudio.ahead()  # under way while the synth is loaded
        from brainmusic_daemon.synth.voicing import Voicing

        self._closing.clear()
        self._clock = clock
        self._past, self._failed, self._reopened = {}, 0, 0
        self._voicing = Voicing(self._space)
        portaudio.find(portaudio.load(probe), self.device)  # where there is none, nothing needs to be compiled
        warm_up(_log.info)
        self._model = load(self.model, self.samplerate) if self.model is not None else None
        self._start()
        self._supervisor = threading.Thread(target=self._supervise, name="audio-supervisor", daemon=True)
        self._supervisor.start()

    def send(self, frame: Frame) -> None:
        """Hand the controls to the synth; a device that is away is no reason to fail."""
        engine = self._engine
        if engine is None:
            return
        try:
            self._play(engine, frame)
            engine.voicing.drone = frame.drone
            engine.control(frame.controls.values)
        except Exception:  # noqa: BLE001  a tick must go on whatever a mapper hands over; counted
            self._failed += 1

    def _play(self, engine: Engine, frame: Frame) -> None:
        """Give the notes to the voices, each at its frame of the stream."""
        from brainmusic_daemon.synth.notes import Notes

        if self._playing is None or self._playing[0] is not engine:  # the device was opened again
            self._playing = (engine, Notes(engine), StreamClock(engine.samplerate))
            self._starved = engine.underflows
        _, notes, stream = self._playing
        assert self._clock is not None
        before, self._starved = self._starved, engine.underflows
        stream.observe(self._clock.now(), engine.frame, starved=self._starved != before)
        notes.play(frame.notes if not self._silent else (), stream.frame_of, frame.drone)

    def panic(self) -> None:
        """Silence within 50 ms, the room emptied, until `mute(False)`.  From any thread."""
        self._silent = True
        if self._engine is not None:
            self._engine.fade_now(0.0, PANIC_S, wipe=True)

    def mute(self, on: bool) -> None:
        """Fade out, or in.  From any thread."""
        self._silent = on
        if self._engine is not None:
            self._engine.fade_now(0.0 if on else 1.0, MUTE_S)

    def gain(self, decibels: float) -> None:
        """Set the output gain; what is configured is that of the start.  From any thread."""
        self._gain_db = decibels
        if self._engine is not None:
            self._engine.set_gain(decibels)

    def close(self) -> None:
        """Fade out and stop."""
        self._closing.set()
        if self._supervisor is not None and self._supervisor is not threading.current_thread():
            self._supervisor.join(timeout=3.0)
        self._supervisor = None
        engine, stream = self._engine, self._stream
        if engine is not None and stream is not None and self._alive():
            engine.fade(0.0, FADE_S)
            begin = engine.frame
            for _ in range(100):  # at most 0.2 s, less when the fade has been rendered
                if engine.frame - begin > (FADE_S + 0.01) * engine.samplerate:
                    break
                threading.Event().wait(0.002)
        self._drop()

    def counters(self) -> Mapping[str, float]:
        """Return glitches, lost entries and reconnections since `open`, and the present set-up."""
        engine, stream = self._engine, self._stream
        counts = dict(self._past)
        if engine is not None:
            for name, value in _counters(engine).items():
                counts[name] = counts.get(name, 0.0) + value
            counts["samplerate"] = engine.samplerate
        if self._playing is not None:
            counts["notes"], counts["notes_late"] = self._playing[1].played, self._playing[2].late
        counts["failed"] = float(self._failed)
        counts["reopened"] = float(self._reopened)
        counts["frames"] = float(self.frames)
        counts["running"] = float(stream is not None)
        counts["latency_s"] = stream.latency_s if stream is not None else 0.0
        counts["load"] = stream.load() if stream is not None else 0.0
        if engine is not None and engine.instrument is not None:
            counts.update(engine.instrument.state())
        return counts

    def _start(self) -> None:
        """Open the device with a fresh engine.  Raises OutputLost."""
        from brainmusic_daemon.synth.engine import Engine

        library = portaudio.load()
        index, name = portaudio.find(library, self.device)
        rate = portaudio.usable_rate(library, index, name, self.samplerate)
        engine = Engine(rate, self.gain_db if self._gain_db is None else self._gain_db, self._voicing)
        if self._silent:
            engine.fade(0.0, 0.0)
        self._stream = portaudio.Stream(library, index, name, engine, self.frames, self.latency)
        if self._model is not None:
            engine.play_model(self._model, self.latent_scale, self.frames)
        self._engine = engine
        if self._silent:  # said meanwhile, when there was nobody to hear it
            engine.fade_now(0.0, PANIC_S, wipe=True)

    def _alive(self) -> bool:
        try:
            return bool(self._stream.active)
        except Exception:  # noqa: BLE001  PortAudio's errors have no common base with those of a closed stream
            return False

    def _supervise(self) -> None:
        """Notice that the device is gone, and open it again."""
        seen, attempt, scan = -1, 0, threading.Thread()
        while not self._closing.wait(STALL_S if self._stream is not None else _pause(attempt)):
            if self._stream is not None:
                engine = self._engine
                calls = int(_counters(engine)["callbacks"]) if engine is not None else 0
                if calls != seen and self._alive():
                    seen = calls
                    continue
                _log.warning("the audio device is gone; trying to open it again")
                self._drop()
                seen, attempt = -1, 0
                continue
            if scan.is_alive():
                continue
            scan = threading.Thread(target=portaudio.rescan, name="audio-rescan", daemon=True)
            scan.start()
            scan.join(RESCAN_S)
            if scan.is_alive():
                _log.warning(
                    "PortAudio waits for the device that is gone: sound comes back after that, or with a new start"
                )
                continue
            try:
                self._start()
            except OutputLost as error:
                attempt += 1
                if attempt == TELL_ATTEMPT:
                    _log.warning("the audio device does not come back yet: %s", error)
            except Exception:  # noqa: BLE001  whatever it is, the next attempt may do
                attempt += 1
                _log.exception("the audio device could not be opened again")
            else:
                if self._closing.is_set():  # `close` did not wait for us any longer
                    self._drop()
                    return
                self._reopened += 1
                _log.warning("the audio device is back")

    def _drop(self) -> None:
        """Stop the stream; where the driver hangs, leave it, with its memory, rather than hang with it."""
        stream, engine, self._stream, self._engine = self._stream, self._engine, None, None
        if engine is not None:
            self._voicing = engine.voicing
            if engine.instrument is not None:
                engine.instrument.stop()
            for name, value in _counters(engine).items():
                self._past[name] = self._past.get(name, 0.0) + value
        if stream is None:
            return
        worker = threading.Thread(target=stream.stop, name="audio-stop", daemon=True)
        worker.start()
        worker.join(timeout=2.0)
        if worker.is_alive():
            self._kept.append((stream, engine))


def _pause(attempt: int) -> float:
    return BACK_OFF_S[min(attempt, 3)] * (1.0 - random.uniform(0.0, JITTER))


def _counters(engine: Engine) -> dict[str, float]:
    from brainmusic_daemon.synth import layout as at

    return {
        "callbacks": float(engine.integers[at.CALLBACKS]),
        "underflows": float(engine.integers[at.UNDERFLOWS]),
        **engine.counters(),
    }

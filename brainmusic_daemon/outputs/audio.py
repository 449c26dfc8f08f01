"""Frames in, sound on an audio device out: the renderer runs as a C function in PortAudio's own thread.

The only file that imports sounddevice.  It uses sounddevice's private stream base class, which takes a C function as
`callback` and a pointer as `userdata` (as the package rtmixer does): see `_Stream`.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from brainmusic_daemon.api import Clock, Frame, OutputLost, StreamInfo, plugin

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine
    from brainmusic_daemon.synth.voicing import Voicing

_log = logging.getLogger(__name__)

WITHOUT_SOUND = "for a sound file instead: brainmusic render RECORDING --wav OUT.wav"
FADE_S = 0.12
STALL_S = 1.0  # no callback for this long: the device is gone
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)


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

    _engine: Engine | None = field(default=None, init=False, repr=False)
    _stream: Any = field(default=None, init=False, repr=False)
    _supervisor: threading.Thread | None = field(default=None, init=False, repr=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _past: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _failed: int = field(default=0, init=False, repr=False)
    _reopened: int = field(default=0, init=False, repr=False)
    _voicing: Voicing | None = field(default=None, init=False, repr=False)  # its values outlive a reconnection
    _kept: list[Any] = field(default_factory=list, init=False, repr=False)  # what a hanging stream still points at

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Start the sound.  Raises OutputLost where there is no device."""
        self._closing.clear()
        self._past, self._failed, self._reopened, self._voicing = {}, 0, 0, None
        warm_up(_log.info)
        self._start()
        self._supervisor = threading.Thread(target=self._supervise, name="audio-supervisor", daemon=True)
        self._supervisor.start()

    def send(self, frame: Frame) -> None:
        """Hand the controls to the synth; a device that is away is no reason to fail."""
        engine = self._engine
        if engine is None:
            return
        try:
            engine.control(frame.controls.values)
        except Exception:  # noqa: BLE001  a tick must go on whatever a mapper hands over; counted
            self._failed += 1

    def panic(self) -> None:
        """Silence within 50 ms (tick thread only)."""
        if self._engine is not None:
            self._engine.panic()

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
        counts["failed"] = float(self._failed)
        counts["reopened"] = float(self._reopened)
        counts["frames"] = float(self.frames)
        counts["running"] = float(stream is not None)
        counts["latency_s"] = stream.latency_s if stream is not None else 0.0
        counts["load"] = stream.load() if stream is not None else 0.0
        return counts

    def _start(self) -> None:
        """Open the device with a fresh engine.  Raises OutputLost."""
        from brainmusic_daemon.synth.engine import Engine

        library = _portaudio()
        index, name = _find(library, self.device)
        rate = _usable_rate(library, index, name, self.samplerate)
        engine = Engine(rate, self.gain_db, self._voicing)
        self._stream = _Stream(library, index, name, engine, self.frames, self.latency)
        self._engine = engine

    def _alive(self) -> bool:
        try:
            return bool(self._stream.active)
        except Exception:  # noqa: BLE001  PortAudio's errors have no common base with those of a closed stream
            return False

    def _supervise(self) -> None:
        """Notice that the device is gone, and open it again."""
        seen, attempt = -1, 0
        while not self._closing.wait(STALL_S if self._stream is not None else BACK_OFF_S[min(attempt, 3)]):
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
            try:
                _rescan()
                self._start()
            except OutputLost:
                attempt += 1
            except Exception:  # noqa: BLE001  whatever it is, the next attempt may do
                attempt += 1
                _log.exception("the audio device could not be opened again")
            else:
                self._reopened += 1
                _log.warning("the audio device is back")

    def _drop(self) -> None:
        """Stop the stream; where the driver hangs, leave it, with its memory, rather than hang with it."""
        stream, engine, self._stream, self._engine = self._stream, self._engine, None, None
        if engine is not None:
            self._voicing = engine.voicing
            for name, value in _counters(engine).items():
                self._past[name] = self._past.get(name, 0.0) + value
        if stream is None:
            return
        worker = threading.Thread(target=stream.stop, name="audio-stop", daemon=True)
        worker.start()
        worker.join(timeout=2.0)
        if worker.is_alive():
            self._kept.append((stream, engine))


def _counters(engine: Engine) -> dict[str, float]:
    from brainmusic_daemon.synth import layout as at

    return {
        "callbacks": float(engine.integers[at.CALLBACKS]),
        "underflows": float(engine.integers[at.UNDERFLOWS]),
        **engine.counters(),
    }


def _portaudio() -> Any:
    """Import sounddevice.  Raises OutputLost naming the package when PortAudio itself is absent."""
    try:
        import sounddevice
    except OSError as error:
        raise OutputLost(
            "no sound: the PortAudio library is missing (Debian and Ubuntu: apt install libportaudio2; "
            f"elsewhere: pip install --force-reinstall sounddevice); {WITHOUT_SOUND}"
        ) from error
    return sounddevice


def _rescan() -> None:
    """Let PortAudio look for devices anew; it only does when nothing in this process uses it."""
    library = _portaudio()
    if library._initialized == 1:
        library._terminate()
        library._initialize()


def _find(library: Any, wanted: str) -> tuple[int, str]:
    """Return index and name of the output device.  Raises OutputLost listing what there is."""
    devices = [(int(d["index"]), str(d["name"])) for d in library.query_devices() if d["max_output_channels"] >= 2]
    if not devices:
        raise OutputLost(f"no sound: there is no audio device with two outputs; {WITHOUT_SOUND}")
    if not wanted:
        default = int(library.default.device[1])
        return next((d for d in devices if d[0] == default), devices[0])
    if wanted.isdigit():
        match = [d for d in devices if d[0] == int(wanted)]
    else:
        match = [d for d in devices if d[1].lower() == wanted.lower()]
        match = match or [d for d in devices if wanted.lower() in d[1].lower()]
    if not match:
        known = ", ".join(f"{index} '{name}'" for index, name in devices)
        raise OutputLost(f"no sound: there is no audio device '{wanted}'; there is {known}; {WITHOUT_SOUND}")
    return match[0]


def devices() -> list[tuple[int, str, float, bool]]:
    """Return (index, name, own sample rate, whether it is the default) of every output.  Raises OutputLost."""
    library = _portaudio()
    default = int(library.default.device[1])
    every = [device for device in library.query_devices() if device["max_output_channels"] >= 2]
    return [(int(d["index"]), str(d["name"]), float(d["default_samplerate"]), d["index"] == default) for d in every]


def _usable_rate(library: Any, index: int, name: str, wanted: int) -> int:
    """Return the wanted rate, or the device's own where it refuses; say so."""
    try:
        library.check_output_settings(device=index, channels=2, dtype="float32", samplerate=wanted)
    except library.PortAudioError:
        own = int(library.query_devices(index)["default_samplerate"])
        if own != wanted:
            _log.warning("audio device '%s' refuses %d Hz; using its own %d Hz", name, wanted, own)
        return own
    return wanted


def _host_api(library: Any, index: int) -> str:
    return str(library.query_hostapis(library.query_devices(index)["hostapi"])["name"])


def _suggested_latency(library: Any, index: int, block_s: float, latency: str) -> float | str:
    """Return what to ask PortAudio for: through ALSA "low" means 8.7 ms however short the block; ask for one block."""
    if latency == "low" and _host_api(library, index) == "ALSA":
        return block_s
    return latency


def _prefer_real_time(library: Any, index: int, stream: Any) -> None:
    """Ask for real-time priority of the audio thread, where PortAudio plays through ALSA; the system may refuse."""
    with contextlib.suppress(Exception):  # an extension of PortAudio: a missing symbol or type is no reason to stop
        if _host_api(library, index) == "ALSA":
            enable = ctypes.CDLL(library._libname).PaAlsa_EnableRealtimeScheduling
            enable.argtypes = [ctypes.c_void_p, ctypes.c_int]
            enable(int(library._ffi.cast("uintptr_t", stream._ptr)), 1)


class _Stream:
    """A running PortAudio stream whose callback is the compiled one; keeps all that the callback points at."""

    def __init__(self, library: Any, index: int, name: str, engine: Engine, frames: int, latency: str) -> None:
        from brainmusic_daemon.synth import callback

        base = getattr(library, "_StreamBase", None)
        ffi = getattr(library, "_ffi", None)
        if base is None or ffi is None:
            raise OutputLost(
                f"sounddevice {library.__version__} has no _StreamBase any more: install a version that "
                "pyproject.toml allows (pip install 'sounddevice>=0.5,<0.6')"
            )
        self._engine = engine
        try:
            self._stream = base(
                kind="output",
                wrap_callback=None,  # the callback is a C function already
                callback=ffi.cast("PaStreamCallback*", callback.ADDRESS),
                userdata=ffi.cast("void*", engine.address),
                samplerate=engine.samplerate,
                blocksize=frames,
                device=index,
                channels=2,
                dtype="float32",
                latency=_suggested_latency(library, index, frames / engine.samplerate, latency),
            )
            _prefer_real_time(library, index, self._stream)
            self._stream.start()
        except TypeError as error:
            raise OutputLost(f"sounddevice {library.__version__} builds streams in another way: {error}") from error
        except (library.PortAudioError, ValueError) as error:
            raise OutputLost(f"no sound: audio device '{name}' cannot be opened: {error}; {WITHOUT_SOUND}") from error
        self.latency_s = float(self._stream.latency)

    @property
    def active(self) -> bool:
        return bool(self._stream.active)

    def load(self) -> float:
        """Return the share of the block's time that the callback takes, as PortAudio measures it."""
        return 0.0 if self._stream.closed else float(self._stream.cpu_load)

    def stop(self) -> None:
        """Stop and close; errors of a device that is gone are of no interest."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

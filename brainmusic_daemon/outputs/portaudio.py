"""A device's name and an engine in, a running PortAudio stream out whose callback is compiled.

The only file that imports sounddevice.  It uses sounddevice's private stream base class, which takes a C function as
`callback` and a pointer as `userdata` (as the package rtmixer does): see `Stream`; check it when
sounddevice changes.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.api import OutputLost
from brainmusic_daemon.outputs.audio_probe import Probe

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine

_log = logging.getLogger(__name__)

WITHOUT_SOUND = "for a sound file instead: brainmusic render RECORDING --wav OUT.wav"


def ahead() -> Probe | None:
    """Return a look for devices that is under way, to be handed to `load`; None where that has been done."""
    return None if "sounddevice" in sys.modules else Probe()


def load(probe: Probe | None = None) -> Any:
    """Import sounddevice.  Raises OutputLost where PortAudio itself is absent, or would take the process down.

    `probe`: from `ahead`, where something else that takes its time was done meanwhile.
    """
    if "sounddevice" not in sys.modules:  # to import it is to let PortAudio look for devices
        (probe or Probe()).verdict()
    try:
        import sounddevice
    except OSError as error:
        raise OutputLost(
            "no sound: the PortAudio library is missing (Debian and Ubuntu: apt install libportaudio2; "
            f"elsewhere: pip install --force-reinstall sounddevice); {WITHOUT_SOUND}"
        ) from error
    _hush_alsa()
    return sounddevice


def _hush_alsa() -> None:
    """Keep ALSA's own remarks off the terminal, where the status is; what went wrong is counted and said by us."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        # ALSA calls the handler in the audio thread, where no Python may run: libc's `abs` ignores all but a number.
        nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(nothing)


def rescan() -> None:
    """Let PortAudio look for devices anew; it only does when nothing in this process uses it.

    Never raises.  May take for ever where a driver hangs.  PortAudio that has met JACK is left as it is: when that
    server has died meanwhile, PortAudio ends the whole program (an assertion in its `Terminate`).
    """
    with contextlib.suppress(Exception):
        library = load()
        if library._initialized == 1 and not any("JACK" in api["name"] for api in library.query_hostapis()):
            Probe().verdict()  # what is configured may have changed meanwhile
            library._terminate()
            library._initialize()


def find(library: Any, wanted: str) -> tuple[int, str]:
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
    library = load()
    default = int(library.default.device[1])
    every = [device for device in library.query_devices() if device["max_output_channels"] >= 2]
    return [(int(d["index"]), str(d["name"]), float(d["default_samplerate"]), d["index"] == default) for d in every]


def usable_rate(library: Any, index: int, name: str, wanted: int) -> int:
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


class Stream:
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

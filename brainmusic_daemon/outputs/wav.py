"""Frames in, a WAV or FLAC file out: the very sound that the audio output would make, rendered tick by tick.

The only file that imports soundfile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brainmusic_daemon.api import Clock, ConfigError, Frame, OutputLost, StreamInfo, plugin
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.lasting import put_back
from brainmusic_daemon.synth import timbre_space
from brainmusic_daemon.synth.instrument_model import check, load
from brainmusic_daemon.there import expanded, is_folder

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine
    from brainmusic_daemon.synth.notes import Notes

_log = logging.getLogger(__name__)

FADE_S = 0.1
FLUSH_FRAMES = 1 << 16
KEEP_FRAMES = 44 * FLUSH_FRAMES  # a minute of sound waits for a disk that is full; what is older becomes silence
QUEUE_TICKS = 512
_UPDATE_HEADER_NOW = 0x1060  # SFC_UPDATE_HEADER_NOW of libsndfile: a killed run leaves a valid file
_FORMATS = {".wav": "WAV", ".flac": "FLAC"}


@plugin
class Wav:
    """The sound as a file: WAV or FLAC, by the suffix.  A WAV ends at 4 GB (4 hours); FLAC does not."""

    path: Annotated[Path, Field(description="file to write; its suffix is .wav or .flac")]
    samplerate: Annotated[int, Field(ge=8000, le=192_000, description="Hz")] = 48_000
    subtype: Annotated[Literal["PCM_16", "PCM_24", "FLOAT"], Field(description="format of a sample")] = "PCM_24"
    gain_db: Annotated[float, Field(ge=-60, le=12, description="output gain, dB")] = 0.0
    timbre: Annotated[Path | None, Field(description="timbre space of z.0 … z.7, a .npz; empty: our own")] = None
    instrument: Annotated[Literal["synth", "torchscript"], Field(description="what makes the sound")] = "synth"
    model: Annotated[Path | None, Field(description="file of an exported model: a program, which is run")] = None
    latent_scale: Annotated[float, Field(gt=0, le=10, description="latent of the model where z is 1")] = 2.0

    _space: timbre_space.TimbreSpace = field(init=False, repr=False)
    _engine: Engine | None = field(default=None, init=False, repr=False)
    _notes: Notes | None = field(default=None, init=False, repr=False)
    _file: Any = field(default=None, init=False, repr=False)
    _library: Any = field(default=None, init=False, repr=False)
    _clock: Clock | None = field(default=None, init=False, repr=False)
    _begin: float = field(default=0.0, init=False, repr=False)
    _end: float = field(default=0.0, init=False, repr=False)  # session time up to which there must be sound
    _pending: list[npt.NDArray[np.float32]] = field(default_factory=list, init=False, repr=False)
    _pending_frames: int = field(default=0, init=False, repr=False)
    _fd: int | None = field(default=None, init=False, repr=False)
    _silence: int = field(default=0, init=False, repr=False)  # frames that are lost, before those that are pending
    _trouble: bool = field(default=False, init=False, repr=False)  # the disk takes nothing at present
    _away: bool = field(default=False, init=False, repr=False)  # deleted, with no way back yet
    _try_at: int = field(default=0, init=False, repr=False)  # the engine's frame at which it is tried again
    _queue: queue.Queue[Frame | None] | None = field(default=None, init=False, repr=False)
    _writer: threading.Thread | None = field(default=None, init=False, repr=False)
    _counts: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = expanded(self.path)
        if self.path.suffix.lower() not in _FORMATS:
            raise ConfigError(f"cannot tell the format of '{self.path}': its name ends in .wav or .flac")
        if self.path.suffix.lower() == ".flac" and self.subtype == "FLOAT":
            raise ConfigError("FLAC has no subtype FLOAT: use PCM_24, or write a .wav")
        self.model = check(self.instrument, self.model)
        self._space = timbre_space.load(self.timbre)

    def open(self, clock: Clock, info: StreamInfo) -> None:
        """Create the file; its time 0 is now.  Raises ConfigError or OutputLost."""
        from brainmusic_daemon.synth.engine import Engine, warm_up
        from brainmusic_daemon.synth.notes import Notes
        from brainmusic_daemon.synth.voicing import Voicing

        try:
            import soundfile
        except OSError as error:
            raise OutputLost("cannot write sound files: libsndfile is missing (pip install soundfile)") from error
        warm_up(_log.info)
        if not is_folder(self.path.parent):
            raise ConfigError(f"cannot write '{self.path}': there is no folder '{self.path.parent}'")
        model = load(self.model, self.samplerate) if self.model is not None else None
        form = _FORMATS[self.path.suffix.lower()]
        target: Path | int = self.path
        try:
            if os.name == "posix":  # elsewhere libsndfile has descriptors of its own
                target = self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            self._file = soundfile.SoundFile(target, "w", self.samplerate, 2, self.subtype, format=form)
        except (OSError, RuntimeError) as error:
            if isinstance(target, int):
                with contextlib.suppress(OSError):  # libsndfile may have closed it
                    os.close(target)
            raise ConfigError(f"cannot write '{self.path}': {error}") from error
        self._library = soundfile
        self._engine = Engine(self.samplerate, self.gain_db, Voicing(self._space))
        if model is not None:
            self._engine.play_model(model, self.latent_scale)
        self._notes = Notes(self._engine)
        self._clock, self._begin = clock, clock.now()
        self._end = self._begin
        self._pending, self._pending_frames = [], 0
        self._silence = self._try_at = 0
        self._trouble = self._away = False
        self._counts = {"frames_written": 0.0, "ticks_lost": 0.0, "failed": 0.0}
        self._queue = self._writer = None
        if not isinstance(clock, VirtualClock):  # live: the tick must not wait for the disk
            self._queue = queue.Queue(maxsize=QUEUE_TICKS)
            self._writer = threading.Thread(target=self._work, args=(self._queue,), name="wav-writer", daemon=True)
            self._writer.start()

    def send(self, frame: Frame) -> None:
        """Render up to this tick (on the virtual clock: now; live: in the writer's thread), then take its controls."""
        if self._file is None:
            return
        if self._queue is None:
            self._tick(frame)
            return
        try:
            self._queue.put_nowait(frame)
        except queue.Full:  # controls are state: the next ones say all, and the missing sound is rendered then
            self._counts["ticks_lost"] += 1

    def close(self) -> None:
        """Render up to now, fade the end, and finish the file."""
        if self._file is None:
            return
        if self._queue is not None and self._writer is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=5.0)
            self._writer.join(timeout=30.0)
        try:
            now = self._clock.now() if self._clock is not None else self._end
            self._render_to(max(self._end, now))
            self._write(everything=True)
        except Exception as error:  # noqa: BLE001  closing never raises
            self._tell(error)
        with contextlib.suppress(Exception):
            self._file.close()
        self._file = self._fd = None

    def counters(self) -> Mapping[str, float]:
        """Return frames written, ticks lost, failed writes, and the synth's own counts."""
        return {**self._counts, **(self._engine.counters() if self._engine is not None else {})}

    def _work(self, ticks: queue.Queue[Frame | None]) -> None:
        while (frame := ticks.get()) is not None:
            self._tick(frame)

    def _frame_of(self, time: float) -> int:
        return round((time - self._begin) * self.samplerate)

    def _tick(self, frame: Frame) -> None:
        try:
            self._render_to(frame.time)
            if self._engine is not None and self._notes is not None:
                self._notes.play(frame.notes, self._frame_of, frame.drone)
                self._engine.voicing.drone = frame.drone
                self._engine.control(frame.controls.values)
        except Exception as error:  # noqa: BLE001  a full disk must not stop the music
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Count a failed write, and tell of the first one in a row."""
        self._counts["failed"] += 1
        if not self._trouble:
            self._trouble = True
            why = getattr(error, "strerror", None) or str(error)
            reason = why or "not all frames were taken"  # as soundfile asserts
            _log.error("cannot write '%s': %s; is the disk full? It is tried again", self.path, reason.rstrip("."))
            _log.debug("'%s'", self.path, exc_info=error)

    def _render_to(self, time: float) -> None:
        """Render until the file holds round(seconds × rate) frames."""
        assert self._engine is not None
        self._end = max(self._end, time)
        wanted = round((self._end - self._begin) * self.samplerate) - self._engine.frame
        while wanted > 0:
            block = self._engine.render(min(wanted, FLUSH_FRAMES))
            wanted -= len(block)
            self._pending.append(block)
            self._pending_frames += len(block)
            if self._pending_frames >= FLUSH_FRAMES and self._engine.frame >= self._try_at:
                self._try_at = self._engine.frame + FLUSH_FRAMES * self._trouble
                self._write(everything=False)

    def _write(self, everything: bool) -> None:
        """Write what is pending, less the stretch that the fade at the end will need.

        What the disk refuses stays pending, so that later sound stays at its time; FLAC cannot take a write back, and
        ends there.
        """
        if not self._pending:
            return
        sound = np.concatenate(self._pending)
        tail = min(round(FADE_S * self.samplerate), len(sound))
        rest = sound[len(sound) - tail :].copy()
        if everything:
            sound[len(sound) - tail :] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)[:, None]
        try:
            self._put(sound if everything else sound[: len(sound) - tail])
        except Exception:
            sound[len(sound) - tail :] = rest
            lost = max(0, len(sound) - KEEP_FRAMES)
            self._silence += lost
            self._pending, self._pending_frames = [sound[lost:]], len(sound) - lost
            raise
        self._pending, self._pending_frames = ([], 0) if everything else ([rest], tail)
        if self._trouble:
            self._trouble = False
            _log.warning("'%s' goes on", self.path)

    def _put(self, sound: npt.NDArray[np.float32]) -> None:
        """Write all of it, behind what is in the file; raises what libsndfile raises."""
        if self._trouble:
            self._file.seek(int(self._counts["frames_written"]))
        while self._silence:
            some = min(self._silence, FLUSH_FRAMES)
            self._file.write(np.zeros((some, 2), np.float32))
            self._counts["frames_written"] += some
            self._silence -= some
        self._file.write(sound)
        self._file.flush()
        if self.path.suffix.lower() == ".wav":
            library = self._library
            library._snd.sf_command(self._file._file, _UPDATE_HEADER_NOW, library._ffi.NULL, 0)
        self._counts["frames_written"] += len(sound)
        try:
            if self._fd is not None:
                put_back(self._fd, self.path)
            self._away = False
        except OSError as error:  # it is tried again with the next sound
            if not self._away:
                _log.error("'%s' was deleted, and cannot be put back: %s", self.path, error.strerror or error)
            self._away = True

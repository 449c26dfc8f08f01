"""A session in, everything that happens in it written to one XDF file, on one clock, by a thread of its own."""

from __future__ import annotations

import datetime
import logging
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brainmusic_daemon import __version__
from brainmusic_daemon.api import Chunk, ConfigError, Control, Frame, OutputLost, StreamInfo
from brainmusic_daemon.outputs.xdf_file import XdfFile
from brainmusic_daemon.service.eeg_track import EegTrack
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.tracks import Tracks
from brainmusic_daemon.there import expanded, is_there

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

DRAIN_S = 0.25  # how often what has come is encoded, and handed to the operating system: outlives kill -9
SYNC_S = 1.0  # how often it is waited for until the disk has it: outlives a power cut
MOST_FRAMES = 6_000  # wait while a disk does not answer: two minutes of ticks
MOST_CHUNKS = MOST_ENTRIES = 60_000


@dataclass(frozen=True, slots=True)
class Recording:
    """How a recording goes, or went."""

    path: Path
    seconds: float
    bytes: int
    samples: dict[str, int]  # in the file, by stream
    lost: int  # samples that found no room on the disk, or that the disk was too slow for
    trouble: str  # why nothing can be written at present; "" while all is well
    continues: Path | None = None  # the file of a program that was killed, which this one goes on from

    def __str__(self) -> str:
        held = ", ".join(f"{count} {name.removeprefix('brainmusic.')}" for name, count in self.samples.items() if count)
        lost = f"; {self.lost} samples are lost: the disk was full or too slow" if self.lost else ""
        return f"recorded {self.seconds:.1f} s to {self.path}, {self.bytes / 1e6:.1f} MB: {held}{lost}"


class Recorder:
    """Starts and stops recordings of a session, also while it runs.  All methods from any thread but the tick's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.last: Recording | None = None  # what became of the one before
        self._lock = threading.Lock()
        self._file: XdfFile | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._leave: Callable[[], None] = lambda: None
        self._deaf: Callable[[], None] = lambda: None
        self._begun = 0.0
        self._continues: Path | None = None
        self._dropped = 0
        self._chunks: deque[tuple[StreamInfo, Chunk]] = deque()
        self._frames: deque[Frame] = deque()
        self._entries: deque[Entry] = deque()

    def start(self, path: Path | str, continues: Path | None = None) -> None:
        """Begin to record to `path`, a new file; `continues`: the one it goes on from.

        Raises ConfigError where there is a recording already, where the file exists or cannot be written, and
        OutputLost where its disk is full, or there is no thread left to write it with.
        """
        path = expanded(path)
        if path.suffix.lower() != ".xdf":
            raise ConfigError(f"cannot record to {path}: only XDF is written; name it {path.with_suffix('.xdf')}")
        with self._lock:
            if self._file is not None:
                raise ConfigError(f"already recording to {self._file.path}: stop that first")
            session, clock = self._session, self._session.clock
            # On Linux and Windows this is the clock of LSL: a file that LabRecorder makes beside shares its times.
            origin = time.perf_counter() - clock.now()
            self._begun, self._dropped = clock.now(), 0
            now = datetime.datetime.now(datetime.UTC).astimezone()
            about = {
                "datetime": now.strftime("%Y-%m-%dT%H:%M:%S%z"),  # as LabRecorder writes it
                "datetime_at": f"{self._begun + origin:.6f}",  # the time stamp of that moment
                "session_origin": f"{origin:.9f}",  # the time stamp of session second 0
                "recorder": f"brainmusic_daemon {__version__}",
                "system": platform.platform(),
                **({"continues": continues.name} if continues is not None else {}),
            }
            file = XdfFile(path, about, self._begun + origin)
            for queue in (self._chunks, self._frames, self._entries):
                queue.clear()
            tracks = Tracks(file, session.config, origin, self._control)
            self._stop = threading.Event()
            work = (file, EegTrack(file, origin, tracks.mark), tracks)
            thread = threading.Thread(target=self._run, args=work, name="recorder", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # as if nobody had asked: the next one may do
                file.close()
                path.unlink(missing_ok=True)
                raise OutputLost(f"cannot record to {path}: {error}; end some programs, then try again") from error
            self._file, self._thread, self._continues = file, thread, continues
            self._deaf, session.tap = session.listen(self._deliver), self._tick
            self._leave = session.journal.listen(self._note)
        _log.info("recording to %s", path)

    def stop(self, timeout: float = 5.0) -> Recording | None:
        """End the recording and return what became of it, None where there was none.  Idempotent, never raises.

        A disk that does not answer within `timeout` seconds is left behind.
        """
        with self._lock:
            file, thread = self._file, self._thread
            if file is None or thread is None:
                return None
            self._deaf()
            self._session.tap = None
            self._leave()
            self._stop.set()
            thread.join(timeout)
            if thread.is_alive():
                _log.error("the disk of %s does not answer: its recording ends without its end", file.path)
            self.last = done = self._status(file)
            self._file = self._thread = None
        if is_there(file.path):
            _log.info("%s", done)
        elif any(done.samples.values()):
            _log.error("%s was deleted while it was being recorded, and what it held is lost", file.path)
        else:
            _log.info("nothing came to record: %s is gone again", file.path)
        return done

    @property
    def path(self) -> Path | None:
        """Return the file that is being written; None while there is none."""
        file = self._file
        return None if file is None else file.path

    @property
    def status(self) -> Recording | None:
        """Return how the recording goes; None while there is none."""
        file = self._file
        return None if file is None else self._status(file)

    def _status(self, file: XdfFile) -> Recording:
        seconds = self._session.clock.now() - self._begun
        lost = file.lost + self._dropped
        return Recording(file.path, seconds, file.bytes, file.samples(), lost, file.trouble, self._continues)

    def _control(self, name: str) -> Control | None:
        controls = self._session.pipeline.host.playing.controls
        return next((control for control in controls if control.name == name), None)

    # --- called by the acquisition thread, the tick, whoever notes something: append and go ---------------------------

    def _deliver(self, info: StreamInfo, chunk: Chunk) -> None:
        if len(self._chunks) < MOST_CHUNKS:
            self._chunks.append((info, chunk))
        else:
            self._dropped += len(chunk.times)

    def _tick(self, frame: Frame) -> None:
        if len(self._frames) < MOST_FRAMES:
            self._frames.append(frame)
        else:
            self._dropped += 1

    def _note(self, entry: Entry) -> None:
        if len(self._entries) < MOST_ENTRIES:
            self._entries.append(entry)
        else:
            self._dropped += 1

    # --- the recorder's thread ------------------------------------------------------------------------------------

    def _run(self, file: XdfFile, eeg: EegTrack, tracks: Tracks) -> None:
        synced, ending, failures = time.monotonic(), False, 0
        while not ending:
            ending = self._stop.wait(DRAIN_S)
            try:
                eeg.delivered(_taken(self._chunks))
                tracks.ticked(_taken(self._frames))
                tracks.said_so(_taken(self._entries))
            except Exception:  # noqa: BLE001 - what a plug-in delivers may be anything; the rest is worth recording
                self._dropped += 1
                failures += 1
                if failures == 1:
                    _log.exception("part of a quarter second could not be recorded; further ones are counted")
            sync = time.monotonic() - synced >= SYNC_S
            file.flush(sync)
            synced = time.monotonic() if sync else synced
        file.close()
        if not eeg.count and not tracks.said:  # nothing that anyone could want back
            file.path.unlink(missing_ok=True)


def _taken(queue: deque[_T]) -> list[_T]:
    """Return what is in the queue by now, in order."""
    return [queue.popleft() for _ in range(len(queue))]

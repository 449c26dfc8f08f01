"""One source in, its newest window out: opens, reads, notices silence, reopens; a thread live, `pump` offline."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from brainmusic_daemon.acquisition import scrutiny
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.selection import Groups, no_groups, select
from brainmusic_daemon.acquisition.timeline import COUNTERS, Timeline
from brainmusic_daemon.api import (
    BrainmusicError,
    Chunk,
    Clock,
    ConfigError,
    EndOfStream,
    Source,
    SourceLost,
    StreamInfo,
    Unfit,
)

log = logging.getLogger(__name__)

READ_S = 0.05  # one read waits at most this long, so silence and `stop` are noticed soon
POLL_S = 0.0005  # pause after a read that returned at once with nothing
FIRST_SAMPLE_S = 5.0  # a board just opened may take longer than `silence_s` to deliver its first sample
BACKOFF_S = (0.25, 5.0)  # first and longest pause between attempts
BACKOFF_JITTER = 0.2  # ± share of a pause, so several programs do not retry in step
SPARE_S = 2.0  # the ring is this much longer than four windows
REMARKS = ("choice", "units", "rate", "gaps", "damage", "left out")  # details that were found or changed, not stated
MOST_SAID = 64  # different complaints about devices that are remembered: strangers may publish ever new ones
SAME_RATE = 2e-3  # estimated rates differ by this much from one opening to the next


class SourceState(StrEnum):
    """What the source does."""

    OPENING = "opening"  # being opened, or opened and nothing has come yet
    STREAMING = "streaming"
    LOST = "lost"  # silent or gone; it is reopened with growing pauses
    ENDED = "ended"  # a recording has been read to its end
    FAILED = "failed"  # for good: see `error`


class Setup(NamedTuple):
    """What belongs together: read once, use together."""

    generation: int  # grows with every new ring: everything prepared for the old one must be prepared again
    info: StreamInfo | None  # of the selected channels
    ring: Ring | None


class Acquisition:
    """Owns the source and the ring.

    Either `start` … `stop` (one thread, real time) or `pump` before every tick (offline); never both.  All attributes
    and properties may be read from any thread; each is replaced as a whole, none is changed in place.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        window_s: float,
        channels: Sequence[str] = (),
        exclude: Sequence[str] = (),
        groups: Groups = no_groups,
        silence_s: float = 0.8,
        seed: int = 0,
        person: str = "",
        waits: bool = False,
    ) -> None:
        """`window_s`: the longest window that will be asked for; `seed`: of the pauses' jitter.

        `person`: who wears it, where several do: all that is told begins with the name.

        `waits`: a device that does not fit is no end before one that fits was ever seen: another one may come.

        `channels`, `exclude` and the words that `groups` gives for some of them: see `selection.select`.
        """
        self.silence_s = silence_s
        self.setup = Setup(0, None, None)
        self.state = SourceState.OPENING
        self.error: BrainmusicError | None = None  # why there are no samples now; None while they come
        self.seen = False  # whether samples ever came
        self.last_message = ""
        self.tap: Callable[[StreamInfo, Chunk], None] | None = None  # hears every chunk as the source delivered it
        self._source, self._clock, self._window_s = source, clock, window_s
        self._channels, self._exclude, self._groups = tuple(channels), tuple(exclude), groups
        self._name = type(source).__module__.rpartition(".")[2]
        self._whose = f"{person}: " if person else ""
        self._random = random.Random(seed)
        self._counts = dict.fromkeys((*COUNTERS, "reconnects"), 0)
        self._timeline: Timeline | None = None
        self._picks: list[int] | None = None  # None: all channels as they come
        self._delivered = StreamInfo("", (), 0.0)  # all that the source delivers, before channels are picked
        # a recording holds its gaps: opened again it would begin anew, so it says `reopen_on_silence = False`
        self._reopens = bool(getattr(source, "reopen_on_silence", True))
        # a source that is cheap to look for says how soon it may be looked for again, at most
        self._longest_s = float(getattr(source, "longest_pause_s", BACKOFF_S[1]))
        # another device may come in its place, unless it is a file, or a board by its name
        self.waits = waits and self._reopens and not getattr(source, "settled", False)
        self._refusal: tuple[int, Unfit] | None = None  # generation, and what whoever listens has against it
        self._said: set[str] = set()  # of devices that do not fit, since one that does
        self._is_open = self._reopened = False
        self._another = ""  # that the newest opening found another device
        self._pace = scrutiny.Pace(1.0, math.inf)  # nothing is open yet: it never begins
        self._attempt = 0
        self._retry_at = -math.inf
        self._heard = -math.inf  # arrival of the newest sample, or the opening
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    # --- for readers ----------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        return self.setup.generation

    @property
    def info(self) -> StreamInfo | None:
        """The stream with its selected channels; None until the source was open for the first time."""
        return self.setup.info

    @property
    def ring(self) -> Ring | None:
        return self.setup.ring

    @property
    def arrival(self) -> float:
        """Session seconds at which the newest sample arrived; −inf before the first."""
        ring = self.setup.ring
        return -math.inf if ring is None else ring.arrival

    @property
    def battery(self) -> float | None:
        """Percent of the headset's battery; None where it does not tell."""
        charge = getattr(self._source, "battery", None)
        return float(charge) if isinstance(charge, (int, float)) else None

    @property
    def resistances(self) -> Mapping[str, float]:
        """Resistance of each electrode as the board measures it, kΩ; empty where it does not."""
        found = tuple(getattr(self._source, "resistances", ()))
        channels = self._delivered.channels
        return dict(zip(channels, found, strict=True)) if len(found) == len(channels) else {}

    def alive(self, now: float) -> bool:
        """Whether samples arrived within `silence_s` before `now` (session seconds)."""
        return self.state in (SourceState.STREAMING, SourceState.ENDED) and now - self._heard <= self.silence_s

    def counters(self) -> Mapping[str, int]:
        """All that was repaired or lost since the start; see `timeline.COUNTERS`, and `reconnects`."""
        return dict(self._counts)

    # --- for the owner --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the acquisition thread."""
        self._thread = threading.Thread(target=self._run, name=f"{self._whose}acquisition", daemon=True)
        self._thread.start()

    def refuse(self, generation: int, why: Unfit) -> None:
        """Let go of the device that gave this ring, if the source can choose another one.  From any thread.

        Why has been told.
        """
        if hasattr(self._source, "pass_over"):
            self._said = {*self._said, str(why)}
            self._refusal = generation, why

    def ask_to_stop(self) -> None:
        """Let the thread come to its end, without waiting for it."""
        self._stopping.set()

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread and close the source.  Idempotent, never raises.

        A source that blocks in `open` for longer than `timeout` seconds is left to end by itself.
        """
        self.ask_to_stop()
        thread = self._thread
        if thread is None:
            self._close()
        elif thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                log.warning("%ssource '%s' does not let go; leaving it behind", self._whose, self._name)

    def pump(self) -> None:
        """Read all that there is until now; offline, before every tick.

        Raises EndOfStream at the end, and ConfigError where trying again is of no use.
        """
        while self._step(0.0):
            pass
        if self.state is SourceState.ENDED:
            raise EndOfStream
        if self.state is SourceState.FAILED and self.error is not None:
            raise self.error

    # --- the acquisition thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and self.state not in (SourceState.ENDED, SourceState.FAILED):
                if not self._is_open and self._clock.wait_until(self._retry_at, self._stopping):
                    break
                before = self._clock.now()
                try:
                    came = self._step(READ_S)
                except (Exception, SystemExit) as error:  # a bug in a plug-in must not end the music
                    log.debug("source '%s'", self._name, exc_info=True)
                    self._lose(SourceLost(f"source '{self._name}' failed: {type(error).__name__}: {error}"))
                    continue
                if not came and self._is_open and self._clock.now() - before < POLL_S:
                    self._stopping.wait(POLL_S)
        finally:
            self._close()

    def _step(self, timeout: float) -> bool:
        """Open, or read once; return whether to go on at once."""
        if self.state is SourceState.ENDED or self.state is SourceState.FAILED:
            return False
        try:
            if not self._is_open:
                if self._clock.now() < self._retry_at:
                    return False
                self._open()
            if self._refusal is not None and self._refusal[0] == self.setup.generation:
                self._timeline = None  # the next one is listened to anew, whatever it is
                raise self._refusal[1]
            chunk = self._source.read(timeout)
            now = self._clock.now()
            if chunk is not None and len(chunk.times):
                self._take(chunk, now)
                return True
            limit = self.silence_s if self.state is SourceState.STREAMING else max(self.silence_s, FIRST_SAMPLE_S)
            if now - self._heard > limit and (self._reopens or self.state is SourceState.STREAMING):
                silence = SourceLost(f"source '{self._name}': no sample for {now - self._heard:.1f} s")
                if self._reopens:
                    raise silence
                self.error = silence
                self._tell(SourceState.LOST, str(silence))
        except EndOfStream:
            if self._timeline is not None:
                self._timeline.flush()
            self._close()
            self._tell(SourceState.ENDED, f"source '{self._name}' has ended")
        except SourceLost as error:
            self._lose(error)
        except ConfigError as error:
            if self.seen and self._reopens:  # what worked may come back: a wrong device in its place ends no show
                self._let_pass(error, "waiting for the one before")
                self._lose(SourceLost(str(error)))
                return False
            if self.waits and isinstance(error, Unfit):  # whoever is on the network must not end what waits for days
                self._let_pass(error, "waiting for another one")
                self._lose(error)
                return False
            self._close()
            self.error = error
            self._tell(SourceState.FAILED, str(error))
        return False

    def _open(self) -> None:
        log.debug("opening source '%s', attempt %d", self._name, self._attempt + 1)
        self._reopened, self._another = self.seen, ""
        self._is_open = True  # so that a half-opened source is closed too
        info = scrutiny.sound(self._source.open(self._clock), self._name)
        self._heard = self._clock.now()
        picks = select(info.channels, self._channels, self._exclude, self._groups)
        scrutiny.refuse_crowd(len(picks), self._name)
        self._delivered = info
        self._picks = None if picks == list(range(len(info.channels))) else picks
        if self._picks is not None:
            info = replace(info, channels=tuple(info.channels[i] for i in picks))
        old = self.setup
        self._another = scrutiny.another(old.info, info)
        self._pace = scrutiny.Pace(info.samplerate, self._heard)
        if (
            old.info is not None
            and self._timeline is not None
            and old.info.channels == info.channels
            and math.isclose(old.info.samplerate, info.samplerate, rel_tol=SAME_RATE)
        ):
            self.setup = old._replace(info=replace(info, samplerate=old.info.samplerate))
            self._timeline.resume()
            return
        window = math.ceil(self._window_s * info.samplerate) + 1  # whichever way the reader rounds
        ring = Ring(len(picks), 4 * window + math.ceil(SPARE_S * info.samplerate), window)
        self._timeline = Timeline(ring, info.samplerate, self._counts)
        self.setup = Setup(old.generation + 1, info, ring)

    def _take(self, chunk: Chunk, now: float) -> None:
        assert self._timeline is not None
        announced = (len(chunk.times), len(self._delivered.channels))
        if chunk.samples.shape != announced:
            raise SourceLost(
                f"source '{self._name}' delivered an array of shape {chunk.samples.shape} "
                f"where {announced} was announced"
            )
        tap = self.tap
        if tap is not None:
            tap(self._delivered, chunk)
        if self._picks is not None:
            chunk = Chunk(chunk.samples[:, self._picks], chunk.times, chunk.first)
        lost = self._counts["lost"]
        new = self._timeline.push(chunk, now)
        if not new:
            return  # the same samples once more are not a sign of life
        self._heard = now
        if wrong := self._pace.took(new + self._counts["lost"] - lost, now):
            log.warning("%ssource '%s' %s", self._whose, self._delivered.name, wrong)
        if self.state is not SourceState.STREAMING:
            info = self.setup.info
            assert info is not None
            back = f" again{self._another}" if self.seen else ""
            self._counts["reconnects"] += self._reopened
            self.seen, self.error, self._attempt, self._reopened = True, None, 0, False
            self._said = set()
            self._tell(
                SourceState.STREAMING,
                f"source '{info.name}' is streaming{back}: {len(info.channels)} channels at {info.samplerate:g} Hz",
            )
            if not back:
                for about in REMARKS:
                    if info.details.get(about):
                        log.info("%s%s: %s", self._whose, about, scrutiny.plain(info.details[about]))

    def _let_pass(self, error: ConfigError, way: str) -> None:
        """Tell once that a device does not fit, and have the source try others first."""
        if str(error) not in self._said:
            log.warning("%s%s; %s", self._whose, scrutiny.plain(str(error)), way)
        self._said = {*self._said, str(error)} if len(self._said) < MOST_SAID else {str(error)}
        if isinstance(error, Unfit) and (pass_over := getattr(self._source, "pass_over", None)) is not None:
            pass_over(str(error))

    def _lose(self, error: BrainmusicError) -> None:
        self._close()
        self._refusal = None
        first, longest = BACKOFF_S[0], self._longest_s
        pause = min(longest, first * 2.0 ** min(self._attempt, 10))
        self._attempt += 1
        self._retry_at = self._clock.now() + pause * (1.0 + self._random.uniform(-BACKOFF_JITTER, 0.0))
        self.error = error
        if self.state is SourceState.LOST or str(error) in self._said:
            self.state, self.last_message = SourceState.LOST, scrutiny.plain(f"{self._whose}{error}")
            log.debug("%s", self.last_message)
        else:
            self._tell(SourceState.LOST, str(error))

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._source.close()
            except Exception:  # it should not, but closing goes on
                log.debug("closing source '%s'", self._name, exc_info=True)

    def _tell(self, state: SourceState, message: str) -> None:
        message = scrutiny.plain(f"{self._whose}{message}")
        self.state, self.last_message = state, message
        # What fails for good is for the owner to say, once, with its exit code; one of several ends nothing.
        failed = logging.WARNING if self._whose else logging.DEBUG
        level = {SourceState.LOST: logging.WARNING, SourceState.FAILED: failed}.get(state, logging.INFO)
        log.log(level, "%s", message)

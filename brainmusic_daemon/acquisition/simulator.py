"""Session time in, the samples of a simulated person out, on time like a board's, with the truth to compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from brainmusic_daemon.acquisition.person import Array, Person
from brainmusic_daemon.api import Chunk, Clock, ConfigError, EndOfStream, FloatArray, SourceLost, StreamInfo, plugin


@plugin
class Simulator(Person):
    """A person who opens and closes the eyes every 15 s; needs no headset.

    Alpha answers the eyes, the rest of the rhythms rise and fall slowly, with blinks, jaw clenches, hum and drift.
    """

    settled: ClassVar[bool] = True

    chunk_ms: Annotated[float, Field(ge=0, le=500, description="samples come in chunks this long, ms")] = 8.0
    duration_s: Annotated[float, Field(ge=0, description="end after this long, s; 0: endless")] = 0.0
    dropout_every_s: Annotated[float, Field(ge=0, description="the headset goes away this often, s; 0: never")] = 0.0
    dropout_s: Annotated[float, Field(gt=0, description="and stays away this long, s")] = 3.0
    dropout_kind: Annotated[
        Literal["lost", "silent"], Field(description="whether it reports that it is away, or just falls silent")
    ] = "lost"

    _clock: Clock | None = field(init=False, repr=False, default=None)
    _start: float = field(init=False, repr=False, default=0.0)  # session seconds of sample 0
    _next: int = field(init=False, repr=False, default=0)
    _made: tuple[int, Array] | None = field(init=False, repr=False, default=None)  # (number, samples) of a block

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout_every_s and self.dropout_every_s <= self.dropout_s:
            raise ConfigError(
                f"dropout_every_s is {self.dropout_every_s:g} and dropout_s {self.dropout_s:g}: "
                "the headset would never be there; make dropout_s the smaller one"
            )
        self._chunk = max(1, round(self.chunk_ms / 1000 * self.samplerate))
        self._total = math.ceil(self.duration_s * self.samplerate) if self.duration_s else 2**62

    def open(self, clock: Clock) -> StreamInfo:
        """Begin with sample 0, or where the person is by now when the headset comes back."""
        if clock is not self._clock:
            self._clock, self._start, self._next = clock, clock.now(), 0
            self.wishes.clear()
        elapsed = clock.now() - self._start
        if self._away(elapsed) and self.dropout_kind == "lost":
            raise SourceLost("source 'simulator' is away, as dropout_every_s asks for")
        self._next = max(self._next, math.ceil(elapsed * self.samplerate - 1e-6))
        return StreamInfo(
            name="simulator",
            channels=self.channels,
            samplerate=self.samplerate,
            uid=f"simulator-{self.seed}",
            details={"board": "simulated person", "alpha": f"{self.alpha_hz:g} Hz"},
        )

    def read(self, timeout: float) -> Chunk | None:
        """Return the samples up to now, in whole chunks; sample k is there k/samplerate s after the start."""
        assert self._clock is not None, "open it first"
        clock, fs = self._clock, self.samplerate
        gone, back = self._dropout(self._next)
        if self._next >= gone:  # what it would have sent meanwhile is lost
            self._next = back
            gone, _ = self._dropout(back)
        if self._next >= self._total:
            raise EndOfStream
        now = clock.now()
        due = self._due(now)
        if not due and timeout > 0:
            self._block(self._next // self.block_size)  # made while there is time
            last = min(self._next + self._chunk, self._total) - 1
            clock.wait_until(min(now + timeout, self._start + last / fs))
            now = clock.now()
            due = self._due(now)
        if self.dropout_kind == "lost" and self._away(now - self._start):
            raise SourceLost("source 'simulator' went away, as dropout_every_s asks for")
        if not due:
            return None
        first = self._next
        j, at = divmod(first, self.block_size)
        samples = self._block(j)[at : at + min(due, gone - first)]
        self._next += len(samples)
        return Chunk(samples, self._start + np.arange(first, self._next) / fs, first)

    def close(self) -> None:
        """Nothing is held."""

    def follow(self, wish: float) -> None:
        """Hear a cue: try to raise (1) or lower (-1) the music, or neither (0), from the next block on."""
        self.wishes.append(((self._next // self.block_size + 1) * self.block_size / self.samplerate, wish))

    def truth(self, times: FloatArray) -> Mapping[str, Array]:
        """Return what the signal was made of at `times` (session seconds), each as an array of the same length.

        `eyes_closed` 0 or 1; `alpha_envelope` µV, the amplitude of the alpha source, free of noise and delay (times
        `alpha_gain[channel]` it is the channel's); `blink` and `jaw` 0 or 1; the slow changes `engagement` (of beta),
        `theta`, `activation` (of all rhythms but alpha), 0..1, `asymmetry` (frontal alpha, right against left), −1..1.
        """
        n = np.maximum(0, np.round((np.asarray(times) - self._start) * self.samplerate)).astype(np.int64)
        return self.truth_at(n)

    def _due(self, now: float) -> int:
        """Number of samples to deliver: whole chunks, or what is left at the end."""
        there = min(math.floor((now - self._start) * self.samplerate + 1e-6) + 1, self._total)
        fresh = max(0, there - self._next)
        return fresh if there == self._total else fresh // self._chunk * self._chunk

    def _away(self, elapsed: float) -> bool:
        every = self.dropout_every_s
        return every > 0 and elapsed >= every and elapsed % every < self.dropout_s

    def _dropout(self, n: int) -> tuple[int, int]:
        """Return the first sample that is lost, and the first after those, of the first dropout that ends after `n`."""
        every, fs = self.dropout_every_s, self.samplerate
        if not every:
            return self._total, self._total
        which = max(1, int(n / fs // every))
        while (back := math.ceil((which * every + self.dropout_s) * fs)) <= n:
            which += 1
        return math.ceil(which * every * fs), back

    def _block(self, j: int) -> Array:
        if self._made is None or self._made[0] != j:
            self._made = (j, self.block(j))
        return self._made[1]

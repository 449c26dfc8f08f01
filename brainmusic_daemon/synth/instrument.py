"""A decoder and the latest latents in, its sound in the engine's ring out: live from a worker, offline on request.

The audio callback only copies from the ring (instrument_ring), so a slow decoder is heard as a counted gap, never as a
late callback.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.instrument_resample import Resampler

if TYPE_CHECKING:
    from brainmusic_daemon.synth.engine import Engine
    from brainmusic_daemon.synth.instrument_model import Model

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

DRIVEN = 8  # latents that z.0 … z.7 can drive
JITTER_S = 0.02  # how late a worker of a busy process may be
POLL_S = 0.004
FAR = 10.0  # standard deviations: no decoder has learned anything out there


class Instrument:
    """Keeps an engine's ring filled.  `pump` or `start`, not both; one instrument per engine."""

    def __init__(self, model: Model, engine: Engine, scale: float = 2.0) -> None:
        from brainmusic_daemon.synth import instrument_ring

        self.model, self.scale = model, scale
        self._engine, self._write = engine, instrument_ring.write_ring
        self._resampler = Resampler(model.samplerate, engine.samplerate)
        self._latents = np.zeros(model.latents)
        self._driven = np.zeros(model.latents)  # latent.<n>; written by the tick, single words
        self._names = {f"latent.{i}": i for i in range(model.latents)}
        self._number = 0  # chunks decoded
        self._failed = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.fill = 0  # frames that the worker keeps ready
        if self.chunk > at.RING_LENGTH // 3:
            raise ConfigError(
                f"'{model.path}' is decoded {model.chunk_s:.1f} s at a time, more than can be buffered at "
                f"{engine.samplerate:.0f} Hz: lower the sample rate of the output"
            )
        engine.integers[at.INSTRUMENT] = 1

    @property
    def chunk(self) -> int:
        """Frames of the engine per chunk, at most."""
        return int(self.model.chunk_s * self._engine.samplerate) + 2

    @property
    def latency_s(self) -> float:
        """Seconds from a latent to its sound, at most; the device's own latency comes on top."""
        return (self.fill + self.chunk) / self._engine.samplerate

    def start(self, block: int) -> None:
        """Fill the ring from a thread; `block`: frames per callback."""
        from brainmusic_daemon.synth.instrument_ring import NOT_STARTED

        rate = self._engine.samplerate
        self.fill = min(block + round((2 * self.model.seconds + JITTER_S) * rate), at.RING_LENGTH - 2 * self.chunk)
        self._engine.integers[at.RING_FILL] = self.fill
        self._engine.integers[at.RING_WAITING] = NOT_STARTED
        self._thread = threading.Thread(target=self._work, name="instrument", daemon=True)
        self._thread.start()
        _log.info("instrument '%s': %.0f ms from a latent to its sound", self.model.path, 1000 * self.latency_s)

    def stop(self) -> None:
        """End the thread.  Idempotent, never raises."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def pump(self, frames: int) -> None:
        """Decode until so many frames are ready (offline)."""
        while self._ready() < frames:
            self._step()

    def state(self) -> Mapping[str, float]:
        """Return the latency, and the share of the time that decoding takes at worst."""
        return {
            "instrument_latency_s": self.latency_s,
            "instrument_load": self.model.seconds / self.model.chunk_s,
        }

    def counters(self) -> Mapping[str, float]:
        """Return the frames that were missing when they were due, and the chunks that could not be decoded."""
        return {
            "instrument_starved": float(self._engine.integers[at.RING_STARVED]),
            "instrument_failed": float(self._failed),
        }

    def _ready(self) -> int:
        numbers = self._engine.integers
        return int(numbers[at.RING_WRITTEN] - numbers[at.RING_READ])

    def _work(self) -> None:
        while not self._stop.wait(POLL_S):
            while self._ready() < self.fill and not self._stop.is_set():
                self._step()

    def _step(self) -> None:
        """Decode one chunk, on the way from the last latents to those of now, and append it."""
        goal = self._goal()
        steps = self.model.steps
        way = (np.arange(1, steps + 1) / steps)[:, None]
        latents, self._latents = self._latents + (goal - self._latents) * way, goal
        try:
            sound = self.model.decode(latents, self._number)
        except Exception:  # noqa: BLE001  whatever a model raises must not end the sound; the first one is told
            if self._failed == 0:
                _log.exception("the model '%s' failed", self.model.path)
            self._failed += 1
            sound = np.zeros((steps * self.model.ratio, 2))
        self._number += 1
        self._write(self._engine.floats, self._engine.integers, self._resampler(sound))

    def follow(self, controls: Mapping[str, float]) -> None:
        """Take up `latent.<n>` from the controls; not finite or missing keeps the last value."""
        for name in self._names.keys() & controls.keys():
            if math.isfinite(value := controls[name]):
                self._driven[self._names[name]] = min(max(value, -FAR), FAR)

    def _goal(self) -> Array:
        """Return the latents of now: `latent.<n>`, in the model's own unit, plus z.0 … z.7 times `scale`.

        A mapper drives the one or the other, and the other rests at 0, where it is also while mappers are swapped: so
        their sum follows who drives, and glides from the one to the other.  What nobody drives is 0.
        """
        goal, values = self._driven.copy(), self._engine.voicing.values
        for i in range(min(DRIVEN, self.model.latents)):
            goal[i] += self.scale * values[f"z.{i}"]
        return goal

"""Controls, notes and a frame count in, stereo sound out: live (a callback renders) and offline with the same bits.

One producer thread pushes, one consumer renders: `render` here, or the audio callback on `address`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.voicing import Voicing

if TYPE_CHECKING:
    from brainmusic_daemon.synth.instrument import Instrument
    from brainmusic_daemon.synth.instrument_model import Model

_SECONDS_TO_FOLLOW = {  # time constants of the ramps
    at.LEVEL: 0.02,
    at.T60: 0.1,
    at.WET: 0.05,
    at.DAMPING: 0.05,
    at.CHORUS: 0.1,
    at.PULSE: 0.15,
    at.ATTACK: 0.02,
    at.DRIFT: 0.2,
}
_LINE_SECONDS = (0.0297, 0.0371, 0.0411, 0.0437, 0.0533, 0.0613, 0.0677, 0.0797)
_LINE_HZ = (0.11, 0.17, 0.23, 0.29, 0.13, 0.19, 0.31, 0.37)
_ALLPASS_SECONDS = (0.0047, 0.0053, 0.0123, 0.0113)
_PUMPED = 8_192  # frames that are decoded before they are rendered
CEILING = 10 ** (-2.5 / 20)  # of the four-fold oversampled peak; it reads 0.1 dB low, at the brightest ends of z 1.3 dB


class Engine:
    """The synth: owns the shared block, which must outlive the stream that renders from it."""

    def __init__(self, samplerate: float = 48_000.0, gain_db: float = 0.0, voicing: Voicing | None = None) -> None:
        from brainmusic_daemon.synth import kernels, queues

        if not 8_000 <= samplerate <= 192_000:
            raise ValueError(f"the synth renders at 8000 to 192000 Hz, not at {samplerate}")
        self._render = kernels.render
        self._push = queues.push
        self.samplerate = float(samplerate)
        self.voicing = voicing or Voicing()
        self.floats, self.integers = new_block(self.samplerate, 10 ** (gain_db / 20))
        self._row = np.zeros(at.ROW)
        self._note = np.zeros(at.EVENT)
        self.instrument: Instrument | None = None
        self.fade(1.0, 0.25)

    def play_model(self, model: Model, scale: float, live_block: int = 0) -> None:
        """Let a model's sound take the place of voices and breath: from a thread where `live_block` frames are asked
        for at a time by a callback, else decoded by `render`."""
        from brainmusic_daemon.synth.instrument import Instrument

        self.instrument = Instrument(model, self, scale)
        if live_block:
            self.instrument.start(live_block)

    @property
    def address(self) -> int:
        """Address of the shared block, for the callback."""
        return int(self.floats.ctypes.data)

    @property
    def frame(self) -> int:
        """Frames rendered so far."""
        return int(self.integers[at.FRAME])

    @property
    def underflows(self) -> int:
        """How often the device has run dry."""
        return int(self.integers[at.UNDERFLOWS])

    def control(self, controls: Mapping[str, float], frame: int = 0) -> bool:
        """Hand over the absolute values of the controls, to apply from `frame` on (in the past: at once).

        Values that are missing or not finite keep their last value; what is out of range is clamped; both are counted.
        Never blocks; False, and counted, when the queue is full.
        """
        self._row[0], self._row[1] = frame, at.SET_TARGETS
        self.voicing.write(controls, self._row[2:])
        if self.instrument is not None:
            self.instrument.follow(controls)
        return self._push_row()

    def note_on(
        self,
        frame: int,
        voice: int,
        frequency: float,
        level: float,
        pan: float,
        attack: float,
        length: float,
        decay: float = 0.0,
        release: float = 0.15,
    ) -> bool:
        """Start a note exactly at `frame`; push notes in the order of their onsets.

        attack, length: s.  decay, release: time constants in s; decay 0: sustained until `length` is over.
        """
        return self.note_row((frame, at.NOTE_ON, voice, frequency, level, pan, attack, length, decay, release))

    def note_free(self, frame: int, voice: int) -> bool:
        """Let the note of a voice fade, and give the voice back to the drone then."""
        return self.note_row((frame, at.NOTE_FREE, voice, *[0.0] * 7))

    def note_row(self, row: Sequence[float]) -> bool:
        """Push a row of the event queue, in the order of frames.  Never blocks; False, and counted, when it is full."""
        self._note[:] = row
        return self._push_note()

    def fade(self, to: float, seconds: float, frame: int = 0) -> bool:
        """Fade everything to a share of full level."""
        self._row[:4] = frame, at.FADE, to, seconds
        return self._push_row()

    def panic(self, frame: int = 0) -> bool:
        """Fade to silence within 25 ms and empty the room; `fade(1.0, …)` starts again."""
        self._row[:2] = frame, at.PANIC
        return self._push_row()

    def fade_now(self, to: float, seconds: float, wipe: bool = False) -> None:
        """Fade everything from the next quantum on, past the queue; `wipe`: in silence empty room and voices.

        From any thread, whatever the producer is at: single words, each of which makes sense alone.
        """
        self.floats[at.FADE_STEP] = at.QUANTUM / max(float(at.QUANTUM), seconds * self.samplerate)
        self.integers[at.WIPE] = int(wipe)
        self.floats[at.FADE_TARGET] = to

    def set_gain(self, decibels: float) -> None:
        """Glide to another output gain.  From any thread."""
        self.floats[at.GAIN] = 10 ** (decibels / 20)

    def render(self, frames: int) -> npt.NDArray[np.float32]:
        """Return the next frames, (frames, 2); never while a stream renders from the same block."""
        out = np.empty((frames, 2), dtype=np.float32)
        if self.instrument is None:
            self._render(self.floats, self.integers, out, frames)
            return out
        for begin in range(0, frames, _PUMPED):
            piece = out[begin : begin + _PUMPED]
            self.instrument.pump(len(piece))
            self._render(self.floats, self.integers, piece, len(piece))
        return out

    def counters(self) -> dict[str, float]:
        """Return what went wrong since the start."""
        return {
            "controls_lost": float(self.integers[at.STATE_LOST]),
            "notes_lost": float(self.integers[at.EVENT_LOST]),
            "controls_repaired": float(self.voicing.repaired),
            "frames_limited": float(self.integers[at.LIMITED]),
            "frames_repaired": float(self.integers[at.REPAIRED]),
            **(self.instrument.counters() if self.instrument is not None else {}),
        }

    def _push_row(self) -> bool:
        block = (at.STATE_QUEUE, at.ROW, at.STATE_ROWS, at.STATE_HEAD, at.STATE_TAIL, at.STATE_LOST)
        return bool(self._push(self.floats, self.integers, *block, self._row))

    def _push_note(self) -> bool:
        block = (at.EVENT_QUEUE, at.EVENT, at.EVENT_ROWS, at.EVENT_HEAD, at.EVENT_TAIL, at.EVENT_LOST)
        return bool(self._push(self.floats, self.integers, *block, self._note))


def new_block(samplerate: float, gain: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the shared block, seen as floats and as integers, with everything that depends on the sample rate."""
    F = np.zeros(at.WORDS)
    N = F.view(np.int64)
    F[at.SAMPLERATE], F[at.CEILING] = samplerate, CEILING
    F[at.GAIN], F[at.GAIN_BEGIN], F[at.GAIN_END] = gain, gain, gain
    F[at.RELEASE] = 1 - math.exp(-1 / (0.12 * samplerate))
    F[at.DC_POLE] = math.exp(-2 * math.pi * 5 / samplerate)
    F[at.LOW_CUT] = 1 - math.exp(-2 * math.pi * 140 / samplerate)
    F[at.LIMITER_GAIN] = 1.0
    N[at.LIMITER_SUM] = 64 << 30
    N[at.LIMIT_HELD : at.LIMIT_HELD + at.HISTORY + at.QUANTUM] = 1 << 30
    F[at.LIMIT_GAIN : at.LIMIT_GAIN + at.HISTORY + at.QUANTUM] = 1.0
    F[at.PEAK_TAPS : at.PEAK_TAPS + 36] = peak_taps().ravel()
    lines = slice(at.LINE_DELAY, at.LINE_DELAY + at.LINES)
    F[lines] = np.minimum(np.rint(np.multiply(_LINE_SECONDS, samplerate)), at.LINE_LENGTH - 200)
    F[at.LINE_RATE : at.LINE_RATE + at.LINES] = _LINE_HZ
    delays = np.rint(np.multiply(_ALLPASS_SECONDS, samplerate))
    F[at.ALLPASS_DELAY : at.ALLPASS_DELAY + at.ALLPASSES] = np.clip(delays, at.QUANTUM + 1, at.ALLPASS_LENGTH - 100)
    noise_filters(F, samplerate)
    follow = np.full(at.TARGETS, 0.025)
    for place, seconds in _SECONDS_TO_FOLLOW.items():
        follow[place] = seconds
    follow[at.VOICE_FREQUENCY : at.VOICE_LEVEL] = 0.02
    follow[at.SPECTRUM :] = 0.02
    follow[at.VOICE_LEVEL : at.VOICE_PAN] = 0.08  # downwards; upwards it is the attack
    follow[at.VOICE_PAN : at.VOICE_RATIO] = 0.06
    F[at.COEFFICIENT : at.COEFFICIENT + at.TARGETS] = 1 - np.exp(-at.QUANTUM / samplerate / follow)
    F[at.COEFFICIENT + at.VOICE_RATIO : at.COEFFICIENT + at.SPECTRUM] = 1.0
    for span in (at.TARGET, at.BEGIN, at.END):  # nothing may divide by zero before the first controls
        F[span + at.T60], F[span + at.DAMPING], F[span + at.ATTACK] = 1.0, 4000.0, 0.1
    F[at.V_ENV : at.V_ENV + at.MAX_VOICES] = 1.0
    return F, N


def noise_filters(F: npt.NDArray[np.float64], samplerate: float) -> None:
    """Write the band-pass coefficients (Bristow-Johnson's cookbook, 0 dB peak); bands above Nyquist stay silent."""
    centres = noise_centres()
    w = 2 * np.pi * np.minimum(centres / samplerate, 0.45)
    alpha = np.sin(w) / (2 * 2.2)
    silent = centres > 0.45 * samplerate
    level = math.sqrt(samplerate / 48_000)  # the same power per Hz at every rate
    F[at.NOISE_B : at.NOISE_B + at.NOISE_BANDS] = np.where(silent, 0.0, level * alpha / (1 + alpha))
    F[at.NOISE_A1 : at.NOISE_A1 + at.NOISE_BANDS] = 2 * np.cos(w) / (1 + alpha)
    F[at.NOISE_A2 : at.NOISE_A2 + at.NOISE_BANDS] = -(1 - alpha) / (1 + alpha)


def noise_centres() -> npt.NDArray[np.float64]:
    """Return the centre of each noise band in Hz: half an octave apart, from 75 Hz."""
    return 75.0 * 2.0 ** (np.arange(at.NOISE_BANDS) / 2)


def peak_taps() -> npt.NDArray[np.float64]:
    """Return the three interpolation filters (quarter, half, three quarters of a frame) of the peak meter, (3, 12)."""
    k = np.arange(12)[None, :]
    offset = 6 - np.array([0.25, 0.5, 0.75])[:, None]
    window = np.cos(np.pi * (k - offset) / 13.0) ** 2
    return np.asarray(np.sinc(k - offset) * window)


def warm_up(progress: Callable[[str], None]) -> float:
    """Load every kernel from the cache, filled in a process of its own where it is not; return the seconds it took.

    `progress` hears of the begin and the end of a compilation; nothing is said when all comes from the cache.
    """
    import time

    from brainmusic_daemon.jit import fill_cache

    begin = time.perf_counter()
    fill_cache(Path(__file__).parent, f"{__name__}:load", "the synth", progress)
    load()
    return time.perf_counter() - begin


def load() -> None:
    """Call every kernel once, compiling here what is not in the cache."""
    from brainmusic_daemon.synth import instrument_ring

    engine = Engine()
    engine.control({})
    engine.render(at.QUANTUM + 1)
    instrument_ring.write_ring(engine.floats, engine.integers, np.zeros((1, 2)))
    importlib.import_module("brainmusic_daemon.synth.callback")

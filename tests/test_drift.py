"""Three clocks that differ, the headset's, the system's and the sound card's: nothing drifts, nothing piles up."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.ring import Ring
from brainmusic_daemon.acquisition.simulator import Simulator
from brainmusic_daemon.acquisition.timeline import Timeline
from brainmusic_daemon.api import CONTROL, Chunk, Clock, Controls, Drone, Features, Frame, Note, State, StreamInfo
from brainmusic_daemon.clock import VirtualClock, WallClock
from brainmusic_daemon.music.pulse import Pulse as Beat
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.outputs.osc_encoding import ntp
from brainmusic_daemon.outputs.streamclock import StreamClock
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.notes import Notes
from tests.faults import find
from tests.pulse import Pulse

DAY_S = 86_400.0
OFF = (-200e-6, 200e-6)  # a poor crystal; two of them differ by twice that at most
RATE, BLOCK, TICK = 48_000, 256, 0.02


# --- the headset ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("off", OFF)
def test_a_headset_of_another_clock_is_followed_for_a_day(off: float, numbered: bool) -> None:
    """50 Hz stated; times jitter by a fifth of a period.  After a day the clocks are 17 s apart: 864 samples."""
    rate, at_once = 50.0, 500
    ring = Ring(1, 4096, 64)
    timeline = Timeline(ring, rate)
    rng, worst, count, off_s = np.random.default_rng(5), 0.0, 0, 0.0
    samples = rng.normal(0, 10, (at_once, 1))
    for first in range(0, round(DAY_S * rate), at_once):
        truth = np.arange(first, first + at_once) / (rate * (1 + off))
        times = truth + rng.uniform(-0.004, 0.004, at_once)
        timeline.push(Chunk(samples + first, times, first if numbered else None), float(truth[-1]))
        count += at_once
        if first > 60 * rate:
            error = abs(ring.time - float(truth[-1]))
            worst, off_s = max(worst, error), off_s + (at_once / rate if error > TICK else 0.0)
    counts = timeline.counts
    assert ring.end == counts["samples"] == count  # nothing invented, nothing dropped, nothing held back
    assert not any(counts[name] for name in ("gaps", "lost", "filled", "restarts", "clock_steps", "nonfinite"))
    assert worst < 0.005  # as exact on the last evening as on the first
    assert off_s == find("drifting-headset-clock").seconds


class Off(Simulator):
    """The simulated person, with a headset whose clock runs fast by `off`; the times are the session's."""

    def __init__(self, off: float, **settings: Any) -> None:
        super().__init__(**settings)
        self._off, self._inner = off, VirtualClock()

    def open(self, clock: Clock) -> StreamInfo:
        self._outer = clock
        return super().open(self._inner)

    def read(self, timeout: float) -> Chunk | None:
        self._inner.wait_until(self._outer.now() * (1 + self._off))
        chunk = super().read(timeout)
        return chunk and Chunk(chunk.samples, chunk.times / (1 + self._off))


# --- the sound card ---------------------------------------------------------------------------------------------------


class Card:
    """A sound card whose clock runs fast by `off`: asks for whole blocks, some of them early; blocks may be skipped."""

    def __init__(self, off: float, seed: int = 1) -> None:
        self.rate = RATE * (1 + off)
        self._rng = np.random.default_rng(seed)

    def asked(self, now: float) -> int:
        """Return how many frames it has asked for by now: two blocks ahead of what is heard, give or take."""
        return (int(now * self.rate + self._rng.uniform(0, 100)) // BLOCK + 2) * BLOCK


@pytest.mark.parametrize("off", [0.0, *OFF])
def test_notes_stay_where_they_belong_for_a_day(off: float) -> None:
    """Not followed, a note would be 17 s too early or too late in the evening, and queue or starve before that."""
    card, stream = Card(off), StreamClock(RATE)
    rng, tick = np.random.default_rng(2), 0.1
    late: list[tuple[float, float]] = []
    ahead = 0
    for number in range(round(DAY_S / tick)):
        due = number * tick
        now = due + abs(rng.normal(0, 0.0003))  # a tick begins a little late
        asked = card.asked(now)
        stream.observe(now, asked)
        if number % 5 == 0:
            frame = stream.frame_of(due + 0.04)
            late.append((due, frame / card.rate - (due + 0.04)))
            ahead = max(ahead, frame - asked)
    times, delays = np.array([entry for entry in late if entry[0] > 120.0]).T
    hours = [delays[(times // 3600) == hour] for hour in range(24)]
    middles = np.array([np.median(hour) for hour in hours])
    assert np.ptp(middles) < 0.0002  # no drift
    assert np.ptp(delays) < 0.003  # no jitter to speak of
    assert delays.min() > 0.0 and delays.max() < 0.03  # the way through the card is as long as ever
    off_s = 5 * tick * np.count_nonzero(np.abs(delays - middles[0]) > TICK)
    assert off_s == find("drifting-clocks-of-headset-computer-and-sound-card").seconds
    assert ahead < 0.05 * RATE  # and so is the queue of notes
    assert stream.late < 50  # of 172,800: the margin learns how early the card asks


def test_a_card_that_ran_dry_is_taken_up_anew() -> None:
    """A gap of 40 ms: the notes after it are where they belong a second later, not half a minute later."""
    stream, off = StreamClock(RATE), []
    for number in range(3_000):
        now = number * TICK
        dry = 0.04 if now >= 30.0 else 0.0
        stream.observe(now, round((now + 0.02 - dry) * RATE), starved=abs(now - 30.0) < TICK / 2)
        off.append(abs(stream.frame_of(now + 0.04) - (now + 0.04 - dry) * RATE) / RATE)
    before = off[1_490]
    assert max(off[1_560:]) < before + 0.002


@pytest.mark.parametrize("off", OFF)
def test_all_three_clocks_at_once_from_the_signal_to_the_sound(off: float) -> None:
    """The headset is off one way, the card the other: ages stay bounded, every note sounds at its time."""
    clock, seconds = VirtualClock(), 150.0
    config = configuration.load(
        None, ["output.audio.enabled=false", "output.osc.enabled=false", "music.preset=arpeggio"]
    )
    session = Session(config, clock, Off(-off))
    engine, card, stream = Engine(RATE), Card(off), StreamClock(RATE)
    notes, placed, ages, waiting = Notes(engine), [], [], 0
    start = 2**32 - round(seconds / 2 * RATE)  # half-way the frames no longer fit into 32 bits
    start -= start % at.QUANTUM
    engine.integers[at.FRAME] = start

    def frame_of(time: float) -> int:
        frame = stream.frame_of(time)
        placed.append((time, frame))
        return frame

    for number in range(1, round(seconds / TICK) + 1):
        now = number * TICK
        clock.wait_until(now)
        session.acquisition.pump()
        session.attach()
        frame = session.tick(now)
        asked = start + card.asked(now)
        if asked > engine.frame:
            if now < 20 or now > seconds - 20 or abs(now - seconds / 2) < 5:
                assert np.isfinite(engine.render(asked - engine.frame)).all()
            else:  # a stretch that nobody listens to
                engine.integers[at.FRAME] = asked
                engine.integers[at.STATE_HEAD] = engine.integers[at.STATE_TAIL]
                engine.integers[at.EVENT_HEAD] = engine.integers[at.EVENT_TAIL]
        stream.observe(now, engine.frame)
        notes.play(frame.notes, frame_of, frame.drone)
        engine.voicing.drone = frame.drone
        engine.control(frame.controls.values)
        waiting = max(waiting, int(engine.integers[at.EVENT_TAIL] - engine.integers[at.EVENT_HEAD]))
        ages.append(now - frame.features.sample_time)
    session.acquisition.stop()
    counters = session.counters()
    assert not any(counters[name] for name in ("gaps", "lost", "filled", "restarts", "duplicates", "clock_steps"))
    old, new = np.array(ages[500:2500]), np.array(ages[-2000:])
    assert new.max() < 0.02 and abs(np.mean(new) - np.mean(old)) < 0.002
    times, frames = np.array([entry for entry in placed if entry[0] > 60]).T
    delays = (frames - start) / card.rate - times
    assert np.ptp(delays) < 0.002  # followed or not makes 30 ms here
    assert engine.frame > 2**32 and waiting < 64
    assert engine.counters()["notes_lost"] == engine.counters()["controls_lost"] == 0


def test_a_note_sounds_at_its_frame_beyond_32_bits() -> None:
    """The sound itself, across the frame that no longer fits into 32 bits: the note begins at the very same frame."""

    def played(start: int, note: bool) -> Any:
        engine = Engine(RATE)
        engine.integers[at.FRAME] = start
        engine.control({"loudness": 1.0, "reverb": 0.0, "noise_amount": 0.0})
        if note:
            engine.note_on(start + 4800, 3, 440.0, 0.8, 0.0, 0.005, 0.2)
        return np.concatenate([engine.render(777) for _ in range(20)])

    wrap = 2**32 - 4800 - (2**32 - 4800) % at.QUANTUM
    onsets = []
    for start in (3_600 * 750 * at.QUANTUM, wrap):
        heard = np.abs(played(start, True) - played(start, False)).max(axis=1)
        assert heard.max() > 0.1
        onsets.append(int(np.flatnonzero(heard)[0]))
    assert onsets[0] == onsets[1] and 4800 <= onsets[0] < 4800 + at.HISTORY + 2


# --- the system's clock -----------------------------------------------------------------------------------------------


def test_beats_are_as_exact_after_a_day_as_at_first() -> None:
    """The pulse is a sum of four million spans: its beats still fall on the grid, to 10 µs."""
    tick, bpm = 0.02, 97.3
    beat = Beat(0.0, bpm=bpm)
    for number in range(1, round(DAY_S / tick) + 1):
        beat.advance(number * tick, bpm)
    assert beat.time == pytest.approx(DAY_S, abs=1e-9)
    assert beat.time_of(math.floor(beat.beat)) == pytest.approx(math.floor(beat.beat) * 60 / bpm, abs=1e-5)


def test_time_tags_outlive_the_end_of_the_ntp_era() -> None:
    """32 bits of seconds since 1900 begin anew in February 2036; fractions keep a microsecond."""
    end = 2**32 - 2_208_988_800
    assert ntp(end - 0.5) == (2**32 - 1) << 32 | 1 << 31
    assert ntp(end + 0.25) == 1 << 30
    assert (ntp(end + 1.000001) - ntp(end + 1.0)) / 2**32 == pytest.approx(1e-6, abs=3e-7)


# --- a real card ------------------------------------------------------------------------------------------------------


FAST = round(RATE * 1.001)  # 1000 ppm, so that 16 s show it


@pytest.fixture
def fast_card() -> Iterator[Pulse]:
    """A real device that asks for 48,048 frames a second where 48,000 are believed."""
    server = Pulse(FAST)
    try:
        server.start()
        yield server
    finally:
        server.close()


def silence(time: float, notes: tuple[Note, ...]) -> Frame:
    """Return a frame in which nothing but the notes sounds."""
    nothing = np.zeros(0)
    features = Features(time, -math.inf, (), nothing, {}, (), nothing, State.LOST)
    quiet = {"loudness": 1.0, "noise_amount": 0.0, "reverb": 0.0}
    controls = Controls(time, {name: quiet.get(name, control.rest) for name, control in CONTROL.items()})
    return Frame(time, round(time / TICK), features, controls, notes, Drone(110.0, 0, 0.0, 0.0, 1.0))


def play(seconds: float, spacing: float) -> None:
    """Play notes at an even spacing, in a process of its own: where PortAudio has met no other card, and no JACK."""
    from brainmusic_daemon.outputs import portaudio

    real = portaudio.Stream

    def stream(library: Any, index: int, name: str, engine: Engine, frames: int, latency: str) -> Any:
        engine.samplerate = float(FAST)
        try:
            return real(library, index, name, engine, frames, latency)
        finally:
            engine.samplerate = float(RATE)

    portaudio.Stream = stream  # type: ignore[assignment,misc]
    clock, audio = WallClock(), Audio(device="pulse", frames=BLOCK)
    audio.open(clock, StreamInfo("", (), 0.0))
    try:
        due = (clock.now() // spacing + 4) * spacing
        end, number = due + seconds, math.ceil(clock.now() / TICK)
        while number * TICK < end:
            clock.wait_until(number * TICK)
            notes: tuple[Note, ...] = ()
            if (number + 2) * TICK >= due:
                notes = (Note(due, 81.0, 1.0, 0.03, attack=0.004, decay=0.02, release=0.01),)
                due += spacing
            audio.send(silence(number * TICK, notes))
            number += 1
        assert audio.counters()["notes_lost"] == audio.counters()["controls_lost"] == 0
    finally:
        audio.close()


def shift(card: Pulse, seconds: float, spacing: float = 0.25) -> float:
    """Have notes played at an even spacing; return by how many seconds the last ones come later than the first ones."""
    code = f"from tests import test_drift; test_drift.play({seconds}, {spacing})"
    with card.capture() as file:
        subprocess.run([sys.executable, "-c", code], env=card.env, cwd=Path(__file__).parents[1], check=True)
    sound = np.abs(card.sound(file)).max(axis=1)
    loud = np.flatnonzero(sound > 0.25 * np.percentile(sound, 99.5))
    onsets = loud[np.concatenate([[True], np.diff(loud) > 0.1 * card.samplerate])] / card.samplerate
    assert len(onsets) >= 0.9 * seconds / spacing
    phase = (onsets - onsets[0] + spacing / 2) % spacing - spacing / 2  # an onset that got lost moves no other
    return float(np.median(phase[-12:]) - np.median(phase[4:16]))


@pytest.mark.real
@pytest.mark.timeout(120)
def test_notes_keep_their_distances_on_a_real_card_that_runs_fast(fast_card: Pulse) -> None:
    """Not followed, the last notes would come 12 ms before their time; a block is 5 ms, by which the card's steps show.

    A machine that holds the server up moves all that follows: so the best of three.
    """
    shifts: list[float] = []
    while len(shifts) < 3 and not any(abs(found) < 0.006 for found in shifts):
        shifts.append(shift(fast_card, 16.0))
    assert min(map(abs, shifts)) < 0.006, shifts

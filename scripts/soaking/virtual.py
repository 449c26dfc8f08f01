"""A day of session time in, played on the virtual clock; what it came to, hour by hour, out.

python -m soaking.virtual HOURS      prints one line of JSON; "progress SHARE" lines come before it

The headset's clock runs 200 ppm slow, the sound card's 200 ppm fast; every ten minutes the headset goes away for three
seconds; every five another mapper comes, every seven another piece.  First and last minutes are rendered to sound.
"""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon import choice, config, registry
from brainmusic_daemon.acquisition.person import Person
from brainmusic_daemon.api import Chunk, Clock, Frame, SourceLost, StreamInfo
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.music import preset
from brainmusic_daemon.outputs.audio import Audio
from brainmusic_daemon.service.session import Session, warm_up
from brainmusic_daemon.service.tryout import try_on
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.engine import Engine
from brainmusic_daemon.synth.engine import warm_up as warm_up_synth
from soaking.measure import Look, look

HERE = Path(__file__).parent
HEADSET_PPM, CARD_PPM = -200.0, 200.0
RATE, BLOCK = 48_000, 256
PERIOD_S, AWAY_EVERY_S, AWAY_S = 60, 600.0, 3.0
SWAP_S, PRESET_S = 300.0, 420.0
PIECES = ("arpeggio", "drone", "ensemble", "pulse", "slow-bells", "tides")
MAPPERS = ("default", "linear", "neural", "semantic", "latent", "blend")


class Headset:
    """The same minute of a simulated person over and over, numbered, its times jittering, from a clock that is off."""

    def __init__(self, ppm: float) -> None:
        person = Person()
        blocks = round(PERIOD_S * person.samplerate / person.block_size)
        self._minute = np.concatenate([person.block(j) for j in range(blocks)])
        self._info = StreamInfo("soak", person.channels, person.samplerate, uid="soak")
        self.rate = person.samplerate * (1 + ppm * 1e-6)  # of samples per session second
        self._jitter = np.random.default_rng(7).uniform(-0.0005, 0.0005, 4099)
        self.next = self.delivered = self.births = 0

    def open(self, clock: Clock) -> StreamInfo:
        self._clock = clock
        if self._away(clock.now()):
            raise SourceLost("away")
        self.births += 1
        self.next = max(self.next, int(clock.now() * self.rate) + 1)
        return self._info

    def read(self, timeout: float) -> Chunk | None:
        now = self._clock.now()
        if self._away(now):
            raise SourceLost("gone away")
        numbers = np.arange(self.next, int(now * self.rate + 1e-6) + 1)
        if not len(numbers):
            return None
        self.next += len(numbers)
        self.delivered += len(numbers)
        times = numbers / self.rate + self._jitter[numbers % len(self._jitter)]
        return Chunk(self._minute[numbers % len(self._minute)], times, int(numbers[0]))

    def close(self) -> None:
        pass

    @staticmethod
    def _away(now: float) -> bool:
        return now >= AWAY_EVERY_S and now % AWAY_EVERY_S < AWAY_S


class Card:
    """The sound output on a card whose clock is off; it renders only while somebody listens."""

    def __init__(self, clock: Clock, ppm: float, seconds: float) -> None:
        self.rate = RATE * (1 + ppm * 1e-6)
        self.engine, self.audio = Engine(RATE), Audio()
        self._start = 2**32 - round((seconds - 60.0) * self.rate)  # frames outgrow 32 bits in the last minute
        self._start = max(self._start - self._start % at.QUANTUM, 0)
        self.engine.integers[at.FRAME] = self._start
        self.audio._engine, self.audio._clock = self.engine, clock
        self.late = Hours(seconds, 0.0, 0.05)  # of notes, s
        self.notes = 0
        self.finite, self.loudest, self.waiting = True, 0.0, 0

    def tick(self, frame: Frame, listening: bool) -> None:
        now = frame.time
        asked = self._start + (int(now * self.rate) // BLOCK + 2) * BLOCK
        engine, playing = self.engine, self.audio._playing
        if listening:
            sound = engine.render(asked - engine.frame)
            self.finite = self.finite and bool(np.isfinite(sound).all())
            self.loudest = max(self.loudest, float(np.abs(sound).max(initial=0.0)))
            self.audio.send(frame)
            waiting = int(engine.integers[at.EVENT_TAIL] - engine.integers[at.EVENT_HEAD])
            self.waiting = max(self.waiting, waiting)
        else:
            engine.integers[at.FRAME] = asked
            engine.integers[at.STATE_HEAD] = engine.integers[at.STATE_TAIL]
            engine.integers[at.EVENT_HEAD] = engine.integers[at.EVENT_TAIL]
            if playing is not None:
                playing[2].observe(now, asked)
        if playing is not None:
            for note in frame.notes:
                placed = (playing[2].frame_of(note.time) - self._start) / self.rate
                self.late.add(note.time, placed - note.time)
                self.notes += 1


class Hours:
    """Percentiles of a value, hour by hour (by twelfths, where it is not so long), in memory that does not grow."""

    _BINS = 5_000

    def __init__(self, seconds: float, low: float, high: float) -> None:
        self._span, self._low, self._scale = min(3600.0, seconds / 12), low, self._BINS / (high - low)
        self._counts = np.full((round(seconds / self._span) + 1, self._BINS), 0)

    def add(self, time: float, value: float) -> None:
        at = int((value - self._low) * self._scale)
        self._counts[int(time / self._span), min(max(at, 0), self._BINS - 1)] += 1

    def told(self) -> list[list[float]]:
        """Return 10th, 50th and 90th percentile of each; nothing where nothing came."""
        found = []
        for counts in self._counts[:-1]:
            shares = np.cumsum(counts) / max(counts.sum(), 1)
            at = np.searchsorted(shares, (0.1, 0.5, 0.9))
            found.append((self._low + (at + 0.5) / self._scale).tolist() if counts.any() else [])
        return found


def day(hours: float) -> Iterator[dict[str, Any] | float]:
    """Play; give the share that is done now and then, and at last what was found."""
    seconds = hours * 3600.0
    listened = min(300.0, seconds / 10)  # at the beginning, and at the end
    steady = min(600.0, seconds / 5)  # the end, in which notes come at an even pace
    clock, headset = VirtualClock(), Headset(HEADSET_PPM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.setblocking(False)
        settings = [
            "output.audio.enabled=false",
            "output.osc.enabled=false",
            f"music.preset={PIECES[0]}",
            "swap.try_s=2",
        ]
        session = Session(config.load(None, settings), clock, headset)
        osc = registry.build(
            "output", "osc", {"targets": [f"127.0.0.1:{receiver.getsockname()[1]}"], "mode": "bundle"}, "output.osc"
        )
        osc.open(clock, StreamInfo("", (), 0.0))
        session.outputs = (osc,)
        warm_up()
        warm_up_synth(lambda text: None)
        card, tick = Card(clock, CARD_PPM, seconds), session.config.tick
        mappers = [name for name in MAPPERS if name == "default" or (config.folder() / f"{name}.toml").is_file()]
        ticks = round(seconds / tick)
        every = {what: round(s / tick) for what, s in (("swap", SWAP_S), ("preset", PRESET_S))}
        looks: list[Look] = []
        alpha, power = Hours(seconds, 0.0, 1.0), Hours(seconds, -1.0, 4.0)  # of raw alpha the decimal logarithm
        onsets = array("d")
        early_or_late = wrong_times = 0
        worst_age = worst_clock = 0.0
        swaps = pieces = 0
        look_every = max(1, ticks // 96)
        steady_from, listen_from = ticks - round(steady / tick), ticks - round(listened / tick)
        begun = time.perf_counter()
        objects: list[int] = []
        beat = -1

        def swap(name: str) -> None:
            seat, bank = session.pipeline.seat(choice.make(*choice.read(name))), session.pipeline.bank
            assert bank is not None
            seat.prepare(bank.names, tick)
            try_on(seat, [*session.recent][-20:])
            session.pipeline.host.install(seat, 0.5)

        for number in range(1, ticks + 1):
            now = number * tick
            clock.wait_until(now)
            session.acquisition.pump()
            session.attach()
            frame = session.tick(now)
            card.tick(frame, number * tick <= listened or number > listen_from)
            features = frame.features
            wrong_times += frame.time != now or frame.number != number - 1
            early_or_late += sum(not now - 1e-9 <= note.time <= now + 2 * tick + 1e-9 for note in frame.notes)
            if number > steady_from + round(steady / 2 / tick):
                onsets.extend(note.time for note in frame.notes)
            if features.names and features.state == "good":
                alpha.add(now, features["alpha"])
                power.add(now, math.log10(features["raw.alpha"] + 1e-9))
            if number % 50 == 0 and features.names and features.state == "good":
                worst_age = max(worst_age, now - features.sample_time)
                ring = session.acquisition.ring
                assert ring is not None
                worst_clock = max(worst_clock, abs(ring.time - (headset.next - 1) / headset.rate)) if now > 60 else 0.0
            if number == steady_from:
                swap(str(HERE / "steady.toml"))
                session.pipeline.play(preset.load(str(HERE / "steps.toml")), 1)
            elif number < steady_from and frame.features.state == "good":
                if number // every["swap"] > swaps:
                    swaps += 1
                    swap(mappers[swaps % len(mappers)])
                if number // every["preset"] > pieces:
                    pieces += 1
                    session.pipeline.play(preset.load(PIECES[pieces % len(PIECES)]), pieces)
            if number == ticks - 300:
                _last_beat(receiver)  # room for the last ones
            if number % look_every == 0:
                beat = max(beat, _last_beat(receiver))
                gc.collect()
                objects.append(len(gc.get_objects()))
                looks.append(look(os.getpid(), now))
                yield number / ticks
        elapsed = time.perf_counter() - begun
        beat = max(beat, _last_beat(receiver))
        osc.close()
        session.acquisition.stop()
    counters, engine = session.counters(), card.engine
    grid, pace = _grid(np.array(onsets))
    yield {
        "hours": hours,
        "elapsed_s": elapsed,
        "ticks": ticks,
        "number": frame.number,
        "time": frame.time,
        "wrong_times": wrong_times,
        "heartbeat": beat,
        "counters": counters,
        "delivered": headset.delivered,
        "births": headset.births,
        "ring_end": session.acquisition.ring.end if session.acquisition.ring else 0,
        "worst_age_s": worst_age,
        "worst_clock_s": worst_clock,
        "notes": card.notes,
        "notes_out_of_time": early_or_late,
        "score_late": session.pipeline.score.late,
        "grid_error_s": grid,
        "pace_s": pace,
        "onsets": len(onsets),
        "card": card.late.told(),
        "frames": engine.frame,
        "frames_due": (int(seconds * card.rate) // BLOCK + 2) * BLOCK + card._start,
        "engine": engine.counters(),
        "events_waiting": card.waiting,
        "sound": {"finite": card.finite, "loudest": card.loudest},
        "alpha": alpha.told(),
        "raw": power.told(),
        "swaps": session.pipeline.host.swaps,
        "asked": swaps + 1,
        "faults": session.pipeline.host.faults,
        "failures": session.output_failures,
        "looks": [[each.time, each.resident, each.own, each.threads, each.files] for each in looks],
        "objects": objects,
    }


def _grid(onsets: Any) -> tuple[float, float]:
    """Return how far the onset furthest from an even grid is off, and the grid's step, s."""
    if len(onsets) < 3:
        return float("nan"), float("nan")
    steps = np.arange(len(onsets))
    pace = (onsets[-1] - onsets[0]) / (len(onsets) - 1)
    return float(np.abs(onsets - onsets[0] - steps * pace).max()), float(pace)


def _last_beat(receiver: socket.socket) -> int:
    """Return the newest heartbeat that was received."""
    from brainmusic_daemon.service.osc_decoding import messages

    found = -1
    while True:
        try:
            datagram = receiver.recv(65536)
        except OSError:
            return found
        if b"/brainmusic/heartbeat" in datagram:
            found = max(found, *(int(a[0]) for address, a in messages(datagram) if address.endswith("/heartbeat")))  # type: ignore[call-overload]


def main() -> None:
    logging.getLogger("brainmusic_daemon").setLevel(logging.ERROR)  # each of 143 times the headset goes away
    for found in day(float(sys.argv[1])):
        print(f"progress {found:.4f}" if isinstance(found, float) else json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

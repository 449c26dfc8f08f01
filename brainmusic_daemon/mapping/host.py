"""Features in, controls out, whichever mapper plays: cross-faded when it changes, watched, replaced when it fails.

Prepared outside, installed inside: a new mapper comes made, loaded and tried; the tick takes it up by one assignment.
One that raises, gives what is no value or leaves its range is replaced in the same tick, one that is late in the
second: by the mapper that played before it where that is well, else by the interpretable one that is always there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brainmusic_daemon.api import CONTROLS, Control, Features, Words
from brainmusic_daemon.mapping.adjust import Adjustments
from brainmusic_daemon.mapping.seat import Fault, Seat
from brainmusic_daemon.mapping.smoothing import Smoother

LATE_TICKS = 2
RECOVER_S = 0.25  # cross-fade to whoever steps in
AGAIN = "another headset came meanwhile"
_REPORTS = 64  # kept until somebody reads them


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a mapper."""

    time: float  # session seconds
    seat: Seat
    plays: str  # who plays now
    fault: str = ""  # empty: it was installed
    late: bool = False  # it may do better when the machine is less busy

    def __str__(self) -> str:
        if self.fault:
            return f"mapper '{self.seat.name}' {self.fault}; '{self.plays}' plays now"
        return f"mapper '{self.seat.name}' plays"


class Host:
    """Plays one mapper; `install` may be called from any thread, `step` is the tick's."""

    def __init__(self, first: Seat, fallback: Seat, tick: float) -> None:
        self.wanted = first  # what the user asked for last
        self.playing = first
        self.fallback = fallback
        self.reports: deque[Report] = deque(maxlen=_REPORTS)  # appended by the tick, taken by others
        self.dropped: deque[Seat] = deque()  # no longer needed: somebody lets their threads end
        self.faults = 0
        self.swaps = 0
        self._tick = tick
        self._previous: Seat | None = None  # steps in first
        self._pending: deque[tuple[Seat, float]] = deque()  # the newest wins; append and pop are atomic
        self._adjustments: deque[tuple[Seat, Adjustments]] = deque(maxlen=1)
        self._old: Seat | None = None  # heard until the fade is over; None: the values that it left
        self._seats = {first, fallback}  # whoever may have threads of its own
        self._left: Mapping[str, float] = {}
        self._fade, self._faded = 0, 0  # length in ticks, and how many are over
        self._targets: dict[str, float] = {}
        self.controls: tuple[Control, ...] = ()
        self.smoother = self._smoother(first, None)

    def prepare(self, names: Sequence[str]) -> None:
        """Get ready for another headset's features; beside the tick, while none is under way.

        A mapper that cannot do with them waits: the fallback plays until another headset or mapper comes.
        """
        if self._pending:
            self.wanted, _ = self._newest()
        self.fallback.prepare(names, self._tick)
        try:
            self.wanted.prepare(names, self._tick)
            self._play(self.wanted, 0.0)
        except Fault as fault:
            self.wanted.fault = str(fault)
            self._play(self.fallback, 0.0)
            self.reports.append(Report(-math.inf, self.wanted, self.fallback.name, str(fault)))
        self._previous = None
        self._sweep()

    def install(self, seat: Seat, fade_s: float) -> None:
        """Let `seat` play from the next tick on.  From any thread."""
        self._pending.append((seat, fade_s))

    def adjust(self, seat: Seat, adjustments: Adjustments) -> None:
        """Change how the controls of `seat`, if it still plays, are shaped from the next tick on.  From any thread."""
        self._adjustments.append((seat, adjustments))

    def step(self, features: Features, follow: float, held: bool) -> dict[str, float]:
        """Return this tick's controls, smoothed.

        `follow` 1: what the mapper says … 0: rest; `held`: the signal is bad, so the mapper is not asked.
        """
        if self._pending and features.names:
            self._take_up(features)
        if self._adjustments:
            seat, adjustments = self._adjustments.pop()
            seat.adjust(adjustments)
            if seat is self.playing:
                self.smoother = self._smoother(seat, self.smoother)
        if not held:
            self._targets.update(self._map(features))
        targets = self._targets
        if follow < 1.0:
            targets = {
                control.name: control.rest + follow * (targets.get(control.name, control.rest) - control.rest)
                for control in self.controls
            }
        return self.smoother.step(targets)

    def _newest(self) -> tuple[Seat, float]:
        """Return what was installed last; what it overtook is not needed any more."""
        newest = self._pending.popleft()
        self._seats.add(newest[0])
        while self._pending:
            newest = self._pending.popleft()
            self._seats.add(newest[0])
        return newest

    def _sweep(self) -> None:
        """Give up whoever will not play again."""
        needed = {self.playing, self.wanted, self.fallback, self._previous, self._old}
        self.dropped.extend(self._seats - needed)
        self._seats &= needed

    def _take_up(self, features: Features) -> None:
        seat, fade_s = self._newest()
        if seat.names != features.names:  # prepared for another headset: one that came in between
            self.reports.append(Report(features.time, seat, self.playing.name, AGAIN))
            self._sweep()
            return
        self.wanted = seat
        self.swaps += 1
        self._previous = None if self.playing is seat else self.playing
        self._play(seat, fade_s)
        self._sweep()
        self.reports.append(Report(features.time, seat, seat.name))

    def _play(self, seat: Seat, fade_s: float) -> None:
        fading = self._faded < self._fade
        self._left = dict(self._targets)
        self._fade, self._faded = (round(fade_s / self._tick) if self._targets else 0), 0
        alone = fading or not self._fade or self.playing.fault or self.playing is seat
        self._old = None if alone else self.playing
        self.playing = seat
        self.smoother = self._smoother(seat, self.smoother)

    def _map(self, features: Features) -> Mapping[str, float]:
        for _ in range(3):  # the one that plays, the one before, the fallback
            try:
                values = self.playing.map(features)
                if self.playing.late < LATE_TICKS:
                    break
                reason = f"took longer than {1000 * self.playing.budget.call_s:g} ms, {LATE_TICKS} ticks in a row"
                self._replace(features.time, reason, late=True)
            except Fault as fault:
                self._replace(features.time, str(fault))
        else:
            return {}  # not even the fallback: everything stays where it is
        return self._mixed(values, features) if self._faded < self._fade else values

    def _mixed(self, values: Mapping[str, float], features: Features) -> Mapping[str, float]:
        """Return values on the way from the old mapper's to the new one's; what only one of them drives meets rest."""
        self._faded += 1
        old: Mapping[str, float] = self._left
        if self._old is not None:
            try:
                old = self._old.map(features)
                if self._old.late >= LATE_TICKS:
                    self._old = None
            except Fault:
                self._old = None
        if self._faded >= self._fade:
            self._old = None
        share = 0.5 - 0.5 * math.cos(math.pi * self._faded / self._fade)
        mixed = {}
        for control in self.controls:
            name, rest = control.name, control.rest
            before, after = old.get(name, rest), values.get(name, rest)
            mixed[name] = before + share * (after - before)
        return mixed

    def _replace(self, time: float, reason: str, late: bool = False) -> None:
        """Let another one play instead of the mapper that has failed."""
        failed = self.playing
        failed.fault = reason
        self.faults += 1
        stands_in = self._previous
        if stands_in is None or stands_in.fault or stands_in.names != failed.names:
            stands_in = self.fallback
        self._previous = None
        self._play(stands_in, RECOVER_S)
        self._sweep()
        self.reports.append(Report(time, failed, stands_in.name, reason, late))

    def _smoother(self, seat: Seat, before: Smoother | None) -> Smoother:
        """Return the smoother for what is driven now; what was driven before stays, and goes to rest."""
        known = {control.name: control for control in CONTROLS if not control.name.startswith("z.")}
        known |= {control.name: control for control in self.controls}
        known |= {control.name: control for control in seat.controls}
        order = [control.name for control in CONTROLS]
        ranks = {name: number for number, name in enumerate(order)}
        self.controls = tuple(sorted(known.values(), key=lambda control: ranks.get(control.name, len(ranks))))
        for gone in self._targets.keys() - {control.name for control in seat.controls}:
            self._targets[gone] = known[gone].rest
        return Smoother(self.controls, seat.smoothing, self._tick, state_of=before)

    def leave(self) -> None:
        """Let the threads of all mappers end; the last call."""
        for seat in {*self._seats, *self.dropped, *(seat for seat, _ in self._pending)}:
            seat.leave()

    @property
    def words(self) -> Words | None:
        return self.playing.words

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return (feature, control) → share of the control's range by which the feature moves it; not for the tick."""
        return self.playing.explain(features)

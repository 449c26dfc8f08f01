"""A mapper in, one that is ready to play out: called so that the tick survives it, checked, adjusted."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brainmusic_daemon.api import BrainmusicError, Control, Features, Mapper, Words
from brainmusic_daemon.mapping.adjust import Adjustments
from brainmusic_daemon.mapping.guard import Late, Worker
from brainmusic_daemon.mapping.smoothing import Smoothing

_log = logging.getLogger(__name__)

PREPARE_S = 10.0
EXPLAIN_S = 0.05  # of patience with an explanation: nobody's tick waits for it
_ROUNDING = 1e-6  # of a control's range: a value this far outside is rounding, not a fault

Values = Mapping[str, float]


class Fault(Exception):
    """A mapper has broken its promise; the text says how, and where."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a mapper may take.  None of it is measured offline, so that the same input gives the same output."""

    call_s: float = 0.005  # the tick waits no longer
    watch: bool = True


class Seat:
    """One mapper, made ready.  `map` belongs to the tick, everything else to the threads beside it."""

    def __init__(self, name: str, mapper: Mapper, adjustments: Adjustments, budget: Budget) -> None:
        self.name, self.mapper, self.adjustments, self.budget = name, mapper, adjustments, budget
        self.controls: tuple[Control, ...] = tuple(mapper.controls)
        self.smoothing: Mapping[str, Smoothing] = adjustments.smoothing(self.controls, getattr(mapper, "smoothing", {}))
        self.names: tuple[str, ...] | None = None  # features it is prepared for
        self.quiet = False  # a knob was turned: no news
        self.fault = ""  # why it no longer plays
        self.late = 0  # calls in a row
        self.values: Values = {control.name: control.rest for control in self.controls}  # newest
        self._direct = getattr(mapper, "bounded", False) is True or not budget.watch
        self._worker: Worker[Features, Values] | None = None
        self._explainer: Worker[Features, Mapping[tuple[str, str], float]] | None = None
        self._explaining = threading.Lock()  # the status, the page and OSC may ask at the same moment
        self._reshape, self._grown = adjustments.functions(self.controls), adjustments.shares(self.controls)
        self._limits = [
            (c.name, c.low - _ROUNDING * (c.high - c.low), c.high + _ROUNDING * (c.high - c.low), c)
            for c in self.controls
        ]

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Get the mapper ready for these features.  Raises Fault with what it says; may be slow."""
        try:
            if self._direct:
                self.mapper.prepare(names, tick)
            else:
                self._prepare_beside(names, tick)
        except Fault:
            raise
        except BaseException as error:  # whatever a user's code raises, SystemExit included
            raise Fault(told(error, self.files)) from error
        if self._worker is None and not self._direct:
            self._worker = Worker(self.mapper.map, f"mapper-{self.name}"[:15])
        self.names, self.fault, self.late = tuple(names), "", 0

    def _prepare_beside(self, names: Sequence[str], tick: float) -> None:
        """Prepare in a thread that can be left behind: a headset that comes back must not hang on somebody's code."""

        def work(_: None) -> None:
            self.mapper.prepare(names, tick)

        worker = Worker(work, f"prepare-{self.name}"[:15])
        try:
            done = worker.call(None, PREPARE_S)
        finally:
            worker.leave()
        if isinstance(done, Late):
            raise Fault(f"was not prepared within {PREPARE_S:g} s")

    def map(self, features: Features) -> Values:
        """Return checked and adjusted values; those of the tick before where this one's are not there in time.

        Raises Fault.
        """
        watch = self.budget.watch
        begun = time.thread_time() if watch else 0.0  # of this thread: being interrupted is not the mapper's fault
        try:
            if self._worker is None:
                values: Values | Late = self.mapper.map(features)
            else:
                values = self._worker.call(features, self.budget.call_s)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a user's code raises, SystemExit included
            raise Fault(told(error, self.files)) from error
        if isinstance(values, Late):
            self.late += 1
            return self.values
        self.late = self.late + 1 if watch and time.thread_time() - begun > self.budget.call_s else 0
        self.values = self._checked(values)
        return self.values

    def trial(self, features: Features) -> None:
        """Map in the calling thread, checked but not timed: not while it plays.  Raises Fault."""
        try:
            values = self.mapper.map(features)
        except BaseException as error:
            raise Fault(told(error, self.files)) from error
        self.values = self._checked(values)

    def adjust(self, adjustments: Adjustments) -> None:
        """Take up other adjustments of the same mapper; the tick's, between two calls of `map`."""
        self.adjustments = adjustments
        self.smoothing = adjustments.smoothing(self.controls, getattr(self.mapper, "smoothing", {}))
        self._reshape, self._grown = adjustments.functions(self.controls), adjustments.shares(self.controls)

    def _checked(self, values: Values) -> Values:
        try:
            for name, low, high, control in self._limits:
                value = values[name]
                if not low <= value <= high:
                    raise Fault(f"gave {name} = {value:g}, which is not within {control.low:g} to {control.high:g}")
        except (KeyError, TypeError, ValueError) as error:
            if not isinstance(values, Mapping):
                raise Fault(f"gave {type(values).__name__} instead of a value for each control") from error
            missing = [name for name, *_ in self._limits if name not in values]
            raise Fault(f"gave no value for {', '.join(missing)}" if missing else f"gave no number: {error}") from error
        if self._reshape:
            values = {**values, **{name: function(values[name]) for name, function in self._reshape.items()}}
        return values

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return the mapper's shares, adjusted; nothing where it fails or takes too long.  Not for the tick."""
        try:
            if self._direct:
                shares: Mapping[tuple[str, str], float] | Late = self.mapper.explain(features)
            else:
                with self._explaining:
                    if self._explainer is None:
                        self._explainer = Worker(self.mapper.explain, f"explain-{self.name}"[:15])
                    shares = self._explainer.call(features, EXPLAIN_S)
            if isinstance(shares, Late):
                return {}
            grown = self._grown
            return {key: share * grown.get(key[1], 1.0) for key, share in shares.items()}
        except BaseException as error:  # noqa: BLE001 - an explanation is never worth the music
            _log.debug("%s cannot explain: %s", self.name, told(error, self.files))
            return {}

    @property
    def words(self) -> Words | None:
        found = getattr(self.mapper, "words", None)
        return found if isinstance(found, Words) else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Return what it was loaded from."""
        return tuple(getattr(self.mapper, "files", ()))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what the user should hear about it, once it is prepared."""
        return tuple(getattr(self.mapper, "remarks", ()))

    def leave(self) -> None:
        """Let its threads end; once prepared again it may play again.  Never blocks, never raises."""
        workers = self._worker, self._explainer
        self._worker = self._explainer = None
        for worker in workers:
            if worker is not None:
                worker.leave()


def told(error: BaseException, files: Sequence[Path]) -> str:
    """Return an error as one line that says where in the user's own file it came from."""
    if isinstance(error, BrainmusicError | Fault):
        return str(error)
    own = {str(file) for file in files if file.suffix == ".py"}
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"failed in {Path(error.filename).name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in own:
            code = f"  [{frame.line}]" if frame.line else ""
            return f"failed in {Path(frame.filename).name}, line {frame.lineno}, in {frame.name}: {what}{code}"
    return f"failed: {what}"

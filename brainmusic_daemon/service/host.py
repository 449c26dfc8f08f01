"""Outputs in, those that are open out: each is opened and reopened alone, none takes another down."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping

from brainmusic_daemon.api import BrainmusicError, Clock, ConfigError, Output, OutputLost, StreamInfo
from brainmusic_daemon.service.sounding import by_loudness

_log = logging.getLogger(__name__)

_RETRY_S = (1.0, 2.0, 5.0, 10.0)
_JITTER = 0.2  # share of a pause that is left to chance, so that what failed together does not come back in step
_LOOK_S = 0.5  # how often an output is asked whether its device is still there
_HANGS_S = 30.0  # an output that is being opened for so long is no longer waited for
_PATIENCE_S = 2.0  # of `stop`, with outputs that are still being opened


class OutputHost:
    """Opens every output in a thread of its own, because a device may take its time and the others need not wait.

    An output with the attribute `gone`, a text that is not empty once its device has vanished, is closed then and
    opened again; one that finds its way back by itself (sound, OSC) has none.
    """

    def __init__(
        self,
        outputs: Mapping[str, Output],
        clock: Clock,
        info: StreamInfo,
        changed: Callable[[tuple[Output, ...]], None],
    ) -> None:
        """`changed` is told the open outputs, in the configuration's order, whenever they change."""
        self._outputs, self._clock, self._info, self._changed = outputs, clock, info, changed
        self._open: dict[str, Output] = {}
        self._lock = threading.Lock()  # between opener threads only; the tick reads the tuple
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.lost: dict[str, str] = {}  # name → why it is not open now
        self.error: ConfigError | None = None  # a setting is wrong: no use in going on
        self.tried: set[str] = set()
        self._begun = math.inf

    def start(self) -> None:
        """Begin to open all outputs; returns at once."""
        self._begun = time.monotonic()
        for name, output in self._outputs.items():
            thread = threading.Thread(target=self._keep_opening, args=(name, output), name=f"open-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def open_now(self) -> None:
        """Open all outputs and wait for each, as offline runs need.  Raises what the first failing one raises."""
        for name, output in self._outputs.items():
            output.open(self._clock, self._info)
            self._add(name, output)

    def _keep_opening(self, name: str, output: Output) -> None:
        known = self._opened(name, output, 0)
        while known and hasattr(output, "gone"):
            while not (why := str(output.gone)):
                if self._stop.wait(_LOOK_S):
                    return
            _log.warning("output '%s': %s; trying to open it again", name, why)
            self.lost[name] = why
            self._remove(name)
            try:
                output.close()
            except Exception:  # noqa: BLE001 - its device is gone anyway
                _log.debug("output '%s' failed to close", name, exc_info=True)
            self._stop.wait(self._pause(0))
            known = self._opened(name, output, 1)

    def _pause(self, tries: int) -> float:
        return _RETRY_S[min(tries, len(_RETRY_S) - 1)] * (1.0 - random.uniform(0.0, _JITTER))

    def _opened(self, name: str, output: Output, tries: int) -> bool:
        """Open an output, again and again; return False where that is of no use or the end has come.

        `tries` above 0: it was open before, and why it is not has been told.
        """
        while not self._stop.is_set():
            try:
                output.open(self._clock, self._info)
            except OutputLost as error:
                if tries == 0:
                    _log.warning("%s", error)
                self.lost[name] = str(error)
            except ConfigError as error:
                self.error = error
                self.lost[name] = str(error)
                self.tried.add(name)
                return False
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in that breaks its promise
                self.lost[name] = f"output '{name}' failed to open: {type(error).__name__}: {error}"
                if tries == 0:
                    _log.warning("%s", self.lost[name])
                    _log.debug("output '%s'", name, exc_info=True)
            else:
                if self._stop.is_set():  # `stop` did not wait for it any longer
                    output.close()
                    return False
                if tries:
                    _log.info("output '%s' is back", name)
                self.lost.pop(name, None)
                self.tried.add(name)
                self._add(name, output)
                return True
            self.tried.add(name)
            self._stop.wait(self._pause(tries))
            tries += 1
        return False

    def _add(self, name: str, output: Output) -> None:
        with self._lock:
            self._open[name] = output
            self._changed(tuple(self._open[known] for known in self._outputs if known in self._open))

    def _remove(self, name: str) -> None:
        with self._lock:
            self._open.pop(name, None)
            self._changed(tuple(self._open[known] for known in self._outputs if known in self._open))

    def fade(self) -> None:
        """Let what sounds fade out; the outputs stay open.  Never raises, returns at once."""
        for output in by_loudness(list(self._open.values())):
            mute = getattr(output, "mute", None)
            if callable(mute):
                try:
                    mute(True)
                except Exception:  # noqa: BLE001 - the end comes all the same
                    _log.debug("an output failed to fade: %r", output, exc_info=True)

    def stop(self) -> None:
        """Close all outputs, the last one first.  Never raises.

        One that is still being opened (its device hangs, its kernels are being compiled) is left behind.
        """
        self._stop.set()
        patience = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(timeout=max(0.0, patience - time.monotonic()))
        self._changed(())
        for name in reversed(list(self._outputs)):
            try:
                self._outputs[name].close()
            except Exception:  # noqa: BLE001 - closing goes on, whatever one of them does
                _log.exception("output '%s' failed to close", name)

    @property
    def all_tried(self) -> bool:
        """Return whether every output has been opened, or has failed to, at least once, or takes for ever."""
        hanging = set(self._outputs) - self.tried
        if hanging and time.monotonic() > self._begun + _HANGS_S:  # a driver, or a pipe that nobody reads
            for name in hanging:
                self.lost[name] = f"output '{name}' is not open after {_HANGS_S:g} s, and not waited for any longer"
                _log.warning("%s", self.lost[name])
            self.tried |= hanging
        return self.tried >= set(self._outputs)

    @property
    def all_lost(self) -> str | None:
        """Return why nothing can be heard or received, once every output was tried in vain; else None."""
        if not self._outputs or self._open or not self.all_tried:
            return None
        return "\n".join(self.lost.values())

    def counters(self) -> dict[str, dict[str, float]]:
        """Return each open output's counters."""
        return {name: dict(output.counters()) for name, output in list(self._open.items())}


def lost_for_good(error: str) -> BrainmusicError:
    """Return the error that ends a run none of whose outputs could be opened."""
    return OutputLost(f"no output could be opened:\n{error}")

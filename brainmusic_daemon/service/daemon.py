"""A configuration in, a live session out: the start ladder, the watch, and the reversed stop ladder."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Callable
from functools import partial

from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import ConfigError, SourceLost, StreamInfo
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.service import web_told
from brainmusic_daemon.service.advertise import advertiser
from brainmusic_daemon.service.announcer import Announcer
from brainmusic_daemon.service.battery import Battery
from brainmusic_daemon.service.calibration import Calibration
from brainmusic_daemon.service.choices import Choices
from brainmusic_daemon.service.control import Control
from brainmusic_daemon.service.control_osc import ControlOsc
from brainmusic_daemon.service.control_socket import ControlSocket
from brainmusic_daemon.service.host import OutputHost, lost_for_good
from brainmusic_daemon.service.kept import recall
from brainmusic_daemon.service.logbook import LogBook
from brainmusic_daemon.service.mappers import Mappers
from brainmusic_daemon.service.measures import resident_bytes
from brainmusic_daemon.service.memory import Memory
from brainmusic_daemon.service.notify import Heart, Notify
from brainmusic_daemon.service.profiles import Profiles
from brainmusic_daemon.service.recorder import Recorder
from brainmusic_daemon.service.rehearsal import Rehearsal
from brainmusic_daemon.service.session import Session, warm_up
from brainmusic_daemon.service.sounding import Sounding
from brainmusic_daemon.service.ticker import Ticker
from brainmusic_daemon.service.tutor import Tutor
from brainmusic_daemon.service.web import Web
from brainmusic_daemon.service.weight import Weight

_log = logging.getLogger(__name__)

_WATCH_S = 0.02
_FIRST_ATTEMPT_S = 20.0  # Bluetooth takes its time


class Daemon:
    """Runs until it is stopped, the recording ends, or there is nothing left to run with."""

    def __init__(self, config: Config) -> None:
        kept = None
        if config.session.resume:
            config, kept = recall(config)
        self.config = config
        self.clock = WallClock()
        self.session = Session(config, self.clock)
        self.recorder = Recorder(self.session)
        self.ticker = Ticker(self.clock, config.tick, self.session.tick)
        self.host = OutputHost(config.outputs, self.clock, StreamInfo("", (), 0.0), self._outputs_changed)
        self.mappers = Mappers(self.session)
        self.tutor = Tutor(self.session, self.mappers)
        self.sounding = Sounding(config.outputs)
        self.calibration = Calibration(self)
        self.profiles = Profiles(self)
        self.choices = Choices(self)
        self.rehearsal = Rehearsal(self)
        self.control = Control(self)
        self.web = Web(self)
        self.socket = ControlSocket(self.control, config.session.name, {"page": partial(web_told.page, self.web)})
        self.osc_in = ControlOsc(self.control, config.control)
        self._advertiser = advertiser(self)
        self.logbook = LogBook()
        self._tick_thread = threading.Thread(target=self._run_ticker, name="tick", daemon=True)
        self._warming = threading.Thread(target=warm_up, name="warm-up", daemon=True)  # ticks idle until it is done
        self.memory = Memory(self, kept)
        self.notify = Notify()
        self._heart = Heart(self.notify, lambda: self.ticker.done)
        self.ready = False  # ticks follow a headset or wait for one, and every output was tried
        if kept is not None:
            kept.turn(self.sounding)
            self.calibration.chosen = dict(kept.profiles)
        self._stop_ticking = threading.Event()
        self._announcer = Announcer()
        self._battery = Battery(lambda: self.session.acquisition.battery, self.sounding.say)
        self._weight = Weight(resident_bytes, lambda: self.session.pipeline.host.playing.name)
        self._ended = threading.Event()  # by a command

    def run(
        self, stop: threading.Event, *, seconds: float | None = None, watch: Callable[[], None] = lambda: None
    ) -> None:
        """Start, watch, stop.  `watch` is called now and then, beside the tick, e.g. to show the status.

        Raises SourceLost when no source came within the configured patience, OutputLost when no output could be
        opened within it, ConfigError when a setting turns out to be wrong.
        """
        try:
            if not stop.is_set():
                self._start()
                self._watch(stop, seconds, watch)
        finally:
            self._stop()

    def _start(self) -> None:
        # Many short Python slices instead of few long ones: the tick gets its turn within half a millisecond.
        sys.setswitchinterval(0.0005)
        self.logbook.start()
        self.socket.start()  # first: a second daemon of this name gets no further
        self.memory.go_on()
        self.session.acquisition.start()
        self.host.start()
        self._tick_thread.start()
        self._warming.start()
        self.mappers.start()
        self.tutor.start()
        self.profiles.start()
        self.control.start()
        self.osc_in.start()
        self.web.start()
        if self._advertiser is not None:
            self._advertiser.start()
        self.memory.start()
        self._heart.start()

    def _stop(self) -> None:
        self.notify.stopping()
        self._heart.stop()
        self.host.fade()  # who stops hears it at once, whatever the rest may wait for
        self.memory.stop()
        if self._advertiser is not None:
            self._advertiser.stop()
        self.web.stop()
        self.osc_in.stop()
        self.control.stop()
        self.rehearsal.stop()
        self.calibration.stop()
        self.profiles.stop()
        self.tutor.stop()
        self.mappers.stop()
        self._stop_ticking.set()
        if self._tick_thread.is_alive():
            self._tick_thread.join(timeout=2.0)
        self.host.stop()
        self.session.pipeline.host.leave()
        self.session.acquisition.stop()
        self.recorder.stop()  # last of those, so that nothing is missing
        self.socket.stop()  # whoever waits for the end of this daemon waits for all of it
        self.notify.close()
        self.logbook.stop()

    def end(self) -> None:
        """Let `run` come to its end.  From any thread."""
        self._ended.set()

    def _watch(self, stop: threading.Event, seconds: float | None, watch: Callable[[], None]) -> None:
        acquisition, patience = self.session.acquisition, self.config.session.patience_s
        starting = True
        while not (stop.is_set() or self._ended.is_set()):
            now = self.clock.now()
            if not self._warming.is_alive() and self.session.attach():
                gc.collect()
                gc.freeze()  # what lives as long as the session is no longer looked at by the collector
            if self.session.frame is not None:
                self._announcer.look(self.session.frame.features.state, self.session.pipeline.bank)
            if starting and self.session.attached and self.host.all_tried:
                starting = False
                self.session.begin_counting()
                self.ticker.started()
            self._battery.look(now)
            self._weight.look(now)
            self._tell_manager()
            if acquisition.state is SourceState.FAILED and acquisition.error is not None:
                raise acquisition.error
            if self.host.error is not None:
                raise self.host.error
            if acquisition.state is SourceState.ENDED:
                _log.info("the recording has ended")
                return
            ending = seconds is not None and now >= seconds
            # A first attempt to connect may outlast the patience: what it finds out is worth waiting for.
            tried = acquisition.last_message or now > patience + _FIRST_ATTEMPT_S
            given_up = now > patience and tried
            failed = ending and (acquisition.error is not None or now > acquisition.silence_s)
            if not acquisition.seen and (given_up or failed):
                kind = ConfigError if isinstance(acquisition.error, ConfigError) else SourceLost
                raise kind(acquisition.last_message or f"nothing has come from the source for {now:.0f} s")
            if (ending or now > patience) and (why := self.host.all_lost):
                raise lost_for_good(why)
            if ending:
                return
            watch()
            stop.wait(_WATCH_S)

    def _tell_manager(self) -> None:
        """Tell the service manager, where one started us, how it goes."""
        frame, session = self.session.frame, self.session
        if not self.ready and self.ticker.ticks and not self._warming.is_alive() and self.host.all_tried:
            self.ready = True
            self.notify.ready()
        if frame is not None and self.notify.listening:
            waiting = session.acquisition.last_message or "looking for the headset"
            follows = f"{frame.features.state}: {session.acquisition.last_message}" if session.attached else waiting
            lost = f"; not open: {', '.join(self.host.lost)}" if self.host.lost else ""
            page = f"; page {self.web.here}" if self.web.here else ""
            self.notify.status(f"{follows}; mapper {session.pipeline.host.playing.name}{lost}{page}")

    def _run_ticker(self) -> None:
        self.ticker.run(self._stop_ticking)

    def _outputs_changed(self, outputs: object) -> None:
        self.session.outputs = outputs  # type: ignore[assignment]

"""A board that BrainFlow knows in; its EEG channels out as a source, in session time, its packets counted."""

from __future__ import annotations

import statistics
import time
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from brainmusic_daemon.acquisition import boards, labels
from brainmusic_daemon.acquisition.counter import Counter
from brainmusic_daemon.acquisition.serial_claim import Claim
from brainmusic_daemon.api import Chunk, Clock, ConfigError, FloatArray, SourceLost, StreamInfo, plugin

_VIRTUAL = ("PLAYBACK_FILE_BOARD", "STREAMING_BOARD")  # they speak for another board, the master board
_STEP_S = 0.02  # the computer's clock moved against the session clock by more than this: it was set
_FOLLOW = 0.01  # smaller deviations are followed at this share per read: the computer's clock is being slewed
_PARAMETERS = (
    "serial_port mac_address ip_address ip_address_aux ip_address_anc ip_port ip_port_aux ip_port_anc ip_protocol "
    "other_info timeout serial_number file file_aux file_anc"
)

Port = Annotated[int, Field(ge=0, le=65_535)]


@plugin
class Brainflow:
    """A headset or amplifier that BrainFlow supports: OpenBCI, Muse, Unicorn, …, or a synthetic or playback board."""

    settled: ClassVar[bool] = True  # what a board delivers is known by its name

    board: Annotated[str | int, Field(description="name or number of the board: CYTON_BOARD, muse_2, 38")] = (
        "SYNTHETIC_BOARD"
    )
    serial_port: Annotated[str, Field(description="COM3, /dev/ttyUSB0, /dev/cu.usbserial-…")] = ""
    mac_address: Annotated[str, Field(description="Bluetooth address, where several boards are near")] = ""
    ip_address: Annotated[str, Field(description="address of a network board")] = ""
    ip_address_aux: Annotated[str, Field(description="its address for the auxiliary preset")] = ""
    ip_address_anc: Annotated[str, Field(description="its address for the ancillary preset")] = ""
    ip_port: Annotated[Port, Field(description="port of a network board")] = 0
    ip_port_aux: Annotated[Port, Field(description="its port for the auxiliary preset")] = 0
    ip_port_anc: Annotated[Port, Field(description="its port for the ancillary preset")] = 0
    ip_protocol: Annotated[int, Field(ge=0, le=2, description="0 none, 1 UDP, 2 TCP")] = 0
    other_info: Annotated[str, Field(description="what a board needs besides, see BrainFlow's documentation")] = ""
    timeout: Annotated[int, Field(ge=0, le=600, description="look for the device this long, s; 0: the board's own")] = 0
    serial_number: Annotated[str, Field(description="name or serial number, where several boards are near")] = ""
    file: Annotated[str, Field(description="recording of the playback board")] = ""
    file_aux: Annotated[str, Field(description="its recording of the auxiliary preset")] = ""
    file_anc: Annotated[str, Field(description="its recording of the ancillary preset")] = ""
    master_board: Annotated[str | int, Field(description="board that a playback or streaming board stands for")] = ""
    preset: Annotated[Literal["default", "auxiliary", "ancillary"], Field(description="which of its streams")] = (
        "default"
    )
    streamer: Annotated[str, Field(description="BrainFlow streamer beside this one, e.g. file://raw.csv:w")] = ""
    commands: Annotated[list[str], Field(description="sent to the board before it starts")] = field(
        default_factory=list
    )
    names: Annotated[list[str], Field(description="channel names, where the electrodes sit elsewhere")] = field(
        default_factory=list
    )

    _shim: Any = field(default=None, init=False, repr=False)
    _claim: Claim = field(default_factory=Claim, init=False, repr=False)
    battery: float | None = field(default=None, init=False, repr=False)  # percent; None: the board does not tell
    resistances: tuple[float, ...] = field(default=(), init=False, repr=False)  # kΩ per channel; empty: not told

    def open(self, clock: Clock) -> StreamInfo:
        """Connect and start the board.  Raises ConfigError for wrong settings, SourceLost when it is out of reach."""
        self.close()
        board_id, name = boards.identify(self.board)
        described = board_id, name
        if name in _VIRTUAL:
            if self.master_board == "":
                raise ConfigError(f'{name} needs `master_board`: the board it stands for, e.g. "CYTON_BOARD"')
            described = boards.identify(self.master_board)
        board = boards.describe(*described, self.preset)
        channels = labels.renamed(board.channels, self.names)
        self._start(board_id, name, described[0])
        self._board, self._clock, self._name = board, clock, name
        self._preset = boards.preset_of(self.preset)
        self._counter = Counter(board.samplerate)
        self._rows, self._pause = list(board.eeg_rows), min(0.004, 0.5 / board.samplerate)
        self._offset = self._measure()
        self._ahead: list[Chunk] = []
        where = self.serial_port or self.mac_address or self.ip_address or self.serial_number
        details = {"board": name, "master board": board.name if board.name != name else "", "at": where}
        return StreamInfo(
            name=board.name,
            channels=channels,
            samplerate=board.samplerate,
            uid=":".join(filter(None, (name, where))),
            rail_uv=board.rail_uv,
            details={key: value for key, value in details.items() if value},
        )

    def read(self, timeout: float) -> Chunk | None:
        """Return what the board sent, up to the next loss; raises SourceLost when the session is broken."""
        if self._ahead:
            return self._ahead.pop(0)
        shim, clock = self._shim, getattr(self, "_clock", None)
        if shim is None or clock is None:
            raise SourceLost("the board is closed")
        deadline = clock.now() + timeout
        try:
            while not shim.get_board_data_count(self._preset):
                now = clock.now()
                if now >= deadline:
                    return None
                clock.wait_until(min(deadline, now + self._pause))
            data = shim.get_board_data(preset=self._preset)
        except boards.library().BrainFlowError as error:
            raise SourceLost(f"board {self._name} stopped: {boards.reason(error)}") from None
        self._deliver(data)
        return self._ahead.pop(0) if self._ahead else None

    def close(self) -> None:
        """Stop the board and release it."""
        shim, self._shim, self._ahead = self._shim, None, []
        self.battery, self.resistances = None, ()
        if shim is not None:
            for stop in (shim.stop_stream, shim.release_session):
                try:
                    stop()
                except boards.library().BrainFlowError:  # it is gone already: that is what was wanted
                    continue
        self._claim.leave()

    def _start(self, board_id: int, name: str, master: int) -> None:
        shim_module = boards.library()
        params = shim_module.BrainFlowInputParams()
        for parameter in _PARAMETERS.split():
            setattr(params, parameter, getattr(self, parameter))
        if name in _VIRTUAL:
            params.master_board = master
        if self.serial_port:
            self._claim.take(self.serial_port, name)
        shim = shim_module.BoardShim(board_id, params)
        try:
            shim.prepare_session()
            self._shim = shim
            for command in self.commands:
                shim.config_board(command)
            shim.start_stream(45_000, self.streamer)
        except shim_module.BrainFlowError as error:
            self.close()
            code = int(error.exit_code)
            hint = boards.way_out(code, name, self.serial_port, self.file)
            failure = ConfigError if code in boards.USER_ERRORS else SourceLost
            del shim  # BrainFlow's destructor complains when it runs after the interpreter's end
            raise failure(f"board {name}: {boards.reason(error)}; {hint}") from None

    def _deliver(self, data: FloatArray) -> None:
        """Split what arrived, (n_rows, n_samples) as BrainFlow gives it, at losses."""
        samples = np.ascontiguousarray(data[self._rows].T, dtype=np.float64)
        board, n = self._board, len(samples)
        if n == 0:
            return
        self._look_after(data[:, -1])
        offset = self._follow()
        if board.time_row is None:
            times = self._clock.now() - (n - 1 - np.arange(n)) / board.samplerate
        else:
            times = data[board.time_row] + offset
        if board.number_row is None:
            self._ahead = [Chunk(samples, times)]
            return
        self._ahead = [
            Chunk(samples[start:stop], times[start:stop], first)
            for start, stop, first in self._counter.numbers(data[board.number_row], times)
        ]

    def _look_after(self, newest: FloatArray) -> None:
        """Take what the board tells about itself: it fills a row with zeros where it tells nothing."""
        board = self._board
        if board.battery_row is not None and 0 < newest[board.battery_row] <= 100:
            self.battery = float(newest[board.battery_row])
        if board.resistance_rows:
            ohms = newest[list(board.resistance_rows)]
            self.resistances = tuple((ohms / 1000).tolist()) if (ohms > 0).all() and np.isfinite(ohms).all() else ()

    def _measure(self) -> float:
        """Return session time − the computer's time of day, in which BrainFlow stamps samples."""
        return statistics.median(self._clock.now() - time.time() for _ in range(9))

    def _follow(self) -> float:
        """Return the offset now: a clock that was set (by a time server, or by hand) must not move the samples."""
        deviation = self._clock.now() - time.time() - self._offset
        if abs(deviation) < _STEP_S:
            self._offset += _FOLLOW * deviation
        else:
            self._offset = self._measure()
        return self._offset

"""A BrainFlow board's name in; the library, quiet, and what it says about the board out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.registry import did_you_mean

_RAILS_UV = {"CYTON": 187_500.0}  # ±4.5 V reference over the gain of 24 that the board starts with


@dataclass(frozen=True, slots=True)
class Board:
    """BrainFlow's description of one board and preset: which row of its data holds what."""

    id: int
    name: str
    samplerate: float
    eeg_rows: tuple[int, ...]
    channels: tuple[str, ...]
    number_row: int | None
    time_row: int | None
    rail_uv: float | None
    battery_row: int | None = None
    resistance_rows: tuple[int, ...] = ()  # one per EEG channel, where the board measures its electrodes


def library() -> Any:
    """Return `brainflow.board_shim`, its own log switched off.  Raises ConfigError when it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it loads its native part through pkg_resources, which warns of its own end
            from brainflow import board_shim

            board_shim.BoardShim.disable_board_logger()
    except ImportError as error:
        raise ConfigError(f'BrainFlow cannot be loaded ({error}): pip install brainflow "setuptools<81"') from error
    return board_shim


def names() -> tuple[str, ...]:
    """Return the names of all boards that BrainFlow knows; no hardware is touched."""
    return tuple(board.name for board in library().BoardIds if board.name != "NO_BOARD")


def identify(board: str | int) -> tuple[int, str]:
    """Return (id, name) for `CYTON_BOARD`, `cyton`, `muse 2` or `38`.  Raises ConfigError, with the nearest name."""
    ids = library().BoardIds
    text = str(board).strip()
    if text.lstrip("-").isdigit():
        for member in ids:
            if member.value == int(text):
                return int(member.value), str(member.name)
        raise ConfigError(f"BrainFlow has no board with the number {text}: `brainmusic devices` lists the boards")
    key = text.upper().replace(" ", "_").replace("-", "_")
    for name in (key, f"{key}_BOARD"):
        if name in ids.__members__ and name != "NO_BOARD":
            return int(ids[name].value), name
    short = {name.removesuffix("_BOARD").lower(): name for name in ids.__members__}
    near = did_you_mean(key.removesuffix("_BOARD").lower(), [*short])
    hint = near if near.startswith("; did") else "; `brainmusic devices` lists the boards"
    raise ConfigError(f"BrainFlow has no board '{board}'{hint}")


def describe(board_id: int, name: str, preset: str = "default") -> Board:
    """Return where a board's data hold what.  Raises ConfigError when the board has no EEG there."""
    shim = library()
    try:
        # asked for a preset that is not there, BrainFlow 5 makes an empty one, and the board cannot be opened any more
        there = shim.BoardShim.get_board_presets(board_id)
        if preset_of(preset) not in there:
            raise ConfigError(f"board {name} has no preset '{preset}'")
        said = shim.BoardShim.get_board_descr(board_id, preset_of(preset))
    except shim.BrainFlowError as error:
        raise ConfigError(f"board {name} has no preset '{preset}'") from error
    rows = tuple(said.get("eeg_channels") or said.get("exg_channels") or ())
    if not rows or not said.get("sampling_rate"):
        kinds = ", ".join(sorted(key.removesuffix("_channels") for key in said if key.endswith("_channels")))
        raise ConfigError(f"board {name} has no EEG channels in its preset '{preset}' (there is {kinds or 'nothing'})")
    resistances = tuple(said.get("resistance_channels") or ())
    given = [text for text in str(said.get("eeg_names", "")).split(",") if text]
    given += [f"Ch{i + 1}" for i in range(len(given), len(rows))]
    return Board(
        id=board_id,
        name=name,
        samplerate=float(said["sampling_rate"]),
        eeg_rows=rows,
        channels=labels.unique([labels.tidy(text) for text in given[: len(rows)]]),
        number_row=said.get("package_num_channel"),
        time_row=said.get("timestamp_channel"),
        battery_row=said.get("battery_channel"),
        resistance_rows=resistances if len(resistances) == len(rows) else (),
        rail_uv=next((rail for start, rail in _RAILS_UV.items() if name.startswith(start)), None),
    )


def preset_of(preset: str) -> int:
    """Return the number of `default`, `auxiliary` or `ancillary`."""
    return int(library().BrainFlowPresets[f"{preset.upper()}_PRESET"].value)


USER_ERRORS = frozenset({13, 14})  # invalid arguments, unsupported board: trying again is of no use


def reason(error: Any) -> str:
    """Return what a BrainFlowError says, in words: `unable to open port`."""
    name = str(error).split(":", 1)[0]
    return name.removesuffix("_ERROR").replace("_", " ").replace("INCOMMING", "INCOMING").lower()


def way_out(code: int, name: str, serial_port: str, file: str) -> str:
    """Return what a user can do about a BrainFlow exit code at the start of a session."""
    wireless = name.startswith(("MUSE", "GANGLION_NATIVE", "BRAINBIT", "UNICORN", "CALLIBRI", "BRAINALIVE", "EXPLORE"))
    if code == 1:
        return "another program uses it: close that first"
    if code == 2 and wireless:
        return "Bluetooth is off or missing: switch it on, and the headset too"
    if code == 2:
        return (
            f"serial port '{serial_port}' cannot be opened: is the dongle plugged in, the name right, and no other "
            "program at it?"
        )
    if code in (3, 4, 5, 6):
        return f"something answers at '{serial_port}', but not the board: is it switched on, and its dongle set to PC?"
    if code == 7:
        return "no such device was found: switch it on, wear it near, disconnect it from phones and other programs"
    if code == 13 and file:
        return f"check `file` ({file}) and the other parameters"
    if code == 13:
        return (
            "a parameter is missing or wrong: serial boards need `serial_port`, network boards `ip_address`, `ip_port`"
        )
    if code == 14:
        return "this computer's system is not supported for it"
    if code == 16:
        return "this program has it open already"
    if code == 18:
        return "no answer in time: is the device switched on?"
    return "is it switched on and near, and Bluetooth on?" if wireless else "is it switched on and connected?"

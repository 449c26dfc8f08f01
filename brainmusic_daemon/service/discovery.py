"""Nothing in; what could be plugged together on this computer and network out: boards, streams, outputs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brainmusic_daemon.api import BrainmusicError

_WAIT_S = 1.0  # streams answer within half a second; the second query goes out after that
_SERIAL = ("ttyUSB*", "ttyACM*", "cu.usb*", "cu.OpenBCI*")  # where Linux and Mac show dongles


@dataclass(frozen=True, slots=True)
class Everything:
    """All that was found; `missing` says for each part that could not be asked why."""

    boards: list[str]  # names that BrainFlow knows, whether plugged in or not
    serial_ports: list[str]
    lsl: list[dict[str, Any]]  # name, type, channels, rate, format, host, source_id
    audio: list[dict[str, Any]]  # index, name, samplerate, default
    midi: list[str]
    missing: dict[str, str]


def everything() -> Everything:
    """Look around for about a second; no device is opened."""
    missing: dict[str, str] = {}

    def ask(part: str, question: Callable[[], list[Any]]) -> list[Any]:
        try:
            return question()
        except BrainmusicError as error:
            missing[part] = str(error)
            return []

    return Everything(
        boards=ask("boards", board_names),
        serial_ports=serial_ports(),
        lsl=ask("lsl", lsl_streams),
        audio=ask("audio", audio_outputs),
        midi=ask("midi", midi_outputs),
        missing=missing,
    )


def board_names() -> list[str]:
    """Return every board that BrainFlow can drive.  Raises ConfigError when BrainFlow cannot be loaded."""
    from brainmusic_daemon.acquisition import boards

    return list(boards.names())


def lsl_streams(wait_s: float = _WAIT_S) -> list[dict[str, Any]]:
    """Return the LSL streams that answer within `wait_s`.  Raises ConfigError when LSL cannot be loaded."""
    from brainmusic_daemon.acquisition import lsl_streams

    return [asdict(found) for found in lsl_streams.visible(wait_s)]


def serial_ports() -> list[str]:
    """Return serial ports that a dongle may be at, by looking only; on Windows: the registry's list."""
    try:
        import winreg
    except ImportError:
        folder = Path("/dev")
        return sorted(str(port) for pattern in _SERIAL for port in folder.glob(pattern))
    ports: list[str] = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DEVICEMAP\SERIALCOMM") as key:  # type: ignore[attr-defined]
            ports = [winreg.EnumValue(key, i)[1] for i in range(winreg.QueryInfoKey(key)[1])]  # type: ignore[attr-defined]
    except OSError:  # there has never been a serial port
        return []
    return sorted(ports)


def audio_outputs() -> list[dict[str, Any]]:
    """Return the audio devices with two outputs.  Raises OutputLost when PortAudio is absent."""
    from brainmusic_daemon.outputs import audio

    keys = ("index", "name", "samplerate", "default")
    return [dict(zip(keys, device, strict=True)) for device in audio.devices()]


def midi_outputs() -> list[str]:
    """Return the MIDI ports.  Raises OutputLost when the MIDI packages, or MIDI itself, are absent."""
    from brainmusic_daemon.outputs import midi

    return list(dict.fromkeys(midi.ports()))


def as_json(found: Everything) -> str:
    """Return everything as one JSON object."""
    return json.dumps(asdict(found), indent=2, ensure_ascii=False)


def as_text(found: Everything) -> str:
    """Return everything for people, each part with what to write into a configuration."""
    streams = [
        f"{s['name']}  ({s['type'] or 'no type'}, {s['channels']} × {s['format']}"
        + (f" at {s['rate']:g} Hz" if s["rate"] else ", irregular")
        + f", on {s['host']}, source_id {s['source_id'] or 'none'})"
        for s in found.lsl
    ]
    outputs = [f"{d['index']}  {d['name']}{'  (default)' if d['default'] else ''}" for d in found.audio]
    shortened = [name.removesuffix("_BOARD").lower() for name in found.boards]
    parts = [
        ('LSL streams (source.kind = "lsl", source.stream = …)', "lsl", streams),
        ("Audio outputs (output.audio.device = …)", "audio", outputs),
        ("MIDI outputs (output.midi.port = …)", "midi", found.midi),
        ("Serial ports (source.serial_port = …)", "serial_ports", found.serial_ports),
        ('Boards that BrainFlow knows (source.kind = "brainflow", source.board = …)', "boards", _wrapped(shortened)),
    ]
    blocks = []
    for title, part, lines in parts:
        nothing = found.missing.get(part, "none found")
        blocks.append("\n".join([title, *(f"  {line}" for line in (lines or [nothing]))]))
    return "\n\n".join(blocks)


def _wrapped(words: list[str], width: int = 100) -> list[str]:
    return textwrap.wrap(", ".join(words), width)

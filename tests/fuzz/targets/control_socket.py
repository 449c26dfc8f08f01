"""JSON lines as the shell sends them, token and all; an answer or silence is due, never an error."""

from __future__ import annotations

import json

from brainmusic_daemon.service import commands, control_socket, overview
from brainmusic_daemon.service.control import Answer
from tests.fuzz.targets.osc import daemon

MOST = 2048
QUICK = 24000
WORDS = (
    '"token"',
    '"command"',
    '"arguments"',
    "[",
    "]",
    "{",
    "}",
    "null",
    "true",
    "1e999",
    "NaN",
    "-Infinity",
    "1" * 400,
    "\\ud800",
    "0.5",
    '"on"',
    *(f'"{command.name}"' for command in commands.COMMANDS),
    *(f'"{name}"' for name in commands.ROUTE),
)


def fuzz(data: bytes) -> None:
    """Read a line as the socket does, have its command checked, and write the answer as the socket would."""
    control, answers = daemon().control, list[Answer]()
    request = control_socket._parsed(data)
    token, command, arguments = request.get("token"), request.get("command"), request.get("arguments", [])
    if isinstance(token, str):  # never the right one, which nobody can guess
        assert daemon().socket._answer(data) is None
    if isinstance(command, str) and isinstance(arguments, list):
        control.submit(command, arguments, answers.append)
        control._events.clear()
        control._states.clear()
    for answer in answers:
        said = {"ok": answer.ok, "text": answer.text, "data": answer.data, "reason": answer.reason}
        json.loads(json.dumps(overview.plain(said)).encode())


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    asked = {
        "load": ("mapper.load", ["linear", 2]),
        "route": ("route", ["tempo", "gain", 1.5]),
        "rate": ("rate", [0.5]),
        "mute": ("mute", [True]),
        "save": ("save", ["x.toml"]),
        "ping": ("ping", []),
        "scene": ("scene", [1]),
        "wrong": ("route", ["tempo", "gian", "much"]),
    }
    return {
        name: json.dumps({"token": "t", "command": command, "arguments": arguments}).encode()
        for name, (command, arguments) in asked.items()
    }

"""A command for a running daemon in, its answer out: what the shell's short commands stand on.

Only light libraries are imported here, so that a command is over in a fraction of a second.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brainmusic_daemon.service import commands, run_file
from brainmusic_daemon.service.command import Kind
from brainmusic_daemon.service.run_file import Run
from brainmusic_daemon.there import expanded, is_file

CONNECT_S = 1.0
ANSWER_S = 35.0  # a mapper may take its time to load
MOST_BYTES = 4_000_000
END_S = 10.0
USUAL = "brainmusic"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a daemon said."""

    ok: bool
    text: str
    data: dict[str, Any]
    reason: str = ""


class Away(Exception):
    """Nobody listens at a run file's port, or somebody else: its daemon is gone."""


def _failure(message: str) -> Exception:
    """Return a ConfigError; its module brings numpy, which a command that goes well has no use for."""
    from brainmusic_daemon.api import ConfigError

    return ConfigError(message)


def find(name: str | None) -> Run:
    """Return the daemon that is meant: by its name, or the only one.  Raises ConfigError."""
    known = [name] if name is not None else run_file.names()
    runs = [run for run in map(run_file.read, known) if run is not None and is_alive(run)]
    if not runs:
        named = f" under the name '{name}'" if name is not None else ""
        raise _failure(f"no daemon runs{named}; start one with: brainmusic run")
    usual = [run for run in runs if run.name == USUAL]
    if len(runs) > 1 and not usual:
        raise _failure(f"several daemons run: say which with --name ({', '.join(run.name for run in runs)})")
    return (usual or runs)[0]


def is_alive(run: Run, patience: float = CONNECT_S) -> bool:
    """Return whether the daemon of a run file is there; one that is too busy to answer is."""
    try:
        answer = ask(run, "ping", (), patience)
    except Away:
        return False
    except TimeoutError:
        return True
    return answer.data.get("name") == run.name


def ask(run: Run, command: str, arguments: Sequence[object], timeout: float = ANSWER_S) -> Answer:
    """Send a command and return the answer.  Raises Away, TimeoutError."""
    request = {"token": run.token, "command": command, "arguments": [*arguments]}
    try:
        with socket.socket() as connection:  # create_connection looks names up, and loads what that may need
            connection.settimeout(min(CONNECT_S, timeout))
            connection.connect(("127.0.0.1", run.port))
            connection.settimeout(timeout)
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = b""
            while not line.endswith(b"\n"):
                part = connection.recv(65536)
                if not part or len(line) > MOST_BYTES:
                    raise Away(f"{run.name}: hung up")
                line += part
        said = json.loads(line)
        return Answer(bool(said["ok"]), str(said["text"]), dict(said["data"]), str(said["reason"]))
    except TimeoutError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Away(f"{run.name}: {error}") from error


def tell(command: str, arguments: Sequence[object] = (), name: str | None = None) -> Answer:
    """Find the daemon and have it carry out a command.  Raises ConfigError where there is none, or it refuses."""
    run = find(name)
    try:
        answer = ask(run, command, _in_full(command, arguments))
    except Away as error:
        raise _failure(f"the daemon '{run.name}' is gone ({error})") from error
    except TimeoutError as error:
        raise _failure(f"the daemon '{run.name}' (process {run.pid}) does not answer") from error
    if not answer.ok:
        raise _failure(answer.text)
    return answer


def health(name: str | None, timeout: float) -> tuple[str, str]:
    """Return what to say of a daemon that is well, and why one is not: what `/healthz` says, or no answer in time."""
    run: Run | None = None
    try:
        run = find(name)
        answer = ask(run, "status", (), timeout)
    except TimeoutError:
        return "", f"the daemon '{run.name if run is not None else name}' does not answer within {timeout:g} s"
    except Away as error:
        return "", f"the daemon is gone ({error})"
    except Exception as error:
        if not hasattr(error, "exit_code"):  # what `find` raises; its class brings numpy
            raise
        return "", str(error)
    wrong = [str(why) for why in answer.data.get("unhealthy", [])] if answer.ok else [answer.text]
    return f"'{run.name}' is healthy", "; ".join(wrong)


def stop(name: str | None = None) -> str:
    """End a daemon, and wait until it has ended.  Raises ConfigError."""
    run = find(name)
    tell("stop", (), run.name)
    limit = time.monotonic() + END_S
    while time.monotonic() < limit:
        now = run_file.read(run.name)
        if now is None or now.token != run.token:
            return f"'{run.name}' has ended"
        time.sleep(0.01)
    raise _failure(f"'{run.name}' (process {run.pid}) has not ended within {END_S:g} s")


def as_json(answer: Answer) -> str:
    return json.dumps(answer.data, indent=2, ensure_ascii=False)


def _in_full(command: str, texts: Sequence[object]) -> list[object]:
    """Return the arguments with files in full: the daemon may stand in another folder."""
    known = commands.BY_NAME.get(command)
    kinds = [argument.kind for argument in known.arguments] if known is not None else []
    found = [*texts]
    for at, (kind, text) in enumerate(zip(kinds, texts, strict=False)):
        if kind is Kind.FILE and isinstance(text, str) and text:
            path = expanded(text)
            if is_file(path) or command in ("save", "learn.save", "record.start"):
                found[at] = str(path.absolute())
    return found

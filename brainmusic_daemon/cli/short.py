"""The words of the short commands in, what the daemon answers out: without the parser, whose start takes longer.

What stands here in the usual way is carried out at once; everything else, `--help` and mistakes included, is left to
the full command line, which knows the same options.  Only light libraries are imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from brainmusic_daemon.harmless import harmless

NAME, FADE, JSON, HEALTHY = "--name", "--fade", "--json", "--healthy"
SWITCHES = frozenset((JSON, HEALTHY))
HEALTHY_S = 3.0  # for an answer: whoever asks every few seconds does not wait for long
UNHEALTHY = 1  # exit code
MOST_FADE_S = 60.0


def status(as_json: bool = False, name: str | None = None) -> str:
    """Return how the daemon is."""
    from brainmusic_daemon.service import client

    answer = client.tell("status", (), name)
    return client.as_json(answer) if as_json else answer.text.replace("; ", "\n")


def healthy(name: str | None = None) -> str:
    """Return that the daemon does what it should; ends with exit code UNHEALTHY, and why, where it does not."""
    from brainmusic_daemon.service import client

    answer, why = client.health(name, HEALTHY_S)
    if why:
        sys.stderr.write(f"brainmusic: not healthy: {harmless(why)}\n")
        raise SystemExit(UNHEALTHY)
    return answer


def swap(mapper: str, fade: float | None = None, name: str | None = None) -> str:
    """Have another mapper play."""
    from brainmusic_daemon.service import client

    return client.tell("mapper.load", [mapper] if fade is None else [mapper, str(fade)], name).text


def tell(words: Sequence[str], name: str | None = None) -> str:
    """Have any command carried out; without words, return them all."""
    from brainmusic_daemon.service import client, commands

    return client.tell(words[0], words[1:], name).text if words else commands.text()


def stop(name: str | None = None) -> str:
    """End the daemon."""
    from brainmusic_daemon.service import client

    return client.stop(name)


def carried_out(words: Sequence[str]) -> bool:
    """Carry out what the command line says and print the answer; return False where it is not one of these commands,
    or says it in an unusual way: nothing has been done then.

    Raises what `client` raises, and OSError where standard output takes nothing.
    """
    if (wanted := understood(words)) is None:
        return False
    said = wanted()
    try:
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; what is left must not be written once more at the end
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def understood(words: Sequence[str]) -> Callable[[], str] | None:
    """Return what is to be done; None: let the full command line see what this is."""
    command, *rest = words or ("",)
    known = {"status": {NAME, *SWITCHES}, "swap": {NAME, FADE}, "tell": {NAME}, "stop": {NAME}}.get(command)
    if known is None or (found := _split(rest, known, numbers=command == "tell")) is None:
        return None
    plain, options = found
    name = options.get(NAME)
    if command == "status" and not plain and not {*options} >= SWITCHES:
        return (lambda: healthy(name)) if HEALTHY in options else lambda: status(JSON in options, name)
    if command == "stop" and not plain:
        return lambda: stop(name)
    if command == "tell" and plain:
        return lambda: tell(plain, name)
    if command == "swap" and len(plain) == 1:
        fade = _seconds(options.get(FADE))
        if fade is not None or FADE not in options:
            return lambda: swap(plain[0], fade, name)
    return None


def _split(words: Sequence[str], known: set[str], numbers: bool) -> tuple[list[str], Mapping[str, str]] | None:
    """Return plain words and options; None where one is not known, or lacks its value.  `numbers`: below 0, too."""
    plain: list[str] = []
    options: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-") or (numbers and _is_number(word)):
            plain.append(word)
        elif word in SWITCHES & known:
            options[word] = ""
        elif option in known - SWITCHES and (equals or left):
            options[option] = value if equals else left.pop(0)
        else:
            return None
    return plain, options


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _seconds(text: str | None) -> float | None:
    """Return how long a cross-fade lasts; None where there is none, or none that is possible."""
    if text is None or not _is_number(text) or not 0.0 <= float(text) <= MOST_FADE_S:
        return None
    return float(text)
